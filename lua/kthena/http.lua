--- Requests as rules write them: ctx.http{ url = ..., headers = { ... } }.
local describe = require "kthena.describe"
local fields = require "kthena.fields"
local host = require "host.http"
local text = require "host.text"

local http = {}

local TYPES = {
  url = "string", method = "string", headers = "table", signer = "userdata", accept = "string", follow = "string",
  attempts = "number", timeout = "number", limit = "number",
}
local FOLLOW = { origin = true, none = true, any = true }

local function is_part(value)
  return type(value) == "string" or type(value) == "userdata"
end

--- The parts of a text for the host: a text, a secret, or a list of them. nil when it is none of these.
function http.parts(value)
  if is_part(value) then
    return { value }
  elseif type(value) ~= "table" or #value == 0 then
    return nil
  end
  for _, part in ipairs(value) do
    if not is_part(part) then
      return nil
    end
  end
  return value
end

--- Puts headers, a table from names to values, into a request or a plan of the host's. Returns true; or nil, a message
-- and a kind.
function http.add_headers(target, headers)
  for _, name in ipairs(fields.names(headers)) do
    local ok, message, kind = target:header(name, unpack(http.parts(headers[name])))
    if not ok then
      return nil, message, kind
    end
  end
  return true
end

-- What is wrong with a request, if anything.
local function problem(request)
  if type(request) ~= "table" then
    return "expected a table, got " .. describe.value(request)
  end
  for key, value in pairs(request) do
    if key == "body" then
      if not http.parts(value) then
        return "body: expected a text, a secret or a list of them, got " .. describe.value(value)
      end
    elseif not TYPES[key] then
      local known = fields.names(TYPES)
      known[#known + 1] = "body"
      local near = type(key) == "string" and text.nearest(key, unpack(known))
      return ("unknown key %s; %s"):format(describe.value(key),
        near and ("did you mean '%s'?"):format(near) or "expected " .. describe.choice(known))
    elseif type(value) ~= TYPES[key] then
      return ("%s: expected a %s, got %s"):format(key, TYPES[key], describe.value(value))
    end
  end
  if not request.url then
    return "url: missing"
  elseif request.follow and not FOLLOW[request.follow] then
    return ("follow: expected origin, none or any, got %s"):format(describe.value(request.follow))
  end
  for name, value in pairs(request.headers or {}) do
    if type(name) ~= "string" or not http.parts(value) then
      return ("headers: %s: expected a text, a secret or a list of them"):format(describe.value(name))
    end
  end
end

--- Header lines of the host's as a table with names in lower case; the values of one name are joined with commas.
function http.parse_headers(lines)
  local headers = {}
  for name, value in lines:gmatch("([^:\n]+): ?([^\n]*)\n") do
    headers[name] = headers[name] and headers[name] .. ", " .. value or value
  end
  return headers
end

local function send(request, reach)
  local call = host.request(request.method or "GET", request.url)
  local ok, message, kind = http.add_headers(call, request.headers or {})
  if not ok then
    return nil, message, kind
  end
  for _, name in ipairs({ "accept", "signer", "follow", "attempts", "timeout", "limit" }) do
    if request[name] ~= nil then
      call[name](call, request[name])
    end
  end
  if request.body ~= nil then
    call:body(unpack(http.parts(request.body)))
  end
  call:reach(reach)
  local status, lines, body = call:send()
  if not status then
    return nil, lines, body
  end
  return { status = status, headers = http.parse_headers(lines), body = body }
end

--- Makes ctx.http: called with a request it sends it; get(url, options) is a shorthand. `reach`: how far they may
-- lead, see context.source.
function http.new(reach)
  local function checked(request, level)
    local wrong = problem(request)
    if wrong then
      error("ctx.http: " .. wrong, level + 1)
    end
    return send(request, reach)
  end
  local function get(url, options)
    local request = { url = url }
    for key, value in pairs(options or {}) do
      request[key] = value
    end
    local reply, message, kind = checked(request, 2)
    return reply, message, kind
  end
  return setmetatable({ get = get }, {
    __call = function(_, request)
      local reply, message, kind = checked(request, 2)
      return reply, message, kind
    end,
    __metatable = false,
  })
end

return http
