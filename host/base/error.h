/*
 * Error values: what a function returns when the world does not do as asked. NULL is success. An
 * error has a kind, for callers that act on it, a sentence for people, and the error that caused
 * it. Every unit of the host returns them and none prints them; commands/ and server/ turn them
 * into words for the user.
 *
 * The caller owns an error it receives and passes it on as a cause, or frees it.
 */
#ifndef KTHENA_BASE_ERROR_H
#define KTHENA_BASE_ERROR_H

#include <stdbool.h>
#include <stddef.h>

enum error_kind {
    ERROR_INVALID,      /* input that is malformed or out of range */
    ERROR_NOT_FOUND,    /* the thing named does not exist */
    ERROR_EXISTS,       /* the thing is there already, or is taken by another */
    ERROR_DENIED,       /* permission was refused to whoever asked */
    ERROR_UNAUTHORIZED, /* credentials are missing or wrong */
    ERROR_IO,           /* a file, socket or system call failed */
    ERROR_UNREACHABLE,  /* no connection to a peer */
    ERROR_TIMEOUT,      /* the time allowed is over */
    ERROR_PROTOCOL, /* a peer said something that is not the protocol, or refused with a status */
    ERROR_LIMIT,    /* a bound on size, memory or count was reached */
    ERROR_SPACE,    /* a file system or quota is full */
    ERROR_OVERLOAD, /* too much to do already; later it may work */
    ERROR_UNSUPPORTED, /* a peer cannot do it at all */
    ERROR_UNAVAILABLE, /* a peer is not up yet */
    ERROR_CANCELLED,   /* somebody asked to stop */
    ERROR_POLICY, /* a rule failed: its own error, or a result that is not what its hook promises */
};

struct error {
    enum error_kind kind;
    int status;          /* HTTP status that a rule has chosen for it; 0: by its kind */
    struct error *cause; /* owned, may be NULL */
    char message[];
};

/* Makes an error from a printf format. Takes ownership of cause, which may be NULL. */
struct error *error_new(enum error_kind kind, struct error *cause, const char *format, ...)
    __attribute__((format(printf, 3, 4), warn_unused_result));

/* The same with ": <strerror(errno)>" appended. */
struct error *error_errno(enum error_kind kind, const char *format, ...)
    __attribute__((format(printf, 2, 3), warn_unused_result));

/* The whole sentence, "message: cause: cause of the cause". The caller frees it. */
char *error_text(const struct error *error);

/* The kind as a word for records and for rules ("not_found", "unreachable"...), and back; false,
 * and nothing stored, for any other word. */
const char *error_kind_name(enum error_kind kind);
bool error_kind_parse(const char *word, enum error_kind *kind);

/* Frees an error and its causes. NULL is fine. */
void error_free(struct error *error);

#endif
