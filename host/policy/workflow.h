/*
 * A workflow as the host knows it: an HTTP operation that a rule file defines. The data that HTTP
 * threads need to route, check and describe a call was taken out of the rule when it was loaded;
 * its run() is called on job threads only (runner.h). Part of a generation, immutable, lives as
 * long as that.
 */
#ifndef KTHENA_POLICY_WORKFLOW_H
#define KTHENA_POLICY_WORKFLOW_H

#include "base/buffer.h"
#include "policy/files.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum param_type {
    PARAM_STRING,
    PARAM_INTEGER,
    PARAM_NUMBER,
    PARAM_BOOLEAN,
    PARAM_LIST,   /* of texts; one text is a list of one */
    PARAM_OBJECT, /* any JSON object */
    PARAM_CONFIG, /* a source's configuration: an object, or text that holds one; never recorded */
    PARAM_SOURCE, /* a source URI */
    PARAM_DIRECTORY, /* a directory of this machine */
};

struct param {
    char *name;
    enum param_type type;
    bool required;
    char *fallback; /* JSON text of the default, NULL: none */
    char *help;     /* "" if there is none */
    char **choices; /* of a string; NULL: any */
    size_t choice_count;
    bool has_min, has_max;
    double min, max; /* of numbers; of texts and lists the length */
};

struct workflow {
    char *name;
    char *summary;
    char *method; /* "POST", "GET", "DELETE", "PUT" */
    char *path;   /* "/v1/things/{id}"; parameters in braces are params too */
    struct param *params;
    size_t param_count;
    char *async;           /* the boolean parameter that makes it answer 202; NULL: none */
    char *started_message; /* NULL: the workflow's name and "started" */
    char **echo;           /* parameters repeated in the 202 reply */
    size_t echo_count;
    char **same; /* parameters in which two unfinished calls must be alike to be one job; count 0:
                    never one */
    size_t same_count;
    char *exclusive; /* the parameter whose value one unfinished job may hold; NULL: none */
    char *effective; /* all of this and the file, for people: a JSON object on one line */
    const struct rule_file *file;
};

/* A source as the host knows it. */
struct source {
    char *name;
    char **schemes; /* "" stands for a URI without one */
    size_t scheme_count;
    char *help;      /* "acme://bucket/prefix", for messages */
    char *effective; /* as a workflow's; with the keys of its configuration */
    const struct rule_file *file;
};

#endif
