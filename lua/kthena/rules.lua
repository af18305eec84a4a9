--- The entry points of this library: what the host calls to load a rule file.
local engine = require "kthena.engine"
local json = require "kthena.json"
local metrics = require "kthena.metrics"
local sandbox = require "kthena.sandbox"
local schema = require "kthena.schema"
local tree = require "kthena.tree"

local rules = {}

sandbox.seal()

-- Runs the file and returns what it returned as plain data; nil when that is not possible. An error of the file itself
-- goes up to the host, which knows how to name the file in it: nothing here catches it.
local function run(file, report)
  local chunk, message = sandbox.load(file.text, file.chunk, file.path)
  if not chunk then
    error(message:find("wrong mode") and "holds compiled code; a rule file is text" or message, 0)
  end
  return tree.copy(chunk(), report)
end

local function effective_rules(source, file, effective)
  return json.encode({
    engine = source.engine,
    aliases = json.list(source.aliases or {}),
    detect = json.list(source.detect or {}),
    file = file.path,
    replaces = file.replaces,
    metrics = effective,
  })
end

--- Loads the file of an engine. `file` holds text, chunk (its name for Lua), path (its name for people), layer, and
-- perhaps replaces, pod and model. What comes of it is given to `outcome`: problem(key, message) for each problem; if
-- there is none, engine(name), alias(name), detect(beginning), mapping(handle) and effective(json).
function rules.load_engine(file, outcome)
  local failed = false
  local function report(key, message)
    failed = true
    outcome:problem(key, message)
  end
  local source = run(file, report)
  if failed then
    return
  end
  schema.check(engine.schema, source, report)
  if failed then
    return
  end
  local mapping, effective = metrics.compile(source, { pod = file.pod, model = file.model }, file.path, report)
  if failed then
    return
  end
  outcome:engine(source.engine)
  for _, alias in ipairs(source.aliases or {}) do
    outcome:alias(alias)
  end
  for _, beginning in ipairs(source.detect or {}) do
    outcome:detect(beginning)
  end
  outcome:mapping(mapping)
  outcome:effective(effective_rules(source, file, effective))
end

return rules
