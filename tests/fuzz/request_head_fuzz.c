/*
 * What stands between a client's bytes and the routes: the gate's judgement of a head, the checks
 * of a parsed request, and the decoder of paths. A request that passes must be, byte for byte, one
 * well-formed head of HTTP/1 and nothing else; a parser in place, with civetweb's leniency, plays
 * civetweb's part, in a buffer that holds what another client has sent before.
 */
#include "server/head.h"
#include "server/request_check.h"

#include "base/buffer.h"
#include "fuzz.h"

#include <civetweb.h>
#include <ctype.h>
#include <strings.h>

enum { BUFFER_SIZE = 2048, PATH_SIZE = 64 };

static const char stale[] = "GET /secret HTTP/1.1\r\nHost: other\r\nCookie: a=b\r\n\r\n";

static char worker_buffer[BUFFER_SIZE];

/* Puts a NUL behind the word at *at and goes on to what follows. False when it does not end as it
 * should. */
static bool end_word(char **at, bool last) {
    while (isgraph((unsigned char)**at))
        (*at)++;
    if (last ? **at != '\r' && **at != '\n' : **at != ' ')
        return false;
    do
        *(*at)++ = '\0';
    while (isspace((unsigned char)**at));
    return last || isgraph((unsigned char)**at);
}

/* The next header line; false at the last one, *bad when it is none. */
static bool read_header(char **line, struct mg_header *header, bool *bad) {
    char *at = *line;
    while (*at != ':' && *at >= 33 && *at <= 126)
        at++;
    if (at == *line)
        return false;
    while (*at == ' ')
        *at++ = '\0';
    *bad = *at != ':';
    if (*bad)
        return false;
    *at = '\0';
    header->name = *line;
    do
        at++;
    while (*at == ' ' || *at == '\t');
    header->value = at;
    while (*at && *at != '\r' && *at != '\n')
        at++;
    if (*at == '\r') {
        *at++ = '\0';
        *bad = *at != '\n';
    }
    if (*at)
        *at++ = '\0';
    *line = at;
    return !*bad;
}

/* Parses a request in place the way civetweb 1.15 does: from the first byte that is no white space
 * to the end of the head it finds in the whole buffer. */
static bool parse(char *at, struct mg_request_info *info) {
    char *end = worker_buffer + BUFFER_SIZE - 1;
    bool bad = false;
    memset(info, 0, sizeof *info);
    while (at < end && isspace((unsigned char)*at))
        at++;
    size_t length = 0;
    while (length < (size_t)(end - at) && head_scan(at, length, 0) == HEAD_PARTIAL)
        length++;
    if (head_scan(at, length, 0) != HEAD_COMPLETE)
        return false;
    at[length - 1] = '\0';
    info->request_method = at;
    if (!end_word(&at, false))
        return false;
    info->request_uri = at;
    if (!end_word(&at, false))
        return false;
    info->http_version = at;
    if (!end_word(&at, true) || strncmp(info->http_version, "HTTP/", 5) != 0)
        return false;
    info->http_version += 5;
    while (info->num_headers < MG_MAX_HEADERS &&
           read_header(&at, &info->http_headers[info->num_headers], &bad)) {
        info->num_headers++;
        if (*at == '\r' || *at == '\n')
            break;
    }
    return !bad;
}

/* Steps over a text that must be there. */
static const char *expect(const char *at, const char *end, const char *text) {
    size_t length = strlen(text);
    must((size_t)(end - at) >= length && memcmp(at, text, length) == 0);
    return at + length;
}

/* Steps over white space. Within the request line and at its end civetweb takes any, and puts NULs
 * over all of it, so that no check can tell afterwards what was there. */
static const char *expect_space(const char *at, const char *end) {
    must(at < end && isspace((unsigned char)*at));
    while (at < end && isspace((unsigned char)*at))
        at++;
    return at;
}

/* Whether the last line and the head end in bare line feeds, with "\r\0" behind them: under
 * civetweb's NULs no check can tell these from "\r\n\r\n". */
static bool ends_bare(const char *head, const char *at, const char *end) {
    return end - at == 2 && memcmp(at, "\n\n", 2) == 0 &&
           memcmp(worker_buffer + (end - head), "\r", 2) == 0;
}

