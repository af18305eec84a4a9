--- What the file of a source may hold: the schema of rules/sources/*.lua, and what the host is told of one.
-- rules/README.md says the same to people.
local describe = require "kthena.describe"
local fields = require "kthena.fields"
local json = require "kthena.json"

local source = {}

local MAX_LINE = 300

local SCHEME = {
  type = "string", matches = "^[a-z]?[a-z0-9+.-]*$", max = 60,
  expected = 'a scheme (lower-case letters, digits, "+", ".", "-"), or "" for a name without one',
  check = function(value, report, path)
    if value:find("^[^a-z]") then
      report(path, "expected a scheme that begins with a letter, got " .. describe.value(value))
    end
  end,
}

-- What is wrong with a key of the configuration beyond the types of its fields.
local function check_key(key, report, path)
  if key.file == true and key.endpoint == true then
    report(describe.key(path, "file"), 'cannot stand beside "endpoint"; a value is the one or the other')
  end
  if key.secret == true and key.endpoint == true then
    report(describe.key(path, "secret"), 'cannot stand beside "endpoint"; a URL is shown in messages')
  end
  if key.secret == true and key.default ~= nil and key.file ~= true then
    report(describe.key(path, "default"), 'a rule file holds no secrets; name a variable in "env"')
  end
end

local KEY = {
  type = "record", check = check_key, expected = "a table that describes the key",
  fields = {
    { "secret", { type = "boolean" } },
    { "env", { type = "list", of = fields.variable, max = 16, expected = "a list of environment variables" } },
    { "help", { type = "string", max = MAX_LINE } },
    { "default", { type = "string" } },
    { "endpoint", { type = "boolean" } },
    { "file", { type = "boolean" } },
    { "bound_to", fields.key },
  },
}

-- The configuration as a table of tables, whatever is wrong with it.
local function keys_of(rules)
  local keys = {}
  for name, key in pairs(type(rules.config) == "table" and rules.config or {}) do
    if type(name) == "string" and type(key) == "table" then
      keys[name] = key
    end
  end
  return keys
end

local function endpoints_of(keys)
  local endpoints = {}
  for _, name in ipairs(fields.names(keys)) do
    if keys[name].endpoint == true then
      endpoints[#endpoints + 1] = name
    end
  end
  return endpoints
end

local function check_bounds(keys, report)
  for _, name in ipairs(fields.names(keys)) do
    local bound = keys[name].bound_to
    if type(bound) == "string" and not (keys[bound] and keys[bound].endpoint == true) then
      report(describe.key(describe.key("config", name), "bound_to"),
        ('"%s" is no key with endpoint = true; %s'):format(bound, fields.hint(bound, endpoints_of(keys))))
    end
  end
end

-- A secret is handed to rules as one, never as the text of a variable.
local function check_variables(rules, keys, report)
  local secrets = {}
  for _, name in ipairs(fields.names(keys)) do
    local env = keys[name].secret == true and keys[name].env
    for _, variable in ipairs(type(env) == "table" and env or {}) do
      if type(variable) == "string" then
        secrets[variable] = secrets[variable] or name
      end
    end
  end
  for i, variable in ipairs(type(rules.variables) == "table" and rules.variables or {}) do
    if secrets[variable] then
      report(("variables[%d]"):format(i),
        ('"%s" holds a secret; read it as ctx.config.%s'):format(variable, secrets[variable]))
    end
  end
end

--- The schema, for kthena.schema.
source.schema = {
  type = "record", expected = fields.table,
  fields = {
    { "api", fields.api },
    { "source", fields.required(fields.name) },
    { "schemes", { type = "list", of = SCHEME, filled = true, max = 16, required = true,
      expected = 'a list of schemes ("" for a name without one)' } },
    { "help", { type = "string", min = 1, max = MAX_LINE, expected = "a line that shows a URI" } },
    { "config", { type = "map", keys = fields.key, values = KEY, max = 64 } },
    { "variables", { type = "list", of = fields.variable, max = 64, expected = "a list of environment variables" } },
    { "resolve", { type = "function", required = true } },
    { "explain", { type = "function" } },
    { "finish", { type = "function" } },
  },
  check = function(rules, report)
    local keys = keys_of(rules)
    check_bounds(keys, report)
    check_variables(rules, keys, report)
  end,
}

-- What stands for the help a file does not give.
local function own_help(schemes)
  for _, scheme in ipairs(schemes) do
    if scheme ~= "" then
      return scheme .. "://..."
    end
  end
  return "NAME"
end

local function effective(rules, help, file)
  local config = {}
  for name, key in pairs(rules.config or {}) do
    config[name] = {
      secret = key.secret == true, endpoint = key.endpoint == true, file = key.file == true,
      env = json.list(key.env or {}), default = key.default, bound_to = key.bound_to, help = key.help,
    }
  end
  local hooks = json.list({})
  for _, name in ipairs({ "resolve", "explain", "finish" }) do
    hooks[#hooks + 1] = rules[name] and name or nil
  end
  return json.encode({
    source = rules.source, schemes = json.list(rules.schemes), help = help, config = config,
    variables = json.list(rules.variables or {}), hooks = hooks, file = file.path, replaces = file.replaces,
  })
end

--- Tells the host what it needs of a source whose rules are good: source(name), scheme(name) for each, help(line) and
-- effective(json).
function source.deliver(rules, file, outcome)
  local help = rules.help or own_help(rules.schemes)
  outcome:source(rules.source)
  for _, scheme in ipairs(rules.schemes) do
    outcome:scheme(scheme)
  end
  outcome:help(help)
  outcome:effective(effective(rules, help, file))
end

return source
