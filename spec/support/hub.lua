--- The doubles of Hugging Face and ModelScope (tests/servers/hub.lua) as specs see them.
local server = require("spec.support.server")

local hub = {}
local Hub = {}
Hub.__index = Hub

--- Starts the hubs without repositories: `url` is theirs, `mirror` that of a mirror that redirects to it, `cdn` that of
-- the storage.
-- @usage local fake = hub.start(); local repo = fake:repo({ name = "ns/m", files = { { path = "a", text = "x" } } })
function hub.start()
  local self = setmetatable({ server = server.start("hub.lua") }, Hub)
  self.port = self.server.ports[1]
  for i, name in ipairs({ "url", "mirror", "cdn" }) do
    self[name] = "http://127.0.0.1:" .. self.server.ports[i]
  end
  return self
end

--- Sends an order as it is (tests/servers/hub.lua says what it may hold).
function Hub:order(order)
  return self.server:order(order)
end

--- Puts a repository there. Returns its { commit, files = path -> { sha256, git_sha1, size } }.
function Hub:repo(repo)
  return self:order({ repo = repo }).repos[repo.name]
end

--- Says what goes wrong with the next requests for a file: faults of tests/servers/faults.lua, in order.
function Hub:fail(path, ...)
  self:order({ faults = { [path] = { ... } } })
end

--- seen (origin, method, target, headers of each request), leaks (names of credentials that reached the storage), sent
-- (path -> bytes).
function Hub:stats()
  return self:order({}).stats
end

--- Sets the statistics and the faults back.
function Hub:forget()
  self:order({ forget = true })
end

return hub
