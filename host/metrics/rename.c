#include "metrics/rename.h"

#include "base/memory.h"
#include "metrics/bytes.h"
#include "metrics/rename_page.h"

/* Room for the families of a small page, so that their buffer does not grow from nothing. */
enum { FAMILIES_RESERVE = 16384 };

/* The name of the line before, which most lines share with it. */
struct last_name {
    const char *at;
    size_t length;
    int use; /* index into the uses, or -1 */
};

static bool is_digit(char byte) {
    return (unsigned char)(byte - '0') <= 9;
}

static const char *skip_digits_back(const char *from, const char *at) {
    while (at > from && is_digit(at[-1]))
        at--;
    return at;
}

/* Where the number begins that ends a line, [-]digits[.digits][e(+|-)digits]; end when there is
 * none behind after_name. */
static const char *plain_number(const char *line, const char *after_name, const char *end) {
    const char *at = bytes_number_back(line, end), *last = end;
    if (at < end)
        return at > after_name ? at : end;
    at = skip_digits_back(after_name, end);
    if (at == end)
        return end;
    if (at - after_name > 3 && (at[-1] == '+' || at[-1] == '-') &&
        (at[-2] == 'e' || at[-2] == 'E')) {
        last = at - 2;
        at = skip_digits_back(after_name, last);
        if (at == last)
            return end;
    }
    if (at - after_name > 1 && at[-1] == '.' && is_digit(at[-2]))
        at = skip_digits_back(after_name, at - 1);
    return at > after_name && at[-1] == '-' ? at - 1 : at;
}

/*
 * Whether a line with a valid name is surely a sample, judged by its ends: NAME{LABEL..."} NUMBER
 * or NAME NUMBER. Lines of any other shape (timestamps, exemplars, NaN) say no and are read
 * strictly.
 */
static bool looks_like_sample(const char *line, const char *after_name, const char *end) {
    const char *value = plain_number(line, after_name, end);
    if (value == end || value == after_name || value[-1] != ' ')
        return false;
    if (value - 1 == after_name)
        return true;
    return *after_name == '{' && value - after_name > 4 && value[-2] == '}' && value[-3] == '"' &&
           exposition_begins_label(after_name[1]);
}

static void add_record(struct page *page, int binding, struct record record) {
    if (page->record_count == page->record_capacity) {
        page->record_capacity = page->record_capacity ? 2 * page->record_capacity : 256;
        page->records = memory_resize(page->records, page->record_capacity * sizeof *page->records);
    }
    int index = (int)page->record_count++;
    record.binding = binding;
    page->records[index] = record;
    const struct binding *bound = &page->mapping->bindings[binding];
    struct chain *chain = &page->chains[bound->alternative];
    if (chain->first == MAPPING_NONE)
        chain->first = index;
    else
        page->records[chain->last].next = index;
    chain->last = index;
    chain->roles |= 1u << bound->role;
}

/* Whether what follows the name is labels in canonical form, a blank and a plain number: a sample,
 * checked to the last byte, that may be copied as it is. */
static bool is_plain_sample(const char *line, const char *after_name, const char *end) {
    const char *value = plain_number(line, after_name, end), *after;
    if (value == end || value == after_name || value[-1] != ' ')
        return false;
    return value - 1 == after_name ||
           (exposition_canonical_labels(after_name, end, &after) && value - 1 == after);
}

static bool selected(const struct page *page, int binding, const struct exposition_sample *sample) {
    const struct alternative *alternative =
        &page->mapping->alternatives[page->mapping->bindings[binding].alternative];
    return alternative->where_count == 0 || page_selects(alternative, sample);
}

/* A line whose name some rule speaks of. False when it is no valid sample. */
static bool read_used(struct page *page, const struct last_name *name, const char *line,
                      const char *end) {
    const struct name_use *use = &page->mapping->samples.uses[name->use];
    struct record record = {.line = line,
                            .length = (size_t)(end - line),
                            .name_length = (uint32_t)name->length,
                            .next = MAPPING_NONE};
    struct exposition_sample sample;
    bool plain = !use->selects && is_plain_sample(line, line + name->length, end);
    if (!plain && !exposition_sample(line, end, &sample))
        return false;
    record.verbatim =
        plain || (!sample.exemplar.at && !exposition_odd_nan(sample.value.at, sample.value.length));
    if (use->exposes != MAPPING_NONE)
        page->exposed[use->exposes] = true;
    for (int i = use->binding; i != MAPPING_NONE; i = page->mapping->bindings[i].next)
        if (plain || selected(page, i, &sample))
            add_record(page, i, record);
    return true;
}

static bool ends_name(char byte) {
    return byte == '{' || byte == ' ' || byte == '\t';
}

/* Whether a line begins with the same name as the one before. */
static bool is_same(const struct last_name *last, const char *at, const char *end) {
    return last->length && (size_t)(end - at) > last->length && ends_name(at[last->length]) &&
           bytes_same(at, last->at, last->length);
}

/* Looks up the name at the beginning of a line. */
static void look_up(const struct trie *trie, struct last_name *last, const char *at,
                    const char *end) {
    last->at = at;
    last->length = exposition_name(at, end);
    last->use = trie_find(trie, at, last->length);
}

