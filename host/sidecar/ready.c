/*
 * GET /ready: whether the engine has answered, and whether the workflows that the query names are
 * content.
 */
#include "base/memory.h"
#include "server/reply.h"
#include "sidecar/sidecar_internal.h"

#include <string.h>

enum { NAME_MAX_LENGTH = 64 };

/* Whether a parameter of the query asks for the name it bears. */
static bool is_asked(const struct request *request, const char *name) {
    struct buffer value = {0};
    request_query(request, name, &value);
    const char *text = buffer_text(&value);
    bool asked = strcmp(text, "0") != 0 && strcmp(text, "false") != 0;
    buffer_free(&value);
    return asked;
}

static void refuse_name(struct request *request, struct sidecar *sidecar, const char *name) {
    struct buffer names = {0};
    triggers_ready_names(sidecar->triggers, &names);
    reply_error(request, 400, "no workflow guards the readiness as '%s'; known: %s", name,
                names.length ? buffer_text(&names) : "none");
    buffer_free(&names);
}

/* Asks the workflow behind one name. False when it is not content, or unknown, and the client was
 * told. */
static bool check_name(struct request *request, struct sidecar *sidecar, const char *name) {
    char *why = NULL;
    enum ready_state state = triggers_ready(sidecar->triggers, name, &why);
    if (state == READY_UNKNOWN)
        refuse_name(request, sidecar, name);
    else if (state == READY_NO && is_asked(request, name))
        reply_error(request, 503, "%s: %s", name, why);
    else
        state = READY_YES;
    memory_free(why);
    return state == READY_YES;
}

static bool check_names(struct request *request, struct sidecar *sidecar) {
    const char *at = request->query;
    while (*at) {
        size_t whole = strcspn(at, "&"), length = strcspn(at, "=&");
        char name[NAME_MAX_LENGTH + 1] = "";
        memcpy(name, at, length < NAME_MAX_LENGTH ? length : NAME_MAX_LENGTH);
        if (length > 0 && !check_name(request, sidecar, name))
            return false;
        at += whole + (at[whole] == '&');
    }
    return true;
}

void sidecar_get_ready(struct request *request, void *context) {
    struct sidecar *sidecar = context;
    char *why = NULL;
    if (server_draining(sidecar->server)) {
        reply_error(request, 503, "shutting down");
    } else if (!scraper_answered(sidecar->scraper, &why)) {
        reply_error(request, 503, "the engine has not answered yet%s%s", why ? ": " : "",
                    why ? why : "");
    } else if (check_names(request, sidecar)) {
        static const char body[] = "{\"status\":\"ready\"}";
        reply_send(request, 200, "application/json", NULL, &(struct span){body, sizeof body - 1},
                   1);
    }
    memory_free(why);
}
