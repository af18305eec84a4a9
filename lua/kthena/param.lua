--- A parameter of a workflow: the schema of one, and what the host is told of it. For kthena.workflow only.
local describe = require "kthena.describe"
local fields = require "kthena.fields"
local json = require "kthena.json"
local list = require "kthena.list"
local text = require "host.text"

local param = {}

local MAX_INTEGER = 2 ^ 53

local TYPES = { "string", "integer", "number", "boolean", "list", "object", "config", "source", "directory" }

-- These have bounds: numbers of their value, the others of their length.
local BOUNDED = { string = true, integer = true, number = true, list = true }

local function is_number(value)
  return type(value) == "number" and value - value == 0
end

local function is_integer(value)
  return is_number(value) and value % 1 == 0 and math.abs(value) <= MAX_INTEGER
end

local function is_text(value)
  return type(value) == "string" and text.valid(value)
end

local function is_word(value)
  return is_text(value) and value ~= ""
end

local function is_list(value)
  if is_text(value) then
    return true
  end
  for _, item in ipairs(type(value) == "table" and value or {}) do
    if not is_text(item) then
      return false
    end
  end
  return type(value) == "table" and (#value > 0 or next(value) == nil)
end

-- Whether JSON can hold a value of plain data.
local function is_json(value)
  if type(value) ~= "table" then
    return is_text(value) or is_number(value) or type(value) == "boolean" or value == json.null
  end
  for _, item in pairs(value) do
    if not is_json(item) then
      return false
    end
  end
  return true
end

local function is_object(value)
  return type(value) == "table" and #value == 0 and is_json(value)
end

-- What a default of each type has to be.
local DEFAULTS = {
  string = { is_text, "text" },
  integer = { is_integer, "a whole number" },
  number = { is_number, "a number" },
  boolean = { function(value) return type(value) == "boolean" end, "true or false" },
  list = { is_list, "a list of texts" },
  object = { is_object, "a table of plain data" },
  config = { is_object, "a table of plain data" },
  source = { is_word, "a URI" },
  directory = { is_word, "a directory" },
}

--- Whether a value is the name of a type.
function param.is_type(value)
  return DEFAULTS[value] ~= nil
end

local function check_bounds(one, report, path)
  for _, key in ipairs({ "min", "max" }) do
    local bound = one[key]
    if bound ~= nil and not BOUNDED[one.type] then
      report(describe.key(path, key), "goes with type string, integer, number or list, this is " .. one.type)
    elseif type(bound) == "number" and one.type ~= "number" and not is_integer(bound) then
      report(describe.key(path, key), "expected a whole number, got " .. describe.value(bound))
    elseif type(bound) == "number" and not is_number(bound) then
      report(describe.key(path, key), "expected a finite number, got " .. describe.value(bound))
    end
  end
  if type(one.min) == "number" and type(one.max) == "number" and one.min > one.max then
    report(describe.key(path, "min"), ("is more than max, %s"):format(describe.value(one.max)))
  end
end

-- The number that the bounds of a type are for.
local function size_of(kind, value)
  if kind == "list" then
    return type(value) == "table" and #value or 1
  end
  return type(value) == "string" and #value or value
end

local function is_outside(one, value)
  local size = BOUNDED[one.type] and size_of(one.type, value)
  return size and ((type(one.min) == "number" and size < one.min) or (type(one.max) == "number" and size > one.max))
end

local function check_default(one, report, path)
  local holds, expected = unpack(DEFAULTS[one.type])
  local value = one.default
  local choices = type(one.choices) == "table" and one.choices or nil
  if one.required == true then
    report(path, 'cannot stand beside "required"; a parameter has a default or is required')
  elseif not holds(value) then
    report(path, ("expected %s, got %s"):format(expected, describe.value(value)))
  elseif choices and not list.contains(choices, value) then
    report(path, ("expected one of its choices, got %s"):format(describe.value(value)))
  elseif is_outside(one, value) then
    report(path, "is outside of its min and max")
  end
end

local function check(one, report, path)
  if not param.is_type(one.type) then
    return
  end
  check_bounds(one, report, path)
  if one.choices ~= nil and one.type ~= "string" then
    report(describe.key(path, "choices"), "goes with type string, this is " .. one.type)
  end
  if one.default ~= nil then
    check_default(one, report, describe.key(path, "default"))
  end
end

--- The schema, for kthena.schema.
param.schema = {
  type = "record", check = check, expected = "a table that describes a parameter",
  fields = {
    { "name", fields.required(fields.key) },
    { "type", { type = "string", choices = TYPES, required = true } },
    { "required", { type = "boolean" } },
    { "default", { type = "any" } },
    { "help", { type = "string" } },
    { "choices", { type = "list", filled = true, max = 64, expected = "a list of texts", of = { type = "string" } } },
    { "min", { type = "number" } },
    { "max", { type = "number" } },
  },
}

-- The same value with its lists marked as such.
local function marked(value)
  if type(value) ~= "table" then
    return value
  end
  local copy = {}
  for key, item in pairs(value) do
    copy[key] = marked(item)
  end
  return #copy > 0 and json.list(copy) or copy
end

local function default_of(one)
  if one.type == "list" and one.default ~= nil then
    return json.list(type(one.default) == "table" and one.default or { one.default })
  end
  return marked(one.default)
end

--- The parameter with everything said, for people.
function param.effective(one)
  return {
    name = one.name, type = one.type, required = one.required == true, default = default_of(one), help = one.help,
    choices = one.choices and json.list(one.choices), min = one.min, max = one.max,
  }
end

--- Tells the host of a parameter: param(name, type, required, default as JSON or nil, help, min or nil, max or nil) and
-- then choice(text) for each.
function param.deliver(one, outcome)
  local default = default_of(one)
  outcome:param(one.name, one.type, one.required == true, default ~= nil and json.encode(default) or nil,
    one.help or "", one.min, one.max)
  for _, choice in ipairs(one.choices or {}) do
    outcome:choice(choice)
  end
end

return param
