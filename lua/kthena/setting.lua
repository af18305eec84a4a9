--- A setting that a workflow's file declares, a flag or variable of `serve`: the schema of one, and what the host is
-- told of it. For kthena.workflow only.
local describe = require "kthena.describe"
local fields = require "kthena.fields"
local host = require "host.json"
local json = require "kthena.json"
local text = require "host.text"

local setting = {}

local MAX_INTEGER = 2 ^ 53
local MAX_SECONDS = 1e9

local TYPES = { "string", "integer", "number", "seconds", "boolean", "list", "file", "secret" }

local FLAG = {
  type = "string", matches = "^[a-z][a-z0-9-]*[a-z0-9]$", max = 60,
  expected = 'a flag without its dashes (lower-case letters, digits, "-")',
}

local function is_number(value)
  return type(value) == "number" and value - value == 0
end

local function is_text(value)
  return type(value) == "string" and text.valid(value)
end

local function is_list(value)
  if type(value) ~= "table" or #value == 0 then
    return false
  end
  for _, item in ipairs(value) do
    if not is_text(item) or item == "" or item:find(",", 1, true) then
      return false
    end
  end
  return true
end

-- What a default of each type has to be.
local DEFAULTS = {
  string = { is_text, "text" },
  integer = { function(value) return is_number(value) and value % 1 == 0 and math.abs(value) <= MAX_INTEGER end,
    "a whole number" },
  number = { is_number, "a number" },
  seconds = { function(value) return is_number(value) and value >= 0 and value <= MAX_SECONDS end,
    "a number of seconds" },
  boolean = { function(value) return type(value) == "boolean" end, "true or false" },
  list = { is_list, "a list of texts without commas" },
  file = { function(value) return is_text(value) and value ~= "" end, "a path" },
}

local function check(one, report, path)
  if one.flag == nil and one.env == nil then
    report(path, 'nothing gives it a value; expected "flag", "env" or both')
  end
  local known = DEFAULTS[one.type]
  if one.type == "secret" then
    if one.flag ~= nil then
      report(describe.key(path, "flag"), "a secret comes from the environment; everybody can read a process's flags")
    end
    if one.default ~= nil then
      report(describe.key(path, "default"), "a rule file holds no secrets")
    end
  elseif known and one.default ~= nil and not known[1](one.default) then
    report(describe.key(path, "default"), ("expected %s, got %s"):format(known[2], describe.value(one.default)))
  end
end

--- The schema, for kthena.schema.
setting.schema = {
  type = "record", check = check, expected = "a table that describes a setting",
  fields = {
    { "name", fields.required(fields.key) },
    { "flag", FLAG },
    { "env", fields.variable },
    { "type", { type = "string", choices = TYPES, required = true } },
    { "default", { type = "any" } },
    { "help", { type = "string" } },
  },
}

--- Whether a value is the name of a type.
function setting.is_type(value)
  return value == "secret" or DEFAULTS[value] ~= nil
end

--- Whether a setting of this type is a number.
function setting.is_number(kind)
  return kind == "seconds" or kind == "number" or kind == "integer"
end

--- The setting with everything said, for people.
function setting.effective(one)
  return {
    name = one.name, flag = one.flag, env = one.env, type = one.type, help = one.help,
    default = type(one.default) == "table" and json.list(one.default) or one.default,
  }
end

-- The default as somebody would type it.
local function typed(value)
  if type(value) == "table" then
    return table.concat(value, ",")
  elseif type(value) == "number" then
    return host.number(value)
  end
  return value ~= nil and tostring(value) or nil
end

--- Tells the host of a setting: setting(name, flag or nil, env or nil, type, default as text or nil, help).
function setting.deliver(one, outcome)
  outcome:setting(one.name, one.flag, one.env, one.type, typed(one.default), one.help or "")
end

return setting
