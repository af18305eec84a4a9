-- A directory or a file of this machine: file:///path, percent-encoded as in every file URL.
return {
  api = 1,
  source = "file",
  schemes = { "file" },
  help = "file:///path",
  resolve = function(uri, ctx)
    local path = ctx.url.decode(uri.path)
    if (uri.authority ~= "" and uri.authority ~= "localhost") or not path:find("^/+[^/]") then
      return nil, ("'%s' names no path of this machine; expected one such as file:///srv/models/m1"):format(uri.text),
        "invalid"
    end
    local files, message, kind = ctx.files(path)
    if not files and kind == "not_found" then
      return nil, ("%s does not exist; check the path"):format(path), kind
    elseif not files then
      return nil, message, kind
    elseif #files == 0 then
      return nil, ("%s holds no files"):format(path), "not_found"
    end
    return { revision = "", pinned = false, files = files }
  end,
}
