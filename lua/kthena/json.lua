--- JSON whose text is the same from run to run: keys are sorted, and lists are lists because they say so, not because
-- of what they happen to hold. A table is an object unless json.list marked it.
local host = require "host.json"

local json = {}

local MAX_DEPTH = 32

local list = {}

--- What stands for null in decoded values and in values to encode.
json.null = host.null

--- Marks a table as a list and returns it. An empty one is [], where {} is an object.
-- @usage json.encode({ aliases = json.list({}) }) --> {"aliases":[]}
function json.list(items)
  return setmetatable(items, list)
end

--- Whether json.list has marked a value.
function json.is_list(value)
  return getmetatable(value) == list
end

local encode

-- Most texts need no escapes.
local function quote(text)
  return text:find('[%c"\\\127-\255]') and host.quote(text) or '"' .. text .. '"'
end

local function encode_list(value, depth)
  local parts = {}
  for i = 1, #value do
    parts[i] = encode(value[i], depth)
  end
  return "[" .. table.concat(parts, ",") .. "]"
end

local function encode_object(value, depth)
  local names = {}
  for name in pairs(value) do
    if type(name) ~= "string" then
      error("could not encode a table with a key that is a " .. type(name) .. "; json.list marks a list", 0)
    end
    names[#names + 1] = name
  end
  table.sort(names)
  for i, name in ipairs(names) do
    names[i] = quote(name) .. ":" .. encode(value[name], depth)
  end
  return "{" .. table.concat(names, ",") .. "}"
end

function encode(value, depth)
  local kind = type(value)
  if kind == "string" then
    return quote(value)
  elseif kind == "boolean" then
    return tostring(value)
  elseif kind == "number" and value - value == 0 then
    return host.number(value)
  elseif value == host.null then
    return "null"
  elseif kind ~= "table" then
    error("could not encode a " .. (kind == "number" and "number that is not finite" or kind), 0)
  elseif depth == MAX_DEPTH then
    error("could not encode a table nested more than " .. MAX_DEPTH .. " levels deep", 0)
  elseif getmetatable(value) == list then
    return encode_list(value, depth + 1)
  end
  return encode_object(value, depth + 1)
end

--- Encodes a value. What JSON cannot hold (functions, numbers that are not finite, cycles) is an error.
-- @usage json.encode({ b = 1, a = json.list({ true }) }) --> {"a":[true],"b":1}
function json.encode(value)
  local ok, result = pcall(encode, value, 0)
  if not ok then
    error(result, 2)
  end
  return result
end

--- Decodes a text. Returns nil and a message with the position when it is not JSON.
-- @usage local value, message = json.decode('{"a": 1}')
function json.decode(source)
  return host.decode(source)
end

return json
