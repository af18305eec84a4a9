/*
 * Small questions about text: which known word a mistyped one is near to, what a text starts with,
 * whether bytes are UTF-8 and fit to be shown. Used for "did you mean" in option, engine and rule
 * errors, and by the JSON and log writers. Nothing is allocated that outlives a call.
 */
#ifndef KTHENA_BASE_TEXT_H
#define KTHENA_BASE_TEXT_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

/* How many insertions, deletions, replacements and swaps of neighbouring bytes turn a into b (the
 * Damerau-Levenshtein distance that edits no byte twice). */
size_t text_distance(const char *a, const char *b);

/* The choice a person most likely meant by word, ignoring case: the least distant one, if about a
 * third of the letters or fewer differ, else the first that begins with word; NULL when none is
 * near. */
const char *text_nearest(const char *word, const char *const *choices, size_t count);

bool text_starts(const char *text, const char *prefix);

/* The length in bytes, 1 to 4, of the well-formed UTF-8 character at the start of bytes; 0 when
 * there is none (no overlong form, surrogate or number above U+10FFFF). */
size_t text_utf8(const char *bytes, size_t length);

/* Whether the character of `step` bytes, as text_utf8 tells, may go to a terminal: no control
 * character of ASCII or of Unicode (U+0080 to U+009F), and UTF-8 at all. */
bool text_is_safe(const char *bytes, size_t step);

/* Appends the text with everything that is not safe as \n, \t, \r or \xNN: one line, which cannot
 * drive a terminal, whatever a source calls its files. */
void text_escape(struct buffer *out, const char *bytes, size_t length);

#endif
