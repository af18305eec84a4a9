--- What the file of a workflow may hold: the schema of rules/workflows/*.lua, and what the host is told of one.
-- rules/README.md says the same to people; lua/kthena/param.lua knows parameters.
local describe = require "kthena.describe"
local fields = require "kthena.fields"
local json = require "kthena.json"
local param = require "kthena.param"
local setting = require "kthena.setting"
local starts = require "kthena.starts"

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
  type = "record", expected = "a table with method and path",
  fields = {
    { "method", { type = "string", choices = { "GET", "POST", "PUT", "DELETE" }, required = true } },
    { "path", fields.required(PATH) },
  },
}

local NAMES = { type = "list", of = fields.key, max = 32, expected = "a list of parameters" }

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

-- The names of the query of a GET, and its path, are all there is.
function fit.query(kind)
  if kind == "config" then
    return "it may hold secrets, which do not belong in the address of a GET"
  end
  return kind == "object" and "the address of a GET cannot hold one"
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
  local params, names = fields.by_name(rules, "params", report)
  local function check(name, fits, path)
    check_reference(params, names, name, fits, report, path)
  end
  local path = type(rules.route) == "table" and rules.route.path
  for name in (type(path) == "string" and path or ""):gmatch("/{([a-z_][a-z0-9_]*)}") do
    check(name, fit.segment, "route.path")
  end
  if type(rules.route) == "table" and rules.route.method == "GET" then
    for i, one in each(rules.params) do
      check(type(one) == "table" and one.name, fit.query, ("params[%d].type"):format(i))
    end
  end
  check(rules.async, fit.async, "async")
  check(rules.exclusive, fit.exclusive, "exclusive")
  check(rules.serial, fit.exclusive, "serial")
  for i, name in each(rules.same) do
    check(name, fit.same, ("same[%d]"):format(i))
  end
  check_started(rules, check, report)
  starts.check(rules, report)
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
    { "serial", fields.key },
    { "parallel", starts.parallel },
    { "every", starts.every },
    { "on", starts.on },
    { "quiet", { type = "boolean" } },
    { "ready", fields.key },
    { "status", { type = "string", min = 1, max = MAX_LINE, expected = "a title" } },
    { "settings", { type = "list", of = setting.schema, max = 32, expected = "a list of settings" } },
    { "run", { type = "function", required = true } },
  },
}

local function each_effective(list, kind)
  local shown = json.list({})
  for i, one in ipairs(list or {}) do
    shown[i] = kind.effective(one)
  end
  return shown
end

local function effective(rules, summary, started, file)
  return json.encode({
    workflow = rules.workflow, summary = summary, route = rules.route,
    params = each_effective(rules.params, param), async = rules.async,
    started = rules.async and { message = started.message, echo = json.list(started.echo or {}) },
    same = json.list(rules.same or {}), exclusive = rules.exclusive, serial = rules.serial, parallel = rules.parallel,
    every = rules.every, on = json.list(starts.events(rules)), quiet = rules.quiet == true, ready = rules.ready,
    status = rules.status, settings = each_effective(rules.settings, setting),
    file = file.path, replaces = file.replaces,
  })
end

--- Tells the host what it needs of a workflow whose rules are good: workflow(name, summary, method, path), the last
-- two nil without a route; what param.deliver says of each parameter; async(name), started(message), echo(name),
-- same(name), exclusive(name); what starts.deliver and setting.deliver say; and effective(json).
function workflow.deliver(rules, file, outcome)
  local summary = rules.summary or rules.workflow
  local started = rules.started or {}
  local route = rules.route or {}
  outcome:workflow(rules.workflow, summary, route.method, route.path)
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
  starts.deliver(rules, outcome)
  for _, one in ipairs(rules.settings or {}) do
    setting.deliver(one, outcome)
  end
  outcome:effective(effective(rules, summary, started, file))
end

return workflow
