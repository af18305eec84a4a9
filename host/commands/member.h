/*
 * Looks into JSON that was read: answers of a sidecar, results of a runner. Used by the commands.
 */
#ifndef KTHENA_COMMANDS_MEMBER_H
#define KTHENA_COMMANDS_MEMBER_H

#include <cjson/cJSON.h>

/* The member of an object by its exact name; NULL if there is none, or no object. */
static inline const cJSON *member(const cJSON *object, const char *name) {
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* The text of a member, NULL if it is none. */
static inline const char *member_text(const cJSON *object, const char *name) {
    return cJSON_GetStringValue(member(object, name));
}

#endif
