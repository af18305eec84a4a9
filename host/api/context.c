#include "api/context.h"

#include "api/api.h"
#include "api/session.h"
#include "base/redact.h"
#include "policy/state.h"

struct host_context *api_context(lua_State *lua) {
    struct host_context *context = state_of(lua)->context;
    if (!context)
        luaL_error(lua, "this can only be used while a source resolves or a workflow runs");
    return context;
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
    session_close_all(&context->sessions);
    forget_secrets(&context->secrets);
}
