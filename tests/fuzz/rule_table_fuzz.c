/*
 * Rule files that are nearly right, and what they do: the input chooses keys and values for the
 * table a rule file returns, and the file is loaded. When it is accepted, its mapping renames a
 * page, and what is appended must be strictly an exposition, whatever names and labels the schema
 * let pass.
 */
#include "families_check.h"
#include "policy/generation.h"
#include "rename_rules.h"

enum { DEPTH_MAX = 5, TEXT_MAX = 6000, FAMILIES_MAX = 64 };

struct input {
    const uint8_t *at, *end;
};

static uint8_t next(struct input *in) {
    return in->at < in->end ? *in->at++ : 0;
}

static const char *pick(struct input *in, const char *const *choices, size_t count) {
    return choices[next(in) % count];
}

#define PICK(in, choices) pick(in, choices, sizeof(choices) / sizeof *(choices))

/* Keys and texts of every meaning, in the right places and in the wrong ones. */
static const char *const keys[] = {"api",     "engine",   "aliases", "detect", "prefixes", "labels",
                                   "metrics", "adapters", "name",    "type",   "help",     "from",
                                   "sample",  "scale",    "where",   "merge",  "sum",      "count",
                                   "drop",    "rename",   "add",     "load",   "nmae",     "[1]",
                                   "le",      "a",        "b",       "pod",    "[\"a b\"]"};

static const char *const values[] = {"1",
                                     "0",
                                     "-1",
                                     "0.001",
                                     "1e-300",
                                     "1/0",
                                     "0/0",
                                     "true",
                                     "false",
                                     "nil",
                                     "{}",
                                     "\"\"",
                                     "\"x\"",
                                     "\"std:g\"",
                                     "\"e:g\"",
                                     "\"g\"",
                                     "\"e:\"",
                                     "\"std:n_total\"",
                                     "\"e:n_total\"",
                                     "\"e:h\"",
                                     "\"h\"",
                                     "\"counter\"",
                                     "\"gauge\"",
                                     "\"histogram\"",
                                     "\"summary\"",
                                     "\"max\"",
                                     "\"min\"",
                                     "\"sum\"",
                                     "\"count\"",
                                     "\"le\"",
                                     "\"a\"",
                                     "\"b\"",
                                     "\"a b\"",
                                     "\"1e-6\"",
                                     "\"$pod\"",
                                     "\"$$model\"",
                                     "\"$x\"",
                                     "\"a\\nb\\\\\\\"c\"",
                                     "\"std g\"",
                                     "\"\\0\"",
                                     "\"\\255\"",
                                     "\"__name__\"",
                                     "function() end",
                                     "{ \"e:g\", \"e:n_total\" }",
                                     "{ \"\", \"e:\" }",
                                     "{ a = \"x\" }",
                                     "{ a = { \"x\", \"\" } }",
                                     "{ drop = { \"a\" }, add = { pod = \"$pod\" } }",
                                     "{ rename = { a = \"b\" } }",
                                     "{ name = \"e:g\", where = { a = \"x\" }, scale = 0.5 }"};

static void write_value(struct input *in, struct buffer *out, int depth);

static void write_field(struct input *in, struct buffer *out, const char *key, int depth) {
    buffer_format(out, "%s = ", key);
    write_value(in, out, depth);
    buffer_string(out, ", ");
}

static void write_value(struct input *in, struct buffer *out, int depth) {
    uint8_t what = next(in);
    if (what < 192 || depth == DEPTH_MAX || out->length > TEXT_MAX) {
        buffer_string(out, PICK(in, values));
        return;
    }
    buffer_string(out, "{ ");
    for (int left = what % 4; left > 0; left--) {
        if (what & 4)
            write_field(in, out, PICK(in, keys), depth + 1);
        else {
            write_value(in, out, depth + 1);
            buffer_string(out, ", ");
        }
    }
    buffer_string(out, "}");
}

/* A metric with what it needs, most of the time right, and a few fields more. */
static void write_metric(struct input *in, struct buffer *out) {
    static const char *const names[] = {"std:g", "std:n_total", "std:h", "std:s", "a", "9", "a b"};
    static const char *const types[] = {"gauge", "counter", "histogram", "summary", "guage"};
    static const char *const extra[] = {"help",  "sample", "scale",   "where",
                                        "merge", "labels", "prefixes"};
    static const char *const from[] = {"from = \"g\"",
                                       "from = \"n_total\"",
                                       "from = \"h\"",
                                       "from = { \"e:g\", \"e:h\" }",
                                       "from = { { name = \"h\", sample = \"sum\" } }",
                                       "sum = \"h_sum\", count = \"n_total\""};
    buffer_format(out, "{ name = \"%s\", ", PICK(in, names));
    buffer_format(out, "type = \"%s\", ", PICK(in, types));
    buffer_format(out, "%s, ", PICK(in, from));
    for (int left = next(in) % 4; left > 0; left--)
        write_field(in, out, PICK(in, extra), 1);
    if (next(in) > 250)
        write_field(in, out, PICK(in, keys), 1);
    buffer_string(out, "}, ");
}

static void write_file(struct input *in, struct buffer *out) {
    buffer_string(out, "return { api = 1, engine = \"x\", prefixes = { \"e:\", \"\" }, ");
    for (int left = next(in) % 3; left > 0; left--)
        write_field(in, out, PICK(in, keys), 0);
    buffer_string(out, "metrics = { ");
    for (int left = next(in) % 4; left > 0; left--)
        write_metric(in, out);
    buffer_string(out, "} }\n");
}

static void apply(const struct mapping *mapping, const struct input *page) {
    struct buffer families = {0};
    struct rename_choice choices[FAMILIES_MAX];
    must(mapping_family_count(mapping) <= FAMILIES_MAX);
    struct rename_result result =
        rule_apply(mapping, page->at, (size_t)(page->end - page->at), &families, choices);
    check_families(mapping, &families, choices, result.open_metrics);
    buffer_free(&families);
}

/* A page with something for every rule, in both dialects. */
static const char usual[] = "# HELP e:g Help.\n# TYPE e:g gauge\ne:g{a=\"x\",b=\"\"} 5\ng NaN 7\n"
                            "e:n_total{a=\"y\"} 4 # {t=\"1\"} 2\ne:h_bucket{a=\"x\",le=\"250\"} 3\n"
                            "e:h_bucket{le=\"+Inf\"} 3 # {t=\"2\"} 9 8\ne:h_sum 7\ne:h_count 3\n"
                            "h{quantile=\"0.5\"} 1\n# EOF\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input in = {data, data + size};
    const struct input pages[] = {
        {(const uint8_t *)usual, (const uint8_t *)usual + sizeof usual - 1},
        {(const uint8_t *)usual, (const uint8_t *)usual + sizeof usual - 7}};
    struct rule_sources sources = {.lua = KTHENA_SOURCE_DIR "/lua",
                                   .variables = {.pod = "p\"\n", .model = "m"},
                                   .limits = {.memory_bytes = 16 << 20, .budget_seconds = 5}};
    struct buffer text = {0};
    struct problems problems = {0};
    write_file(&in, &text);
    struct snapshot *snapshot = snapshot_of("fuzz.lua", text.data, text.length);
    struct generation *generation = generation_build(snapshot, &sources, 1, &problems);
    must((generation == NULL) == (problems.count > 0));
    for (size_t i = 0; generation && i < 2; i++)
        apply(generation_engine_at(generation, 0)->mapping, &pages[i]);
    generation_unref(generation);
    problems_free(&problems);
    buffer_free(&text);
    return 0;
}
