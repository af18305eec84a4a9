--- Words for messages about rules: values, keys and choices the way people write them.
local describe = {}

local MAX_TEXT = 60

local function shorten(text)
  local short = #text > MAX_TEXT and text:sub(1, MAX_TEXT) .. "..." or text
  return (short:gsub("%c", function(control)
    return ("\\%d"):format(control:byte())
  end))
end

--- A value: "guage" in quotes, 5, true, nothing, a table, a function.
-- @usage describe.value("guage") --> "guage" in quotes
function describe.value(value)
  local kind = type(value)
  if kind == "string" then
    return '"' .. shorten(value) .. '"'
  elseif kind == "number" then
    return ("%.14g"):format(value)
  elseif kind == "boolean" then
    return tostring(value)
  elseif kind == "nil" then
    return "nothing"
  elseif kind == "table" and next(value) ~= nil then
    return #value > 0 and "a list" or "a table"
  end
  return "a " .. kind
end

--- The path of a key below another: metrics[3], metrics[3].type, add["a-b"].
-- @usage describe.key("metrics[3]", "type") --> metrics[3].type
function describe.key(path, key)
  if type(key) == "number" then
    return ("%s[%.14g]"):format(path, key)
  elseif type(key) ~= "string" then
    return ("%s[a %s]"):format(path, type(key))
  elseif not key:find("^[%a_][%w_]*$") or #key > MAX_TEXT then
    return ('%s["%s"]'):format(path, shorten(key))
  end
  return path == "" and key or path .. "." .. key
end

--- Words as a choice: counter, gauge, histogram or summary.
-- @usage describe.choice({ "sum", "count" }) --> sum or count
function describe.choice(words)
  if #words < 2 then
    return words[1] or "nothing"
  end
  return table.concat(words, ", ", 1, #words - 1) .. " or " .. words[#words]
end

return describe
