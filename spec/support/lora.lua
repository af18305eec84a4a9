--- Calls of the adapter API of a running sidecar, and adapters for them.
local doubles = require("spec.support.adapters")
local files = require("spec.support.files")
local http = require("spec.support.http")
local json = require("dkjson")
local runtime = require("spec.support.runtime")
local wait = require("spec.support.wait")

local lora = {}
local Client = {}
Client.__index = Client

--- Writes an adapter that can be a source. Returns its URI.
-- @param config fields of adapter_config.json, as spec.support.adapters' write
function lora.source(directory, name, config)
  return "file://" .. doubles.write(directory .. "/sources/" .. name, config)
end

--- Starts a sidecar beside an engine, with a directory of its own. It has the fields url, process, runtime (as
-- runtime.serve), directory and engine.
-- @param options arguments (further ones), env, directory (one to go on with)
-- @usage local sidecar = lora.serve(engine, { arguments = { "--adapter-timeout=5" } })
function lora.serve(engine, options)
  options = options or {}
  local directory = options.directory or files.temporary()
  local arguments = { "--engine=" .. engine.kind:match("^%l+"), "--model=" .. engine.model,
    "--state-dir=" .. directory .. "/state" }
  if engine.management_url then
    arguments[#arguments + 1] = "--engine-management-url=" .. engine.management_url
  end
  for _, argument in ipairs(options.arguments or {}) do
    arguments[#arguments + 1] = argument
  end
  local sidecar = runtime.serve(engine, arguments, { env = options.env })
  local self = setmetatable({ url = sidecar.url, process = sidecar.process, runtime = sidecar, directory = directory,
    engine = engine }, Client)
  return self
end

--- Sends a request with a JSON body; returns the status and the decoded reply.
function Client:send(method, path, body)
  local reply = http.request(self.url, method, path, body and { "Content-Type: application/json" },
    body and (type(body) == "string" and body or json.encode(body)))
  return reply.status, json.decode(reply.body) or reply.body
end

--- The fields of a load of an adapter that lora.source has written, with `more` in them.
function Client:body(name, more)
  local body = { lora_name = name, output_dir = self.directory .. "/adapters/" .. name }
  for field, value in pairs(more or {}) do
    body[field] = value
  end
  body.source = body.source or lora.source(self.directory, name)
  if body.source == "" then
    body.source = nil
  end
  return body
end

--- Loads an adapter; `more` are further fields. Returns the status and the reply.
-- @usage local status, reply = sidecar:load("a", { replace = false })
function Client:load(name, more)
  return self:send("POST", "/v1/load_lora_adapter", self:body(name, more))
end

--- Loads an adapter, which has to succeed. Returns the reply.
function Client:must_load(name, more)
  local status, reply = self:load(name, more)
  if status ~= 200 then
    error(("loading %s: %d %s"):format(name, status, json.encode(reply)), 2)
  end
  return reply
end

--- Unloads an adapter. Returns the status and the reply.
function Client:unload(name, more)
  local body = { lora_name = name }
  for field, value in pairs(more or {}) do
    body[field] = value
  end
  return self:send("POST", "/v1/unload_lora_adapter", body)
end

--- What GET /v1/lora_adapters/NAME says of an adapter; nil if there is none.
function Client:adapter(name)
  local status, reply = self:send("GET", "/v1/lora_adapters/" .. name)
  return status == 200 and reply or nil
end

--- The states of all adapters by name.
function Client:states()
  local _, reply = self:send("GET", "/v1/lora_adapters")
  local states = {}
  for _, one in ipairs(reply.adapters) do
    states[one.name] = one.state
  end
  return states
end

--- Waits until the engine has just these adapters, a list of names.
function Client:wait_for_engine(names, seconds)
  table.sort(names)
  local expected = table.concat(names, " ")
  wait.until_true("the engine to have: " .. expected, function()
    local got = table.concat(self.engine:names(), " ")
    return got == expected, got
  end, seconds or 20)
end

--- Waits until an adapter is in a state.
function Client:wait_for_state(name, state, seconds)
  return wait.until_true(("%s to be %s"):format(name, state), function()
    local one = self:adapter(name)
    return one and one.state == state and one, json.encode(one)
  end, seconds or 20)
end

--- Waits until a job has ended. Returns it.
function Client:wait_for_job(id, seconds)
  return wait.until_true("job " .. id .. " to end", function()
    local _, job = self:send("GET", "/v1/jobs/" .. id)
    return (job.state == "succeeded" or job.state == "failed" or job.state == "cancelled") and job, json.encode(job)
  end, seconds or 20)
end

--- Sends bodies to one path at once, each on a connection of its own. Returns their replies in that order, each with
-- status and json.
function Client:send_all(path, bodies)
  local connections, replies = {}, {}
  for i, body in ipairs(bodies) do
    connections[i] = http.connect(self.url, 60)
    connections[i]:ask("POST", path, { "Content-Type: application/json", "Connection: close" }, json.encode(body))
  end
  for i, connection in ipairs(connections) do
    replies[i] = assert(connection:reply())
    replies[i].json = json.decode(replies[i].body)
    connection:close()
  end
  return replies
end

--- The value of a sample of /metrics/runtime; nil if there is none.
-- @usage sidecar:sample('kthena_runtime_lora_adapter_up{name="a"}')
function Client:sample(series)
  local page = http.get(self.url, "/metrics/runtime").body
  for line in page:gmatch("[^\n]+") do
    if line:sub(1, #series + 1) == series .. " " then
      return tonumber(line:sub(#series + 2))
    end
  end
end

--- Kills the sidecar, as a crash would.
function Client:crash()
  self.process:signal("SIGKILL")
  self.process:wait(10)
end

--- Starts another one with the same directory.
function Client:again(options)
  options = options or {}
  options.directory = self.directory
  return lora.serve(self.engine, options)
end

return lora
