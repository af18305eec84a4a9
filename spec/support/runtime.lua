--- The binary under test: run a command of it, or keep `serve` running for a spec.
local http = require("spec.support.http")
local process = require("spec.support.process")
local stdlib = require("posix.stdlib")
local wait = require("spec.support.wait")

local runtime = {}

--- Its path: KTHENA_RUNTIME, else the program that runs the specs.
runtime.binary = stdlib.realpath(os.getenv("KTHENA_RUNTIME") or "/proc/self/exe")

--- Runs a command to its end: { status, stdout, stderr }.
-- @usage local result = runtime.run({ "version" })
function runtime.run(args, options)
  return process.run({ runtime.binary, unpack(args) }, options)
end

-- What `serve` is given unless a spec says otherwise.
local defaults = { { "--engine", "vllm" }, { "--pod", "pod-0.ns" }, { "--model", "m" }, { "--host", "127.0.0.1" },
  { "--port", "0" } }

--- The arguments of a `serve` against an engine (or nil). A flag in `extra` replaces the default one.
-- @usage runtime.run(runtime.arguments(nil, { "--engine", "vlm" }))
function runtime.arguments(engine, extra)
  local given, args = {}, { "serve" }
  for _, arg in ipairs(extra or {}) do
    given[arg:match("^%-%-[^=]+") or arg] = true
  end
  for _, default in ipairs(defaults) do
    if not given[default[1]] then
      args[#args + 1] = default[1] .. "=" .. default[2]
    end
  end
  if engine and not given["--engine-base-url"] then
    args[#args + 1] = "--engine-base-url=" .. engine.url
  end
  for _, arg in ipairs(extra or {}) do
    args[#args + 1] = arg
  end
  return args
end

--- The addresses that a log says are listened on.
function runtime.addresses(log)
  local found = {}
  for address in log:gmatch("listening on (%S+)") do
    found[#found + 1] = address
  end
  return found
end

local Runtime = {}
Runtime.__index = Runtime

--- Starts a program that listens, and waits until it says on how many addresses.
-- @param args the arguments of the binary
-- @param options as process.start, and listeners: how many addresses to wait for (1)
-- @return { url, urls, process }
function runtime.listen(args, options)
  options = options or {}
  local self = setmetatable({}, Runtime)
  self.process = process.start({ runtime.binary, unpack(args) }, {
    clean = true, env = options.env, cwd = options.cwd,
  })
  self.urls = wait.until_true("the runtime to listen", function()
    local found = runtime.addresses(self.process:stderr())
    if #found >= (options.listeners or 1) then
      return found
    end
    return self.process:status() and error("the runtime has ended: " .. self.process:stderr(), 0)
  end)
  self.url = self.urls[1]
  return self
end

--- Starts `serve` against an engine.
-- @param engine of spec.support.engine
-- @param extra further arguments; one that `runtime.arguments` sets replaces it
-- @param options as runtime.listen
-- @usage local sidecar = runtime.serve(fake, { "--request-timeout", "2" })
function runtime.serve(engine, extra, options)
  return runtime.listen(runtime.arguments(engine, extra), options)
end

--- What it has logged so far.
function Runtime:log()
  return self.process:stderr()
end

--- Waits until it is ready: the rules are loaded and the engine has answered its probe. Returns itself.
function Runtime:ready()
  wait.until_true("/ready to answer 200", function()
    local reply = http.get(self.url, "/ready")
    return reply.status == 200, reply.body
  end)
  return self
end

--- Waits until the log matches a Lua pattern; returns the captures' first.
function Runtime:wait_for_log(pattern, seconds)
  return wait.until_true(("the log to say '%s'"):format(pattern), function()
    return self:log():match(pattern)
  end, seconds)
end

return runtime
