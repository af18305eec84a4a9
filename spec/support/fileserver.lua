--- The scripted server of plain files (tests/servers/files.lua) as specs see it.
local server = require("spec.support.server")

local fileserver = {}
local Fileserver = {}
Fileserver.__index = Fileserver

--- Starts a server without files.
-- @usage local fake = fileserver.start(); local sum = fake:file({ path = "/a.bin", size = 1000 })
function fileserver.start()
  local self = setmetatable({ server = server.start("files.lua") }, Fileserver)
  self.port = self.server.ports[1]
  self.url = "http://127.0.0.1:" .. self.port
  return self
end

--- Sends an order as it is (tests/servers/files.lua says what it may hold).
function Fileserver:order(order)
  return self.server:order(order)
end

--- Puts a file there. Returns its SHA-256.
function Fileserver:file(file)
  return self:order({ file = file }).sha256[file.path]
end

--- Puts many files there: { path = "/many/%d.bin", count, size }. Returns path -> SHA-256.
function Fileserver:files(files)
  return self:order({ files = files }).sha256
end

--- Says what goes wrong with the next requests for a path: faults of tests/servers/faults.lua, in order.
-- @usage fake:fail("/a.bin", { kind = "reset", after = 100 }, { kind = "status", status = 503, times = 2 })
function Fileserver:fail(path, ...)
  self:order({ faults = { [path] = { ... } } })
end

--- Gives a path another content and ETag after so many more requests for it.
function Fileserver:change(path, after, seed)
  self:order({ change = { path = path, after = after, seed = seed } })
end

--- requests, connections, peak (of connections at once), leaks, and files: path -> { requests, sent }.
function Fileserver:stats()
  return self:order({}).stats
end

--- Sets the statistics and the faults back.
function Fileserver:forget()
  self:order({ forget = true })
end

return fileserver