/* Checks that the head is exactly what was parsed of it, in the form of RFC 9112. */
static void check_head(const char *head, size_t length, const struct mg_request_info *info) {
    const char *at = head, *end = head + length;
    if (isspace((unsigned char)*at)) /* one empty line is allowed in front, or one blank */
        at += 1 + (*at == '\r' && isspace((unsigned char)at[1]));
    at = expect(at, end, info->request_method);
    at = expect(expect_space(at, end), end, info->request_uri);
    at = expect(expect_space(at, end), end, "HTTP/");
    at = expect(at, end, info->http_version);
    at = expect_space(at, end);
    if (info->num_headers == 0)
        return; /* what follows the white space cannot be told from the end of the head either */
    for (int i = 0; i < info->num_headers; i++) {
        must(*info->http_headers[i].name);
        at = expect(at, end, info->http_headers[i].name);
        at = expect(at, end, ":");
        while (at < end && (*at == ' ' || *at == '\t'))
            at++;
        at = expect(at, end, info->http_headers[i].value);
        if (i + 1 == info->num_headers && ends_bare(head, at, end))
            return;
        at = expect(at, end, "\r\n");
    }
    at = expect(at, end, "\r\n");
    must(at == end);
}

static int count(const struct mg_request_info *info, const char *name) {
    int found = 0;
    for (int i = 0; i < info->num_headers; i++)
        found += strcasecmp(info->http_headers[i].name, name) == 0;
    return found;
}

static void check_framing(const struct mg_request_info *info, const struct framing *framing) {
    int lengths = count(info, "content-length"), encodings = count(info, "transfer-encoding");
    must(lengths + encodings <= 1 && count(info, "host") <= 1);
    must(framing->chunked == (encodings == 1));
    must(framing->length >= 0 && (lengths || framing->length == 0));
    must(strcmp(info->http_version, "1.1") != 0 || count(info, "host") == 1);
}

/* Receives the bytes into the worker's buffer, over what was there before, and lets the check judge
 * what the parser makes of them. */
static void check_request(const char *bytes, size_t size) {
    struct mg_request_info info;
    struct framing framing;
    for (size_t at = 0; at < BUFFER_SIZE; at++)
        worker_buffer[at] = stale[at % (sizeof stale - 1)];
    if (size >= BUFFER_SIZE)
        return;
    memcpy(worker_buffer, bytes, size);
    size_t length = 0;
    while (length < size && head_scan(bytes, length, 0) == HEAD_PARTIAL)
        length++;
    if (head_scan(bytes, length, 0) != HEAD_COMPLETE || !parse(worker_buffer, &info))
        return;
    struct refusal refusal = request_check(&info, &framing);
    must(refusal.status == 0 || (refusal.status >= 400 && refusal.status < 500 && refusal.detail));
    if (refusal.status == 0) {
        check_head(bytes, length, &info);
        check_framing(&info, &framing);
    }
}

/* Bytes that come one by one are judged as when they come at once. */
static void check_scan(const char *bytes, size_t size) {
    enum head_state state = HEAD_PARTIAL;
    size_t step = size ? 1 + (unsigned char)bytes[0] % 5 : 1, seen = 0;
    while (state == HEAD_PARTIAL && seen < size) {
        size_t now = seen + step < size ? seen + step : size;
        state = head_scan(bytes, now, seen);
        seen = now;
    }
    must(state == head_scan(bytes, seen, 0));
    must(head_scan_tls(bytes, size) != HEAD_COMPLETE || size >= 5);
}

static void check_path(const char *bytes, size_t size) {
    char *raw = memory_copy(bytes, size), *out = memory_alloc(PATH_SIZE);
    struct refusal refusal = request_decode_path(raw, out, PATH_SIZE);
    if (refusal.status == 0) {
        size_t length = strlen(out);
        must(length < PATH_SIZE && length <= strlen(raw));
        for (size_t i = 0; i < length; i++)
            must((unsigned char)out[i] >= ' ' && out[i] != 127);
        must(strchr(raw, '%') || strcmp(raw, out) == 0);
    }
    must(!request_has_token(raw, "close") || strcasestr(raw, "close"));
    memory_free(raw);
    memory_free(out);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    check_request(stale, sizeof stale - 1); /* a worker's first request, for its buffer's start */
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *bytes = fuzz_copy(data, size);
    check_scan(bytes, size);
    check_request(bytes, size);
    check_path(bytes, size);
    memory_free(bytes);
    return 0;
}
