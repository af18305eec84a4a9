#include "metrics/mapping.h"

#include "base/memory.h"
#include "metrics/mapping_compiled.h"

#include <pthread.h>
#include <string.h>

static struct mapping *empty; /* made by the first mapping_empty */

static const char *const role_suffixes[] = {
    [PART_VALUE] = "", [PART_BUCKET] = "_bucket", [PART_SUM] = "_sum", [PART_COUNT] = "_count"};

/* The builder is the mapping in the making; its tries come with mapping_build. */
struct mapping_builder {
    struct mapping *mapping;
};

/* Makes room for one more element behind count and returns it zeroed. */
static void *grow(void **array, size_t count, size_t size) {
    if ((count & (count - 1)) == 0)
        *array = memory_resize(*array, (count ? 2 * count : 1) * size);
    return memset((char *)*array + count * size, 0, size);
}

#define GROW(array, count) grow((void **)&(array), (count)++, sizeof *(array))

static struct family *last_family(struct mapping_builder *builder) {
    return &builder->mapping->families[builder->mapping->family_count - 1];
}

static struct alternative *last_alternative(struct mapping_builder *builder) {
    return &builder->mapping->alternatives[builder->mapping->alternative_count - 1];
}

/* Escapes a label value or a HELP text; quotes are left alone in HELP. */
static char *escaped(const char *text, bool quotes) {
    struct buffer out = {0};
    for (; *text; text++) {
        if (*text == '\n')
            buffer_string(&out, "\\n");
        else if (*text == '\\' || (quotes && *text == '"'))
            buffer_format(&out, "\\%c", *text);
        else
            buffer_byte(&out, *text);
    }
    buffer_byte(&out, '\0');
    return out.data;
}

struct mapping_builder *mapping_builder_new(void) {
    struct mapping_builder *builder = memory_zero(1, sizeof *builder);
    builder->mapping = memory_zero(1, sizeof *builder->mapping);
    atomic_init(&builder->mapping->references, 1);
    return builder;
}

void mapping_builder_free(struct mapping_builder *builder) {
    if (!builder)
        return;
    mapping_unref(builder->mapping);
    memory_free(builder);
}

void mapping_family(struct mapping_builder *builder, const char *name, enum metric_type type,
                    const char *help) {
    struct mapping *mapping = builder->mapping;
    struct family *family = GROW(mapping->families, mapping->family_count);
    family->name = memory_string(name);
    family->type = type;
    family->help = help ? escaped(help, false) : NULL;
    family->first_alternative = (int)mapping->alternative_count;
    for (int role = 0; role < PART_ROLES; role++) {
        char *sample = memory_format("%s%s", name, role_suffixes[role]);
        family->samples[role] = (struct span){sample, strlen(sample)};
    }
}

void mapping_alternative(struct mapping_builder *builder, const char *meta, bool needs_all) {
    struct mapping *mapping = builder->mapping;
    struct alternative *alternative = GROW(mapping->alternatives, mapping->alternative_count);
    alternative->meta = memory_string(meta);
    alternative->needs_all = needs_all;
    last_family(builder)->alternative_count++;
}

static struct name_use *use_of(struct name_uses *uses, const char *name) {
    for (size_t i = 0; i < uses->count; i++)
        if (strcmp(uses->uses[i].name, name) == 0)
            return &uses->uses[i];
    struct name_use *use = GROW(uses->uses, uses->count);
    *use = (struct name_use){memory_string(name), MAPPING_NONE, MAPPING_NONE, false};
    return use;
}

struct error *mapping_part(struct mapping_builder *builder, const char *sample, enum part_role role,
                           const char *scale) {
    struct mapping *mapping = builder->mapping;
    struct binding part = {.family = (int)mapping->family_count - 1,
                           .alternative = (int)mapping->alternative_count - 1,
                           .role = role,
                           .scaled = scale && strcmp(scale, "1") != 0};
    if (part.scaled && (!decimal_parse(scale, strlen(scale), &part.scale) || part.scale.count == 0))
        return error_new(ERROR_INVALID, NULL, "expected a decimal number other than 0, got \"%s\"",
                         scale);
    struct name_use *use = use_of(&mapping->samples, sample);
    part.next = use->binding;
    use->binding = (int)mapping->binding_count;
    *(struct binding *)GROW(mapping->bindings, mapping->binding_count) = part;
    last_alternative(builder)->roles |= 1u << role;
    return NULL;
}

void mapping_where(struct mapping_builder *builder, const char *label, const char *value) {
    struct alternative *alternative = last_alternative(builder);
    struct where *where = GROW(alternative->wheres, alternative->where_count);
    *where = (struct where){memory_string(label), escaped(value, true)};
}

static void edit(struct mapping_builder *builder, enum label_edit_kind kind, const char *name,
                 char *value) {
    struct family *family = last_family(builder);
    struct label_edit *made = GROW(family->edits, family->edit_count);
    *made = (struct label_edit){kind, memory_string(name), value};
}

void mapping_drop_label(struct mapping_builder *builder, const char *name) {
    edit(builder, LABEL_DROP, name, NULL);
}

void mapping_rename_label(struct mapping_builder *builder, const char *from, const char *to) {
    edit(builder, LABEL_RENAME, from, memory_string(to));
}

