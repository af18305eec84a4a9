--- A small declarative checker for plain data. A schema is a table of nodes; check reports every problem of a value
-- with the key it stands at, in the order of the schema, and changes nothing.
--
-- A node has a type:
--
--     { type = "string", matches = PATTERN, choices = LIST, min = BYTES, max = BYTES }
--     { type = "number" } { type = "boolean" } { type = "function" }
--     { type = "any" }                          whatever it is, for check to look at
--     { type = "list", of = NODE, single = true: one item may stand for the list, filled = true, max = COUNT }
--     { type = "map", keys = NODE, values = NODE, max = COUNT }
--     { type = "record", fields = { { "name", NODE }, ... } }
--     { type = "either", TYPE = NODE, ... }     by the Lua type of the value
--
-- and perhaps: required (in a record), expected = "a metric name" for messages, and check(value, report, path), which
-- reports what else it finds. It is called for a value that nothing else is wrong with; and for a record whatever is
-- wrong with its fields, so that it has to look before it takes one for what the schema says.
local describe = require "kthena.describe"
local list = require "kthena.list"
local text = require "host.text"

local schema = {}

local MAX_STRING = 1000

local articles = {
  string = "text", number = "a number", boolean = "true or false", ["function"] = "a function", list = "a list",
  map = "a table", record = "a table",
}

local function expectation(node)
  return node.expected or (node.choices and describe.choice(node.choices)) or articles[node.type]
end

local function wrong(node, value, report, path)
  report(path, ("expected %s, got %s"):format(expectation(node), describe.value(value)))
end

local function is_list(value)
  return type(value) == "table" and (#value > 0 or next(value) == nil)
end

local function is_named(value)
  return type(value) == "table" and #value == 0
end

-- Returns the keys of a table with names as keys, in order.
local function names_of(value)
  local names = {}
  for name in pairs(value) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

local function check_count(node, count, unit, report, path)
  if count > (node.max or count) then
    report(path, ("has %d %s; at most %d are allowed"):format(count, unit, node.max))
  elseif node.filled and count == 0 then
    report(path, "is empty; expected at least one item")
  end
end

local check
local checkers = {}

function checkers.string(node, value, report, path)
  if type(value) ~= "string" then
    return wrong(node, value, report, path)
  end
  local max = node.max or MAX_STRING
  if #value > max then
    report(path, ("has %d bytes; at most %d are allowed"):format(#value, max))
  elseif not text.valid(value) then
    report(path, "expected UTF-8 text without control characters, got " .. describe.value(value))
  elseif #value < (node.min or 0) or (node.matches and not value:find(node.matches))
    or (node.choices and not list.contains(node.choices, value)) then
    wrong(node, value, report, path)
  end
end

function checkers.number(node, value, report, path)
  if type(value) ~= "number" then
    wrong(node, value, report, path)
  end
end

function checkers.boolean(node, value, report, path)
  if type(value) ~= "boolean" then
    wrong(node, value, report, path)
  end
end

checkers["function"] = function(node, value, report, path)
  if type(value) ~= "function" then
    wrong(node, value, report, path)
  end
end

function checkers.any()
end

function checkers.list(node, value, report, path)
  if not is_list(value) then
    if node.single then
      return check(node.of, value, report, path)
    end
    return wrong(node, value, report, path)
  end
  check_count(node, #value, "items", report, path)
  for i, item in ipairs(value) do
    check(node.of, item, report, describe.key(path, i))
  end
end

function checkers.map(node, value, report, path)
  if not is_named(value) then
    return wrong(node, value, report, path)
  end
  local names = names_of(value)
  check_count(node, #names, "keys", report, path)
  for _, name in ipairs(names) do
    check(node.keys, name, report, describe.key(path, name))
    check(node.values, value[name], report, describe.key(path, name))
  end
end

local function report_unknown(node, name, report, path)
  local known = {}
  for i, field in ipairs(node.fields) do
    known[i] = field[1]
  end
  local near = text.nearest(name, unpack(known))
  local hint = near and ('did you mean "%s"?'):format(near) or "expected " .. describe.choice(known)
  report(describe.key(path, name), "unknown key; " .. hint)
end

function checkers.record(node, value, report, path)
  if not is_named(value) then
    return wrong(node, value, report, path)
  end
  local known = {}
  for _, field in ipairs(node.fields) do
    local name, inner = field[1], field[2]
    known[name] = true
    if value[name] ~= nil then
      check(inner, value[name], report, describe.key(path, name))
    elseif inner.required then
      report(describe.key(path, name), "missing; expected " .. expectation(inner))
    end
  end
  for _, name in ipairs(names_of(value)) do
    if not known[name] then
      report_unknown(node, name, report, path)
    end
  end
end

function checkers.either(node, value, report, path)
  local inner = node[type(value)]
  if not inner then
    return wrong(node, value, report, path)
  end
  check(inner, value, report, path)
end

function check(node, value, report, path)
  local found = false
  local function note(key, message)
    found = true
    report(key, message)
  end
  checkers[node.type](node, value, note, path)
  if node.check and (not found or (node.type == "record" and is_named(value))) then
    node.check(value, note, path)
  end
end

--- Checks a value against a schema. report(key, message) is called for each problem; key is "" for the value itself.
-- @usage schema.check(engine.schema, rules, function(key, message) print(key, message) end)
function schema.check(node, value, report)
  check(node, value, report, "")
end

return schema
