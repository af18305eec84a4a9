/* What params.c and params_check.c share. Private to policy/. */
#ifndef KTHENA_POLICY_PARAMS_INTERNAL_H
#define KTHENA_POLICY_PARAMS_INTERNAL_H

#include "policy/params.h"

#include <cjson/cJSON.h>

/* One call while it is checked. */
struct check {
    const struct generation *generation;
    const struct access *access;
    cJSON *params; /* becomes what run() gets */
    struct call *call;
};

/* Checks the parameter in check->params, and puts its default or its canonical form there. */
struct error *params_check_one(const struct check *check, const struct param *param)
    __attribute__((warn_unused_result));

/* Registers what is secret in a URL, a password or a query, with redact(). */
void params_hide(struct call *call, const char *url);

/* "text", "a number": what a value is, for messages. */
const char *params_describe(const cJSON *value);

#endif
