-- HTTP/1.1 for the test servers: reads requests and answers them, with texts or with (ranges of) contents.
local tasks = require("tasks")

local wire = {}

local reasons = {
  [200] = "OK", [206] = "Partial Content", [301] = "Moved Permanently", [302] = "Found", [303] = "See Other",
  [307] = "Temporary Redirect", [308] = "Permanent Redirect", [400] = "Bad Request", [401] = "Unauthorized",
  [403] = "Forbidden", [404] = "Not Found", [405] = "Method Not Allowed", [412] = "Precondition Failed",
  [416] = "Range Not Satisfiable", [429] = "Too Many Requests", [500] = "Internal Server Error",
  [502] = "Bad Gateway", [503] = "Service Unavailable", [504] = "Gateway Timeout",
}

--- Undoes percent-encoding.
function wire.decode(text)
  return (text:gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

--- Percent-encodes all but the bytes a path may hold.
function wire.encode(text)
  return (text:gsub("[^%w._~/-]", function(byte)
    return ("%%%02X"):format(byte:byte())
  end))
end

--- The next request of a connection: method, target, path (decoded), query (decoded, by name), headers (lower case
-- names); nil when there is none. Bodies are dropped.
function wire.read_request(connection)
  local line = connection:line()
  if not line then
    return nil
  end
  local request = { headers = {}, query = {} }
  request.method, request.target = line:match("^(%S+) (%S+) HTTP/1%.[01]$")
  line = connection:line()
  while line and line ~= "" do
    local name, value = line:match("^([^:]+):%s*(.-)%s*$")
    if name then
      request.headers[name:lower()] = value
    end
    line = connection:line()
  end
  if not line or not request.method then
    return nil
  end
  local path, query = request.target:match("^([^?]*)%??(.*)$")
  request.path = wire.decode(path)
  for name, value in query:gmatch("([^&=]+)=?([^&]*)") do
    request.query[name] = wire.decode((value:gsub("+", " ")))
  end
  return request
end

--- A task that answers the requests of one connection: `handle(connection, request)` for each, until it returns false
-- or the client wants to be done.
-- @usage tasks.listen("127.0.0.1", 0, wire.serve(handle))
function wire.serve(handle)
  return function(connection)
    local request = wire.read_request(connection)
    while request do
      local is_last = (request.headers.connection or ""):lower() == "close"
      request = handle(connection, request) ~= false and not is_last and wire.read_request(connection)
    end
  end
end

local function head(status, lines, more)
  local all = { ("HTTP/1.1 %d %s"):format(status, reasons[status] or "Status") }
  for _, list in ipairs({ lines or {}, more }) do
    for _, line in ipairs(list) do
      all[#all + 1] = line
    end
  end
  return table.concat(all, "\r\n") .. "\r\n\r\n"
end
wire.head = head

--- Answers with a text. `lines` are header lines. False when the peer is gone.
function wire.reply(connection, request, status, lines, text)
  local bytes = head(status, lines, { "Content-Length: " .. #(text or "") })
  return connection:send(request.method == "HEAD" and bytes or bytes .. (text or ""))
end

--- The same, in chunks and without Content-Length.
function wire.reply_chunked(connection, request, status, lines, text)
  local bytes = head(status, lines, { "Transfer-Encoding: chunked" })
  local chunks = ("%x\r\n%s\r\n0\r\n\r\n"):format(#text, text)
  return connection:send(request.method == "HEAD" and bytes or bytes .. chunks)
end

--- What a request wants of a content with this size and etag: first, last; or nil and 416 or 412; the whole of it when
-- it names no range, several, or If-Range is of another etag. `is_range` third.
function wire.wanted(request, size, etag)
  local headers = request.headers
  if headers["if-match"] and etag and headers["if-match"] ~= etag then
    return nil, 412
  end
  local first, last = (headers.range or ""):match("^bytes=(%d*)%-(%d*)$")
  if not first or first .. last == "" or (headers["if-range"] and headers["if-range"] ~= etag) then
    return 0, size - 1, false
  elseif first == "" then
    first, last = math.max(0, size - tonumber(last)), size - 1
  else
    first, last = tonumber(first), math.min(tonumber(last) or size - 1, size - 1)
  end
  if first > last then
    return nil, 416
  end
  return first, last, true
end

--- Answers with what the request wants of a content (content.lua): 200, 206, 412 or 416. `lines` are more header lines,
-- `etag` is the header's value, quotes included. Returns what was sent as a status, and how many bytes; or false.
function wire.send_content(connection, request, file, etag, lines)
  local first, last, is_range = wire.wanted(request, file.size, etag)
  local own = { "Accept-Ranges: bytes" }
  own[#own + 1] = etag and "ETag: " .. etag
  for _, line in ipairs(lines or {}) do
    own[#own + 1] = line
  end
  if not first then
    own[#own + 1] = last == 416 and "Content-Range: bytes */" .. file.size or nil
    return wire.reply(connection, request, last, own) and last, 0
  end
  local length = last - first + 1
  own[#own + 1] = is_range and ("Content-Range: bytes %d-%d/%d"):format(first, last, file.size) or nil
  own[#own + 1] = "Content-Length: " .. length
  local status = is_range and 206 or 200
  if not connection:send(head(status, own, {})) then
    return false
  elseif request.method == "HEAD" then
    return status, 0
  end
  return connection:send_memory(file.bytes + first, length) and status, length
end

--- Listens on loopback; every connection's requests are answered by `handle`. Returns the origin, "http://...".
function wire.listen(handle)
  return ("http://127.0.0.1:%d"):format(tasks.listen("127.0.0.1", 0, wire.serve(handle)))
end

return wire
