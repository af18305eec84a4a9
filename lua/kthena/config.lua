--- A source's configuration: for each key its rules declare, the value a request or the command line brought, else that
-- of the first variable that is set, else the default. Secrets and the content of files are handles from the start.
local access = require "host.access"
local describe = require "kthena.describe"
local env = require "host.env"
local fields = require "kthena.fields"
local files = require "host.file"
local host = require "host.config"
local log = require "host.log"
local secret = require "host.secret"

local config = {}

local MAX_FILE = 1024 * 1024

local given = {}
given.__index = given

function given:has(key)
  return self.values[key] ~= nil and self.values[key] ~= ""
end

function given:text(key)
  local value = self.values[key]
  if type(value) == "userdata" or type(value) == "table" then
    return nil, ("config: %s: expected a text"):format(key), "invalid"
  end
  return tostring(value)
end

function given:secret(key)
  local value = self.values[key]
  if type(value) == "userdata" then
    return value
  end
  local text, message, kind = self:text(key)
  return text and secret.new(text), message, kind
end

--- Opens what was given as the configuration: a handle of the host's, JSON, or a table of texts and secrets.
function config.open(value)
  if type(value) == "string" then
    return host.open(value)
  elseif type(value) == "table" and getmetatable(value) ~= given then
    return setmetatable({ values = value }, given)
  end
  return value
end

-- Reads a variable, or what a spec has put in its place.
local function variable(options, name, is_secret)
  local own = options.env and options.env[name]
  if options.env then
    return own and own ~= "" and (is_secret and secret.new(own) or own) or nil
  end
  return is_secret and env.secret(name) or not is_secret and env.get(name) or nil
end

--- The value of an environment variable; `options.env`, if it is there, is all there is.
function config.variable(options, name)
  return variable(options, name, false)
end

-- Returns the value of a key, and where it is from; or nil, a message and a kind when it cannot be read.
local function find(name, key, options)
  local is_secret = key.secret and not key.file
  if options.config and options.config:has(name) and not (key.file and options.foreign) then
    local value, message, kind = options.config[is_secret and "secret" or "text"](options.config, name)
    if value == nil then
      return nil, message, kind
    end
    return value, "request"
  end
  for _, own in ipairs(key.env or {}) do
    local value = variable(options, own, is_secret)
    if value ~= nil then
      return value, "environment"
    end
  end
  return key.default, key.default ~= nil and "default" or nil
end

local function expand_home(path, options)
  if not path:find("^~/") then
    return path
  end
  local home = variable(options, "HOME", false)
  return home and home .. path:sub(2)
end

-- Reads the file a key names. One that is not there is no value; nor is a default that cannot be read.
local function read(path, origin, options)
  local expanded = expand_home(path, options)
  if not expanded then
    return nil
  end
  local content, message, kind = files.read(expanded, MAX_FILE)
  if content or kind == "not_found" then
    return content
  elseif origin == "default" then
    log.debug(message)
    return nil
  end
  return nil, message, kind
end

-- Whether a value is an endpoint that a request brought and nobody has allowed.
local function is_foreign_endpoint(name, values, origins, options)
  return options.foreign and origins[name] == "request" and not access.url(values[name])
end

-- The environment's secrets are for its own endpoints.
local function drop_bound(keys, values, origins, options)
  for _, name in ipairs(fields.names(keys)) do
    local bound = keys[name].bound_to
    if bound and values[name] ~= nil and origins[name] ~= "request"
      and is_foreign_endpoint(bound, values, origins, options) then
      log.warning(("config: %s: not used, because the request brings an %s of its own (%s); --allow-source allows it")
        :format(name, bound, describe.value(values[bound])))
      values[name], origins[name] = nil, nil
    end
  end
end

-- How far the source may lead, given the endpoints that a request brought.
local function reach_of(keys, values, origins, options)
  local reach = "anywhere"
  for name, key in pairs(keys) do
    if key.endpoint and options.foreign and origins[name] == "request" then
      if not access.url(values[name]) then
        return "guarded"
      end
      reach = "named"
    end
  end
  return reach
end

--- Finds the values of a source's declared keys. `options` may hold config (what config.open returned), foreign (it
-- came with a request) and env. Returns a table of values, one of where they are from ("request", "environment",
-- "default"), and how far the source may lead (see kthena.context); or nil, a message and a kind.
-- @usage local values, origins, reach = config.resolve(source.config, { config = handle, foreign = true })
function config.resolve(keys, options)
  local values, origins = {}, {}
  for _, name in ipairs(fields.names(keys)) do
    local value, origin, kind = find(name, keys[name], options)
    if value == nil and kind then
      return nil, origin, kind
    end
    if value ~= nil and keys[name].file then
      local message
      value, message, kind = read(value, origin, options)
      if kind then
        return nil, ("config: %s: %s"):format(name, message), kind
      end
    end
    values[name], origins[name] = value, value ~= nil and origin or nil
  end
  drop_bound(keys, values, origins, options)
  return values, origins, reach_of(keys, values, origins, options)
end

return config