void mapping_add_label(struct mapping_builder *builder, const char *name, const char *value) {
    edit(builder, LABEL_ADD, name, escaped(value, true));
}

void mapping_merge(struct mapping_builder *builder, enum merge_kind kind) {
    last_family(builder)->merge = kind;
}

/* A metric's name in the metadata of OpenMetrics, where a counter's is without its "_total"; the
 * caller frees it. NULL when it is no other than the name. */
static char *metadata_name(const char *name) {
    size_t length = strlen(name);
    bool total = length > 6 && strcmp(name + length - 6, "_total") == 0;
    return total ? memory_copy(name, length - 6) : NULL;
}

/* Marks the names under which an engine would expose this family itself. */
static void mark_exposed(struct mapping *mapping, int index) {
    const struct family *family = &mapping->families[index];
    bool has_parts = family->type == METRIC_HISTOGRAM || family->type == METRIC_SUMMARY;
    use_of(&mapping->samples, family->name)->exposes = index;
    for (int role = 0; has_parts && role < PART_ROLES; role++)
        use_of(&mapping->samples, family->samples[role].at)->exposes = index;
    use_of(&mapping->metas, family->name)->exposes = index;
    char *bare = metadata_name(family->name);
    if (bare)
        use_of(&mapping->metas, bare)->exposes = index;
    memory_free(bare);
}

/* Marks the names under which an engine would describe this source. */
static void mark_source(struct mapping *mapping, struct alternative *alternative) {
    alternative->open_meta = metadata_name(alternative->meta);
    use_of(&mapping->metas, alternative->meta);
    if (alternative->open_meta)
        use_of(&mapping->metas, alternative->open_meta);
}

static void mark_selecting(struct mapping *mapping) {
    for (size_t i = 0; i < mapping->samples.count; i++) {
        struct name_use *use = &mapping->samples.uses[i];
        for (int b = use->binding; b != MAPPING_NONE; b = mapping->bindings[b].next)
            if (mapping->alternatives[mapping->bindings[b].alternative].where_count)
                use->selects = true;
    }
}

static void index_names(struct name_uses *uses) {
    struct trie_entry *entries = memory_zero(uses->count, sizeof *entries);
    for (size_t i = 0; i < uses->count; i++)
        entries[i] = (struct trie_entry){uses->uses[i].name, strlen(uses->uses[i].name), (int)i};
    uses->trie = trie_build(entries, uses->count);
    memory_free(entries);
}

struct mapping *mapping_build(struct mapping_builder *builder) {
    struct mapping *mapping = builder->mapping;
    memory_free(builder);
    for (size_t i = 0; i < mapping->family_count; i++)
        mark_exposed(mapping, (int)i);
    for (size_t i = 0; i < mapping->alternative_count; i++)
        mark_source(mapping, &mapping->alternatives[i]);
    mark_selecting(mapping);
    index_names(&mapping->samples);
    index_names(&mapping->metas);
    return mapping;
}

static void make_empty(void) {
    empty = mapping_build(mapping_builder_new());
}

const struct mapping *mapping_empty(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_empty);
    return empty;
}

struct mapping *mapping_ref(struct mapping *mapping) {
    atomic_fetch_add_explicit(&mapping->references, 1, memory_order_relaxed);
    return mapping;
}

static void free_uses(struct name_uses *uses) {
    for (size_t i = 0; i < uses->count; i++)
        memory_free(uses->uses[i].name);
    memory_free(uses->uses);
    trie_free(uses->trie);
}

static void free_family(struct family *family) {
    for (size_t i = 0; i < family->edit_count; i++) {
        memory_free(family->edits[i].name);
        memory_free(family->edits[i].value);
    }
    memory_free(family->edits);
    for (int role = 0; role < PART_ROLES; role++)
        memory_free((char *)family->samples[role].at);
    memory_free(family->name);
    memory_free(family->help);
}

static void free_alternative(struct alternative *alternative) {
    for (size_t i = 0; i < alternative->where_count; i++) {
        memory_free(alternative->wheres[i].label);
        memory_free(alternative->wheres[i].value);
    }
    memory_free(alternative->wheres);
    memory_free(alternative->meta);
    memory_free(alternative->open_meta);
}

void mapping_unref(struct mapping *mapping) {
    if (!mapping || atomic_fetch_sub(&mapping->references, 1) != 1)
        return;
    for (size_t i = 0; i < mapping->family_count; i++)
        free_family(&mapping->families[i]);
    for (size_t i = 0; i < mapping->alternative_count; i++)
        free_alternative(&mapping->alternatives[i]);
    free_uses(&mapping->samples);
    free_uses(&mapping->metas);
    memory_free(mapping->families);
    memory_free(mapping->alternatives);
    memory_free(mapping->bindings);
    memory_free(mapping);
}

size_t mapping_family_count(const struct mapping *mapping) {
    return mapping->family_count;
}

const char *mapping_family_name(const struct mapping *mapping, size_t family) {
    return mapping->families[family].name;
}

const char *mapping_alternative_name(const struct mapping *mapping, size_t family, size_t index) {
    const struct family *in = &mapping->families[family];
    if (index >= (size_t)in->alternative_count)
        return NULL;
    return mapping->alternatives[(size_t)in->first_alternative + index].meta;
}
