-- HTTP for the test servers: requests with bodies over kept connections, replies in one piece.
local json = require("dkjson")

local requests = {}

local reasons = { [200] = "OK", [400] = "Bad Request", [401] = "Unauthorized", [404] = "Not Found",
  [405] = "Method Not Allowed", [415] = "Unsupported Media Type", [422] = "Unprocessable Entity",
  [500] = "Internal Server Error", [501] = "Not Implemented", [503] = "Service Unavailable" }

local function read_head(connection)
  local line = connection:line()
  local request = { headers = {} }
  request.method, request.target = (line or ""):match("^(%S+) (%S+) HTTP/1%.[01]$")
  line = request.method and connection:line()
  while line and line ~= "" do
    local name, value = line:match("^([^:]+):%s*(.-)%s*$")
    if name then
      request.headers[name:lower()] = value
    end
    line = connection:line()
  end
  return line and request
end

--- The next request of a connection: method, target, path, headers (lower case names), body, json (decoded, nil when
-- it is none). nil when the peer is gone.
function requests.read(connection)
  local request = read_head(connection)
  if not request then
    return nil
  end
  if request.headers.expect then
    connection:send("HTTP/1.1 100 Continue\r\n\r\n")
  end
  request.path = request.target:match("^[^?]*")
  request.body = connection:bytes(tonumber(request.headers["content-length"] or "0"))
  request.json = request.body and json.decode(request.body)
  return request.body and request
end

--- Sends a reply: status (200), type (none without), body; false when the peer is gone.
function requests.reply(connection, reply)
  local status, body = reply.status or 200, reply.body or ""
  local lines = { ("HTTP/1.1 %d %s"):format(status, reasons[status] or "Status"), "Content-Length: " .. #body }
  if reply.type then
    lines[#lines + 1] = "Content-Type: " .. reply.type
  end
  return connection:send(table.concat(lines, "\r\n") .. "\r\n\r\n" .. body)
end

--- A reply that is JSON. `fields` may hold requests.null.
function requests.json(status, value)
  return { status = status, type = "application/json", body = json.encode(value) }
end

--- A list for JSON, also when it is empty.
function requests.list(items)
  return setmetatable(items, { __jsontype = "array" })
end

--- An object for JSON, also when it is empty.
function requests.object(items)
  return setmetatable(items, { __jsontype = "object" })
end

requests.null = json.null

return requests
