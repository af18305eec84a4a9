#include "api/context.h"

#include "api/api.h"
#include "api/held.h"
#include "api/session.h"
#include "base/redact.h"
#include "policy/state.h"

#include <stdlib.h>

struct host_context *api_context(lua_State *lua) {
    struct host_context *context = state_of(lua)->context;
    if (!context)
        luaL_error(lua, "this can only be used while a source resolves or a workflow runs");
    return context;
}

void api_no_service(lua_State *lua, const char *what) {
    lua_pushfstring(lua, "%s needs a running sidecar (kthena-runtime serve)", what);
    lua_error(lua);
    abort(); /* lua_error does not return */
}

const struct services *api_services(lua_State *lua) {
    static const struct services none;
    const struct services *services = api_context(lua)->services;
    return services ? services : &none;
}

bool context_is_cancelled(const struct host_context *context) {
    return context->cancel && atomic_load(context->cancel);
}

void context_keep_secret(struct host_context *context, const char *text) {
    size_t length = strlen(text);
    redact_secret(text, length);
    buffer_append(&context->secrets, text, length + 1);
}

static void forget_secrets(struct buffer *secrets) {
    for (size_t at = 0; at < secrets->length;) {
        size_t length = strlen(secrets->data + at);
        redact_forget(secrets->data + at, length);
        at += length + 1;
    }
    if (secrets->length > 0)
        explicit_bzero(secrets->data, secrets->length);
    buffer_free(secrets);
}

void context_end(struct host_context *context) {
    held_close_all(&context->locks);
    session_close_all(&context->sessions);
    forget_secrets(&context->secrets);
}
