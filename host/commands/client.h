/*
 * A client of a running sidecar, for commands that ask one: the API description, operations found
 * in it by name, and requests with the token. Used by `call` and `status`, which own it.
 */
#ifndef KTHENA_COMMANDS_CLIENT_H
#define KTHENA_COMMANDS_CLIENT_H

#include "base/error.h"
#include "base/options.h"
#include "transfer/http.h"

#include <cjson/cJSON.h>

struct client {
    struct http_client *http;
    char *url;   /* of the sidecar, without a slash at the end */
    char *token; /* "Bearer ...", NULL: none */
};

/* Options that these commands share. */
#define OPTION_URL                                                                                 \
    {                                                                                              \
        .name = "url", .value = "URL", .type = OPTION_STRING, .environment = "KTHENA_URL",         \
        .fallback = "http://localhost:9000", .help = "where the sidecar listens"                   \
    }
#define OPTION_TOKEN_FILE                                                                          \
    {                                                                                              \
        .name = "token-file", .value = "FILE", .type = OPTION_STRING,                              \
        .environment = "KTHENA_AUTH_TOKEN_FILE", .help = "the bearer token the sidecar asks for"   \
    }

/* Opens one by --url and --token-file. */
struct error *client_open(struct client *client, const struct options *options)
    __attribute__((warn_unused_result));
void client_close(struct client *client);

/* Sends a request; body NULL: none. *reply is the JSON answered, NULL if it is none, which the
 * caller deletes. An answer of 400 or more is an error whose message is its detail, of the kind its
 * status means. */
struct error *client_request(struct client *client, const char *method, const char *path,
                             const cJSON *body, cJSON **reply) __attribute__((warn_unused_result));

/* An operation of the API description; everything is borrowed from it. */
struct operation {
    const char *method; /* "post" */
    const char *path;
    const cJSON *about;
};

/* Finds the operation of a workflow. ERROR_INVALID with the nearest name and all that are known. */
struct error *client_operation(const cJSON *description, const char *workflow,
                               struct operation *out) __attribute__((warn_unused_result));

#endif
