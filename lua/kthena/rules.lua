--- The entry points of this library: what the host calls to load a rule file.
local describe = require "kthena.describe"
local engine = require "kthena.engine"
local fields = require "kthena.fields"
local json = require "kthena.json"
local metrics = require "kthena.metrics"
local sandbox = require "kthena.sandbox"
local schema = require "kthena.schema"
local source = require "kthena.source"
local text = require "host.text"
local workflow = require "kthena.workflow"

local rules = {}

sandbox.seal()

-- A rule file is of the kind whose key it has.
local KINDS = { "engine", "source", "workflow" }

local function effective_engine(data, file, effective)
  return json.encode({
    engine = data.engine,
    aliases = json.list(data.aliases or {}),
    detect = json.list(data.detect or {}),
    file = file.path,
    replaces = file.replaces,
    metrics = effective,
  })
end

-- Compiles an engine's rules and tells the host: engine(name), alias(name), detect(beginning), mapping(handle) and
-- effective(json).
local function deliver_engine(data, file, outcome, report)
  local failed = false
  local mapping, effective = metrics.compile(data, { pod = file.pod, model = file.model }, file.path,
    function(key, message)
      failed = true
      report(key, message)
    end)
  if failed then
    return
  end
  outcome:engine(data.engine)
  for _, alias in ipairs(data.aliases or {}) do
    outcome:alias(alias)
  end
  for _, beginning in ipairs(data.detect or {}) do
    outcome:detect(beginning)
  end
  outcome:mapping(mapping)
  outcome:effective(effective_engine(data, file, effective))
end

-- Each kind's schema, and the function that tells the host what it needs of good rules.
local kinds = {
  engine = { schema = engine.schema, deliver = deliver_engine },
  source = source,
  workflow = workflow,
}

local function article(kind)
  return (kind:find("^[aeiou]") and "an " or "a ") .. kind
end

-- Why a file has to be of the kind it is not.
local function demand(file)
  local wanted = article(file.kind)
  if file.path:find("/" .. file.kind .. "s/[^/]*$") then
    return ("a file in %ss/ holds %s"):format(file.kind, wanted)
  elseif file.replaces then
    return ("%s, which it replaces, holds %s"):format(file.replaces, wanted)
  end
  return "expected " .. wanted
end

-- The kind of a file that has the key of none: the one whose key is misspelt.
local function guess(data)
  for _, name in ipairs(fields.names(data)) do
    local near = text.nearest(name, unpack(KINDS))
    if near then
      return near
    end
  end
end

-- The kind of a file, by which it is checked; nil when that cannot be said.
local function kind_of(data, file, report)
  if type(data) ~= "table" then
    return file.kind or "engine"
  end
  local found = {}
  for _, kind in ipairs(KINDS) do
    found[#found + 1] = data[kind] ~= nil and kind or nil
  end
  if #found > 1 then
    return report("", ('has the keys %s; a rule file holds one of them'):format(table.concat(found, " and ")))
  elseif found[1] and file.kind and found[1] ~= file.kind then
    return report("", ("holds %s; %s"):format(article(found[1]), demand(file)))
  end
  local kind = found[1] or file.kind or guess(data)
  if not kind then
    report("", ("has no key %s, which says what the file is for"):format(describe.choice(KINDS)))
  end
  return kind
end

--- Loads a rule file. `file` holds text, chunk (its name for Lua), path (its name for people), and perhaps kind (the
-- one it must be of), replaces, pod and model. What comes of it is given to `outcome`: problem(key, message) for each
-- problem; if there is none, what the kind's deliver says.
function rules.load_file(file, outcome)
  local failed = false
  local function report(key, message)
    failed = true
    outcome:problem(key, message)
  end
  local data = sandbox.run(file, report)
  if failed then
    return
  end
  local kind = kind_of(data, file, report)
  if failed then
    return
  end
  schema.check(kinds[kind].schema, data, report)
  if failed then
    return
  end
  kinds[kind].deliver(data, file, outcome, report)
end

return rules
