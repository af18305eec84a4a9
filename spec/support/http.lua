--- A raw HTTP/1.1 client: keep-alive, pipelining, and any bytes at all as a request. Addresses are those a runtime
-- prints: http://127.0.0.1:9000, http://[::1]:9000, unix:/run/x.sock. (TLS is curl's business: spec.support.tls.)
local scope = require("spec.support.scope")
local socket = require("socket")
local unix = require("socket.unix")
local wait = require("spec.support.wait")

local http = {}
local Connection = {}
Connection.__index = Connection

local function dial(address)
  local path = address:match("^unix:(.+)$")
  if path then
    return unix(), path
  end
  local host, port = address:match("^http://%[?([^%]/]-)%]?:(%d+)/?$")
  assert(host, "not an address: " .. tostring(address))
  return host:find(":", 1, true) and socket.tcp6() or socket.tcp4(), host, tonumber(port)
end

--- Opens a connection; every read and write on it has a deadline (seconds, 20 by default). Closed with the scope.
-- @usage local connection = http.connect(runtime.url)
function http.connect(address, seconds)
  local sock, host, port = dial(address)
  sock:settimeout(wait.seconds(seconds or 20))
  local connected, problem = sock:connect(host, port)
  if not connected then
    error(("could not connect to %s: %s"):format(address, problem), 2)
  end
  local self = setmetatable({ socket = sock, address = address }, Connection)
  scope.defer(function()
    sock:close()
  end)
  return self
end

--- Closes the connection.
function Connection:close()
  self.socket:close()
end

--- Sends bytes as they are; nil and a message when the peer does not take them.
function Connection:send(bytes)
  return self.socket:send(bytes)
end

--- Sends a request and does not wait for its reply. `headers` is a list of whole lines.
function Connection:ask(method, target, headers, body)
  local lines = { ("%s %s HTTP/1.1"):format(method, target), "Host: test" }
  for _, line in ipairs(headers or {}) do
    lines[#lines + 1] = line
  end
  if body then
    lines[#lines + 1] = "Content-Length: " .. #body
  end
  self.method = method
  return self:send(table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or ""))
end

-- One chunk of a body; nil at its end.
local function read_chunk(sock)
  local size = tonumber((assert(sock:receive("*l")):match("^%x+")), 16)
  if size > 0 then
    local chunk = assert(sock:receive(size))
    assert(sock:receive(2))
    return chunk
  end
  repeat
    local trailer = assert(sock:receive("*l"))
  until trailer == ""
end

local function read_chunks(sock)
  local parts = {}
  for chunk in read_chunk, sock do
    parts[#parts + 1] = chunk
  end
  return table.concat(parts)
end

local function read_body(sock, method, reply)
  if method == "HEAD" or reply.status == 204 or reply.status == 304 then
    return ""
  elseif (reply.headers["transfer-encoding"] or ""):lower() == "chunked" then
    return read_chunks(sock)
  elseif reply.headers["content-length"] then
    local length = tonumber(reply.headers["content-length"])
    return length == 0 and "" or assert(sock:receive(length))
  end
  return assert(sock:receive("*a"))
end

--- Reads the head of one reply, past interim ones: { status, reason, version, headers (lower case names; repeated ones
-- joined), head }. Returns nil and "closed" or "timeout" when there is none; one that breaks off raises an error.
function Connection:head()
  local line, problem = self.socket:receive("*l")
  if not line then
    return nil, problem
  end
  local reply = { headers = {}, head = line .. "\n" }
  local version, status, reason = line:match("^HTTP/(%d%.%d) (%d%d%d) ?(.*)$")
  assert(version, "not a status line: " .. line)
  reply.version, reply.status, reply.reason = version, tonumber(status), reason
  line = assert(self.socket:receive("*l"))
  while line ~= "" do
    reply.head = reply.head .. line .. "\n"
    local name, value = line:match("^([^:%s]+):%s*(.-)%s*$")
    assert(name, "not a header line: " .. line)
    name = name:lower()
    reply.headers[name] = reply.headers[name] and reply.headers[name] .. ", " .. value or value
    line = assert(self.socket:receive("*l"))
  end
  return reply.status < 200 and self:head() or reply
end

--- Reads one chunk of a reply's body; nil at its end.
function Connection:chunk()
  return read_chunk(self.socket)
end

--- Reads one reply: what head() returns, with its body.
function Connection:reply()
  local reply, problem = self:head()
  if not reply then
    return nil, problem
  end
  reply.body = read_body(self.socket, self.method, reply)
  return reply
end

--- Sends a request and reads its reply.
-- @usage local reply = connection:request("GET", "/health", { "Connection: close" })
function Connection:request(method, target, headers, body)
  assert(self:ask(method, target, headers, body))
  return self:reply()
end

--- Whether the peer closes the connection, with nothing more said, before the deadline.
function Connection:is_closed()
  local byte, problem = self.socket:receive(1)
  return byte == nil and problem == "closed"
end

--- One request on a connection of its own.
-- @usage local reply = http.request(url, "HEAD", "/metrics")
function http.request(address, method, target, headers, body)
  local connection = http.connect(address)
  local all = { "Connection: close" }
  for _, line in ipairs(headers or {}) do
    all[#all + 1] = line
  end
  local reply, problem = connection:request(method, target, all, body)
  connection:close()
  if not reply then
    error(("no reply to %s %s: %s"):format(method, target, problem), 2)
  end
  return reply
end

--- One GET on a connection of its own.
-- @usage local reply = http.get(url, "/metrics", { "Accept: text/plain" })
function http.get(address, target, headers)
  return http.request(address, "GET", target, headers)
end

--- Sends bytes on a connection of its own and returns the reply to them, or nil and why there was none.
-- @usage local reply = http.raw(url, "GET /x\0y HTTP/1.1\r\n\r\n")
function http.raw(address, bytes)
  local connection = http.connect(address)
  connection.method = bytes:match("^%u+")
  connection:send(bytes)
  local reply, problem = connection:reply()
  connection:close()
  return reply, problem
end

--- A port on 127.0.0.1 on which nobody listens.
function http.free_port()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  listener:close()
  return tonumber(port)
end

return http
