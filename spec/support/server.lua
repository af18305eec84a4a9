--- The scripted test servers (tests/servers/*.lua) as specs see them: started with a scope, steered over a control port
-- that answers each order, a line of JSON, with another.
local files = require("spec.support.files")
local json = require("dkjson")
local process = require("spec.support.process")
local scope = require("spec.support.scope")
local socket = require("socket")
local wait = require("spec.support.wait")

local server = {}
local Server = {}
Server.__index = Server

--- Starts a server; the last port it prints is that of its control connection. `ports` are the others, in order.
-- @usage local fake = server.start("files.lua"); fake:order({ forget = true })
function server.start(name, ...)
  local self = setmetatable({ name = name, ports = {} }, Server)
  self.process = process.start({ "luajit", files.root .. "/tests/servers/" .. name, ... })
  local line = wait.until_true(name .. " to listen", function()
    local line = self.process:stdout():match("^([%d ]+)\n")
    return line or (self.process:status() and error(name .. " has ended"))
  end)
  for port in line:gmatch("%d+") do
    table.insert(self.ports, tonumber(port))
  end
  self.control = assert(socket.connect("127.0.0.1", table.remove(self.ports)))
  self.control:settimeout(wait.seconds(60))
  scope.defer(function()
    self.control:close()
  end)
  return self
end

--- Sends an order and returns the answer to it.
function Server:order(order)
  assert(self.control:send(json.encode(order, { indent = false }) .. "\n"))
  local answer, problem = self.control:receive("*l")
  if not answer then
    error(("%s refused %s: %s"):format(self.name, json.encode(order), problem), 2)
  end
  return (json.decode(answer))
end

return server
