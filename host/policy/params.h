/*
 * From a request to a workflow's parameters, without Lua: reads the JSON of the body, checks every
 * declared parameter, fills in defaults, resolves directories, and derives what the job needs to
 * know of the call. Used on HTTP threads; everything it is given is borrowed.
 */
#ifndef KTHENA_POLICY_PARAMS_H
#define KTHENA_POLICY_PARAMS_H

#include "policy/access.h"
#include "policy/generation.h"

#include <stdbool.h>
#include <stddef.h>

/* What a call comes to. The texts are owned, JSON where so named; what is secret in the others than
 * params is in `hidden` as well, which is registered with redact() until it is freed. */
struct call {
    char *params;         /* JSON object for the workflow's run(): checked, complete, and with the
                             fields nobody declared as they came */
    char *description;    /* JSON object for people: the declared parameters less configurations */
    char *echo;           /* JSON members, without braces, that the 202 reply repeats; "" if none */
    char *source;         /* name of the source that the first source parameter means; "" if none */
    char *same;           /* key of calls that are one job, NULL: none */
    char *exclusive;      /* key that only one job may hold, NULL: none */
    char *serial;         /* key of calls that run one after another, NULL: none */
    bool async;           /* the caller does not wait */
    struct buffer hidden; /* texts, each with its NUL: passwords and queries of URLs */
};

/* A parameter that came with the path. */
struct path_value {
    const char *name;
    const char *text;
};

/*
 * Checks a call. body is the request's (length 0: none); values are texts of the path and query,
 * which win over the body. ERROR_INVALID for a body that is no JSON object (with line and column),
 * a missing parameter ("Missing required parameter: source"), a wrong type or value;
 * ERROR_DENIED for what access forbids; no message holds a secret. On error *out is all zero.
 */
struct error *params_check(const struct generation *generation, const struct workflow *workflow,
                           const struct access *access, const char *body, size_t length,
                           const struct path_value *values, size_t value_count, struct call *out)
    __attribute__((warn_unused_result));

/* Wipes and frees the texts. */
void call_free(struct call *call);

/* Parses JSON. ERROR_INVALID "what: not JSON at line 3, column 7". The caller frees *out with
 * cJSON_Delete. */
struct cJSON;
struct error *params_parse(const char *what, const char *text, size_t length, struct cJSON **out)
    __attribute__((warn_unused_result));

#endif
