--- Turns whatever a rule file returned into plain data: fresh tables without metatables that are either lists (1 to n)
-- or have text as keys, of bounded size and depth, without cycles. Everything after this works on plain data.
local describe = require "kthena.describe"

local tree = {}

local MAX_DEPTH = 20
local MAX_VALUES = 100000

local function is_list_key(key)
  return type(key) == "number" and key >= 1 and key % 1 == 0
end

-- Says what is wrong with the keys of a table, if anything; next ignores metatables.
local function key_problem(value)
  local items, names, largest = 0, 0, 0
  for key in next, value do
    if is_list_key(key) then
      items = items + 1
      largest = key > largest and key or largest
    elseif type(key) == "string" then
      names = names + 1
    else
      return "has a key that is " .. describe.value(key) .. "; keys are names, or 1, 2, 3... in a list"
    end
  end
  if items > 0 and names > 0 then
    return "mixes list items and named keys"
  elseif largest ~= items then
    return "is a list with a hole (an item that is nil)"
  end
end

local copy

local function copy_table(value, path, state)
  if state.open[value] then
    return nil, "contains itself"
  elseif state.depth == MAX_DEPTH then
    return nil, "is nested more than " .. MAX_DEPTH .. " levels deep"
  elseif getmetatable(value) ~= nil then
    return nil, "has a metatable; rules are plain data"
  end
  local problem = key_problem(value)
  if problem then
    return nil, problem
  end
  state.open[value] = true
  state.depth = state.depth + 1
  local result = {}
  for key, item in next, value do
    if state.values == MAX_VALUES then
      break
    end
    result[key] = copy(item, describe.key(path, key), state)
  end
  state.depth = state.depth - 1
  state.open[value] = nil
  return result
end

function copy(value, path, state)
  state.values = state.values + 1
  if state.values == MAX_VALUES then
    state.report("", "holds more than " .. MAX_VALUES .. " values")
    return nil
  elseif type(value) ~= "table" then
    return value
  end
  local result, problem = copy_table(value, path, state)
  if problem then
    state.report(path, problem)
  end
  return result
end

--- Copies a value. report(key, message) is called for everything that is not plain data, which the copy lacks.
-- Functions are copied as they are: a schema says where they may stand.
-- @usage local rules = tree.copy(chunk(), report)
function tree.copy(value, report)
  return copy(value, "", { open = {}, depth = 0, values = 0, report = report })
end

return tree
