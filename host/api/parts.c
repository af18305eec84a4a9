#include "api/parts.h"

#include "api/api.h"
#include "base/memory.h"

enum { HEADERS_MAX = 64, HEADER_BYTES_MAX = 16 * 1024 };

bool parts_join(lua_State *lua, int first, int last, struct buffer *out) {
    bool is_private = false;
    for (int i = first; i <= last; i++) {
        size_t length;
        const char *text = api_secret(lua, i, &length);
        buffer_append(out, text, length);
        is_private = is_private || api_is_secret(lua, i);
    }
    return is_private;
}

static bool is_token(const char *name) {
    static const char token[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "!#$%&'*+-.^_`|~";
    return *name && name[strspn(name, token)] == '\0';
}

static bool is_value(const struct buffer *value) {
    for (size_t i = 0; i < value->length; i++)
        if (((unsigned char)value->data[i] < 0x20 && value->data[i] != '\t') ||
            value->data[i] == 0x7f)
            return false;
    return value->length <= HEADER_BYTES_MAX;
}

int parts_header(lua_State *lua, struct header_list *list) {
    const char *name = api_text(lua, 2);
    int last = lua_gettop(lua);
    struct buffer *value = api_buffer(lua);
    bool is_private = parts_join(lua, 3, last, value);
    struct error *error = NULL;
    if (!is_token(name))
        error = error_new(ERROR_INVALID, NULL, "could not set a header: '%s' is no header's name",
                          name);
    else if (!is_value(value))
        error = error_new(ERROR_INVALID, NULL,
                          "could not set the header %s: its value has a line break or another "
                          "control character in it, or more than %d bytes",
                          name, HEADER_BYTES_MAX);
    else if (list->count == HEADERS_MAX)
        error = error_new(ERROR_LIMIT, NULL, "could not set the header %s: there are %d already",
                          name, HEADERS_MAX);
    if (!error) {
        list->items = memory_resize(list->items, (list->count + 1) * sizeof *list->items);
        list->items[list->count++] = (struct http_header){
            .name = memory_string(name),
            .value = memory_copy(value->length ? value->data : "", value->length),
            .is_private = is_private,
        };
    }
    parts_free_text(value);
    if (error)
        return api_fail_kind(lua, error);
    lua_pushboolean(lua, true);
    return 1;
}

static void wipe(const char *text) {
    if (text)
        explicit_bzero((char *)text, strlen(text));
    memory_free((char *)text);
}

void parts_free(struct header_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        memory_free((char *)list->items[i].name);
        wipe(list->items[i].value);
    }
    memory_free(list->items);
    *list = (struct header_list){0};
}

void parts_free_text(struct buffer *text) {
    if (text->capacity > 0)
        explicit_bzero(text->data, text->capacity);
    buffer_free(text);
}
