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

enum setting_type {
    SETTING_STRING,
    SETTING_INTEGER,
    SETTING_NUMBER,
    SETTING_SECONDS,
    SETTING_BOOLEAN,
    SETTING_LIST,
    SETTING_FILE,   /* a path; its content is watched */
    SETTING_SECRET, /* from the environment only */
};

/* A flag or variable of `serve` that rules declare. */
struct setting {
    char *name;
    char *flag; /* long name without dashes, NULL: none */
    char *env;  /* NULL: none */
    enum setting_type type;
    char *fallback; /* as the user would type it, NULL: none */
    char *help;
};

/* What starts a workflow besides a request, as bits. */
enum workflow_event {
    WORKFLOW_ON_START = 1,
    WORKFLOW_ON_ENGINE_UP = 2,
    WORKFLOW_ON_RULES_CHANGED = 4,
    WORKFLOW_ON_FILE_CHANGED = 8,
};

struct workflow {
    char *name;
    char *summary;
    char *method; /* "POST", "GET", "DELETE", "PUT"; NULL: it has no route */
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
    char *exclusive;     /* the parameter whose value one unfinished job may hold; NULL: none */
    char *serial;        /* calls alike in this parameter run one after another; NULL: none */
    int parallel;        /* runs on threads of its own, so many at a time; 0: as downloads do */
    bool quiet;          /* leaves no trace when it succeeds */
    double every;        /* seconds between runs by the timer, 0: none */
    char *every_setting; /* or the name of the setting that holds them, NULL: none */
    unsigned events;     /* of enum workflow_event */
    char *status;        /* title under which `status` shows what it answers, NULL: none */
    char *ready;         /* name by which GET /ready asks whether it is content, NULL: none */
    struct setting *settings;
    size_t setting_count;
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
