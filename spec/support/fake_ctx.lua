--- The ctx of a source for specs: scripted replies instead of a network, and secrets that nothing can read but the fake
-- itself, so that a rule that prints one, or puts it together with a text, fails.
--
-- @usage
-- local ctx = fake_ctx.new(source, { config = { token = "t" }, replies = { ["https://acme/list"] = { body = "[]" } } })
-- local plan = source.resolve(testing.uri("acme://x"), ctx)
-- assert.equal("Bearer <t>", ctx.requests[1].headers.Authorization)
local json = require("kthena.json")

local fake_ctx = {}

local hidden = setmetatable({}, { __mode = "k" }) -- handle -> what it stands for

local function refuse()
  error("a secret was read", 2)
end

local function handle(value)
  local proxy = newproxy(true)
  local meta = getmetatable(proxy)
  for _, event in ipairs({ "__tostring", "__concat", "__index", "__len", "__call" }) do
    meta[event] = refuse
  end
  hidden[proxy] = value
  return proxy
end

--- A secret.
fake_ctx.secret = handle

--- What a secret or signer stands for; of a text the text itself; of a list of both all of it, with < > around secrets.
-- @usage assert.equal("Bearer <t>", fake_ctx.reveal(plan.access.headers.Authorization))
function fake_ctx.reveal(value)
  if type(value) == "userdata" then
    return hidden[value]
  elseif type(value) == "table" then
    local parts = {}
    for i, part in ipairs(value) do
      parts[i] = type(part) == "userdata" and "<" .. hidden[part] .. ">" or part
    end
    return table.concat(parts)
  end
  return value
end

local function encode(text, keep)
  if type(text) == "userdata" then
    return handle(encode(hidden[text], keep))
  end
  return (text:gsub("[^%w._~-]", function(byte)
    return not (keep and keep:find(byte, 1, true)) and ("%%%02X"):format(byte:byte()) or nil
  end))
end

local url = { encode = encode }

function url.decode(text)
  return (text:gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

function url.query(list)
  local parts = {}
  for i, pair in ipairs(list) do
    parts[i] = encode(pair[1]) .. "=" .. encode(pair[2])
  end
  return table.concat(parts, "&")
end

local Element = {}
Element.__index = Element

function Element:each(name)
  local i = 0
  return function()
    repeat
      i = i + 1
    until not self[i] or self[i].name == name
    return self[i]
  end
end

function Element:child(name)
  return self:each(name)()
end

function Element:value(name)
  local child = self:child(name)
  return child and child.text
end

local entities = { lt = "<", gt = ">", amp = "&", quot = '"', apos = "'" }

-- Enough XML for the replies in specs: elements and text.
local function xml(text)
  local root = setmetatable({ text = "" }, Element)
  local open = { root }
  for name, ends, between in text:gsub("^%s*<%?.-%?>", ""):gmatch("<(/?[%w:]+)[^>]-(/?)>([^<]*)") do
    local element = setmetatable({ name = name, text = between:gsub("&(%l+);", entities) }, Element)
    if name:sub(1, 1) ~= "/" then
      table.insert(open[#open], element)
      open[#open + 1] = ends == "" and element or nil
    elseif #open == 1 or open[#open].name ~= name:sub(2) then
      return nil, "not well-formed"
    else
      open[#open] = nil
    end
  end
  if #open ~= 1 or not root[1] then
    return nil, "not well-formed"
  end
  return root[1]
end

local function ini(source, section)
  local text, inside, found = fake_ctx.reveal(source), nil, nil
  for line in text:gmatch("[^\n]+") do
    local name = line:match("^%[(.-)%]")
    local key, value = line:match("^(%S+)%s*=%s*(%S+)")
    if name then
      inside = name == section
      found = found or inside and {} or nil
    elseif inside and key then
      found[key] = handle(value)
    end
  end
  return found
end

-- The values of a source's configuration and where each is from, as the library finds them.
local function configure(source, options)
  local values, origins = {}, {}
  for name, key in pairs(source.config or {}) do
    local value, origin = (options.config or {})[name], "request"
    for _, variable in ipairs(value == nil and key.env or {}) do
      value, origin = value or (options.env or {})[variable], "environment"
    end
    if value == nil then
      value, origin = key.default, "default"
    end
    if value ~= nil and key.file then
      value = (options.files or {})[value]
    end
    if value ~= nil then
      values[name], origins[name] = (key.secret or key.file) and handle(value) or value, origin
    end
  end
  return values, origins
end

local function strict(what, values, known)
  return setmetatable(values, {
    __index = function(_, name)
      return not known[name] and error(("%s.%s is not declared"):format(what, name), 2) or nil
    end,
  })
end

-- Turns what a spec wrote as a reply into one: { status, headers, body } with defaults; or a failure.
local function answer(replies, request)
  local reply = replies[request.method .. " " .. request.url] or replies[request.url]
  if type(reply) == "table" and #reply > 0 then
    reply = #reply > 1 and table.remove(reply, 1) or reply[1]
  end
  if type(reply) == "function" then
    reply = reply(request)
  end
  if not reply then
    error(("nothing is scripted for %s %s"):format(request.method, request.url), 0)
  elseif reply.failure then
    return nil, reply.failure, reply.kind
  end
  return { status = reply.status or 200, headers = reply.headers or {}, body = reply.body or "" }
end

--- Makes a ctx.
-- @param source the rules, as testing.source returns them
-- @param options config, env (variables), files (path -> text, of config keys that name files), tree (path -> list of
-- files, of ctx.files), and replies: "URL" or "METHOD URL" -> { status = 200, headers = {}, body = "" }, or
-- { failure = message, kind = kind }, or a function of the request, or a list of these, whose last one stays
-- @return the ctx; its `requests` are those made, with method, url, headers, body and signer revealed
function fake_ctx.new(source, options)
  options = options or {}
  local requests = {}
  local function send(request)
    local seen = { method = request.method or "GET", url = request.url, headers = {}, follow = request.follow,
      attempts = request.attempts, timeout = request.timeout, body = fake_ctx.reveal(request.body),
      signer = request.signer and hidden[request.signer] }
    for name, value in pairs(request.headers or {}) do
      seen.headers[name] = fake_ctx.reveal(type(value) == "userdata" and { value } or value)
    end
    requests[#requests + 1] = seen
    return answer(options.replies or {}, seen)
  end
  local function get(address, more)
    local request = { url = address }
    for key, value in pairs(more or {}) do
      request[key] = value
    end
    return send(request)
  end
  local values, origins = configure(source, options)
  local declared = {}
  for _, name in ipairs(source.variables or {}) do
    declared[name] = true
  end
  return {
    requests = requests,
    config = strict("config", values, source.config or {}),
    origin = strict("origin", origins, source.config or {}),
    env = function(name)
      assert(declared[name], tostring(name) .. " is not among the rule's variables")
      return (options.env or {})[name]
    end,
    http = setmetatable({ get = get }, {
      __call = function(_, request)
        return send(request)
      end,
    }),
    aws_sigv4 = function(keys)
      local shown = {}
      for key, value in pairs(keys) do
        shown[key] = fake_ctx.reveal(value)
      end
      return handle(shown)
    end,
    xml = xml,
    json = json.decode,
    url = url,
    ini = ini,
    secret = handle,
    files = function(path)
      local found = (options.tree or {})[path]
      if found then
        return found
      end
      return nil, path .. ": no such file or directory", "not_found"
    end,
    time = function()
      return 1790000000.25
    end,
    log = { debug = function() end, info = function() end, warning = function() end },
  }
end

return fake_ctx
