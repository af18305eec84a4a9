#include "rename_support.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct mapping_builder *gauge(void) {
    return family_of("std:w", METRIC_GAUGE, "e:w", NULL);
}

/* A page of one line, and what it becomes; "" is nothing. */
struct line {
    const char *labels, *becomes;
};

static void assert_lines(struct mapping_builder *(*make)(void), const struct line *lines,
                         size_t count) {
    for (size_t i = 0; i < count; i++) {
        char *page = memory_format("e:w%s\n", lines[i].labels);
        char *samples =
            *lines[i].becomes ? memory_format("std:w%s\n", lines[i].becomes) : memory_string("");
        assert_family(make(), "gauge", page, samples);
        memory_free(page);
        memory_free(samples);
    }
}

static struct mapping_builder *where_any_of(void) {
    struct mapping_builder *builder = gauge();
    mapping_where(builder, "a", "x");
    mapping_where(builder, "b", "1");
    mapping_where(builder, "a", "y");
    return builder;
}

static void selects_by_labels(void **state) {
    (void)state;
    static const struct line lines[] = {
        {"{a=\"x\",b=\"1\"} 1", "{a=\"x\",b=\"1\"} 1"},
        {"{b=\"1\",c=\"2\",a=\"y\"} 1", "{b=\"1\",c=\"2\",a=\"y\"} 1"},
        {"{ a = \"x\" , b = \"1\" } 1 9", "{ a = \"x\" , b = \"1\" } 1 9"},
        {"{a=\"z\",b=\"1\"} 1", ""},
        {"{a=\"x\",b=\"2\"} 1", ""},
        {"{a=\"x\"} 1", ""},
        {"{aa=\"x\",b=\"1\"} 1", ""},
        {"{a=\"xx\",b=\"1\"} 1", ""},
        {"{A=\"x\",b=\"1\"} 1", ""},
        {"{} 1", ""},
        {" 1", ""},
    };
    assert_lines(where_any_of, lines, COUNT(lines));
}

static struct mapping_builder *where_empty(void) {
    struct mapping_builder *builder = gauge();
    mapping_where(builder, "priority", "");
    return builder;
}

static void an_empty_value_is_an_absent_label(void **state) {
    (void)state;
    static const struct line lines[] = {
        {"{priority=\"\",a=\"b\"} 1", "{priority=\"\",a=\"b\"} 1"},
        {"{a=\"b\"} 1", "{a=\"b\"} 1"},
        {"{} 1", "{} 1"},
        {" 1", " 1"},
        {"{priority=\"10\"} 1", ""},
    };
    assert_lines(where_empty, lines, COUNT(lines));
}

static struct mapping_builder *where_special(void) {
    struct mapping_builder *builder = gauge();
    mapping_where(builder, "a", "C:\\new \"x\"\ny");
    return builder;
}

static void compares_values_unescaped(void **state) {
    (void)state;
    static const struct line lines[] = {
        {"{a=\"C:\\\\new \\\"x\\\"\\ny\"} 1", "{a=\"C:\\\\new \\\"x\\\"\\ny\"} 1"},
        {"{a=\"C:\\new \\\"x\\\"\\ny\"} 1", ""},
    };
    assert_lines(where_special, lines, COUNT(lines));
}

/* Alternatives of the same sample select for themselves, and are tried in order. */
static void selections_belong_to_their_alternative(void **state) {
    (void)state;
    static const char *const pages[][2] = {
        {"e:w{k=\"b\"} 2\ne:w{k=\"a\"} 1\n", "std:w{k=\"a\"} 1\n"},
        {"e:w{k=\"b\"} 2\ne:w{k=\"c\"} 3\n", "std:w{k=\"b\"} 2\n"},
        {"e:w{k=\"c\"} 3\ne:w{k=\"d\"} 4\n", "std:w{k=\"c\"} 3\nstd:w{k=\"d\"} 4\n"},
    };
    for (size_t i = 0; i < COUNT(pages); i++) {
        struct mapping_builder *builder = mapping_builder_new();
        mapping_family(builder, "std:w", METRIC_GAUGE, "Help.");
        add_source(builder, "e:w", NULL);
        mapping_where(builder, "k", "a");
        add_source(builder, "e:w", NULL);
        mapping_where(builder, "k", "b");
        add_source(builder, "e:w", NULL);
        assert_family(builder, "gauge", pages[i][0], pages[i][1]);
    }
}

static struct mapping_builder *drop(void) {
    struct mapping_builder *builder = gauge();
    mapping_drop_label(builder, "a");
    return builder;
}

static void drops_labels(void **state) {
    (void)state;
    static const struct line lines[] = {
        {"{a=\"1\",b=\"2\"} 1", "{b=\"2\"} 1"},
        {"{b=\"2\",a=\"1\"} 1 5", "{b=\"2\"} 1 5"},
        {"{b=\"2\",a=\"1\",c=\"3\"} 1", "{b=\"2\",c=\"3\"} 1"},
        {"{ b = \"2\" , a = \"1\" , }  1", "{b=\"2\"} 1"},
        {"{a=\"1\"} 1", " 1"},
        {"{a=\"1\",} 1", " 1"},
        {"{} 1", " 1"},
        {"{ } 1", " 1"},
        {" 1", " 1"},
        {"{aa=\"1\"} 1", "{aa=\"1\"} 1"},
        {"{b=\"a\",c=\"\\\",a=\\\"1\"} 1", "{b=\"a\",c=\"\\\",a=\\\"1\"} 1"},
        {"{a=\"1\",\"x.y\"=\"2\"} 1", "{\"x.y\"=\"2\"} 1"},
    };
    assert_lines(drop, lines, COUNT(lines));
}

