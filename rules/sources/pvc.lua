-- A mounted volume: pvc:///mnt/models/m1 and pvc://mnt/models/m1 both mean the directory, or the file, /mnt/models/m1.
return {
  api = 1,
  source = "pvc",
  schemes = { "pvc" },
  help = "pvc:///mnt/models/m1",
  resolve = function(uri, ctx)
    local path = "/" .. uri.rest:gsub("^/+", ""):gsub("/+$", "")
    if path == "/" then
      return nil, ("'%s' names no path; expected one such as pvc:///mnt/models/m1"):format(uri.text), "invalid"
    end
    local files, message, kind = ctx.files(path)
    if not files and kind == "not_found" then
      return nil, ("%s does not exist here; mount the volume that holds it in this container"):format(path), kind
    elseif not files then
      return nil, message, kind
    elseif #files == 0 then
      return nil, ("%s holds no files"):format(path), "not_found"
    end
    return { revision = "", pinned = false, files = files }
  end,
}
