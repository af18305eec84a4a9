--- Makes ctx, what the hooks of sources and workflows are given: everything they can do to the world.
local access = require "host.access"
local config = require "kthena.config"
local describe = require "kthena.describe"
local files = require "host.files"
local host_url = require "host.url"
local http = require "kthena.http"
local job = require "host.job"
local json = require "kthena.json"
local log = require "host.log"
local secret = require "host.secret"
local sign = require "host.sign"
local text = require "host.text"
local time = require "host.time"
local xml = require "host.xml"

local context = {}

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

-- A table in which a name that does not exist is an error, not nil: misspelt it would go unseen. `known` has the names.
local function strict(what, values, known)
  return setmetatable(values, {
    __metatable = false,
    __index = function(_, name)
      if type(name) == "string" and known[name] then
        return nil
      end
      local names = {}
      for own in pairs(known) do
        names[#names + 1] = own
      end
      table.sort(names)
      local near = text.nearest(tostring(name), unpack(names))
      error(("%s has no %s; %s"):format(what, describe.value(name), near and ("did you mean '%s'?"):format(near)
        or "there is " .. describe.choice(names)), 2)
    end,
  })
end

local function names_of(values)
  local names = {}
  for name in pairs(values) do
    names[name] = true
  end
  return names
end

-- What every ctx has.
local function common(name, reach)
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

local function variables(rules, options)
  local known = {}
  for _, name in ipairs(rules.variables or {}) do
    known[name] = true
  end
  return function(name)
    if not known[name] then
      error(("ctx.env: %s is not declared; add it to the file's variables"):format(describe.value(name)), 2)
    end
    return config.variable(options, name)
  end
end

-- How far a source may lead that may itself be a URL that a request brought; `reach` is what its configuration says.
local function reach_of(uri, options, reach)
  if not options.foreign or not host_url.parse(uri.text) then
    return reach
  end
  return not access.url(uri.text) and "guarded" or reach == "anywhere" and "named" or reach
end

--- Makes the ctx of a source for a URI (kthena.uri). `options` may hold config (as for kthena.config), foreign and env.
-- Returns it, and how far it may lead: "anywhere"; "named", where a request says and --allow-source allows, though not
-- from there by a redirect into the host's own network; "guarded", never there. Or nil, a message and a kind.
-- @usage local ctx, reach = context.source(rules, uri.parse("acme://x"), { config = '{"token": "t"}' })
function context.source(rules, uri, options)
  local opened, problem, problem_kind = config.open(options.config)
  if options.config ~= nil and not opened then
    return nil, problem, problem_kind
  end
  local own = { config = opened, foreign = options.foreign, env = options.env }
  local keys = rules.config or {}
  local values, origins, reach = config.resolve(keys, own)
  if not values then
    return nil, origins, reach
  end
  reach = reach_of(uri, options, reach)
  local ctx = common(rules.source, reach)
  ctx.config = strict("ctx.config", values, keys)
  ctx.origin = strict("ctx.origin", origins, keys)
  ctx.env = variables(rules, own)
  ctx.files = files.list
  return strict("ctx", ctx, names_of(ctx)), reach
end

--- Makes the ctx of a workflow. `download` is its ctx.download.
function context.workflow(rules, download)
  local ctx = common(rules.workflow, "anywhere")
  ctx.download = download
  ctx.job = { id = job.id(), phase = job.phase }
  return strict("ctx", ctx, names_of(ctx))
end

return context
