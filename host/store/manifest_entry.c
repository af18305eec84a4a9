#include "store/manifest_internal.h"

#include "base/memory.h"
#include "store/store_internal.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double number_max = 9007199254740992; /* 2^53 */

static bool is_digest(const char *text) {
    const char *hex = strchr(text, ':');
    if (!hex || hex == text || !hex[1])
        return false;
    return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == (size_t)(hex - text) &&
           strspn(hex + 1, "0123456789abcdef") == strlen(hex + 1);
}

const char *manifest_check_file(const struct manifest_file *file) {
    if (!store_path_is_clean(file->path))
        return "path: it leads out of the directory";
    if (file->size < 0 || (double)file->size > number_max)
        return "size: it is out of range";
    if (!is_digest(file->digest))
        return "digest: it is not of the form kind:hex";
    return NULL;
}

void manifest_free_file(struct manifest_file *file) {
    memory_free(file->path);
    memory_free(file->digest);
    memory_free(file->etag);
}

static int nibble(char digit) {
    const char *digits = "0123456789abcdef";
    const char *found = digit ? strchr(digits, digit) : NULL;
    return found ? (int)(found - digits) : -1;
}

char *manifest_from_hex(const char *hex) {
    size_t length = strlen(hex);
    char *bytes = memory_alloc(length / 2 + 1);
    bool good = length % 2 == 0;
    for (size_t i = 0; good && i < length / 2; i++) {
        int high = nibble(hex[2 * i]);
        int low = nibble(hex[2 * i + 1]);
        good = high >= 0 && low >= 0 && (high || low);
        bytes[i] = (char)(high * 16 + low);
    }
    if (!good) {
        memory_free(bytes);
        return NULL;
    }
    bytes[length / 2] = '\0';
    return bytes;
}

/* A member's text, from KEY or KEY_hex; NULL when it is neither. The caller frees it. */
static char *text_of(const cJSON *object, const char *key) {
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
    if (cJSON_IsString(value))
        return memory_string(value->valuestring);
    char name[32];
    snprintf(name, sizeof name, "%s_hex", key);
    value = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(value) ? manifest_from_hex(value->valuestring) : NULL;
}

static bool integer_of(const cJSON *object, const char *key, int64_t *out) {
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!cJSON_IsNumber(value) || !(value->valuedouble >= 0) || value->valuedouble > number_max)
        return false;
    *out = (int64_t)value->valuedouble;
    return (double)*out == value->valuedouble;
}

/* A number of 64 bits written as a text. */
static const char *digits_of(const cJSON *object, const char *key, bool negative) {
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
    const char *text = cJSON_IsString(value) ? value->valuestring : "";
    const char *digits = text + (negative && *text == '-');
    errno = 0;
    return *digits && strspn(digits, "0123456789") == strlen(digits) ? text : NULL;
}

static bool mtime_of(const cJSON *object, int64_t *out) {
    const char *text = digits_of(object, "mtime_ns", true);
    *out = text ? strtoll(text, NULL, 10) : 0;
    return text && errno == 0;
}

static bool inode_of(const cJSON *object, uint64_t *out) {
    const char *text = digits_of(object, "inode", false);
    *out = text ? strtoull(text, NULL, 10) : 0;
    return text && errno == 0;
}

const char *manifest_read_file(const struct cJSON *object, struct manifest_file *file) {
    if (!cJSON_IsObject(object))
        return "expected an object";
    if (!(file->path = text_of(object, "path")))
        return "path: expected a text";
    if (!integer_of(object, "size", &file->size))
        return "size: expected a whole number from 0 to 2^53";
    if (!(file->digest = text_of(object, "digest")))
        return "digest: expected a text";
    if (!(file->etag = text_of(object, "etag")))
        return "etag: expected a text";
    if (!mtime_of(object, &file->mtime_ns))
        return "mtime_ns: expected a number of 64 bits, as a text";
    if (!inode_of(object, &file->inode))
        return "inode: expected a number of 64 bits, as a text";
    return manifest_check_file(file);
}
