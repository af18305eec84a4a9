-- How the scripted engine answers. Each mode is a function (connection, request, engine) that runs as a task; it
-- returns true to keep the connection for another request, anything else to have it closed. engine.script holds what
-- the spec asked for: mode, page, type, status, body, headers, location, pause, bytes.
local tasks = require("tasks")

local modes = {}

local reasons = { [200] = "OK", [301] = "Moved Permanently", [302] = "Found", [307] = "Temporary Redirect",
  [404] = "Not Found", [500] = "Internal Server Error", [503] = "Service Unavailable" }

-- The head of a reply. `length` nil leaves Content-Length out; type false leaves Content-Type out.
local function head(script, length, extra)
  local status = script.status or 200
  local lines = { ("HTTP/1.1 %d %s"):format(status, script.reason or reasons[status] or "Status") }
  if script.type ~= false then
    lines[#lines + 1] = "Content-Type: " .. (script.type or "text/plain; version=0.0.4; charset=utf-8")
  end
  if length then
    lines[#lines + 1] = "Content-Length: " .. length
  end
  for _, list in ipairs({ script.headers or {}, extra or {} }) do
    for _, line in ipairs(list) do
      lines[#lines + 1] = line
    end
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

-- The body: the script's own, else the page; "{{n}}" becomes the number of requests so far.
local function body(engine)
  local text = engine.script.body or engine.page
  return (text:gsub("{{n}}", tostring(engine.stats.requests)))
end

local function chunk(text)
  return ("%x\r\n%s\r\n"):format(#text, text)
end

local function never()
  return false
end

--- The page (or the script's status and body) in one piece, over a kept connection.
function modes.page(connection, _, engine)
  local text = body(engine)
  return connection:send(head(engine.script, #text) .. text)
end

--- As page, but only once the spec has said "release".
function modes.hold(connection, request, engine)
  engine.stats.held = engine.stats.held + 1
  local before = engine.releases
  tasks.wait(function()
    return engine.releases > before
  end)
  return modes.page(connection, request, engine)
end

--- Never answers.
function modes.stall()
  tasks.wait(never)
end

--- Sends the head and half of the body, then nothing more.
function modes.stall_body(connection, _, engine)
  local text = body(engine)
  connection:send(head(engine.script, #text) .. text:sub(1, math.floor(#text / 2)))
  tasks.wait(never)
end

--- Sends the reply byte by byte.
function modes.drip(connection, _, engine)
  local text = body(engine)
  text = head(engine.script, #text) .. text
  for i = 1, #text do
    if not connection:send(text:sub(i, i)) then
      return false
    end
    tasks.pause(engine.script.pause or 0.05)
  end
  return true
end

--- Resets the connection instead of answering.
function modes.reset(connection)
  connection:reset()
end

--- Resets the connection in the middle of the body.
function modes.reset_body(connection, _, engine)
  local text = body(engine)
  connection:send(head(engine.script, #text) .. text:sub(1, math.floor(#text / 2)))
  tasks.pause(0.02)
  connection:reset()
end

--- Closes the connection instead of answering.
function modes.close()
  return false
end

--- Announces more bytes than it sends before it closes.
function modes.short(connection, _, engine)
  local text = body(engine)
  connection:send(head(engine.script, #text + 1000) .. text)
end

--- Chunked, in pieces of 100 bytes, with an extension and a trailer.
function modes.chunked(connection, _, engine)
  local text, parts = body(engine), {}
  for i = 1, #text, 100 do
    parts[#parts + 1] = chunk(text:sub(i, i + 99))
  end
  parts[#parts + 1] = "0;last=yes\r\nX-Trailer: t\r\n\r\n"
  return connection:send(head(engine.script, nil, { "Transfer-Encoding: chunked" }) .. table.concat(parts))
end

--- Chunked, closed before the last chunk.
function modes.chunked_cut(connection, _, engine)
  connection:send(head(engine.script, nil, { "Transfer-Encoding: chunked" }) .. chunk(body(engine)))
end

--- No length at all: the end of the connection is the end of the body.
function modes.until_close(connection, _, engine)
  connection:send(head(engine.script, nil, { "Connection: close" }) .. body(engine))
end

--- Answers with a redirect to script.location, unless its path (script.target where the location is a whole URL) is
-- what was asked for. script.loop: even then.
function modes.redirect(connection, request, engine)
  local script = engine.script
  if request.target == (script.target or script.location) and not script.loop then
    return connection:send(head({ type = script.type }, #engine.page) .. engine.page)
  end
  return connection:send(head(script, 0, { "Location: " .. script.location }))
end

--- A valid page of script.bytes bytes and more, announced, or chunked when script.chunked is set.
function modes.huge(connection, _, engine)
  local script = engine.script
  local line = "# " .. ("x"):rep(8189) .. "\n"
  local count = math.ceil(script.bytes / #line)
  local extra = script.chunked and { "Transfer-Encoding: chunked" }
  if not connection:send(head(script, not extra and count * #line or nil, extra)) then
    return false
  end
  for _ = 1, count do
    if not connection:send(extra and chunk(line) or line) then
      return false
    end
  end
  return not extra or connection:send("0\r\n\r\n")
end

--- Header lines without end.
function modes.endless_head(connection)
  local ok = connection:send("HTTP/1.1 200 OK\r\n")
  while ok do
    ok = connection:send("X-More: " .. ("y"):rep(1000) .. "\r\n")
  end
end

--- Something that is not HTTP.
function modes.garbage(connection)
  connection:send("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
end

--- An interim reply before the real one.
function modes.interim(connection, request, engine)
  connection:send("HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n")
  return modes.page(connection, request, engine)
end

--- Answers as if the connection stayed open, then closes it at once.
function modes.quiet_close(connection, request, engine)
  modes.page(connection, request, engine)
end

--- Answers the first request of each connection and closes it on the second, unanswered: what a client sees when an
-- idle connection ends just as it is used again.
function modes.stale(connection, request, engine)
  if connection.requests > 1 then
    return false
  end
  return modes.page(connection, request, engine)
end

return modes
