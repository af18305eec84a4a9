#include "policy/paths.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdlib.h>

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* The first of the places, relative to the binary, that has lua/kthena; NULL when none has. */
static char *find_share(struct buffer *tried) {
    static const char *const places[] = {"../share/kthena-runtime", "../.."};
    char *program = file_program_directory();
    char *found = NULL;
    for (size_t i = 0; !found && i < sizeof places / sizeof *places; i++) {
        char *place = file_join(program, places[i]);
        char *library = file_join(place, "lua/kthena");
        if (file_is_directory(library))
            found = realpath(place, NULL);
        buffer_format(tried, "%s%s", tried->length ? " and " : "", library);
        memory_free(library);
        memory_free(place);
    }
    memory_free(program);
    return found;
}

struct error *paths_find(struct paths *out) {
    const char *lua = variable("KTHENA_LUA_DIR");
    const char *rules = variable("KTHENA_RULES_DIR");
    struct buffer tried = {0};
    struct error *error = NULL;
    char *share = lua && rules ? NULL : find_share(&tried);
    *out = (struct paths){0};
    if (!share && !(lua && rules)) {
        error = error_new(ERROR_NOT_FOUND, NULL,
                          "could not find the built-in Lua library and rules: looked for %s; "
                          "install them beside the binary or set KTHENA_LUA_DIR and "
                          "KTHENA_RULES_DIR",
                          buffer_text(&tried));
        goto cleanup;
    }
    out->lua = lua ? memory_string(lua) : file_join(share, "lua");
    out->rules = rules ? memory_string(rules) : file_join(share, "rules");
cleanup:
    free(share);
    buffer_free(&tried);
    return error;
}

void paths_free(struct paths *paths) {
    memory_free(paths->lua);
    memory_free(paths->rules);
    *paths = (struct paths){0};
}