/* A line that begins with the name looked up. False when it is no exposition. */
static bool read_sample(struct page *page, const struct last_name *name, const char *line,
                        const char *end) {
    if (name->use >= 0)
        return read_used(page, name, line, end);
    if (name->length && looks_like_sample(line, line + name->length, end))
        return true;
    struct exposition_sample sample;
    return exposition_sample(line, end, &sample);
}

/* Notes what a HELP or TYPE line says of a name that rules speak of. */
static void read_comment(struct page *page, struct last_name *last, const char *line,
                         const char *end) {
    const struct name_uses *metas = &page->mapping->metas;
    struct exposition_comment comment;
    page->open_metrics = false;
    if (end - line > 7 && line[1] == ' ' && line[6] == ' ') {
        if (!is_same(last, line + 7, end))
            look_up(metas->trie, last, line + 7, end);
        if (last->length && last->use < 0)
            return; /* the usual form, and a name no rule speaks of */
    }
    exposition_comment(line, end, &comment);
    page->open_metrics = comment.kind == EXPOSITION_EOF;
    if (comment.kind != EXPOSITION_HELP && comment.kind != EXPOSITION_TYPE)
        return;
    int use = trie_find(metas->trie, comment.name.at, comment.name.length);
    if (use < 0)
        return;
    if (metas->uses[use].exposes != MAPPING_NONE)
        page->exposed[metas->uses[use].exposes] = true;
    if (comment.kind == EXPOSITION_HELP && !page->helps[use].at)
        page->helps[use] = comment.text;
}

static const char *skip_blanks(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return at;
}

static void scan(struct page *page, const char *text, size_t length, struct rename_result *result) {
    const char *at = text, *stop = text + length;
    struct last_name sample = {0}, comment = {0};
    while (at < stop) {
        bool same = *at != '#' && is_same(&sample, at, stop);
        const char *search = same ? at + sample.length : at;
        const char *end = memchr(search, '\n', (size_t)(stop - search));
        if (!end)
            end = stop;
        const char *line = skip_blanks(at, end);
        at = end < stop ? end + 1 : stop;
        result->lines++;
        if (line == end)
            continue;
        if (*line == '#') {
            read_comment(page, &comment, line, end);
            if (page->open_metrics)
                result->body = (size_t)(line - text);
            continue;
        }
        page->open_metrics = false;
        if (!same)
            look_up(page->mapping->samples.trie, &sample, line, end);
        if (read_sample(page, &sample, line, end))
            result->samples++;
        else
            result->unparsed++;
    }
    result->open_metrics = page->open_metrics;
    if (!page->open_metrics)
        result->body = length;
}

/* The alternative to take for a family, or MAPPING_NONE. */
static int choose(const struct page *page, const struct family *family) {
    for (int i = 0; i < family->alternative_count; i++) {
        int index = family->first_alternative + i;
        unsigned seen = page->chains[index].roles;
        const struct alternative *alternative = &page->mapping->alternatives[index];
        if (alternative->needs_all ? seen == alternative->roles : seen != 0)
            return index;
    }
    return MAPPING_NONE;
}

static void write_families(const struct page *page, struct buffer *families,
                           struct rename_choice *choices) {
    const struct mapping *mapping = page->mapping;
    if (page->record_count)
        buffer_reserve(families, FAMILIES_RESERVE);
    for (size_t i = 0; i < mapping->family_count; i++) {
        const struct family *family = &mapping->families[i];
        struct rename_choice choice = {RENAME_ABSENT, 0};
        int taken = page->exposed[i] ? MAPPING_NONE : choose(page, family);
        if (page->exposed[i]) {
            choice.outcome = RENAME_EXPOSED;
        } else if (taken != MAPPING_NONE) {
            choice.outcome = RENAME_TAKEN;
            choice.alternative = (size_t)(taken - family->first_alternative);
            page_emit(page, family, &mapping->alternatives[taken], families);
        }
        if (choices)
            choices[i] = choice;
    }
}

void rename_memory_free(struct rename_memory *memory) {
    memory_free(memory->records);
    *memory = (struct rename_memory){0};
}

void rename_page(const struct mapping *mapping, const char *text, size_t length,
                 struct buffer *families, struct rename_result *result,
                 struct rename_choice *choices) {
    struct rename_memory memory = {0};
    rename_page_in(&memory, mapping, text, length, families, result, choices);
    rename_memory_free(&memory);
}

void rename_page_in(struct rename_memory *memory, const struct mapping *mapping, const char *text,
                    size_t length, struct buffer *families, struct rename_result *result,
                    struct rename_choice *choices) {
    *result = (struct rename_result){0};
    struct page page = {
        .mapping = mapping,
        .records = memory->records,
        .record_capacity = memory->capacity / sizeof *page.records,
        .chains = memory_alloc(mapping->alternative_count * sizeof *page.chains),
        .helps = memory_zero(mapping->metas.count, sizeof *page.helps),
        .exposed = memory_zero(mapping->family_count, sizeof *page.exposed),
    };
    for (size_t i = 0; i < mapping->alternative_count; i++)
        page.chains[i] = (struct chain){MAPPING_NONE, MAPPING_NONE, 0};
    if (length)
        scan(&page, text, length, result);
    write_families(&page, families, choices);
    memory->records = page.records;
    memory->capacity = page.record_capacity * sizeof *page.records;
    memory_free(page.chains);
    memory_free(page.helps);
    memory_free(page.exposed);
}
