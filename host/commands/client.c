#include "commands/client.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/url.h"
#include "commands/member.h"
#include "policy/params.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum {
    TIMEOUT_MS = 24 * 3600 * 1000, /* a call that is waited for may take as long as a download */
    REPLY_MAX = 64 * 1024 * 1024,
    TOKEN_MAX = 64 * 1024,
};

static struct error *read_token(const char *file, char **out) {
    struct buffer text = {0};
    if (!file)
        return NULL;
    struct error *error = file_read(file, TOKEN_MAX, &text);
    if (!error) {
        while (text.length && isspace((unsigned char)text.data[text.length - 1]))
            text.length--;
        *out = memory_format("Bearer %s", buffer_text(&text));
    }
    buffer_free(&text);
    return error;
}

struct error *client_open(struct client *client, const struct options *options) {
    const char *given = options_string(options, "url");
    struct url url = {0};
    *client = (struct client){0};
    struct error *error = url_parse(given, &url);
    url_free(&url);
    if (error)
        return error_new(ERROR_INVALID, error, "flag '--url'");
    size_t length = strlen(given);
    while (length && given[length - 1] == '/')
        length--;
    client->url = memory_copy(given, length);
    error = read_token(options_string(options, "token-file"), &client->token);
    const char *ca_file = getenv("SSL_CERT_FILE");
    struct network network = {.user_agent = "kthena-runtime/" KTHENA_VERSION,
                              .ca_file = ca_file && *ca_file ? ca_file : NULL,
                              .direct = true};
    client->http = http_client_new(&network);
    if (error)
        client_close(client);
    return error;
}

void client_close(struct client *client) {
    http_client_free(client->http);
    memory_free(client->url);
    if (client->token)
        explicit_bzero(client->token, strlen(client->token));
    memory_free(client->token);
    client->http = NULL;
    client->url = client->token = NULL;
}

static enum error_kind kind_of(long status) {
    switch (status) {
    case 400:
        return ERROR_INVALID;
    case 401:
        return ERROR_UNAUTHORIZED;
    case 403:
        return ERROR_DENIED;
    case 404:
        return ERROR_NOT_FOUND;
    case 409:
        return ERROR_EXISTS;
    case 429:
        return ERROR_OVERLOAD;
    default:
        return ERROR_PROTOCOL;
    }
}

/* A refusal in the sidecar's own words. */
static struct error *refusal(const struct client *client, const char *path, long status,
                             const cJSON *reply) {
    const char *detail = member_text(reply, "detail");
    struct error *error = detail ? error_new(kind_of(status), NULL, "%s", detail)
                                 : error_new(kind_of(status), NULL,
                                             "%s%s answered with status %ld; is a sidecar there?",
                                             client->url, path, status);
    return error;
}

struct error *client_request(struct client *client, const char *method, const char *path,
                             const cJSON *body, cJSON **reply) {
    char *url = memory_format("%s%s", client->url, path);
    char *text = body ? cJSON_PrintUnformatted(body) : NULL;
    struct http_header headers[2] = {{"Content-Type", "application/json", false},
                                     {"Authorization", client->token, true}};
    struct http_request request = {.method = method,
                                   .url = url,
                                   .headers = body ? headers : headers + 1,
                                   .header_count = (body ? 1U : 0U) + (client->token ? 1U : 0U),
                                   .body = text,
                                   .body_length = text ? strlen(text) : 0,
                                   .timeout_ms = TIMEOUT_MS,
                                   .body_limit = REPLY_MAX};
    struct http_reply answer = {0};
    *reply = NULL;
    struct error *error = http_exchange(client->http, &request, &answer);
    if (!error && answer.body.length)
        *reply = cJSON_ParseWithLength(answer.body.data, answer.body.length);
    if (!error && answer.status >= 400) {
        error = refusal(client, path, answer.status, *reply);
        cJSON_Delete(*reply);
        *reply = NULL;
    }
    http_reply_free(&answer);
    cJSON_free(text);
    memory_free(url);
    return error;
}

static struct error *unknown(const cJSON *paths, const char *workflow) {
    const char **names = NULL;
    size_t count = 0;
    struct buffer known = {0};
    const cJSON *path, *operation;
    cJSON_ArrayForEach(path, paths) {
        cJSON_ArrayForEach(operation, path) {
            const char *name = member_text(operation, "x-workflow");
            if (!name)
                continue;
            names = memory_resize(names, (count + 1) * sizeof *names);
            buffer_format(&known, "%s%s", count ? ", " : "", name);
            names[count++] = name;
        }
    }
    const char *near = text_nearest(workflow, names, count);
    struct error *error =
        error_new(ERROR_INVALID, NULL, "unknown workflow '%s'; %s%s%sthere is: %s", workflow,
                  near ? "did you mean '" : "", near ? near : "", near ? "'? " : "",
                  count ? buffer_text(&known) : "none");
    buffer_free(&known);
    memory_free(names);
    return error;
}

struct error *client_operation(const cJSON *description, const char *workflow,
                               struct operation *out) {
    const cJSON *paths = member(description, "paths");
    const cJSON *path, *operation;
    cJSON_ArrayForEach(path, paths) {
        cJSON_ArrayForEach(operation, path) {
            const char *name = member_text(operation, "x-workflow");
            if (name && strcmp(name, workflow) == 0) {
                *out = (struct operation){operation->string, path->string, operation};
                return NULL;
            }
        }
    }
    return unknown(paths, workflow);
}
