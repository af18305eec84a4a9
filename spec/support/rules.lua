--- Rule files for specs.
local files = require("spec.support.files")

local rules = {}

--- The text of a rule file that renames one gauge.
-- @param engine name
-- @param from source name; nil for no metric at all
-- @param name of the family made, kthena:num_requests_waiting by default
-- @usage rules.write(directory, "acme", rules.text("acme", "acme_queue"))
function rules.text(engine, from, name)
  local metric = from and ('{ name = "%s", type = "gauge", from = "%s" }'):format(
    name or "kthena:num_requests_waiting", from) or ""
  return ('return {\n  api = 1,\n  engine = "%s",\n  detect = { "%s_" },\n  metrics = { %s },\n}\n'):format(
    engine, engine, metric)
end

--- The text of a rule file of a source with one scheme.
function rules.source(name, scheme)
  return ([[return { api = 1, source = "%s", schemes = { "%s" }, help = "%s://bucket/prefix",
    resolve = function() return nil, "nothing is there", "not_found" end }]]):format(name, scheme, scheme)
end

--- The text of a rule file of a workflow without parameters.
function rules.workflow(name, path)
  return ([[return { api = 1, workflow = "%s", route = { method = "POST", path = "%s" },
    run = function() return {} end }]]):format(name, path)
end

--- Writes DIRECTORY/engines/NAME.lua in place, or in the directory of another kind. Returns its path.
function rules.write(directory, name, text, kind)
  return files.write(("%s/%ss/%s.lua"):format(directory, kind or "engine", name), text)
end

--- Lays the files of a ConfigMap out as kubelet does: DIRECTORY/..data -> DIRECTORY/..VERSION, and a link for each file
-- through ..data. Called again with another version it swaps ..data in one step and removes the old version.
-- @param contents table: file name -> text
function rules.mount(directory, version, contents)
  local old = files.link_target(directory .. "/..data")
  files.make_directory(directory)
  for name, text in pairs(contents) do
    files.write(("%s/..%s/%s"):format(directory, version, name), text)
    if not files.exists(directory .. "/" .. name) then
      files.swap_link("..data/" .. name, directory .. "/" .. name)
    end
  end
  files.swap_link(".." .. version, directory .. "/..data")
  if old then
    files.remove(directory .. "/" .. old)
  end
end

return rules
