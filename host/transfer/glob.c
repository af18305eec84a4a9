/*
 * plan_glob. The glob is read once from left to right while a set is kept of the places in the path
 * that what has been read so far can end at: time is at most the product of the two lengths,
 * whatever the glob.
 */
#include "transfer/plan.h"

#include <string.h>

/* ends[i] for low <= i <= high; none when low > high. */
struct places {
    const char *path;
    size_t length;
    size_t low, high;
    bool ends[PLAN_PATH_MAX + 1];
};

/* A byte of a bracket expression, unescaped. */
static unsigned char bracket_byte(const char **at) {
    if (**at == '\\' && (*at)[1])
        (*at)++;
    return (unsigned char)*(*at)++;
}

/* Whether the bracket expression that starts at `glob`, behind its '[', holds the byte; *after is
 * set behind its ']'. False, and *after NULL, when it has no end: then '[' means itself. */
static bool bracket_holds(const char *glob, unsigned char byte, const char **after) {
    bool inverted = *glob == '!' || *glob == '^', found = false;
    const char *at = glob + inverted;
    *after = NULL;
    for (bool first = true; first || *at != ']'; first = false) {
        if (!*at)
            return false;
        unsigned char from = bracket_byte(&at), to = from;
        if (at[0] == '-' && at[1] && at[1] != ']') {
            at++;
            to = bracket_byte(&at);
        }
        found = found || (byte >= from && byte <= to);
    }
    *after = at + 1;
    return found != inverted;
}

/* The places behind one byte that matches. item is a literal's byte, '?', or '[' and then bracket
 * is what stands behind it. */
static void step(struct places *places, char item, bool literal, const char *bracket) {
    const char *after;
    size_t low = places->length + 1, high = 0;
    for (size_t i = places->high + 1; i-- > places->low;) {
        unsigned char byte = (unsigned char)places->path[i];
        bool here = places->ends[i] && i < places->length;
        if (here && literal)
            here = byte == (unsigned char)item;
        else if (here)
            here = byte != '/' && (!bracket || bracket_holds(bracket, byte, &after));
        places->ends[i] = false;
        if (!here)
            continue;
        places->ends[i + 1] = true;
        low = i + 1;
        if (high < i + 1)
            high = i + 1;
    }
    places->low = low;
    places->high = high;
}

/* '*': on from each place up to the next '/'. '**': to the end. "**" and '/' at the start of a
 * part: to the starts of all further parts. */
static void spread(struct places *places, bool slashes, bool parts) {
    bool on = false;
    size_t high = places->high;
    for (size_t i = places->low; i <= places->length; i++) {
        bool inside = i <= places->high && places->ends[i];
        char before = i > places->low ? places->path[i - 1] : '\0';
        if (on && before == '/' && !slashes)
            on = false;
        bool reached = on && (!parts || before == '/');
        places->ends[i] = inside || reached;
        if (places->ends[i] && i > high)
            high = i;
        on = on || inside;
        if (!on && i >= places->high)
            break;
    }
    places->high = high;
}

static bool matches(const char *glob, const char *path, size_t length) {
    struct places places = {.path = path, .length = length, .ends = {true}};
    const char *start = glob, *after = NULL;
    while (*glob && places.low <= places.high) {
        if (glob[0] == '*' && glob[1] == '*') {
            bool part_start = glob == start || glob[-1] == '/';
            glob += strspn(glob, "*");
            bool parts = part_start && *glob == '/';
            spread(&places, true, parts);
            glob += parts;
        } else if (*glob == '*') {
            spread(&places, false, false);
            glob++;
        } else if (*glob == '?') {
            step(&places, '?', false, NULL);
            glob++;
        } else if (*glob == '[' && (bracket_holds(glob + 1, 0, &after), after)) {
            step(&places, '[', false, glob + 1);
            glob = after;
        } else {
            glob += *glob == '\\' && glob[1];
            step(&places, *glob++, true, NULL);
        }
    }
    return places.low <= places.high && places.high == length && places.ends[length];
}

bool plan_glob(const char *glob, const char *path) {
    size_t length = strlen(path);
    if (length > PLAN_PATH_MAX)
        return false;
    if (matches(glob, path, length))
        return true;
    const char *slash = strrchr(path, '/');
    return slash && !strchr(glob, '/') && matches(glob, slash + 1, strlen(slash + 1));
}
