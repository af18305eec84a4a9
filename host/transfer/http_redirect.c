#include "transfer/http_private.h"

#include "base/memory.h"

#include <string.h>
#include <strings.h>

enum { REDIRECTS_MAX = 10 };

static struct error *refuse(const struct exchange *exchange, const char *target, const char *why,
                            const char *hint) {
    char *from = url_for_people(exchange->request->url), *to = url_for_people(target);
    struct error *error = error_new(ERROR_PROTOCOL, NULL, "%s %s: it redirects %s%s%s",
                                    http_method(exchange->request), from, why, to, hint);
    memory_free(from);
    memory_free(to);
    return error;
}

/* Why the redirect must not be followed, NULL when it may. */
static struct error *check(const struct exchange *exchange, const char *target, bool same) {
    if (exchange->request->follow == HTTP_FOLLOW_ORIGIN) {
        if (exchange->redirects > 0)
            return refuse(exchange, target, "more than once, to ", "");
        if (!same)
            return refuse(exchange, target, "to another host, ", "; give that URL instead");
        return NULL;
    }
    if (exchange->redirects >= REDIRECTS_MAX)
        return refuse(exchange, target, "more than 10 times, at last to ", "");
    if (strncasecmp(exchange->url, "https:", 6) == 0 && strncasecmp(target, "https:", 6) != 0)
        return refuse(exchange, target, "to an address without encryption, ", "");
    return NULL;
}

/* RFC 9110, 15.4: what is not safe to repeat becomes a GET where the old statuses say so. */
static const char *next_method(const char *method, long status) {
    if (status == 303)
        return strcmp(method, "HEAD") == 0 ? method : "GET";
    if ((status == 301 || status == 302) && strcmp(method, "POST") == 0)
        return "GET";
    return method;
}

static bool is_redirect(long status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

struct error *http_redirect(struct exchange *exchange, bool *redirected) {
    char *target = NULL;
    long status = exchange->reply->status;
    *redirected = false;
    if (!is_redirect(status) || exchange->request->follow == HTTP_FOLLOW_NONE)
        return NULL;
    curl_easy_getinfo(exchange->handle, CURLINFO_REDIRECT_URL, &target);
    if (!target)
        return NULL;
    bool same = url_same_origin(exchange->request->url, target);
    struct error *error = check(exchange, target, same);
    if (error)
        return error;
    char *url = memory_copy(target, strcspn(target, "#"));
    memory_free(exchange->redirected);
    exchange->url = exchange->redirected = url;
    exchange->away = exchange->away || !same;
    exchange->method = next_method(exchange->method, status);
    exchange->redirects++;
    *redirected = true;
    return NULL;
}
