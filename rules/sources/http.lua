-- One file of any web server: https://host/path/name. It lands under the last part of the path.
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
    return {
      revision = "",
      pinned = false,
      access = {},
      files = { { path = name, url = uri.text:match("^[^#]*"), head = true } },
    }
  end,
}
