#include "commands/table.h"

#include "base/memory.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { COLUMNS_MAX = 32, CELL_MAX = 60 };

struct columns {
    const char *names[COLUMNS_MAX];
    int widths[COLUMNS_MAX];
    int count;
};

static bool is_nothing(const cJSON *value) {
    return !value || cJSON_IsNull(value) || (cJSON_IsString(value) && !*value->valuestring) ||
           ((cJSON_IsArray(value) || cJSON_IsObject(value)) && !value->child);
}

/* A value on one line. */
static void add_scalar(const cJSON *value, struct buffer *out) {
    if (is_nothing(value)) {
        buffer_string(out, "-");
    } else if (cJSON_IsString(value)) {
        buffer_string(out, value->valuestring);
    } else if (cJSON_IsNumber(value)) {
        buffer_format(out, floor(value->valuedouble) == value->valuedouble ? "%.0f" : "%.3f",
                      value->valuedouble);
    } else if (cJSON_IsBool(value)) {
        buffer_string(out, cJSON_IsTrue(value) ? "yes" : "no");
    } else {
        char *text = cJSON_PrintUnformatted(value);
        buffer_string(out, text ? text : "?");
        cJSON_free(text);
    }
}

static void add_cell(const cJSON *value, struct buffer *cell) {
    buffer_clear(cell);
    add_scalar(value, cell);
    if (cell->length > CELL_MAX) {
        cell->length = CELL_MAX - 3;
        buffer_string(cell, "...");
    }
    for (size_t i = 0; i < cell->length; i++)
        if ((unsigned char)cell->data[i] < 0x20)
            cell->data[i] = ' ';
    buffer_text(cell);
}

static int column_of(struct columns *columns, const char *name) {
    for (int i = 0; i < columns->count; i++)
        if (strcmp(columns->names[i], name) == 0)
            return i;
    if (columns->count == COLUMNS_MAX)
        return -1;
    columns->names[columns->count] = name;
    columns->widths[columns->count] = (int)strlen(name);
    return columns->count++;
}

static void measure(const cJSON *rows, struct columns *columns) {
    struct buffer cell = {0};
    const cJSON *row, *value;
    cJSON_ArrayForEach(row, rows) {
        cJSON_ArrayForEach(value, row) {
            int column = is_nothing(value) ? -1 : column_of(columns, value->string);
            if (column < 0)
                continue;
            add_cell(value, &cell);
            if ((int)cell.length > columns->widths[column])
                columns->widths[column] = (int)cell.length;
        }
    }
    buffer_free(&cell);
}

static void end_line(struct buffer *out) {
    while (out->length && out->data[out->length - 1] == ' ')
        out->length--;
    buffer_byte(out, '\n');
}

static void write_rows(const cJSON *rows, int indent, struct buffer *out) {
    struct columns columns = {0};
    struct buffer cell = {0};
    const cJSON *row;
    measure(rows, &columns);
    buffer_format(out, "%*s", indent, "");
    for (int i = 0; i < columns.count; i++)
        buffer_format(out, "%-*s  ", columns.widths[i], columns.names[i]);
    end_line(out);
    cJSON_ArrayForEach(row, rows) {
        buffer_format(out, "%*s", indent, "");
        for (int i = 0; i < columns.count; i++) {
            add_cell(cJSON_GetObjectItemCaseSensitive(row, columns.names[i]), &cell);
            buffer_format(out, "%-*s  ", columns.widths[i], buffer_text(&cell));
        }
        end_line(out);
    }
    buffer_free(&cell);
}

static void write_object(const cJSON *object, int indent, struct buffer *out) {
    int width = 0;
    const cJSON *value;
    cJSON_ArrayForEach(value, object) {
        int length = (int)strlen(value->string);
        width = length > width ? length : width;
    }
    cJSON_ArrayForEach(value, object) {
        if (cJSON_IsArray(value) && cJSON_IsObject(value->child)) {
            buffer_format(out, "%*s%s\n", indent, "", value->string);
            write_rows(value, indent + 2, out);
            continue;
        }
        buffer_format(out, "%*s%-*s  ", indent, "", width, value->string);
        add_scalar(value, out);
        buffer_byte(out, '\n');
    }
}

void table_write(const cJSON *value, int indent, struct buffer *out) {
    if (cJSON_IsArray(value) && cJSON_IsObject(value->child)) {
        write_rows(value, indent, out);
    } else if (cJSON_IsObject(value)) {
        write_object(value, indent, out);
    } else {
        buffer_format(out, "%*s", indent, "");
        add_scalar(value, out);
        buffer_byte(out, '\n');
    }
}
