--- A copy of plain data in which lists are marked as such (kthena.json), so that JSON has them as lists: tables with
-- items, and those that are marked already. Rules do not have to mark what they return.
-- @usage json.encode(marked({ list = { 1, 2 } })) --> {"list":[1,2]}
local json = require "kthena.json"

local MAX_DEPTH = 32

local function mark(value, depth)
  if type(value) ~= "table" or depth > MAX_DEPTH then
    return value
  end
  local copy = {}
  for key, item in pairs(value) do
    copy[key] = mark(item, depth + 1)
  end
  return (#copy > 0 or json.is_list(value)) and json.list(copy) or copy
end

return function(value)
  return mark(value, 0)
end
