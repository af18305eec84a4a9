--- The ctx of a workflow about adapters for specs: an engine, sources, directories and a clock that all live in memory.
--
-- @usage
-- local ctx, world = fake_workflow_ctx.new({ settings = { adapter_timeout = 10 } })
-- world:source("s3://b/a", { revision = "1" })
-- assert(load.load(ctx, "a", { source = "s3://b/a", output_dir = "/adapters/a" }, {}))
-- assert.equal("/adapters/a", world.loaded.a)
local json = require("kthena.json")

local fake_workflow_ctx = {}

local World = {}
World.__index = World

-- What every adapter that loads has.
local ADAPTER = { ["adapter_config.json"] = '{"r": 8, "base_model_name_or_path": "org/base"}',
  ["adapter_model.safetensors"] = "weights" }

local function marked(value)
  if type(value) ~= "table" then
    return value
  end
  local copy = {}
  for key, item in pairs(value) do
    copy[key] = marked(item)
  end
  return #copy > 0 and json.list(copy) or copy
end

local function table_of(world, counter)
  local texts = {}
  local store = { texts = texts }
  function store.get(key)
    return texts[key] and json.decode(texts[key])
  end
  function store.set(key, value)
    if store.problem then
      return nil, store.problem, "io"
    end
    world[counter] = (world[counter] or 0) + 1
    texts[key] = value ~= nil and json.encode(marked(value)) or nil
    return true
  end
  function store.all(prefix)
    local found = {}
    for key, text in pairs(texts) do
      if key:sub(1, #prefix) == prefix then
        found[key] = json.decode(text)
      end
    end
    return found
  end
  function store.update(key, change)
    local new = change(store.get(key))
    store.set(key, new)
    return new
  end
  return store
end

--- Says what a source holds: revision, digest (the revision if not given), files (path -> text; those of an adapter);
-- or failure and kind; and the seconds it takes.
function World:source(uri, one)
  self.sources[uri] = one
end

--- Puts files (path -> text; those of an adapter) into a directory.
function World:put(directory, files)
  self.directories[directory] = {}
  for name, text in pairs(files or ADAPTER) do
    self.directories[directory][name] = text
  end
end

--- Has the engine answer the next load of a path, or of anything, with a failure: { message, kind, status }, and with
-- late = true load it all the same.
function World:fail_load(path, failure)
  table.insert(self.failures, { path = path, failure = failure })
end

local function take_failure(world, path)
  for i, one in ipairs(world.failures) do
    if one.path == path or one.path == nil then
      return table.remove(world.failures, i).failure
    end
  end
end

local function down()
  return nil, "the engine is not up: connection refused", "unavailable", 503
end

local function engine_of(world, options)
  local engine = { name = "acme", model = options.model or "base", url = "http://127.0.0.1:1" }
  local function log(what, adapter)
    world.asked[#world.asked + 1] = what .. (adapter and " " .. adapter.name or "")
    world.last = adapter or world.last
  end
  function engine.supports(hook)
    return not world.cannot and (hook ~= "list" or world.has_list)
  end
  function engine.list()
    log("list")
    if world.list_failure then
      return nil, unpack(world.list_failure)
    elseif not world.up then
      return down()
    elseif not world.has_list then
      return nil, "acme does not tell its adapters", "unsupported", 501
    end
    local list = {}
    for name, path in pairs(world.loaded) do
      list[#list + 1] = { name = name, path = path ~= "" and path or nil, files = world.files or nil }
    end
    for name, left in pairs(world.leaving) do
      world.leaving[name] = left > 1 and left - 1 or nil
      list[#list + 1] = { name = name, path = "/leaving" }
    end
    return list
  end
  function engine.load(adapter)
    log("load", adapter)
    if world.cannot then
      return nil, "acme cannot load adapters at run time", "unsupported", 501
    elseif not world.up then
      return down()
    end
    local failure = take_failure(world, adapter.path)
    if failure then
      world.loaded[adapter.name] = failure.late and adapter.path or world.loaded[adapter.name]
      return nil, failure[1], failure[2], failure[3]
    elseif world.loaded[adapter.name] and not adapter.load_inplace then
      return "already_loaded", "already loaded"
    end
    world.loaded[adapter.name] = adapter.path
    return "loaded", world.text or ("Success: LoRA adapter '%s' added successfully."):format(adapter.name)
  end
  function engine.unload(adapter)
    log("unload", adapter)
    if not world.up then
      return down()
    elseif world.unload_failure then
      return nil, unpack(world.unload_failure)
    elseif not world.loaded[adapter.name] then
      return "not_found", ("The lora adapter '%s' cannot be found."):format(adapter.name), nil, 404
    end
    world.loaded[adapter.name] = nil
    world.leaving[adapter.name] = world.lingers
    return "unloaded", ("Success: LoRA adapter '%s' removed successfully."):format(adapter.name)
  end
  function engine.reset()
    log("reset")
    if world.reset_failure then
      return nil, world.reset_failure, "protocol", 500
    end
    return true
  end
  return engine
end

local function files_of(world)
  local files = {}
  local function find(path)
    local directory, name = path:match("^(.*)/([^/]*)$")
    return world.directories[directory] and world.directories[directory][name]
  end
  function files.exists(path)
    return world.directories[path] ~= nil or find(path) ~= nil
  end
  function files.read(path)
    local text = find(path)
    if not text then
      return nil, path .. ": no such file or directory", "not_found"
    elseif text == false then
      return nil, path .. ": permission denied", "denied"
    end
    return text
  end
  function files.list(path)
    if not world.directories[path] then
      return nil, path .. ": no such file or directory", "not_found"
    end
    local list = {}
    for name, text in pairs(world.directories[path]) do
      list[#list + 1] = { path = name, size = #text }
    end
    return list
  end
  return files
end

local function download_of(world)
  return function(source, directory, options)
    local one = world.sources[source] or { failure = "nobody has " .. source, kind = "not_found" }
    world.downloads[#world.downloads + 1] = { source = source, directory = directory, options = options }
    world.now = world.now + (one.seconds or 0)
    if one.failure then
      return nil, one.failure, one.kind or "unreachable"
    end
    local digest = one.digest or one.revision or source
    local old = world.manifests[directory]
    local is_there = old and old.source == source and old.digest == digest and world.directories[directory]
    if not is_there then
      world:put(directory, one.files)
    end
    world.manifests[directory] = { source = source, revision = one.revision or "", digest = digest, files = {} }
    return { source = source, revision = one.revision or "", path = directory, digest = digest,
      fetched = is_there and 0 or 7 }
  end
end

local function metrics_of(world)
  local metrics = {}
  local function series(name, labels)
    local keys = {}
    for key, value in pairs(labels or {}) do
      keys[#keys + 1] = ('%s="%s"'):format(key, value)
    end
    table.sort(keys)
    return ("%s{%s}"):format(name, table.concat(keys, ","))
  end
  local function family(name)
    return {
      set = function(_, value, labels)
        world.series[series(name, labels)] = value
      end,
      clear = function()
        for key in pairs(world.series) do
          world.series[key] = key:sub(1, #name + 1) ~= name .. "{" and world.series[key] or nil
        end
      end,
      add = function(_, value, labels)
        local key = series(name, labels)
        world.series[key] = (world.series[key] or 0) + value
      end,
      observe = function(_, value, labels)
        local key = series(name, labels)
        world.series[key] = world.series[key] or {}
        table.insert(world.series[key], value)
      end,
    }
  end
  metrics.gauge, metrics.counter, metrics.histogram = family, family, family
  return metrics
end

local defaults = { lora_dir = "/adapters", adapter_timeout = 30, reconcile_seconds = 15 }

--- Makes a ctx and the world it works on. `options`: settings, model (the base model's name), trigger.
-- @return ctx
-- @return the world: now (the clock), up, has_list, cannot, files (the engine goes by files), loaded (name -> path),
-- lingers (how many listings still show what was unloaded), asked (what the engine was asked), last (the adapter it was
-- given), sources, directories, manifests, downloads, calls (of workflows), requests (of ctx.http) and http_failure,
-- series, logs, writes (of ctx.state) and changes (of ctx.memory), locked, cancelled;
-- slept(seconds), if a spec sets it, is called by ctx.sleep
function fake_workflow_ctx.new(options)
  options = options or {}
  local world = setmetatable({
    now = 1790000000, up = true, has_list = true, loaded = {}, leaving = {}, failures = {}, asked = {}, sources = {},
    directories = {}, manifests = {}, downloads = {}, calls = {}, series = {}, logs = {}, writes = 0, phases = {},
    requests = {},
  }, World)
  local settings = setmetatable({}, { __index = defaults })
  for name, value in pairs(options.settings or {}) do
    settings[name] = value
  end
  local function logger(level)
    return function(message)
      world.logs[#world.logs + 1] = level .. ": " .. message
    end
  end
  local ctx = {
    settings = settings, trigger = options.trigger or "call", state = table_of(world, "writes"),
    memory = table_of(world, "changes"),
    engine = engine_of(world, options), files = files_of(world), download = download_of(world),
    metrics = metrics_of(world),
    job = { id = "job1", phase = function(text) table.insert(world.phases, text) end },
    log = { debug = logger("debug"), info = logger("info"), warning = logger("warning") },
    time = function() return world.now end,
    http = function(request)
      world.requests[#world.requests + 1] = request
      if world.http_failure then
        return nil, world.http_failure, "unreachable"
      end
      return { status = 200, headers = {}, body = "{}" }
    end,
    directory = function(path)
      if world.outside and path:sub(1, #world.outside) == world.outside then
        return nil, path .. ": outside of the allowed directories", "denied"
      end
      return (path:gsub("^~", "/home"):gsub("(.)/+$", "%1"))
    end,
    manifest = function(path)
      if not world.manifests[path] then
        return nil, path .. ": no manifest", "not_found"
      end
      return world.manifests[path]
    end,
    delete = function(path)
      if not world.manifests[path] then
        return nil, path .. ": no manifest", "not_found"
      end
      world.manifests[path], world.directories[path] = nil, nil
      return 2
    end,
    lock = function(name)
      if world.locked then
        return nil, name .. " is taken", "timeout"
      end
      return { release = function() end }
    end,
    call = function(workflow, params, how)
      world.calls[#world.calls + 1] = workflow .. (params.lora_name and " " .. params.lora_name or "")
      if world.call_failure then
        return nil, world.call_failure, "overload"
      end
      return { job_id = "job" .. #world.calls, wait = how.wait }
    end,
    sleep = function(seconds)
      if world.cancelled then
        return nil, "the job was cancelled", "cancelled"
      end
      world.now = world.now + seconds
      if world.slept then
        world.slept(seconds)
      end
      return true
    end,
  }
  return ctx, world
end

return fake_workflow_ctx
