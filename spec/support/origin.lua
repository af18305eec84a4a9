--- The scripted web server of files (tests/servers/origin.lua) as specs see it.
local files = require("spec.support.files")
local json = require("dkjson")
local process = require("spec.support.process")
local scope = require("spec.support.scope")
local socket = require("socket")
local wait = require("spec.support.wait")

local origin = {}
local Origin = {}
Origin.__index = Origin

--- Starts a server on 127.0.0.1, or another address.
-- @usage local web = origin.start(); web:serve("/m.bin", { size = 1e6, hold = 1000 })
function origin.start(host)
  host = host or "127.0.0.1"
  local self = setmetatable({}, Origin)
  self.process = process.start({ "luajit", files.root .. "/tests/servers/origin.lua", "--host", host })
  local port, control = wait.until_true("the scripted origin to listen", function()
    local line = self.process:stdout():match("^(%d+ %d+)\n")
    return line or (self.process:status() and error("the scripted origin has ended"))
  end):match("(%d+) (%d+)")
  self.port = tonumber(port)
  self.url = ("http://%s:%s"):format(host, port)
  self.control = assert(socket.connect("127.0.0.1", tonumber(control)))
  self.control:settimeout(wait.seconds(10))
  scope.defer(function()
    self.control:close()
  end)
  return self
end

function Origin:order(order)
  assert(self.control:send(json.encode(order) .. "\n"))
  local answer, problem = self.control:receive("*l")
  if not answer then
    error(("the scripted origin refused %s: %s"):format(json.encode(order), problem), 2)
  end
  return (json.decode(answer))
end

--- Puts a file, or what tests/servers/origin.lua knows besides, at a path. Returns its URL.
function Origin:serve(path, as)
  self:order({ serve = path, as = as })
  return self.url .. path
end

--- How many replies are held.
function Origin:held()
  return self:order({}).held
end

--- Waits until so many replies are held (1 unless told).
function Origin:wait_until_held(count)
  wait.until_true("the origin to hold a reply", function()
    local held = self:held()
    return held >= (count or 1), held
  end)
end

--- Lets what is held go on.
function Origin:release()
  self:order({ release = true })
end

--- The requests seen so far: method, target, headers (lower case names). With a method only those.
function Origin:seen(method)
  local found = {}
  for _, request in ipairs(self:order({}).seen) do
    if not method or request.method == method then
      found[#found + 1] = request
    end
  end
  return found
end

--- Forgets what was seen.
function Origin:forget()
  self:order({ forget = true })
end

--- An address of this machine that is not loopback; nil if there is none.
function origin.outer_address()
  local udp = socket.udp()
  udp:setpeername("192.0.2.1", 9)
  local address = udp:getsockname()
  udp:close()
  return address and address ~= "0.0.0.0" and not address:find("^127%.") and address or nil
end

--- The bytes of a file that was served by its size.
function origin.bytes(size)
  local numbers = {}
  for i = 0, 250 do
    numbers[i + 1] = string.char(i)
  end
  return table.concat(numbers):rep(math.ceil(size / 251)):sub(1, size)
end

return origin
