#include "policy/settings.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* A setting and where it stands. */
struct declared {
    const struct setting *setting;
    const struct rule_file *file;
    size_t item;  /* of the file's list, from 1 */
    size_t order; /* of the file */
};

static size_t collect(const struct generation *generation, struct declared **list) {
    size_t count = 0;
    *list = NULL;
    for (size_t i = 0; i < generation_workflow_count(generation); i++) {
        const struct workflow *workflow = generation_workflow_at(generation, i);
        if (workflow->setting_count == 0)
            continue;
        *list = memory_resize(*list, (count + workflow->setting_count) * sizeof **list);
        size_t place = (size_t)(workflow->file - generation_files(generation)->files);
        for (size_t j = 0; j < workflow->setting_count; j++)
            (*list)[count++] = (struct declared){&workflow->settings[j], workflow->file, j + 1,
                                                 workflow->file->rank * RULE_FILES_MAX + place};
    }
    return count;
}

static int by_order(const struct declared *a, const struct declared *b) {
    if (a->order != b->order)
        return a->order < b->order ? -1 : 1;
    return a->item < b->item ? -1 : a->item > b->item;
}

static int by_name(const void *left, const void *right) {
    const struct declared *a = left;
    const struct declared *b = right;
    int order = strcmp(a->setting->name, b->setting->name);
    return order ? order : by_order(a, b);
}

/* Those without a flag come first. */
static int by_flag(const void *left, const void *right) {
    const struct declared *a = left;
    const struct declared *b = right;
    const char *first = a->setting->flag ? a->setting->flag : "";
    const char *second = b->setting->flag ? b->setting->flag : "";
    int order = strcmp(first, second);
    return order ? order : by_order(a, b);
}

static bool is_same_text(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_equal(const struct setting *a, const struct setting *b) {
    return a->type == b->type && is_same_text(a->flag, b->flag) && is_same_text(a->env, b->env) &&
           is_same_text(a->fallback, b->fallback) && is_same_text(a->help, b->help);
}

static void check_names(struct declared *list, size_t count, struct problems *problems) {
    qsort(list, count, sizeof *list, by_name);
    for (size_t first = 0, i = 1; i < count; i++) {
        const struct setting *setting = list[i].setting;
        if (strcmp(setting->name, list[first].setting->name) != 0)
            first = i;
        else if (!is_equal(setting, list[first].setting))
            problems_add(
                problems, list[i].file->display,
                "settings[%zu]: \"%s\" is declared otherwise by %s; two files that share a "
                "setting declare it in the same words",
                list[i].item, setting->name, list[first].file->display);
    }
}

static void check_flags(struct declared *list, size_t count, struct problems *problems) {
    qsort(list, count, sizeof *list, by_flag);
    for (size_t first = 0, i = 1; i < count; i++) {
        const struct setting *setting = list[i].setting;
        const struct setting *other = list[first].setting;
        if (!setting->flag || !is_same_text(setting->flag, other->flag))
            first = i;
        else if (strcmp(setting->name, other->name) != 0)
            problems_add(problems, list[i].file->display,
                         "settings[%zu].flag: \"%s\" is taken by the setting \"%s\" of %s",
                         list[i].item, setting->flag, other->name, list[first].file->display);
    }
}

void settings_check(const struct generation *generation, struct problems *problems) {
    struct declared *list;
    size_t count = collect(generation, &list);
    if (count > 0) {
        check_names(list, count, problems);
        check_flags(list, count, problems);
    }
    memory_free(list);
}

size_t generation_settings(const struct generation *generation, const struct setting ***settings) {
    struct declared *list;
    size_t count = collect(generation, &list);
    size_t kept = 0;
    *settings = memory_zero(count + 1, sizeof **settings);
    if (count > 0)
        qsort(list, count, sizeof *list, by_name);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || strcmp(list[i].setting->name, list[i - 1].setting->name) != 0)
            (*settings)[kept++] = list[i].setting;
    memory_free(list);
    return kept;
}
