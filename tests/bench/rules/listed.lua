-- The benchmarks' source: listed://HOST:PORT/LIST, a text with a line "SHA256 SIZE PATH" for each file, which lies
-- beside the list. Every file is verified, as one from a hub is.
return {
  api = 1,
  source = "listed",
  schemes = { "listed" },
  help = "listed://host:port/list",
  resolve = function(uri, ctx)
    local reply, message, kind = ctx.http.get("http://" .. uri.rest)
    if not reply then
      return nil, message, kind
    elseif reply.status ~= 200 then
      return nil, "the list is not there: HTTP " .. reply.status, "not_found"
    end
    local base = "http://" .. uri.rest:match("^(.*/)")
    local files = {}
    for digest, size, path in reply.body:gmatch("(%x+) (%d+) ([^\n]+)\n") do
      files[#files + 1] = { path = path, size = tonumber(size), sha256 = digest, url = base .. path }
    end
    return { revision = "1", pinned = true, files = files }
  end,
}