static struct mapping_builder *rename_label(void) {
    struct mapping_builder *builder = gauge();
    mapping_rename_label(builder, "name", "model_name");
    return builder;
}

static void renames_labels_in_place(void **state) {
    (void)state;
    static const struct line lines[] = {
        {"{x=\"1\",name=\"m\",y=\"2\"} 1", "{x=\"1\",model_name=\"m\",y=\"2\"} 1"},
        {"{model_name=\"old\",name=\"m\"} 1", "{model_name=\"m\"} 1"},
        {"{name=\"m\",model_name=\"old\"} 1", "{model_name=\"m\"} 1"},
        {"{model_name=\"old\"} 1", "{model_name=\"old\"} 1"},
        {" 1", " 1"},
    };
    assert_lines(rename_label, lines, COUNT(lines));
}

static struct mapping_builder *add_label(void) {
    struct mapping_builder *builder = gauge();
    mapping_add_label(builder, "pod", "p\\\"\n1");
    return builder;
}

static void adds_labels_at_the_end(void **state) {
    (void)state;
    static const struct line lines[] = {
        {" 1", "{pod=\"p\\\\\\\"\\n1\"} 1"},
        {"{} 1 7", "{pod=\"p\\\\\\\"\\n1\"} 1 7"},
        {"{a=\"b\"} 1", "{a=\"b\",pod=\"p\\\\\\\"\\n1\"} 1"},
        {"{pod=\"q\",a=\"b\"} 1", "{a=\"b\",pod=\"p\\\\\\\"\\n1\"} 1"},
        {"{pod=\"q\",pod=\"r\"} 1", "{pod=\"p\\\\\\\"\\n1\"} 1"},
    };
    assert_lines(add_label, lines, COUNT(lines));
}

static struct mapping_builder *everything(void) {
    struct mapping_builder *builder = gauge();
    mapping_drop_label(builder, "rank");
    mapping_drop_label(builder, "pid");
    mapping_rename_label(builder, "name", "model");
    mapping_rename_label(builder, "model", "served");
    mapping_add_label(builder, "pod", "p");
    mapping_add_label(builder, "zone", "");
    return builder;
}

static void edits_apply_in_order(void **state) {
    (void)state;
    static const struct line lines[] = {
        {"{rank=\"0\",name=\"m\",pid=\"7\",x=\"y\"} 1",
         "{served=\"m\",x=\"y\",pod=\"p\",zone=\"\"} 1"},
        {"{pid=\"7\"} 1", "{pod=\"p\",zone=\"\"} 1"},
        {"{model=\"m\",served=\"s\",rank=\"1\"} 1", "{served=\"m\",pod=\"p\",zone=\"\"} 1"},
    };
    assert_lines(everything, lines, COUNT(lines));
}

static void edits_reach_every_part(void **state) {
    (void)state;
    struct mapping_builder *builder = family_of("std:h", METRIC_HISTOGRAM, "e:h", "0.001");
    mapping_drop_label(builder, "engine");
    mapping_add_label(builder, "pod", "p");
    assert_family(builder, "histogram",
                  "e:h_sum{engine=\"0\"} 2000\n"
                  "e:h_bucket{engine=\"0\",le=\"500\"} 1 # {t=\"1\",engine=\"0\"} 400\n"
                  "e:h_count{engine=\"0\"} 3\n",
                  "std:h_sum{pod=\"p\"} 2\n"
                  "std:h_bucket{le=\"0.5\",pod=\"p\"} 1 # {t=\"1\",engine=\"0\"} 0.4\n"
                  "std:h_count{pod=\"p\"} 3\n");
}

static struct mapping_builder *drop_one(void) {
    struct mapping_builder *builder = gauge();
    mapping_drop_label(builder, "l0");
    return builder;
}

/* Lines with more labels than can be edited are left out, and only those. */
static void too_many_labels_cannot_be_edited(void **state) {
    (void)state;
    for (int count = 127; count <= 130; count++) {
        struct buffer page = {0}, samples = {0};
        buffer_string(&page, "e:w 1\ne:w{");
        buffer_string(&samples, "std:w 1\nstd:w{");
        for (int i = 0; i < count; i++) {
            buffer_format(&page, "%sl%d=\"\"", i ? "," : "", i);
            if (i)
                buffer_format(&samples, "%sl%d=\"\"", i > 1 ? "," : "", i);
        }
        buffer_string(&page, "} 2\n");
        buffer_string(&samples, "} 2\n");
        assert_family(drop_one(), "gauge", buffer_text(&page),
                      count <= 128 ? buffer_text(&samples) : "std:w 1\n");
        buffer_free(&page);
        buffer_free(&samples);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selects_by_labels),
        cmocka_unit_test(an_empty_value_is_an_absent_label),
        cmocka_unit_test(compares_values_unescaped),
        cmocka_unit_test(selections_belong_to_their_alternative),
        cmocka_unit_test(drops_labels),
        cmocka_unit_test(renames_labels_in_place),
        cmocka_unit_test(adds_labels_at_the_end),
        cmocka_unit_test(edits_apply_in_order),
        cmocka_unit_test(edits_reach_every_part),
        cmocka_unit_test(too_many_labels_cannot_be_edited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
