-- An engine with adapters, as its clients see it: answers in every status, body and odd case of its API, and misbehaves
-- on demand.
--
--   luajit adapters.lua --engine KIND [--port N] [--management-port N] [--model NAME]
--
-- KIND: vllm, vllm-old, vllm-rust, sglang, mindie, llamacpp; tgi, trtllm, lmdeploy, triton, nim. It prints
-- "PORT CONTROL-PORT MANAGEMENT-PORT" (the last is 0 where there is none) and serves until it is killed. A line of JSON
-- sent to the control port is answered with a line of JSON:
--   {"set": {"max_loras": 2, "hold": null}}   changes switches (adapters/state.lua)
--   {"release": true}                         lets go what switches hold
--   {"stop": true}                            resets all connections and refuses new ones
--   {"start": true}                           takes connections again, as a process started anew: without adapters
--   {"restart": 0.2}                          both, that many seconds apart
--   {"forget": true}                          sets the statistics back
-- and the answer is always the statistics.
package.path = (arg[0]:match("^(.*)/[^/]*$") or ".") .. "/?.lua;" .. package.path

local json = require("dkjson")
local requests = require("requests")
local state = require("adapters.state")
local tasks = require("tasks")

local function arguments()
  local options = { engine = "vllm", port = "0", ["management-port"] = "0", model = "base" }
  for i = 1, #arg, 2 do
    local name = arg[i]:match("^%-%-(.+)$")
    assert(options[name], "unknown argument " .. arg[i])
    options[name] = assert(arg[i + 1], arg[i] .. " needs a value")
  end
  return options
end

-- The file of a kind that is not its name.
local FILES = {
  ["vllm-old"] = "vllm", ["vllm-rust"] = "vllm", tgi = "plain", trtllm = "plain", lmdeploy = "plain", triton = "plain",
  nim = "plain",
}

local options = arguments()
local file = FILES[options.engine] or options.engine
local engine = require("adapters." .. file)(options.engine)
local own = state.new(options.model, {})

-- The reply to a request; nil to reset the connection.
local function answer(request, routes)
  local route = routes[request.method .. " " .. request.path]
  local name = type(request.json) == "table" and request.json.lora_name or nil
  local failure = own:failure(route and route[1] or "other", name)
  local wrong = engine.authorise(own, request)
  if failure then
    return not failure.reset and failure or nil
  elseif wrong then
    return wrong
  elseif not route or (route[3] and not own.switches[route[3]]) then
    return engine.missing()
  elseif file ~= "sglang" and own.switches.enabled == false and (route[1] == "load" or route[1] == "unload") then
    return engine.missing()
  elseif route[1] ~= "load" and route[1] ~= "unload" and not own:work(route[1]) then
    return nil
  end
  return route[2](own, request)
end

local function serve(routes, port)
  return function(connection)
    own.stats.connections = own.stats.connections + 1
    local request = requests.read(connection)
    while request do
      request.port = port
      own.stats.requests = own.stats.requests + 1
      table.insert(own.stats.seen, request)
      local reply = answer(request, routes)
      if not reply then
        return connection:reset()
      end
      request.status = reply.status or 200
      if not requests.reply(connection, reply) then
        return
      end
      request = requests.read(connection)
    end
  end
end

local listeners, again = {}, {}

local function stop()
  for i, listener in ipairs(listeners) do
    again[i] = tasks.hang_up(listener)
  end
  listeners = {}
  own:boot()
end

local function start()
  own:boot()
  for i, listen in ipairs(again) do
    listeners[i] = listen()
  end
  again = {}
end

local function obey(order)
  for name, value in pairs(order.set or {}) do
    if value == json.null then
      value = nil
    end
    own.switches[name] = value
  end
  own.releases = own.releases + (order.release and 1 or 0)
  if order.forget then
    own:forget()
  end
  if order.stop or order.restart then
    stop()
  end
  if order.start then
    start()
  elseif order.restart then
    tasks.start(function()
      tasks.pause(order.restart)
      start()
    end)
  end
end

local function control(connection)
  local line = connection:line()
  while line do
    obey(assert(json.decode(line, 1, json.null)))
    connection:send(json.encode(own:report()) .. "\n")
    line = connection:line()
  end
end

local function listen(name, routes, label)
  local port
  port, listeners[#listeners + 1] = tasks.listen("127.0.0.1", tonumber(options[name]), serve(routes, label))
  return port
end

local port = listen("port", engine.routes, "service")
local management = engine.management and listen("management-port", engine.management, "management")
local control_port = tasks.listen("127.0.0.1", 0, control)
io.stdout:write(port, " ", control_port, " ", management or 0, "\n")
io.stdout:flush()
tasks.run()
