--- The URI that names what to download, taken apart. Rule files may require it; a source is given one.
local uri = {}

--- Takes a text apart. What comes of "acme://host/a/b@v1?x=y" is
--
--     text        as it was given
--     scheme      "acme", in lower case; "" for a text without "://"
--     rest        "host/a/b@v1?x=y": what follows "://", as given; the whole text when there is no scheme
--     authority   "host": up to the first "/", "?" or "#" of the rest
--     path        "/a/b@v1": from there to the first "?" or "#"; "" if there is none
--     query       "x=y": what follows the "?", to the first "#"; nil without one
--     name        "host/a/b": the rest up to its last "@"; all of it when there is none
--     revision    "v1?x=y": what follows that "@"; nil when that is nothing
--
-- Nothing is decoded. Whether "?" and "@" mean anything is for the scheme to say: one whose names may hold them reads
-- `rest`.
-- @usage local parts = uri.parse("acme://models/m1@main")
function uri.parse(text)
  local scheme, rest = text:match("^(%a[%w+.-]*)://(.*)$")
  rest = rest or text
  local authority, tail = rest:match("^([^/?#]*)(.*)$")
  local name, revision = rest:match("^(.*)@(.*)$")
  return {
    text = text,
    scheme = scheme and scheme:lower() or "",
    rest = rest,
    authority = authority,
    path = tail:match("^[^?#]*"),
    query = tail:match("^[^?#]*%?([^#]*)"),
    name = name or rest,
    revision = revision ~= "" and revision or nil,
  }
end

return uri
