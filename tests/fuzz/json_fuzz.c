/*
 * The JSON writer. The input is a list of things to write; whatever they are, the output has to be
 * one JSON document in UTF-8.
 */
#include "base/json.h"

#include "fuzz.h"

struct reader {
    const uint8_t *at, *end;
};

static uint8_t next(struct reader *in) {
    return in->at < in->end ? *in->at++ : 0;
}

/* Writes values until the input or the container ends. */
static void write_values(struct json *json, struct reader *in, int depth, bool object) {
    while (in->at < in->end) {
        uint8_t what = next(in) % 8;
        if (what == 0)
            return;
        size_t length = next(in) % 32, left = (size_t)(in->end - in->at);
        length = length < left ? length : left;
        char *text = memory_copy((const char *)in->at, length), *copy = fuzz_copy(text, length);
        in->at += length;
        double number = 0;
        memcpy(&number, text, length < sizeof number ? length : sizeof number);
        if (object)
            json_key(json, text);
        if (what == 1 || what == 2 || depth == JSON_DEPTH_MAX - 1)
            json_text(json, copy, length);
        else if (what == 3)
            json_number(json, number);
        else if (what == 4)
            json_integer(json, (int64_t)length << length);
        else if (what == 5)
            json_bool(json, length & 1);
        else if (what == 6) {
            json_object(json);
            write_values(json, in, depth + 1, true);
            json_end_object(json);
        } else {
            json_array(json);
            write_values(json, in, depth + 1, false);
            json_end_array(json);
        }
        memory_free(text);
        memory_free(copy);
    }
}

/* A strict reader of JSON (RFC 8259), for one document of the writer's depth. */
static const char *skip_space(const char *at) {
    return at + strspn(at, " \n");
}

static const char *skip_digits(const char *at) {
    size_t count = strspn(at, "0123456789");
    must(count > 0);
    return at + count;
}

static const char *read_number(const char *at) {
    at += *at == '-';
    must(at[0] != '0' || at[1] < '0' || at[1] > '9');
    at = skip_digits(at);
    if (*at == '.')
        at = skip_digits(at + 1);
    if (*at == 'e' || *at == 'E')
        at = skip_digits(at + 1 + (at[1] == '-' || at[1] == '+'));
    return at;
}

/* The length of the UTF-8 sequence at `at`: RFC 3629, no surrogates, nothing overlong. */
static size_t utf8_length(const unsigned char *at) {
    size_t length = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    must(at[0] < 0x80 || (at[0] >= 0xc2 && at[0] <= 0xf4));
    for (size_t i = 1; i < length; i++)
        must((at[i] & 0xc0) == 0x80);
    must(at[0] != 0xe0 || at[1] >= 0xa0);
    must(at[0] != 0xed || at[1] < 0xa0);
    must(at[0] != 0xf0 || at[1] >= 0x90);
    must(at[0] != 0xf4 || at[1] < 0x90);
    return length;
}

static const char *read_string(const char *at) {
    must(*at++ == '"');
    while (*at != '"') {
        must((unsigned char)*at >= 0x20);
        if (*at != '\\') {
            at += utf8_length((const unsigned char *)at);
            continue;
        }
        must(at[1] && strchr("\"\\/bfnrtu", at[1]));
        must(at[1] != 'u' || strspn(at + 2, "0123456789abcdefABCDEF") >= 4);
        at += at[1] == 'u' ? 6 : 2;
    }
    return at + 1;
}

static const char *read_value(const char *at);

static const char *read_container(const char *at, char close) {
    at = skip_space(at + 1);
    if (*at == close)
        return at + 1;
    for (;; at++) {
        if (close == '}') {
            at = skip_space(read_string(skip_space(at)));
            must(*at++ == ':');
        }
        at = read_value(at);
        if (*at == close)
            return at + 1;
        must(*at == ',');
    }
}

static const char *read_value(const char *at) {
    static const char *const words[] = {"true", "false", "null"};
    at = skip_space(at);
    if (*at == '{' || *at == '[')
        return skip_space(read_container(at, *at == '{' ? '}' : ']'));
    if (*at == '"')
        return skip_space(read_string(at));
    for (size_t i = 0; i < 3; i++)
        if (strncmp(at, words[i], strlen(words[i])) == 0)
            return skip_space(at + strlen(words[i]));
    return skip_space(read_number(at));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    struct reader in = {data + 1, data + size};
    struct buffer out = {0};
    struct json json;
    if (data[0] & 1)
        json_begin_pretty(&json, &out);
    else
        json_begin(&json, &out);
    json_array(&json);
    while (in.at < in.end)
        write_values(&json, &in, 1, false);
    json_end_array(&json);
    const char *text = buffer_text(&out);
    must(strlen(text) == out.length);
    must(*read_value(text) == '\0');
    buffer_free(&out);
    return 0;
}
