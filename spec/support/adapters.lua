--- The engines with adapters (tests/servers/adapters.lua) as specs see them.
local files = require("spec.support.files")
local json = require("dkjson")
local process = require("spec.support.process")
local scope = require("spec.support.scope")
local socket = require("socket")
local wait = require("spec.support.wait")

local adapters = {}
local Double = {}
Double.__index = Double

-- Starts the program and connects to its control port.
local function run(self)
  self.process = process.start({ "luajit", "-joff", files.root .. "/tests/servers/adapters.lua", "--engine", self.kind,
    "--port", tostring(self.port), "--management-port", tostring(self.management_port), "--model", self.model })
  local ports = wait.until_true("the engine double to listen", function()
    local line = self.process:stdout():match("^(%d+ %d+ %d+)\n")
    return line or (self.process:status() and error("the engine double has ended: " .. self.process:stderr()))
  end)
  local port, control, management = ports:match("(%d+) (%d+) (%d+)")
  self.port, self.management_port = tonumber(port), tonumber(management)
  local connection = assert(socket.connect("127.0.0.1", tonumber(control)))
  connection:settimeout(wait.seconds(10))
  self.control = connection
  scope.defer(function()
    connection:close()
  end)
end

--- Starts an engine. `url` and, for MindIE, `management_url` say where it is.
-- @param kind vllm, vllm-old, vllm-rust, sglang, mindie, llamacpp; tgi, trtllm, lmdeploy, triton or nim
-- @param switches as tests/servers/adapters/state.lua has them, and model ("base")
-- @usage local engine = adapters.start("vllm", { max_rank = 16 })
function adapters.start(kind, switches)
  local self = setmetatable({ kind = kind, port = 0, management_port = 0, switches = {} }, Double)
  self.model = switches and switches.model or "base"
  run(self)
  self.url = "http://127.0.0.1:" .. self.port
  self.management_url = self.management_port ~= 0 and "http://127.0.0.1:" .. self.management_port or nil
  self:set(switches or {})
  return self
end

--- Sends an order to the control port and returns the statistics.
function Double:order(order)
  assert(self.control:send(json.encode(order) .. "\n"))
  local answer, problem = self.control:receive("*l")
  if not answer then
    error(("the engine double refused %s: %s\n%s"):format(json.encode(order), problem, self.process:stderr()), 2)
  end
  return (json.decode(answer))
end

--- Changes switches; json.null (of dkjson) takes one back.
-- @usage engine:set({ hold = { { on = "load", name = "a" } }, fail = { { on = "load", times = 1, status = 500 } } })
function Double:set(switches)
  for name, value in pairs(switches) do
    self.switches[name] = value
  end
  return self:order({ set = next(switches) and switches or nil })
end

--- The statistics: requests, connections, held, overlaps, parallel, resets, epoch, seen, and adapters (name -> path)
-- and order (their names), see tests/servers/adapters/state.lua.
function Double:stats()
  return self:order({})
end

--- The names of the adapters that are loaded, sorted.
function Double:names()
  local names = self:stats().order
  table.sort(names)
  return names
end

--- The requests seen with this method and path, in order.
-- @usage engine:seen("POST /v1/load_lora_adapter")[1].json.lora_name
function Double:seen(call)
  local found = {}
  for _, request in ipairs(self:stats().seen) do
    found[#found + 1] = request.method .. " " .. request.path == call and request or nil
  end
  return found
end

--- Sets the statistics back.
function Double:forget()
  self:order({ forget = true })
end

--- Lets go what is held.
function Double:release()
  self:order({ release = true })
end

--- Waits until `count` operations are or have been held.
function Double:wait_for_held(count)
  wait.until_true(("%d held operations"):format(count), function()
    return self:stats().held >= count
  end)
end

--- Goes down: connections are reset, new ones refused.
function Double:stop()
  self:order({ stop = true })
end

--- Comes up again, without adapters.
function Double:start()
  self:order({ start = true })
end

--- Goes down and comes up again after a number of seconds, without adapters.
function Double:restart(seconds)
  self:order({ restart = seconds or 0.05 })
end

--- Kills the process, as a crash would.
function Double:crash()
  self.process:signal("SIGKILL")
  self.process:wait(10)
  self.control:close()
end

--- Starts a new process on the same ports, with the same switches.
function Double:revive()
  run(self)
  self:order({ set = next(self.switches) and self.switches or nil })
end

--- Writes an adapter: a directory with adapter_config.json and weights. Returns its path.
-- @param config fields of adapter_config.json beside r = 8
-- @usage local path = adapters.write(directory .. "/sql", { r = 64 })
function adapters.write(path, config)
  local fields = { r = 8, peft_type = "LORA", base_model_name_or_path = "base" }
  for name, value in pairs(config or {}) do
    fields[name] = value
  end
  files.write(path .. "/adapter_config.json", json.encode(fields))
  files.write(path .. "/adapter_model.safetensors", "weights of " .. path)
  return path
end

return adapters
