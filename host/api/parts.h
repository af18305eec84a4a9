/*
 * Texts that Lua hands over in parts, each a text or a secret: header values, bodies. Used by the
 * namespaces that send them. The owner frees them with parts_free, which wipes them.
 */
#ifndef KTHENA_API_PARTS_H
#define KTHENA_API_PARTS_H

#include "base/buffer.h"
#include "transfer/http.h"

#include <lua.h>

struct header_list {
    struct http_header *items; /* names and values are owned */
    size_t count;
};

/* Appends the arguments first to last to out; returns whether one of them is a secret. Raises a
 * Lua error for anything else, so out must belong to a handle. */
bool parts_join(lua_State *lua, int first, int last, struct buffer *out);

/* list:header(name, part...): true; or nil, a message and a kind for what is no header. */
int parts_header(lua_State *lua, struct header_list *list);

/* Wipes and frees. */
void parts_free(struct header_list *list);
void parts_free_text(struct buffer *text);

#endif
