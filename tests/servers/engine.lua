-- A scripted engine: serves a metrics page over HTTP and misbehaves on demand.
--
--   luajit engine.lua [--host ADDRESS] [--page FILE]
--
-- It prints "PORT CONTROL-PORT" and serves until it is killed. A line of JSON sent to the control port is answered with
-- a line of JSON:
--   {"script": {"mode": "reset_body", ...}}   how to answer from now on (engine_modes.lua)
--   {"page": "text"}                          the page to serve
--   {"release": true}                         lets held requests go
--   {"forget": true}                          sets the statistics back
-- and the answer is always the statistics: {"requests": 3, "connections": 1, "held": 0, "seen": [{"method": "GET",
-- "target": "/metrics", "headers": {"accept": "..."}}]}.
package.path = (arg[0]:match("^(.*)/[^/]*$") or ".") .. "/?.lua;" .. package.path

local json = require("dkjson")
local modes = require("engine_modes")
local tasks = require("tasks")
local wire = require("wire")

local function new_stats()
  return { requests = 0, connections = 0, held = 0, seen = setmetatable({}, { __jsontype = "array" }) }
end

local engine = { script = { mode = "page" }, page = "", releases = 0, stats = new_stats() }

local function serve(connection)
  engine.stats.connections = engine.stats.connections + 1
  connection.requests = 0
  local request = wire.read_request(connection)
  while request do
    connection.requests = connection.requests + 1
    engine.stats.requests = engine.stats.requests + 1
    table.insert(engine.stats.seen, request)
    if not modes[engine.script.mode](connection, request, engine) then
      return
    end
    request = wire.read_request(connection)
  end
end

local function control(connection)
  local line = connection:line()
  while line do
    local order = assert(json.decode(line))
    if order.script then
      assert(modes[order.script.mode], "no such mode: " .. tostring(order.script.mode))
      engine.script = order.script
    end
    engine.page = order.page or engine.page
    engine.releases = engine.releases + (order.release and 1 or 0)
    if order.forget then
      engine.stats = new_stats()
    end
    connection:send(json.encode(engine.stats) .. "\n")
    line = connection:line()
  end
end

local host = "127.0.0.1"
for i = 1, #arg, 2 do
  if arg[i] == "--host" then
    host = arg[i + 1]
  elseif arg[i] == "--page" then
    local file = assert(io.open(arg[i + 1], "rb"))
    engine.page = file:read("*a")
    file:close()
  else
    error("unknown argument " .. arg[i])
  end
end

local port = tasks.listen(host, 0, serve)
io.stdout:write(port, " ", tasks.listen("127.0.0.1", 0, control), "\n")
io.stdout:flush()
tasks.run()
