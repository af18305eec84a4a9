#include "server/auth.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

#include <pthread.h>
#include <string.h>
#include <strings.h>

enum { CHECK_MS = 1000, TOKEN_MAX = 8192 };

struct auth {
    char *file;
    pthread_mutex_t mutex;
    struct buffer token;
    int64_t checked_ms;
    bool failing; /* the file was no good the last time */
};

static bool is_space(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* Reads the file into token, which is empty. */
static struct error *read_token(const char *file, struct buffer *token) {
    struct error *error = file_read(file, TOKEN_MAX, token);
    if (error)
        return error_new(error->kind, error, "could not read the token file");
    while (token->length > 0 && is_space(token->data[token->length - 1]))
        token->length--;
    size_t start = 0;
    while (start < token->length && is_space(token->data[start]))
        start++;
    if (start == token->length)
        return error_new(ERROR_INVALID, NULL, "the token file %s is empty; write the token into it",
                         file);
    token->length -= start;
    memmove(token->data, token->data + start, token->length);
    for (size_t i = 0; i < token->length; i++)
        if (token->data[i] <= ' ' || token->data[i] > '~')
            return error_new(ERROR_INVALID, NULL,
                             "the token file %s holds more than one token, or characters that no "
                             "header can carry",
                             file);
    return NULL;
}

struct error *auth_open(const char *file, struct auth **out) {
    struct buffer token = {0};
    struct error *error = read_token(file, &token);
    if (error) {
        buffer_free(&token);
        return error;
    }
    struct auth *auth = memory_zero(1, sizeof *auth);
    auth->file = memory_string(file);
    auth->token = token;
    auth->checked_ms = clock_ms();
    pthread_mutex_init(&auth->mutex, NULL);
    *out = auth;
    return NULL;
}

static void refresh(struct auth *auth) {
    int64_t now = clock_ms();
    if (now - auth->checked_ms < CHECK_MS)
        return;
    auth->checked_ms = now;
    struct buffer token = {0};
    struct error *error = read_token(auth->file, &token);
    if (error && auth->failing)
        error_free(error);
    else if (error)
        log_error_free(LOG_ERROR, error, "the token is not changed");
    auth->failing = error != NULL;
    bool changed = !error && (token.length != auth->token.length ||
                              memcmp(token.data, auth->token.data, token.length));
    if (changed) {
        struct buffer old = auth->token;
        auth->token = token;
        token = old;
        log_info("the token has changed; the old one is refused from now on");
    }
    if (token.data)
        explicit_bzero(token.data, token.length);
    buffer_free(&token);
}

/* Takes as long as the given text is long, whatever the token. */
static bool equal(const struct buffer *token, const char *text, size_t length) {
    size_t difference = token->length ^ length;
    for (size_t i = 0; i < length; i++)
        difference |= (unsigned char)token->data[i % token->length] ^ (unsigned char)text[i];
    return difference == 0;
}

bool auth_allows(struct auth *auth, const char *authorization) {
    pthread_mutex_lock(&auth->mutex);
    refresh(auth);
    bool allowed = false;
    if (authorization && !strncasecmp(authorization, "Bearer ", 7)) {
        const char *text = authorization + 7;
        text += strspn(text, " ");
        size_t length = strlen(text);
        while (length > 0 && text[length - 1] == ' ')
            length--;
        allowed = equal(&auth->token, text, length);
    }
    pthread_mutex_unlock(&auth->mutex);
    return allowed;
}

void auth_free(struct auth *auth) {
    if (!auth)
        return;
    explicit_bzero(auth->token.data, auth->token.length);
    buffer_free(&auth->token);
    pthread_mutex_destroy(&auth->mutex);
    memory_free(auth->file);
    memory_free(auth);
}
