-- One file of any web server: https://host/path/name. It lands under the last part of the path. What HEAD tells of it,
-- size and ETag, is what space is checked by, and how an unchanged file is known again.
local function ask(url, ctx)
  local reply, message, kind = ctx.http({ method = "HEAD", url = url, follow = "any" })
  if not reply then
    return nil, message, kind
  elseif reply.status ~= 200 or reply.headers["content-encoding"] then
    return {} -- not all servers take HEAD, and signed URLs are for GET alone: that tells what is wrong, if anything is
  end
  local size = reply.headers["content-length"] or ""
  return { size = size:find("^%d+$") and tonumber(size) or nil, etag = reply.headers.etag }
end

return {
  api = 1,
  source = "http",
  schemes = { "http", "https" },
  help = "https://host/path/file",
  resolve = function(uri, ctx)
    local name = ctx.url.decode(uri.path:match("[^/]*$"))
    if uri.authority:find("@", 1, true) then
      return nil, "the URL holds a user name or a password; it would end up in logs and records, so leave it out",
        "invalid"
    elseif uri.authority == "" or name == "" or name == "." or name == ".." or name:find("[/\\%c]") then
      return nil, ("'%s' does not end in the name of a file"):format(uri.text:match("^[^?#]*")), "invalid"
    end
    local url = uri.text:match("^[^#]*")
    local known, message, kind = ask(url, ctx)
    if not known then
      return nil, message, kind
    end
    return {
      revision = "",
      pinned = false,
      access = {},
      files = { { path = name, url = url, size = known.size, etag = known.etag } },
    }
  end,
}
