#include "transfer/http_private.h"

#include "base/clock.h"
#include "base/memory.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *http_method(const struct http_request *request) {
    return request->method ? request->method : "GET";
}

/* Whether this hop's method comes with a body, be it an empty one. */
static bool has_body(const struct exchange *exchange) {
    static const char *const methods[] = {"POST", "PUT", "PATCH"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcmp(exchange->method, methods[i]) == 0)
            return true;
    return exchange->request->body_length > 0 && strcmp(exchange->method, "GET") != 0 &&
           strcmp(exchange->method, "HEAD") != 0;
}

/* The body is the first origin's only. */
static size_t body_length(const struct exchange *exchange) {
    return has_body(exchange) && !exchange->away ? exchange->request->body_length : 0;
}

static void add_line(struct curl_slist **list, const char *line) {
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (!longer)
        abort(); /* as base/memory.h does */
    *list = longer;
}

static void add_header(struct curl_slist **list, const char *name, const char *value) {
    /* libcurl's way to send a header without a value. */
    char *line = *value ? memory_format("%s: %s", name, value) : memory_format("%s;", name);
    add_line(list, line);
    explicit_bzero(line, strlen(line));
    memory_free(line);
}

static struct error *check_header(const struct exchange *exchange,
                                  const struct http_header *header) {
    bool good = *header->name != '\0';
    for (const char *byte = header->name; good && *byte; byte++)
        good = isalnum((unsigned char)*byte) || strchr("!#$%&'*+-.^_`|~", *byte);
    for (const char *byte = header->value; good && *byte; byte++)
        good = ((unsigned char)*byte >= ' ' && *byte != 0x7F) || *byte == '\t';
    if (good)
        return NULL;
    char *url = url_for_people(exchange->request->url);
    struct error *error = error_new(
        ERROR_INVALID, NULL, "%s %s: the header '%.40s' has a character that no header can carry",
        http_method(exchange->request), url, header->name);
    memory_free(url);
    return error;
}

/* The caller's headers, as far as this hop may see them, and those that keep libcurl from adding
 * its own to a body. */
static struct error *add_headers(const struct exchange *exchange, struct curl_slist **list) {
    const struct http_request *request = exchange->request;
    bool accept = false, content_type = false;
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];
        struct error *error = check_header(exchange, header);
        if (error)
            return error;
        if (header->is_private && exchange->away)
            continue;
        if (!has_body(exchange) && strncasecmp(header->name, "content-", 8) == 0)
            continue;
        accept = accept || strcasecmp(header->name, "accept") == 0;
        content_type = content_type || strcasecmp(header->name, "content-type") == 0;
        add_header(list, header->name, header->value);
    }
    if (!accept)
        add_header(list, "Accept", request->accept ? request->accept : "*/*");
    if (has_body(exchange)) {
        add_line(list, "Expect:");
        if (!content_type)
            add_line(list, "Content-Type:");
    }
    return NULL;
}

/* Signs the hop; *url becomes the one to send, which the caller frees, or stays NULL. */
static struct error *add_signature(const struct exchange *exchange, struct curl_slist **list,
                                   char **url) {
    const struct http_request *request = exchange->request;
    if (!request->signer || exchange->away)
        return NULL;
    struct buffer lines = {0};
    struct signable what = {.method = exchange->method,
                            .url = exchange->url,
                            .body = request->body,
                            .body_length = body_length(exchange),
                            .headers = request->headers,
                            .header_count = request->header_count,
                            .wall = clock_wall()};
    struct error *error = signer_sign(request->signer, &what, &lines, url);
    if (error) {
        char *shown = url_for_people(request->url);
        error = error_new(error->kind, error, "%s %s: it could not be signed", http_method(request),
                          shown);
        memory_free(shown);
    }
    const char *line = buffer_text(&lines);
    while (*line) {
        size_t length = strcspn(line, "\r");
        char *copy = memory_copy(line, length);
        add_line(list, copy);
        explicit_bzero(copy, length);
        memory_free(copy);
        line += length + 2;
    }
    explicit_bzero(lines.data, lines.length);
    buffer_free(&lines);
    return error;
}

struct error *http_build(const struct exchange *exchange, struct curl_slist **headers,
                         char **signed_url) {
    struct error *error = add_headers(exchange, headers);
    return error ? error : add_signature(exchange, headers, signed_url);
}

void http_set_method(const struct exchange *exchange) {
    CURL *handle = exchange->handle;
    if (strcmp(exchange->method, "HEAD") == 0) {
        curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
    } else if (strcmp(exchange->method, "GET") != 0) {
        size_t length = body_length(exchange);
        if (has_body(exchange)) {
            curl_easy_setopt(handle, CURLOPT_POSTFIELDS, length ? exchange->request->body : "");
            curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
        }
        curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, exchange->method);
    }
}
