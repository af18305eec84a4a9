--- Makes ctx, what run of a workflow is given: everything it can do to the world.
local access = require "host.access"
local calls = require "host.call"
local common = require "kthena.common"
local describe = require "kthena.describe"
local engine_calls = require "kthena.engine_calls"
local files = require "host.files"
local job = require "host.job"
local json = require "kthena.json"
local locks = require "host.lock"
local manifest = require "host.manifest"
local marked = require "kthena.marked"
local registry = require "host.registry"
local settings = require "kthena.settings"
local state = require "host.state"
local store = require "kthena.store"
local time = require "host.time"

local workflow_context = {}

local READ_LIMIT = 16 * 1024 * 1024

local function read_file(path, limit)
  return files.read(path, limit or READ_LIMIT)
end

local function read_manifest(directory)
  local source, revision, pinned, list = manifest.read(directory)
  if not source then
    return nil, revision, pinned
  end
  return { source = source, revision = revision, pinned = pinned, files = list }
end

-- What is deleted is chosen by whoever calls the workflow: it lies where requests may write.
local function delete(directory)
  local resolved, message, kind = access.directory(directory)
  if not resolved then
    return nil, message, kind
  end
  return manifest.delete(resolved)
end

local function status_or_nil(status)
  return status ~= 0 and status or nil
end

local function call(workflow, params, options)
  options = options or {}
  if type(workflow) ~= "string" then
    error("ctx.call: expected the name of a workflow, got " .. describe.value(workflow), 2)
  end
  local ok, text = pcall(json.encode, marked(params or {}))
  if not ok then
    error("ctx.call: " .. text, 2)
  end
  local handle, message, kind, status = calls.submit(workflow, text)
  if not handle then
    return nil, message, kind, status_or_nil(status)
  elseif options.wait == false then
    return { job_id = handle:id() }
  end
  job.phase("waiting for " .. workflow)
  local result
  result, message, kind, status = handle:wait(options.seconds)
  if not result then
    return nil, message, kind, status_or_nil(status)
  end
  return (json.decode(result))
end

local function made(family, message)
  if not family then
    error("ctx.metrics: " .. message, 3)
  end
  return family
end

local metrics = {}

function metrics.gauge(name, help)
  local family = made(registry.family(name, "gauge", help or ""))
  return family
end

function metrics.counter(name, help)
  local family = made(registry.family(name, "counter", help or ""))
  return { add = function(_, count, labels)
    return family:add(count or 1, labels)
  end }
end

function metrics.histogram(name, help, buckets)
  local family = made(registry.family(name, "histogram", help or "", buckets))
  return family
end

common.strict("ctx.metrics", metrics, common.names_of(metrics))

-- What a workflow that does not use it can do without, when it is not there.
local late = {}

function late.state()
  return store.new(state.open("state"), "ctx.state")
end

function late.memory()
  return store.new(state.open("memory"), "ctx.memory")
end

function late.engine()
  return engine_calls.new(locks.acquire)
end

--- Makes the ctx of a workflow. `download` is its ctx.download. Returns nil, a message and a kind for a setting that
-- cannot be read.
function workflow_context.new(rules, download)
  local values, message, kind = settings.values(rules)
  if not values then
    return nil, message, kind
  end
  local known = {}
  for _, one in ipairs(rules.settings or {}) do
    known[one.name] = true
  end
  local ctx = common.new(rules.workflow, "anywhere")
  ctx.download = download
  ctx.job = { id = job.id(), phase = job.phase }
  ctx.trigger = job.trigger()
  ctx.settings = common.strict("ctx.settings", values, known)
  ctx.lock = locks.acquire
  ctx.call = call
  ctx.sleep = time.sleep
  ctx.metrics = metrics
  ctx.files = { read = read_file, exists = files.exists, list = files.list }
  ctx.manifest = read_manifest
  ctx.delete = delete
  ctx.directory = access.directory
  local names = common.names_of(ctx)
  for name in pairs(late) do
    names[name] = true
  end
  return common.strict("ctx", ctx, names, late)
end

return workflow_context
