--- What the workflows of adapters have the engine do: take one in, let one go, put one in the place of another. For
-- kthena.adapter_load, over a workflow's ctx.
local adapters = require "kthena.adapters"

local engine = {}

local FIRST_PAUSE = 0.02
local LAST_PAUSE = 0.5
local ENGINE_PAUSE = 0.25

-- Seconds.
local LOAD_BUCKETS = { 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300 }

--- Asks what the engine has (adapters.look), again and again while it is not up, until `deadline` (nil: once).
function engine.look(ctx, deadline)
  while true do
    local here, message, kind, status = adapters.look(ctx)
    if here ~= nil or not adapters.is_passing(kind) or kind == "cancelled" or ctx.time() >= (deadline or 0) then
      return here, message, kind, status
    end
    ctx.job.phase("waiting for the engine")
    local slept, problem, why = ctx.sleep(ENGINE_PAUSE)
    if not slept then
      return nil, problem, why
    end
  end
end

local function request(ctx, name, record, in_place)
  return {
    name = name, path = record.path, base_model = record.base_model, pinned = record.pinned,
    load_inplace = in_place or nil, fields = record.fields or {}, timeout = ctx.settings.adapter_timeout,
  }
end

local function observe(ctx, since, result)
  ctx.metrics.histogram("kthena_runtime_lora_load_seconds", "Time the engine took to load an adapter, by result.",
    LOAD_BUCKETS):observe(ctx.time() - since, { result = result })
end

--- Has the engine load the adapter of a record. Returns "loaded" or "already_loaded" and the engine's text; or nil, a
-- message, a kind and a status.
function engine.load(ctx, name, record, in_place)
  ctx.job.phase("loading")
  adapters.note(ctx, name, "loading", { source = record.source, path = record.path })
  local since = ctx.time()
  local result, text, kind, status = ctx.engine.load(request(ctx, name, record, in_place))
  observe(ctx, since, result or kind == "timeout" and "timeout" or kind == "cancelled" and "cancelled" or "failed")
  return result, text, kind, status
end

-- Waits until the engine has let go of an adapter. Returns true; or nil, a message and a kind.
local function wait_until_gone(ctx, name, record)
  local deadline, pause = ctx.time() + ctx.settings.adapter_timeout, FIRST_PAUSE
  while true do
    local here, message, kind, status = adapters.look(ctx)
    if here == nil then
      return nil, message, kind, status
    elseif not adapters.entry(here, name, record) then
      return true
    elseif ctx.time() >= deadline then
      return nil, ("the engine still has it after %g s"):format(ctx.settings.adapter_timeout), "timeout"
    end
    local slept, problem, why = ctx.sleep(pause)
    if not slept then
      return nil, problem, why
    end
    pause = math.min(pause * 2, LAST_PAUSE)
  end
end

--- Has the engine unload an adapter and waits until it is gone. `fields` is what the engine is told beside. Returns
-- "unloaded" or "not_found" and the engine's text; or nil, a message, a kind and a status.
function engine.unload(ctx, name, record, fields)
  ctx.job.phase("unloading")
  local result, text, kind, status = ctx.engine.unload({
    name = name, path = record and record.path, fields = fields or {}, timeout = ctx.settings.adapter_timeout,
  })
  if result ~= "unloaded" then
    return result, text, kind, status
  end
  local gone, message, why, code = wait_until_gone(ctx, name, record)
  if not gone then
    return nil, ("unloading it has begun, but %s"):format(message), why, code
  end
  return result, text
end

-- Loads the one again that was unloaded for another. Returns the end of the sentence that says so.
local function put_back(ctx, name, old)
  local result, message = engine.load(ctx, name, old)
  if result then
    return true, "; the one before it is loaded again"
  end
  return false, "; the one before it could not be loaded again: " .. message
end

--- Has the engine load `record`, in the place of `old` if the engine has that. Returns { result, text, replaced,
-- warnings }; or nil, a message, a kind, a status and whether `old` is loaded.
function engine.swap(ctx, name, record, old, in_place)
  local unloads = old ~= nil and not in_place
  if unloads then
    local gone, message, kind, status = engine.unload(ctx, name, old)
    if not gone then
      return nil, ("could not unload the one that is to be replaced: %s"):format(message), kind, status, true
    end
  end
  local result, text, kind, status = engine.load(ctx, name, record, in_place)
  if not result then
    local is_back, ending = old ~= nil and not unloads, ""
    if unloads and kind ~= "cancelled" then
      is_back, ending = put_back(ctx, name, old)
    end
    return nil, text .. ending, kind, status, is_back
  end
  local warnings = {}
  if old then
    local ok, message = ctx.engine.reset()
    warnings[1] = not ok and "could not reset the engine's prefix cache: " .. message or nil
  end
  return { result = result, text = text, replaced = old ~= nil, warnings = warnings }
end

return engine
