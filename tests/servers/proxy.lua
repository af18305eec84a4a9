-- A forward proxy for tests: absolute requests for http, CONNECT tunnels for https.
--
--   luajit proxy.lua
--
-- It prints "PORT" and serves until it is killed; then a line "METHOD TARGET [PROXY-AUTHORIZATION]" for each request.
-- An absolute request closes its connection afterwards.
package.path = (arg[0]:match("^(.*)/[^/]*$") or ".") .. "/?.lua;" .. package.path

local socket = require("socket")
local tasks = require("tasks")

local function say(...)
  io.stdout:write(table.concat({ ... }, " "), "\n")
  io.stdout:flush()
end

-- The lines of a head, or nil.
local function read_head(connection)
  local lines = {}
  local line = connection:line()
  while line and line ~= "" do
    lines[#lines + 1] = line
    line = connection:line()
  end
  return line and lines[1] and lines
end

local function dial(host, port)
  local peer = socket.connect(host, tonumber(port))
  if peer then
    peer:settimeout(0)
    peer:setoption("tcp-nodelay", true)
    return tasks.adopt(peer)
  end
end

-- Passes bytes on until one side ends.
local function pump(from, to)
  local bytes = from:some()
  while bytes and to:send(bytes) do
    bytes = from:some()
  end
  to:shutdown()
end

-- Both directions at once; returns when both have ended.
local function tunnel(client, peer)
  local done = false
  tasks.start(function()
    pump(peer, client)
    done = true
  end)
  pump(client, peer)
  tasks.wait(function()
    return done
  end)
  peer:close()
end

local function serve(client)
  local lines = read_head(client)
  if not lines then
    return
  end
  local method, target = lines[1]:match("^(%S+) (%S+)")
  local words = { method, target }
  for i = #lines, 2, -1 do
    local credentials = lines[i]:match("^[Pp]roxy%-[Aa]uthorization: (.*)")
    words[#words + 1] = credentials
    if lines[i]:lower():find("^proxy%-") or lines[i]:lower():find("^connection:") then
      table.remove(lines, i)
    end
  end
  say(unpack(words))
  local host, port = target:match("^([^/:]+):(%d+)$")
  if method ~= "CONNECT" then
    host, port = target:match("^http://([^/:]+):(%d+)")
    lines[1] = ("%s %s HTTP/1.1"):format(method, target:match("^http://[^/]+(.*)$"))
    lines[#lines + 1] = "Connection: close"
  end
  local peer = host and dial(host, port)
  if not peer then
    client:send("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    return
  elseif method == "CONNECT" then
    client:send("HTTP/1.1 200 Connection established\r\n\r\n")
  else
    peer:send(table.concat(lines, "\r\n") .. "\r\n\r\n")
  end
  tunnel(client, peer)
end

say((tostring(tasks.listen("127.0.0.1", 0, serve))))
tasks.run()
