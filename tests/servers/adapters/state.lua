-- What an engine double knows and how it misbehaves, whatever the engine: its adapters, its switches, and statistics.
--
-- Switches (the order "set" changes them):
--   enabled       false: the API for adapters is off                     api_key     a bearer token to ask for
--   max_loras     how many adapters there can be                         max_rank    the largest r of an adapter
--   check_path    false: adapters need no directory with adapter_config.json
--   seconds       { load = 0.5, unload = 1 }: how long operations take
--   hold          { { on = "load", name = "a" } }: operations that wait for the order "release"; name may be left out
--   fail          { { on = "load", times = 2, status = 500, body = "...", type = "...", reset = true, name = "a" } }:
--                 the next ones answer that, or reset the connection; without times all of them
--   starting      true: it is not ready yet                              start_time  false: its page does not tell it
-- and those that one engine alone has, named in its file. An operation is load, unload, list, reset, health, metrics or
-- complete.
local json = require("dkjson")
local requests = require("requests")
local socket = require("socket")
local tasks = require("tasks")

local state = {}
local State = {}
State.__index = State

--- Makes the state of an engine that serves this model.
function state.new(model, switches)
  local self = setmetatable({ model = model, switches = switches, epoch = 0, releases = 0, in_flight = {} }, State)
  self:forget()
  self:boot()
  return self
end

--- Starts anew: no adapters, another start time.
function State:boot()
  self.adapters, self.draining, self.next_id = {}, {}, 1
  self.epoch = self.epoch + 1
  self.in_flight = {}
  self.started = socket.gettime()
end

--- Sets the statistics back.
function State:forget()
  self.stats = { requests = 0, connections = 0, held = 0, overlaps = 0, parallel = 0, resets = 0,
    seen = requests.list({}) }
end

--- The adapter of this name and its position, or nil.
function State:find(name)
  for i, adapter in ipairs(self.adapters) do
    if adapter.name == name then
      return adapter, i
    end
  end
end

--- Adds an adapter, or replaces the one of its name.
function State:add(name, path, more)
  local adapter = more or {}
  adapter.name, adapter.path, adapter.id = name, path, self.next_id
  self.next_id = self.next_id + 1
  local _, at = self:find(name)
  self.adapters[at or #self.adapters + 1] = adapter
  return adapter
end

--- Takes an adapter away. Whether it was there.
function State:remove(name)
  local adapter, at = self:find(name)
  if adapter then
    table.remove(self.adapters, at)
  end
  return adapter ~= nil
end

--- What adapter_config.json of an adapter says; nil when there is no such file. {} when paths are not looked at.
function State:config(path)
  local file = io.open(path .. "/adapter_config.json", "rb")
  if not file then
    return self.switches.check_path == false and {} or nil
  end
  local config = json.decode(file:read("*a"))
  file:close()
  return config or {}
end

--- Whether an adapter of this configuration has too large a rank.
function State:is_too_large(config)
  return self.switches.max_rank and (config.r or 0) > self.switches.max_rank
end

--- Whether another adapter is one too many.
function State:is_full()
  return self.switches.max_loras and #self.adapters >= self.switches.max_loras
end

-- The entry of a list of switches that is for this operation.
local function pick(list, operation, name)
  for i, entry in ipairs(list or {}) do
    if (entry.on == operation or entry.on == "any") and (entry.name == nil or entry.name == name) then
      return entry, i
    end
  end
end

--- The failure that is due for an operation, or nil.
function State:failure(operation, name)
  local entry, at = pick(self.switches.fail, operation, name)
  if entry and entry.times then
    entry.times = entry.times - 1
    if entry.times <= 0 then
      table.remove(self.switches.fail, at)
    end
  end
  return entry
end

local function enter(self, name)
  self.stats.overlaps = self.stats.overlaps + (self.in_flight[name] and 1 or 0)
  self.in_flight[name] = (self.in_flight[name] or 0) + 1
  local names = 0
  for _ in pairs(self.in_flight) do
    names = names + 1
  end
  self.stats.parallel = math.max(self.stats.parallel, names)
end

local function leave(self, name)
  self.in_flight[name] = self.in_flight[name] > 1 and self.in_flight[name] - 1 or nil
end

--- Lets an operation take as long as the switches say. False when the engine has been restarted meanwhile, so that
-- nothing must come of it.
function State:work(operation, name)
  local epoch = self.epoch
  if name then
    enter(self, name)
  end
  if pick(self.switches.hold, operation, name) then
    self.stats.held = self.stats.held + 1
    local before = self.releases
    tasks.wait(function()
      return self.releases > before or self.epoch ~= epoch
    end)
  end
  local seconds = (self.switches.seconds or {})[operation]
  if seconds and self.epoch == epoch then
    tasks.pause(seconds)
  end
  if name and self.epoch == epoch then
    leave(self, name)
  end
  return self.epoch == epoch
end

--- The statistics for the answer to an order: requests, connections, held, overlaps (operations on a name that was
-- being worked on), parallel (how many names at once), resets, epoch, order (names of the adapters), adapters (name ->
-- path), and seen: the requests in order, with method, target, path, headers, body, json, port and the reply's status.
function State:report()
  local names, paths = requests.list({}), requests.object({})
  for i, adapter in ipairs(self.adapters) do
    names[i], paths[adapter.name] = adapter.name, adapter.path
  end
  self.stats.order, self.stats.adapters, self.stats.epoch = names, paths, self.epoch
  return self.stats
end

return state
