/*
 * The renamer. The first byte of the input chooses the rules, the rest is the page. The page must
 * not be changed, and what is appended must be whole families of these rules, in their order, each
 * once and only when it was reported as taken, every line of it strictly an exposition.
 */
#include "families_check.h"
#include "rename_rules.h"

enum { RULES = 6, FAMILIES_MAX = 16 };

static struct mapping *rules[RULES];

static void add_scaled(struct mapping_builder *builder) {
    mapping_family(builder, "std:h", METRIC_HISTOGRAM, NULL);
    rule_histogram(builder, "e:h", "0.001");
    mapping_family(builder, "std:g", METRIC_GAUGE, "A \"help\" with \\ and\nmore.");
    rule_source(builder, "e:g", "1e-6");
    rule_source(builder, "engine:requests_waiting_in_queue", NULL);
    mapping_family(builder, "std:negative", METRIC_GAUGE, NULL);
    rule_source(builder, "e:h_sum", "-2.5");
}

static void add_edited(struct mapping_builder *builder) {
    mapping_family(builder, "std:edited", METRIC_GAUGE, "Help.");
    mapping_drop_label(builder, "a");
    mapping_rename_label(builder, "b", "c");
    mapping_add_label(builder, "pod", "p\"\\\n");
    rule_source(builder, "e:g", NULL);
    mapping_family(builder, "std:edited_h", METRIC_HISTOGRAM, NULL);
    mapping_drop_label(builder, "a");
    rule_histogram(builder, "e:h", NULL);
}

static void add_selected(struct mapping_builder *builder) {
    mapping_family(builder, "std:selected", METRIC_GAUGE, NULL);
    rule_source(builder, "e:g", NULL);
    mapping_where(builder, "a", "x");
    mapping_where(builder, "a", "");
    mapping_where(builder, "b", "\"\\\n");
    rule_source(builder, "e:g", "0.5");
    mapping_where(builder, "a", "y");
    rule_source(builder, "e:h_count", NULL);
}

static void add_merged(struct mapping_builder *builder) {
    mapping_family(builder, "std:max", METRIC_GAUGE, NULL);
    mapping_drop_label(builder, "a");
    mapping_merge(builder, MERGE_MAX);
    rule_source(builder, "e:g", NULL);
    mapping_family(builder, "std:min_total", METRIC_COUNTER, NULL);
    mapping_drop_label(builder, "a");
    mapping_merge(builder, MERGE_MIN);
    rule_source(builder, "e:n_total", "3");
}

static void add_counted(struct mapping_builder *builder) {
    mapping_family(builder, "std:n_total", METRIC_COUNTER, NULL);
    rule_source(builder, "e:n_total", NULL);
    mapping_family(builder, "std:untotalled", METRIC_COUNTER, NULL);
    rule_source(builder, "e:n_total", NULL);
    mapping_family(builder, "std:tokens_total", METRIC_COUNTER, NULL);
    mapping_alternative(builder, "e:h", false);
    rule_part(builder, "e:h_sum", PART_VALUE, NULL);
    mapping_family(builder, "std:s", METRIC_SUMMARY, NULL);
    mapping_alternative(builder, "e:us", true);
    rule_part(builder, "e:us", PART_SUM, "1e-6");
    rule_part(builder, "e:n_total", PART_COUNT, "1e-6");
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    static void (*const add[])(struct mapping_builder *) = {add_scaled, add_edited, add_selected,
                                                            add_merged, add_counted};
    (void)argc;
    (void)argv;
    struct mapping_builder *all = mapping_builder_new();
    for (int i = 0; i < RULES - 1; i++) {
        struct mapping_builder *builder = mapping_builder_new();
        add[i](builder);
        add[i](all);
        rules[i] = mapping_build(builder);
    }
    rules[RULES - 1] = mapping_build(all);
    must(mapping_family_count(rules[RULES - 1]) <= FAMILIES_MAX);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    const struct mapping *mapping = rules[data[0] % RULES];
    struct buffer families = {0};
    struct rename_choice choices[FAMILIES_MAX];
    struct rename_result result = rule_apply(mapping, data + 1, size - 1, &families, choices);
    must(result.samples + result.unparsed <= result.lines);
    must(result.body <= size - 1);
    must(result.open_metrics || result.body == size - 1);
    must(!result.open_metrics || memcmp(data + 1 + result.body, "# EOF", 5) == 0);
    check_families(mapping, &families, choices, result.open_metrics);
    buffer_free(&families);
    return 0;
}
