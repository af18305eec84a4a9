#include "base/json.h"

#include "base/text.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

void json_begin(struct json *json, struct buffer *out) {
    *json = (struct json){.out = out};
}

void json_begin_pretty(struct json *json, struct buffer *out) {
    *json = (struct json){.out = out, .pretty = true};
}

static void new_line(struct json *json) {
    if (!json->pretty)
        return;
    buffer_byte(json->out, '\n');
    for (int i = 0; i < json->depth; i++)
        buffer_append(json->out, "  ", 2);
}

static void separate(struct json *json) {
    if (json->levels[json->depth - 1].filled)
        buffer_byte(json->out, ',');
    json->levels[json->depth - 1].filled = true;
    new_line(json);
}

static void before_value(struct json *json) {
    if (json->keyed) {
        json->keyed = false;
    } else if (json->depth > 0) {
        assert(json->levels[json->depth - 1].array && "a member needs a key");
        separate(json);
    }
}

static void open_level(struct json *json, bool array) {
    before_value(json);
    assert(json->depth < JSON_DEPTH_MAX);
    if (json->depth >= JSON_DEPTH_MAX)
        abort(); /* where assertions are off, rather than write past the levels */
    json->levels[json->depth].array = array;
    json->levels[json->depth].filled = false;
    json->depth++;
    buffer_byte(json->out, array ? '[' : '{');
}

static void close_level(struct json *json, bool array) {
    assert(json->depth > 0 && json->levels[json->depth - 1].array == array && !json->keyed);
    json->depth--;
    if (json->levels[json->depth].filled)
        new_line(json);
    buffer_byte(json->out, array ? ']' : '}');
}

void json_object(struct json *json) {
    open_level(json, false);
}

void json_end_object(struct json *json) {
    close_level(json, false);
}

void json_array(struct json *json) {
    open_level(json, true);
}

void json_end_array(struct json *json) {
    close_level(json, true);
}

static void escape(struct buffer *out, unsigned char byte) {
    static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* pairs: the byte, its letter */
    for (const char *each = shorts; *each; each += 2) {
        if ((unsigned char)each[0] == byte) {
            buffer_append(out, (char[]){'\\', each[1]}, 2);
            return;
        }
    }
    buffer_format(out, "\\u%04x", byte);
}

static bool is_plain(char byte) {
    return (unsigned char)byte >= 0x20 && (unsigned char)byte < 0x80 && byte != '"' && byte != '\\';
}

/* How many bytes of plain ASCII text begins with. Eight are tested at a time: subtracting sets the
 * high bit of a byte that was too small, and the first byte to do so is never a false alarm. */
static size_t plain_run(const char *bytes, size_t length) {
    const uint64_t ones = 0x0101010101010101;
    const uint64_t highs = ones * 0x80;
    size_t at = 0;
    for (uint64_t word = 0; at + sizeof word <= length; at += sizeof word) {
        memcpy(&word, bytes + at, sizeof word);
        uint64_t control = word - ones * 0x20;
        uint64_t quotes = (word ^ (ones * '"')) - ones;
        uint64_t backslashes = (word ^ (ones * '\\')) - ones;
        if ((word | control | quotes | backslashes) & highs)
            break;
    }
    while (at < length && is_plain(bytes[at]))
        at++;
    return at;
}

/* Copies runs of bytes that need no change in one go. */
static void quote(struct buffer *out, const char *bytes, size_t length) {
    size_t start = 0;
    size_t at = 0;
    buffer_byte(out, '"');
    while ((at += plain_run(bytes + at, length - at)) < length) {
        unsigned char byte = (unsigned char)bytes[at];
        size_t step = byte < 0x80 ? 0 : text_utf8(bytes + at, length - at);
        at += step;
        if (step > 0)
            continue;
        buffer_append(out, bytes + start, at - start);
        if (byte < 0x80)
            escape(out, byte);
        else
            buffer_append(out, replacement, sizeof replacement - 1);
        start = ++at;
    }
    buffer_append(out, bytes + start, at - start);
    buffer_byte(out, '"');
}

void json_key(struct json *json, const char *name) {
    assert(json->depth > 0 && !json->levels[json->depth - 1].array && !json->keyed);
    separate(json);
    quote(json->out, name, strlen(name));
    buffer_byte(json->out, ':');
    if (json->pretty)
        buffer_byte(json->out, ' ');
    json->keyed = true;
}

void json_string(struct json *json, const char *text) {
    json_text(json, text, strlen(text));
}

void json_text(struct json *json, const char *bytes, size_t length) {
    before_value(json);
    quote(json->out, length > 0 ? bytes : "", length);
}

void json_integer(struct json *json, int64_t value) {
    char text[24];
    int length = snprintf(text, sizeof text, "%lld", (long long)value);
    json_raw(json, text, (size_t)length);
}

void json_number(struct json *json, double value) {
    if (!isfinite(value)) {
        json_null(json);
        return;
    }
    char text[32];
    int length = 0;
    for (int digits = 15; digits <= 17; digits++) {
        length = snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    json_raw(json, text, (size_t)length);
}

void json_bool(struct json *json, bool value) {
    json_raw(json, value ? "true" : "false", value ? 4 : 5);
}

void json_null(struct json *json) {
    json_raw(json, "null", 4);
}

void json_raw(struct json *json, const char *bytes, size_t length) {
    before_value(json);
    buffer_append(json->out, bytes, length);
}

void json_key_string(struct json *json, const char *name, const char *text) {
    json_key(json, name);
    if (text)
        json_string(json, text);
    else
        json_null(json);
}

void json_key_integer(struct json *json, const char *name, int64_t value) {
    json_key(json, name);
    json_integer(json, value);
}

void json_key_number(struct json *json, const char *name, double value) {
    json_key(json, name);
    json_number(json, value);
}

void json_key_bool(struct json *json, const char *name, bool value) {
    json_key(json, name);
    json_bool(json, value);
}
