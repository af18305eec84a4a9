#include "server/request_check.h"

#include "server/head.h"

#include <civetweb.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    HEADERS_MAX = 63, /* civetweb keeps 64 and drops the rest without a word */
    LENGTH_DIGITS_MAX = 18,
};

static const struct refusal fine = {0};

static struct refusal refuse(int status, const char *detail) {
    return (struct refusal){status, detail};
}

static int header_count(const struct mg_request_info *info) {
    return info->num_headers > 0 ? info->num_headers : 0;
}

const char *request_find_header(const struct mg_request_info *info, const char *name) {
    for (int i = 0; i < header_count(info); i++)
        if (!strcasecmp(info->http_headers[i].name, name))
            return info->http_headers[i].value;
    return NULL;
}

static int times_sent(const struct mg_request_info *info, const char *name) {
    int times = 0;
    for (int i = 0; i < header_count(info); i++)
        times += !strcasecmp(info->http_headers[i].name, name);
    return times;
}

bool request_has_token(const char *value, const char *word) {
    size_t length = strlen(word);
    while (value && *value) {
        value += strspn(value, " \t,");
        size_t span = strcspn(value, ",");
        size_t end = span;
        while (end > 0 && (value[end - 1] == ' ' || value[end - 1] == '\t'))
            end--;
        if (end == length && !strncasecmp(value, word, length))
            return true;
        value += span;
    }
    return false;
}

/* civetweb looks for the end of the head from its first byte, but parses from the first byte that
 * is no white space, to the end of its buffer and not of what was received. Blank lines in front
 * make the two differ: the request would be run twice, or one that another client left in the
 * buffer. A worker's buffer never moves, so the least address at which a request has begun is its
 * start. */
static struct refusal check_start(const struct mg_request_info *info) {
    static _Thread_local const char *buffer_start;
    const char *method = info->request_method;
    if (!buffer_start || method < buffer_start)
        buffer_start = method;
    ptrdiff_t skipped = method - buffer_start;
    if (skipped > 2 || (skipped == 2 && method[-2] != '\r'))
        return refuse(400, "there are blank lines before the request line");
    return fine;
}

static bool is_name(const char *name) {
    if (!*name)
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && !strchr("!#$%&'*+-.^_`|~", *name))
            return false;
    return true;
}

/* civetweb's parser has put NULs over ':' and the ends of lines. It takes bare line feeds and
 * spaces before the colon, and stops at a line it cannot read as if the head ended there; so each
 * line must begin where the one before ends, and after the last must be the empty line. */
static struct refusal check_lines(const struct mg_request_info *info) {
    const char *end = info->http_version + strlen(info->http_version);
    for (int i = 0; i < info->num_headers; i++) {
        const char *name = info->http_headers[i].name;
        const char *value = info->http_headers[i].value;
        size_t length = strlen(name);
        if (name != end + 2)
            return refuse(400, "a header line is folded, or does not end in \\r\\n");
        if (!is_name(name) || (value > name + length + 1 && name[length + 1] == '\0'))
            return refuse(400, "a header name is malformed");
        end = value + strlen(value);
    }
    if (end - info->request_method > HEAD_MAX - 8)
        return refuse(431, "the request line and headers are too large");
    bool ends = info->num_headers ? end[1] == '\0' && end[2] == '\r' && end[3] == '\0'
                                  : end[1] == '\0' && end[2] == '\0' && end[3] == '\0';
    return ends ? fine : refuse(400, "a header line is malformed");
}

static struct refusal check_length(const char *value, struct framing *framing) {
    size_t digits = strspn(value, "0123456789");
    size_t rest = strspn(value + digits, " ");
    if (digits == 0 || value[digits + rest])
        return refuse(400, "Content-Length is not a number");
    if (digits > LENGTH_DIGITS_MAX)
        return refuse(413, "Content-Length is too large");
    framing->length = strtoll(value, NULL, 10);
    return fine;
}

static struct refusal check_framing(const struct mg_request_info *info, struct framing *framing) {
    int lengths = times_sent(info, "Content-Length");
    int encodings = times_sent(info, "Transfer-Encoding");
    if (lengths > 1)
        return refuse(400, "Content-Length was sent more than once");
    if (encodings && lengths)
        return refuse(400, "both Transfer-Encoding and Content-Length were sent");
    if (encodings) {
        if (encodings > 1 || strcasecmp(request_find_header(info, "Transfer-Encoding"), "chunked"))
            return refuse(400, "the only Transfer-Encoding taken is chunked");
        if (strcmp(info->http_version, "1.1"))
            return refuse(400, "Transfer-Encoding needs HTTP/1.1");
        framing->chunked = true;
    }
    return lengths ? check_length(request_find_header(info, "Content-Length"), framing) : fine;
}

static struct refusal check_expectation(const struct mg_request_info *info,
                                        struct framing *framing) {
    const char *expect = request_find_header(info, "Expect");
    if (!expect || strcmp(info->http_version, "1.1"))
        return fine;
    if (strcasecmp(expect, "100-continue"))
        return refuse(417, "the only expectation that can be met is 100-continue");
    framing->expects_continue = framing->chunked || framing->length > 0;
    return fine;
}

struct refusal request_check(const struct mg_request_info *info, struct framing *framing) {
    *framing = (struct framing){0};
    struct refusal refusal = check_start(info);
    if (!refusal.status && info->num_headers > HEADERS_MAX)
        refusal = refuse(431, "there are more than 63 headers");
    if (!refusal.status)
        refusal = check_lines(info);
    int hosts = times_sent(info, "Host");
    if (!refusal.status && hosts > 1)
        refusal = refuse(400, "Host was sent more than once");
    if (!refusal.status && hosts == 0 && !strcmp(info->http_version, "1.1"))
        refusal = refuse(400, "HTTP/1.1 needs a Host header");
    if (!refusal.status)
        refusal = check_framing(info, framing);
    if (!refusal.status)
        refusal = check_expectation(info, framing);
    return refusal;
}

static int hex_digit(char digit) {
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit = (char)(digit | 0x20);
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

struct refusal request_decode_path(const char *raw, char *out, size_t size) {
    size_t length = 0;
    for (; *raw; raw++) {
        unsigned char byte = (unsigned char)*raw;
        if (byte == '%') {
            int high = hex_digit(raw[1]);
            int low = high < 0 ? -1 : hex_digit(raw[2]);
            if (low < 0)
                return refuse(400, "the path has a '%' that is not followed by two hex digits");
            byte = (unsigned char)(high << 4 | low);
            raw += 2;
        }
        if (byte < ' ' || byte == 127)
            return refuse(400, "the path has a control character");
        if (length + 1 >= size)
            return refuse(414, "the path is too long");
        out[length++] = (char)byte;
    }
    out[length] = '\0';
    return fine;
}
