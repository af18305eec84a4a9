-- A scripted web server of files, which downloads come from.
--
--   luajit origin.lua [--host ADDRESS]
--
-- It prints "PORT CONTROL-PORT" and serves until it is killed. A line of JSON sent to the control port is answered with
-- a line of JSON:
--   {"serve": "/path", "as": {...}}   what is at a path (without query) from now on; what was there before is held no
--                                     more. Other paths answer 404
--   {"release": true}                 lets go what is held, and holds nothing more of what is served so far
--   {"forget": true}                  sets the statistics back
-- and the answer is always the statistics: {"held": 1, "seen": [{"method": "GET", "target": "/path?query",
-- "headers": {"range": "..."}}]}. `as` holds
--   text, or size       the bytes; of a size they repeat 251 numbers, so that a shifted part is a wrong one
--   echo                true: the text is followed by the request's target and headers
--   status, headers     a status other than 200 or 206, header lines to add
--   hold                the bytes of the file from this one on wait to be released; 0: so do the heads of replies
package.path = (arg[0]:match("^(.*)/[^/]*$") or ".") .. "/?.lua;" .. package.path

local json = require("dkjson")
local tasks = require("tasks")

local PERIOD, STEP = 251, 65536
local reasons = { [200] = "OK", [206] = "Partial Content", [302] = "Found", [416] = "Range Not Satisfiable" }

local origin = { paths = {}, held = 0 }

local function forget()
  origin.seen = setmetatable({}, { __jsontype = "array" })
end

local pattern = {}
for i = 0, PERIOD - 1 do
  pattern[i + 1] = string.char(i)
end
pattern = table.concat(pattern):rep(math.ceil(STEP / PERIOD) + 1)

-- The bytes from `first` on, at most STEP of them.
local function bytes_of(file, first, count)
  count = math.min(count, STEP)
  if file.text then
    return file.text:sub(first + 1, first + count)
  end
  local start = first % PERIOD
  return pattern:sub(start + 1, start + count)
end

local function read_request(connection)
  local line = connection:line()
  if not line then
    return nil
  end
  local request = { headers = {} }
  request.method, request.target = line:match("^(%S+) (%S+) HTTP/1%.[01]$")
  line = connection:line()
  while line and line ~= "" do
    local name, value = line:match("^([^:]+):%s*(.-)%s*$")
    if name then
      request.headers[name:lower()] = value
    end
    line = connection:line()
  end
  return line and request.method and request
end

local function hold(file)
  origin.held = origin.held + 1
  tasks.wait(function()
    return not file.hold
  end)
  origin.held = origin.held - 1
end

local function head(status, length, file, extra)
  local lines = {
    ("HTTP/1.1 %d %s"):format(status, reasons[status] or "Status"), "Content-Length: " .. length,
    "Accept-Ranges: bytes", extra,
  }
  for _, line in ipairs(file.headers or {}) do
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

local function send_body(connection, file, first, count)
  local last = first + count
  while first < last do
    if file.hold and first >= file.hold then
      hold(file)
    end
    local bytes = bytes_of(file, first, math.min(last, file.hold or last) - first)
    if not connection:send(bytes) then
      return false
    end
    first = first + #bytes
  end
  return true
end

-- The file with the request behind its text.
local function echo(file, request)
  local lines = { file.text, request.target }
  for name, value in pairs(request.headers) do
    lines[#lines + 1] = name .. ": " .. value
  end
  return { text = table.concat(lines, "\n"), status = file.status, headers = file.headers }
end

local function answer(connection, request)
  local file = origin.paths[request.target:match("^[^?]*")]
  if not file then
    return connection:send(head(404, 0, {}))
  elseif file.echo then
    file = echo(file, request)
  end
  if file.hold == 0 then
    hold(file)
  end
  local size = file.size or #file.text
  local status, first, last, extra = file.status or 200, 0, size - 1, nil
  local from, to = (request.headers.range or ""):match("^bytes=(%d+)%-(%d*)$")
  if from and not file.status then
    first, last = tonumber(from), math.min(tonumber(to) or size - 1, size - 1)
    if first > last then
      return connection:send(head(416, 0, {}, "Content-Range: bytes */" .. size))
    end
    status, extra = 206, ("Content-Range: bytes %d-%d/%d"):format(first, last, size)
  end
  if not connection:send(head(status, last - first + 1, file, extra)) then
    return false
  end
  return request.method == "HEAD" or send_body(connection, file, first, last - first + 1)
end

local function serve(connection)
  local request = read_request(connection)
  while request do
    table.insert(origin.seen, request)
    if not answer(connection, request) then
      return
    end
    request = read_request(connection)
  end
end

local function control(connection)
  local line = connection:line()
  while line do
    local order = assert(json.decode(line))
    if order.serve then
      (origin.paths[order.serve] or {}).hold = nil
      origin.paths[order.serve] = order.as
    end
    for _, file in pairs(order.release and origin.paths or {}) do
      file.hold = nil
    end
    if order.forget then
      forget()
    end
    connection:send(json.encode({ held = origin.held, seen = origin.seen }) .. "\n")
    line = connection:line()
  end
end

forget()
local port = tasks.listen(arg[1] == "--host" and arg[2] or "127.0.0.1", 0, serve)
io.stdout:write(port, " ", tasks.listen("127.0.0.1", 0, control), "\n")
io.stdout:flush()
tasks.run()
