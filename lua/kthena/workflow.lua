--- What the file of a workflow may hold: the schema of rules/workflows/*.lua, and what the host is told of one.
-- rules/README.md says the same to people; lua/kthena/param.lua knows parameters.
local describe = require "kthena.describe"
local fields = require "kthena.fields"
local json = require "kthena.json"
local param = require "kthena.param"

local workflow = {}

local MAX_LINE = 300

-- The server hands on this many parts of a path.
local MAX_SEGMENTS = 4

-- The members a reply of 202 has of its own.
local REPLY = { status = true, message = true, job_id = true }

local PATH = {
  type = "string", matches = "^/", max = 200, expected = 'a path such as "/v1/things/{id}"',
  check = function(value, report, path)
    local seen, count = {}, select(2, value:gsub("{", ""))
    if count > MAX_SEGMENTS then
      report(path, ("has %d parameters; at most %d are allowed"):format(count, MAX_SEGMENTS))
    end
    for segment in value:gmatch("/([^/]*)") do
      local name = segment:match("^{([a-z_][a-z0-9_]*)}$")
      if name and seen[name] then
        report(path, ('"{%s}" is there twice'):format(name))
      elseif not name and (not segment:find("^[%w._~-]+$") or segment:find("^%.%.?$")) then
        return report(path, ('expected names of letters, digits, "-", ".", "_", "~" or "{parameter}" between the ' ..
          'slashes, got %s'):format(describe.value(segment)))
      end
      seen[name or ""] = true
    end
  end,
}

local ROUTE = {
  type = "record", required = true, expected = "a table with method and path",
  fields = {
    { "method", { type = "string", choices = { "GET", "POST", "PUT", "DELETE" }, required = true } },
    { "path", fields.required(PATH) },
  },
}

local NAMES = { type = "list", of = fields.key, max = 32, expected = "a list of parameters" }

-- The parameters by name, and their names in order, of rules that may be wrong otherwise.
local function params_of(rules, report)
  local by_name, names, first = {}, {}, {}
  for i, one in ipairs(type(rules.params) == "table" and rules.params or {}) do
    local name = type(one) == "table" and one.name
    if type(name) == "string" and by_name[name] then
      report(("params[%d].name"):format(i), ('"%s" is the name of params[%d] already'):format(name, first[name]))
    elseif type(name) == "string" then
      by_name[name], first[name] = one, i
      names[#names + 1] = name
    end
  end
  return by_name, names
end

-- Checks a name that stands at `path` for a parameter, which must be there and of a type that `fits`.
local function check_reference(params, names, name, fits, report, path)
  if type(name) ~= "string" then
    return
  elseif not params[name] then
    report(path, ('"%s" is no parameter; %s'):format(name, fields.hint(name, names)))
  elseif param.is_type(params[name].type) then
    local problem = fits(params[name].type)
    if problem then
      report(path, ('"%s" is of type %s; %s'):format(name, params[name].type, problem))
    end
  end
end

local fit = {}

function fit.segment(kind)
  return kind ~= "string" and kind ~= "integer" and "a part of the path is of type string or integer"
end

function fit.async(kind)
  return kind ~= "boolean" and "expected one of type boolean"
end

function fit.echo(kind)
  return kind == "config" and "it may hold secrets, which no reply repeats"
end

function fit.exclusive(kind)
  return (kind == "config" or kind == "object" or kind == "list") and "expected one that is a single value"
end

function fit.same()
end

local function each(list)
  return ipairs(type(list) == "table" and list or {})
end

local function check_started(rules, check, report)
  local started = type(rules.started) == "table" and rules.started or {}
  if rules.started ~= nil and rules.async == nil then
    report("started", 'goes with "async"; without it nothing is started in the background')
  end
  for i, name in each(started.echo) do
    local path = ("started.echo[%d]"):format(i)
    check(name, fit.echo, path)
    if REPLY[name] then
      report(path, ('"%s" is a member of the reply already'):format(name))
    end
  end
end

local function check_references(rules, report)
  local params, names = params_of(rules, report)
  local function check(name, fits, path)
    check_reference(params, names, name, fits, report, path)
  end
  local path = type(rules.route) == "table" and rules.route.path
  for name in (type(path) == "string" and path or ""):gmatch("/{([a-z_][a-z0-9_]*)}") do
    check(name, fit.segment, "route.path")
  end
  check(rules.async, fit.async, "async")
  check(rules.exclusive, fit.exclusive, "exclusive")
  for i, name in each(rules.same) do
    check(name, fit.same, ("same[%d]"):format(i))
  end
  check_started(rules, check, report)
end

--- The schema, for kthena.schema.
workflow.schema = {
  type = "record", expected = fields.table, check = check_references,
  fields = {
    { "api", fields.api },
    { "workflow", fields.required(fields.name) },
    { "summary", { type = "string", min = 1, max = MAX_LINE, expected = "a line that says what it does" } },
    { "route", ROUTE },
    { "params", { type = "list", of = param.schema, max = 64, expected = "a list of parameters" } },
    { "async", fields.key },
    { "started", { type = "record", expected = 'a table with "message" or "echo"',
      fields = {
        { "message", { type = "string", min = 1, max = MAX_LINE, expected = "a line" } },
        { "echo", NAMES },
      } } },
    { "same", NAMES },
    { "exclusive", fields.key },
    { "run", { type = "function", required = true } },
  },
}

local function effective(rules, summary, started, file)
  local params = json.list({})
  for i, one in ipairs(rules.params or {}) do
    params[i] = param.effective(one)
  end
  return json.encode({
    workflow = rules.workflow, summary = summary, route = rules.route, params = params, async = rules.async,
    started = rules.async and { message = started.message, echo = json.list(started.echo or {}) },
    same = json.list(rules.same or {}), exclusive = rules.exclusive, file = file.path, replaces = file.replaces,
  })
end

--- Tells the host what it needs of a workflow whose rules are good: workflow(name, summary, method, path), what
-- param.deliver says of each parameter, async(name), started(message), echo(name), same(name), exclusive(name) and
-- effective(json).
function workflow.deliver(rules, file, outcome)
  local summary = rules.summary or rules.workflow
  local started = rules.started or {}
  outcome:workflow(rules.workflow, summary, rules.route.method, rules.route.path)
  for _, one in ipairs(rules.params or {}) do
    param.deliver(one, outcome)
  end
  if rules.async then
    outcome:async(rules.async)
  end
  if started.message then
    outcome:started(started.message)
  end
  for _, name in ipairs(started.echo or {}) do
    outcome:echo(name)
  end
  for _, name in ipairs(rules.same or {}) do
    outcome:same(name)
  end
  if rules.exclusive then
    outcome:exclusive(rules.exclusive)
  end
  outcome:effective(effective(rules, summary, started, file))
end

return workflow
