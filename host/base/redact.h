/*
 * The secrets this process knows, so that no text meant for people shows one: log lines, errors,
 * job records and replies pass through redact() before they leave. A secret is registered by
 * whoever receives it (a flag, a variable, a request, a rule's ctx.secret) for as long as it is
 * used. This is the second net; the first is that secrets travel as handles and are never
 * formatted.
 *
 * Any thread may call. Texts shorter than 6 bytes are not registered: hiding them would garble
 * everything and hide nothing.
 */
#ifndef KTHENA_BASE_REDACT_H
#define KTHENA_BASE_REDACT_H

#include "base/buffer.h"
#include "base/error.h"

#include <stddef.h>

/* Registers a secret, and its percent-encoded and JSON-escaped forms where those differ. Counted:
 * each call needs one redact_forget. */
void redact_secret(const char *secret, size_t length);
void redact_forget(const char *secret, size_t length);

/* Replaces every registered secret in the buffer's bytes from `from` on by "***". Costs next to
 * nothing while no secret is registered. */
void redact(struct buffer *text, size_t from);

/* The same error as one text in which no registered secret is left. Takes the error over; NULL is
 * NULL. */
struct error *redact_error(struct error *error) __attribute__((warn_unused_result));

#endif
