--- ctx.engine: the engine in use and its `adapters` hooks, which are functions of its rule file and work with the
-- engine through an object made here.
local describe = require "kthena.describe"
local host = require "host.engine"
local http = require "kthena.http"
local json = require "kthena.json"
local marked = require "kthena.marked"
local opened = require "kthena.opened"
local time = require "host.time"

local engine_calls = {}

local UNKNOWN = "the engine is not known yet: it has not answered so that its rules could be told"

local KINDS = {
  [400] = "invalid", [415] = "invalid", [422] = "invalid", [401] = "unauthorized", [403] = "denied",
  [404] = "not_found", [408] = "timeout", [504] = "timeout", [409] = "exists", [429] = "overload",
  [501] = "unsupported", [503] = "unavailable",
}

-- What hooks may return as their outcome.
local OUTCOMES = {
  load = { loaded = true, already_loaded = true },
  unload = { unloaded = true, not_found = true },
}

-- The rule file of the engine in use, { rules =, path =, name = }; nil while there is none.
local function current()
  local text, chunk, path, name = host.rules()
  if not text then
    return nil
  end
  local file = opened({ text = text, chunk = chunk, path = path })
  return { rules = file.rules, path = file.path, name = name }
end

-- A number that is no status is 0.
local function status_or_nil(status)
  return status ~= 0 and status or nil
end

local function send(base, method, path, body, options)
  options = options or {}
  local text = body ~= nil and json.encode(marked(body)) or nil
  local status, lines, content, code = host.request(method, (options.base or base) .. path, text,
    text and "application/json" or nil, options.timeout)
  if not status then
    return nil, lines, content, status_or_nil(code)
  end
  return { status = status, headers = http.parse_headers(lines), body = content, json = (json.decode(content)) }
end

--- What a hook returns for a reply that is a failure.
-- @usage return engine.fail(reply, "no such adapter") --> nil, "HTTP 404: no such adapter", "not_found", 404
function engine_calls.fail(reply, message, kind)
  local status = type(reply) == "table" and reply.status or reply
  return nil, ("HTTP %d: %s"):format(status, message), kind or KINDS[status] or "protocol",
    (status < 400 or status > 599) and 502 or status
end

-- The object that hooks get.
local function object(name, lock)
  local own = host.facts()
  local base = own.url
  own.name = name
  own.get = function(path, options)
    return send(base, "GET", path, nil, options)
  end
  own.post = function(path, body, options)
    return send(base, "POST", path, body, options)
  end
  own.fail = engine_calls.fail
  own.sleep = time.sleep
  own.time = time.monotonic
  own.lock = lock
  return own
end

local function broken(file, hook, what)
  return nil, ("%s: adapters.%s: %s"):format(file.path, hook, what), "policy", 500
end

-- A hook's failure as it is returned, or as one that the hook should have returned.
local function failure(file, hook, message, kind, status)
  if type(message) ~= "string" then
    return broken(file, hook, "returned nothing; expected an outcome, or nil, a message and a kind")
  end
  return nil, message, kind or "protocol", status
end

local function checked(file, hook, value, message, kind, status)
  if value == nil or value == false then
    return failure(file, hook, message, kind, status)
  end
  local outcomes = OUTCOMES[hook]
  if outcomes and not outcomes[value] then
    return broken(file, hook, "returned " .. describe.value(value))
  elseif outcomes then
    return value, type(message) == "string" and message or ""
  elseif hook == "reset" then
    return true
  elseif type(value) ~= "table" then
    return broken(file, hook, "expected it to return a list, got " .. describe.value(value))
  end
  return value
end

-- Calls a hook of the engine in use. An error that it raises is its own failure, not its caller's.
local function call(hook, lock, adapter)
  local file = current()
  if not file then
    return nil, UNKNOWN, "unavailable", 503
  end
  local hooks = file.rules.adapters or {}
  if not hooks[hook] and hook == "reset" then
    return true
  elseif not hooks[hook] then
    local reason = hooks.cannot or hooks.load and ("%s does not %s its adapters"):format(file.name, hook)
      or ("%s cannot load adapters at run time"):format(file.name)
    return nil, reason, "unsupported", 501
  end
  local results = { pcall(hooks[hook], object(file.name, lock), adapter) }
  if not results[1] then
    return broken(file, hook, tostring(results[2]))
  end
  return checked(file, hook, unpack(results, 2, 5))
end

-- An adapter as hooks get it; `fields` is always there.
local function complete(adapter, what)
  if type(adapter) ~= "table" or type(adapter.name) ~= "string" then
    error(("ctx.engine.%s: expected a table with the adapter's name"):format(what), 3)
  end
  local copy = { fields = {} }
  for key, value in pairs(adapter) do
    copy[key] = value
  end
  return copy
end

--- Makes ctx.engine. `lock` is ctx.lock.
--     name, url, management_url, model, pod   name is nil while the engine is not recognised
--     supports(hook)                          whether the engine's rules have the hook
--     load(adapter), unload(adapter)          the outcome and what the engine said
--     list()                                  a list of { name =, path = ... }
--     reset()                                 true
-- What fails is nil, a message, a kind and perhaps a status.
function engine_calls.new(lock)
  local own = host.facts()
  own.supports = function(hook)
    local file = current()
    return file ~= nil and file.rules.adapters ~= nil and file.rules.adapters[hook] ~= nil
  end
  for _, hook in ipairs({ "load", "unload" }) do
    own[hook] = function(adapter)
      return call(hook, lock, complete(adapter, hook))
    end
  end
  for _, hook in ipairs({ "list", "reset" }) do
    own[hook] = function()
      return call(hook, lock)
    end
  end
  return setmetatable(own, {
    __metatable = false,
    __index = function(_, key)
      if key == "name" then
        return (select(4, host.rules()))
      elseif key == "url" or key == "management_url" or key == "model" or key == "pod" then
        return nil
      end
      error(("ctx.engine has no %s"):format(describe.value(key)), 2)
    end,
  })
end

return engine_calls
