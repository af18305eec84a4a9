#include "base/options_internal.h"

#include "base/memory.h"

#include <string.h>

enum { WIDTH = 100, LABEL_MAX = 34 };

/* Text being laid out in lines of at most WIDTH columns, all but the first indented. */
struct layout {
    struct buffer *out;
    size_t indent;
    size_t column;
};

static void put_spaces(struct buffer *out, size_t count) {
    for (; count > 0; count--)
        buffer_byte(out, ' ');
}

/* The columns that UTF-8 text takes: its bytes that do not continue a character. */
static size_t columns_of(const char *text, size_t length) {
    size_t columns = 0;
    for (size_t i = 0; i < length; i++)
        columns += ((unsigned char)text[i] & 0xC0) != 0x80;
    return columns;
}

/* Puts bytes that are not to be broken on the current line, or on the next if they do not fit. */
static void put_word(struct layout *layout, const char *word, size_t length) {
    size_t columns = columns_of(word, length);
    if (layout->column > layout->indent) {
        if (layout->column + 1 + columns > WIDTH) {
            buffer_byte(layout->out, '\n');
            put_spaces(layout->out, layout->indent);
            layout->column = layout->indent;
        } else {
            buffer_byte(layout->out, ' ');
            layout->column++;
        }
    }
    buffer_append(layout->out, word, length);
    layout->column += columns;
}

static void put_words(struct layout *layout, const char *text) {
    while (*text) {
        text += strspn(text, " ");
        size_t length = strcspn(text, " ");
        if (length > 0)
            put_word(layout, text, length);
        text += length;
    }
}

/* Wraps each line of a text by itself. */
static void put_paragraphs(struct buffer *out, const char *text) {
    while (*text) {
        size_t length = strcspn(text, "\n");
        char *line = memory_copy(text, length);
        struct layout layout = {.out = out};
        put_words(&layout, line);
        buffer_byte(out, '\n');
        memory_free(line);
        text += length + (text[length] == '\n');
    }
}

static void put_examples(struct buffer *out, const char *text) {
    while (*text) {
        size_t length = strcspn(text, "\n");
        if (length > 0)
            put_spaces(out, 2);
        buffer_append(out, text, length);
        buffer_byte(out, '\n');
        text += length + (text[length] == '\n');
    }
}

static void make_label(const struct option_spec *spec, struct buffer *label) {
    if (spec->short_name)
        buffer_format(label, "  -%c, --%s", spec->short_name, spec->name);
    else
        buffer_format(label, "      --%s", spec->name);
    const char *value = spec->value ? spec->value : spec->choices;
    if (spec->type != OPTION_FLAG)
        buffer_format(label, " %s", value ? value : "VALUE");
}

/* "[required, env NAME, default X]", or nothing. */
static void make_note(const struct option_spec *spec, struct buffer *note) {
    const char *before = "[";
    if (spec->required) {
        buffer_format(note, "%srequired", before);
        before = ", ";
    }
    if (spec->type == OPTION_LIST) {
        buffer_format(note, "%srepeatable", before);
        before = ", ";
    }
    if (spec->environment) {
        buffer_format(note, "%senv %s", before, spec->environment);
        before = ", ";
    }
    if (spec->fallback)
        buffer_format(note, "%sdefault %s", before, spec->fallback);
    if (note->length > 0)
        buffer_byte(note, ']');
}

static void put_option(struct buffer *out, const struct option_spec *spec, size_t indent) {
    struct buffer label = {0};
    struct buffer note = {0};
    make_label(spec, &label);
    make_note(spec, &note);
    struct layout layout = {.out = out, .indent = indent, .column = indent};
    buffer_append(out, label.data, label.length);
    if (label.length + 2 > indent) {
        buffer_byte(out, '\n');
        put_spaces(out, indent);
    } else {
        put_spaces(out, indent - label.length);
    }
    put_words(&layout, spec->help);
    if (indent + columns_of(note.data, note.length) > WIDTH)
        put_words(&layout, buffer_text(&note));
    else if (note.length > 0)
        put_word(&layout, note.data, note.length);
    buffer_byte(out, '\n');
    buffer_free(&note);
    buffer_free(&label);
}

/* The column where help begins: two after the longest label that is not longer than LABEL_MAX. */
static size_t help_column(const struct command_spec *command, const struct option_spec *help) {
    struct buffer label = {0};
    make_label(help, &label);
    size_t longest = label.length;
    for (size_t i = 0; i < command->option_count; i++) {
        buffer_clear(&label);
        make_label(&command->options[i], &label);
        if (label.length > longest && label.length <= LABEL_MAX)
            longest = label.length;
    }
    buffer_free(&label);
    return longest + 2;
}

static bool has_short(const struct command_spec *command, char name) {
    for (size_t i = 0; i < command->option_count; i++)
        if (command->options[i].short_name == name)
            return true;
    return false;
}

static void put_options(struct buffer *out, const struct command_spec *command) {
    struct option_spec help = {.name = "help", .type = OPTION_FLAG, .help = "show this help"};
    help.short_name = has_short(command, 'h') ? '?' : 'h';
    size_t indent = help_column(command, &help);
    buffer_string(out, "\noptions:\n");
    for (size_t i = 0; i < command->option_count; i++)
        put_option(out, &command->options[i], indent);
    put_option(out, &help, indent);
}

void options_help(const struct command_spec *command, const char *program, struct buffer *out) {
    const char *usage = command->usage ? command->usage : "";
    buffer_format(out, "usage: %s %s [options]%s%s\n", program, command->name, *usage ? " " : "",
                  usage);
    if (command->description && *command->description) {
        buffer_byte(out, '\n');
        put_paragraphs(out, command->description);
    }
    put_options(out, command);
    if (command->examples && *command->examples) {
        buffer_string(out, "\nexamples:\n");
        put_examples(out, command->examples);
    }
}
