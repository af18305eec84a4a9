--- The scripted engine (tests/servers/engine.lua) as specs see it.
local files = require("spec.support.files")
local json = require("dkjson")
local pages = require("spec.support.pages")
local process = require("spec.support.process")
local scope = require("spec.support.scope")
local socket = require("socket")
local wait = require("spec.support.wait")

local engine = {}
local Engine = {}
Engine.__index = Engine

--- Starts an engine that serves `page` (a vLLM page by default) until told otherwise.
-- @param options optional: page (text), host (127.0.0.1 by default)
-- @usage local fake = engine.start(); fake:script({ mode = "reset_body" })
function engine.start(options)
  options = options or {}
  local host = options.host or "127.0.0.1"
  local self = setmetatable({}, Engine)
  self.process = process.start({ "luajit", files.root .. "/tests/servers/engine.lua", "--host", host })
  local port, control = wait.until_true("the scripted engine to listen", function()
    local line = self.process:stdout():match("^(%d+ %d+)\n")
    return line or (self.process:status() and error("the scripted engine has ended"))
  end):match("(%d+) (%d+)")
  self.port = tonumber(port)
  self.url = host:find(":", 1, true) and ("http://[%s]:%s"):format(host, port) or ("http://%s:%s"):format(host, port)
  self.control = assert(socket.connect("127.0.0.1", tonumber(control)))
  self.control:settimeout(wait.seconds(10))
  scope.defer(function()
    self.control:close()
  end)
  self:order({ page = options.page or pages.vllm })
  return self
end

--- Sends an order to the engine's control port and returns its statistics.
function Engine:order(order)
  assert(self.control:send(json.encode(order) .. "\n"))
  local answer, problem = self.control:receive("*l")
  if not answer then
    error(("the scripted engine refused %s: %s"):format(json.encode(order), problem), 2)
  end
  return (json.decode(answer))
end

--- Says how to answer from now on, and sets the statistics back.
-- @param script table: mode (a name in tests/servers/engine_modes.lua) and what that mode reads
-- @usage fake:script({ mode = "page", status = 500, body = "boom" })
function Engine:script(script)
  script.mode = script.mode or "page"
  self:order({ script = script, forget = true })
end

--- Says which page to serve.
function Engine:serve(page)
  self:order({ page = page })
end

--- requests, connections, held, and seen: the requests in order, with method, target and headers (lower case names),
-- but for those by which the sidecar looks for adapters, which come when they like.
function Engine:stats()
  local stats, seen = self:order({}), {}
  for _, request in ipairs(stats.seen) do
    if request.target ~= "/v1/models" then
      seen[#seen + 1] = request
    end
  end
  stats.seen = seen
  return stats
end

--- Lets the requests go that mode "hold" keeps waiting.
function Engine:release()
  self:order({ release = true })
end

return engine
