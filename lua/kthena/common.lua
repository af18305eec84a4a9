--- What the ctx of sources and that of workflows have in common. For kthena.context and kthena.workflow_context only.
local describe = require "kthena.describe"
local host_url = require "host.url"
local http = require "kthena.http"
local json = require "kthena.json"
local log = require "host.log"
local secret = require "host.secret"
local sign = require "host.sign"
local text = require "host.text"
local time = require "host.time"
local xml = require "host.xml"

local common = {}

local element = {}
element.__index = element

--- The first child of this name, or nil.
function element:child(name)
  for _, child in ipairs(self) do
    if child.name == name then
      return child
    end
  end
end

--- The children of this name, for `for`.
-- @usage for entry in list:each("Contents") do ... end
function element:each(name)
  local i = 0
  return function()
    repeat
      i = i + 1
    until not self[i] or self[i].name == name
    return self[i]
  end
end

--- The text of the first child of this name, or nil.
function element:value(name)
  local child = self:child(name)
  return child and child.text
end

local function parse_xml(source)
  return xml.parse(source, element)
end

local function parse_json(source)
  return json.decode(source)
end

local url = {}

url.encode = host_url.encode
url.decode = host_url.decode

--- A query of pairs: url.query{ { "prefix", "a b" } } is prefix=a%20b.
function url.query(pairs_of)
  local parts = {}
  for i, pair in ipairs(pairs_of) do
    parts[i] = host_url.encode(tostring(pair[1])) .. "=" .. host_url.encode(tostring(pair[2]))
  end
  return table.concat(parts, "&")
end

--- The parts of an http or https URL; or nil and a message.
function url.parse(source)
  local scheme, host, port, rest = host_url.parse(source)
  if not scheme then
    return nil, host
  end
  return {
    scheme = scheme, host = host, port = port, path = rest:match("^[^?]*"), query = rest:match("?(.*)$"),
  }
end

local function aws_sigv4(credentials)
  for _, name in ipairs({ "access_key", "secret_key", "region", "service" }) do
    if not credentials[name] then
      error("ctx.aws_sigv4: " .. name .. ": missing", 2)
    end
  end
  return sign.aws_sigv4(credentials.access_key, credentials.secret_key, credentials.session_token, credentials.region,
    credentials.service, credentials.encode_once)
end

local function logger(name)
  local own = {}
  for _, level in ipairs({ "debug", "info", "warning" }) do
    own[level] = function(message)
      log[level](name .. ": " .. tostring(message))
    end
  end
  return own
end

-- Raises the error for a name that a table does not have. `known` has the names as keys.
local function refuse(what, name, known)
  local names = {}
  for own in pairs(known) do
    names[#names + 1] = own
  end
  table.sort(names)
  local near = text.nearest(tostring(name), unpack(names))
  error(("%s has no %s; %s"):format(what, describe.value(name), near and ("did you mean '%s'?"):format(near)
    or "there is " .. describe.choice(names)), 3)
end

--- A table in which a name that does not exist is an error, not nil: misspelt it would go unseen. `known` has names.
-- `makers`, which may be nil, has functions by name that make a value when it is first asked for.
function common.strict(what, values, known, makers)
  return setmetatable(values, {
    __metatable = false,
    __index = function(own, name)
      local maker = makers and makers[name]
      if maker then
        local value = maker()
        rawset(own, name, value)
        return value
      elseif type(name) ~= "string" or not known[name] then
        refuse(what, name, known)
      end
    end,
  })
end

--- The names of a table, as keys.
function common.names_of(values)
  local names = {}
  for name in pairs(values) do
    names[name] = true
  end
  return names
end

--- What every ctx has. `name` begins its lines in the log; `reach`: how far its requests may lead (kthena.http).
function common.new(name, reach)
  return {
    http = http.new(reach),
    xml = parse_xml,
    json = parse_json,
    url = url,
    time = time.now,
    log = logger(name),
    secret = secret.new,
    ini = secret.ini,
    aws_sigv4 = aws_sigv4,
  }
end

return common
