--- ctx.state and ctx.memory: tables of remembered values, whatever JSON can hold, on top of a handle of host.state.
local describe = require "kthena.describe"
local json = require "kthena.json"
local marked = require "kthena.marked"

local store = {}

-- Two threads that update one value alternate; one that is overtaken so often has met something else.
local MAX_TRIES = 1000

local function check_key(key, what, level)
  if type(key) ~= "string" then
    error(("%s: expected the name of a value, got %s"):format(what, describe.value(key)), level + 1)
  end
end

-- A value as JSON, nil for nil; what is no plain data is an error.
local function encode(value, what, level)
  if value == nil then
    return nil
  end
  local ok, result = pcall(json.encode, marked(value))
  if not ok then
    error(("%s: %s"):format(what, result), level + 1)
  end
  return result
end

local function decode(text)
  return text and json.decode(text)
end

--- Makes the functions for a table of the host's. `name` is how rules call it ("ctx.state").
--     get(key)              the value, or nil
--     set(key, value)       true; nil removes; or nil, a message and a kind when it could not be kept
--     all(prefix)           a table of the values whose keys begin so, by key
--     update(key, change)   sets what change(old) returns and returns that; or nil, a message and a kind. change is
--                           called again when another call has changed the value meanwhile
-- @usage local state = store.new(host.open("state"), "ctx.state")
function store.new(handle, name)
  local own = {}

  function own.get(key)
    check_key(key, name .. ".get", 2)
    return decode((handle:get(key)))
  end

  function own.set(key, value)
    check_key(key, name .. ".set", 2)
    return handle:set(key, encode(value, name .. ".set", 2))
  end

  function own.all(prefix)
    if prefix ~= nil then
      check_key(prefix, name .. ".all", 2)
    end
    return decode(handle:all(prefix or ""))
  end

  function own.update(key, change)
    check_key(key, name .. ".update", 2)
    for _ = 1, MAX_TRIES do
      local old, version = handle:get(key)
      local value = change(decode(old))
      local done, message, kind = handle:replace(key, encode(value, name .. ".update", 2), version)
      if done then
        return value
      elseif done == nil then
        return nil, message, kind
      end
    end
    return nil, ("%s is changed by others all the time"):format(key), "overload"
  end

  return own
end

return store
