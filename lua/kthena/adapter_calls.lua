--- The calls of the API about adapters: from a workflow's parameters to kthena.adapter_load, and from what it returns
-- to the reply.
local adapters = require "kthena.adapters"
local json = require "kthena.json"
local load = require "kthena.adapter_load"
local reconcile = require "kthena.adapter_reconcile"

local calls = {}

local function set(...)
  local names = {}
  for _, name in ipairs({ ... }) do
    names[name] = true
  end
  return names
end

local LOAD = set("lora_name", "source", "output_dir", "config", "max_workers", "async_download", "base_model", "pinned",
  "load_inplace", "replace", "refresh", "wait_seconds")
local UNLOAD = set("lora_name", "delete_files", "wait_seconds")

-- What came with a call that is for the engine alone.
local function others(params, known)
  local fields = {}
  for name, value in pairs(params) do
    if not known[name] then
      fields[name] = value
    end
  end
  return next(fields) and fields or nil
end

local function deadline_of(ctx, params)
  return (params.wait_seconds or 0) > 0 and ctx.time() + params.wait_seconds or nil
end

--- Loads as the parameters of load_lora say. Returns what kthena.adapter_load's load returns.
function calls.load(ctx, params)
  local began = ctx.time()
  local want = {
    source = params.source, output_dir = params.output_dir, base_model = params.base_model, pinned = params.pinned,
    fields = others(params, LOAD),
  }
  local done, message, kind, status = load.load(ctx, params.lora_name, want, {
    config = params.config, max_workers = params.max_workers, in_place = params.load_inplace or nil,
    replace = params.replace, refresh = params.refresh, deadline = deadline_of(ctx, params),
  })
  reconcile.after(ctx)
  if not done then
    return nil, message, kind, status
  end
  done.seconds = ctx.time() - began
  return done
end

-- The engine's own reply: its JSON, or its text as a message.
local function engine_reply(text)
  local reply = json.decode(text)
  if type(reply) == "table" and #reply == 0 then
    return reply
  end
  return { message = text }
end

--- The reply to a call that has loaded.
function calls.loaded_reply(ctx, params, done)
  local record = done.record
  local reply = engine_reply(done.text or ("LoRA adapter '%s' is already loaded"):format(params.lora_name))
  reply.status = done.replaced and "replaced" or done.result
  reply.lora_name, reply.source, reply.output_dir = params.lora_name, record.source, record.output_dir
  reply.path, reply.revision, reply.digest = record.path, record.revision, record.digest
  reply.job_id, reply.duration_seconds = ctx.job.id, done.seconds
  if done.old then
    reply.replaced = { source = done.old.source, path = done.old.path, revision = done.old.revision }
  end
  if #done.warnings > 0 then
    reply.warnings = json.list(done.warnings)
  end
  return reply
end

--- Unloads as the parameters of unload_lora say. Returns what kthena.adapter_load's unload returns.
function calls.unload(ctx, params)
  local done, message, kind, status = load.unload(ctx, params.lora_name, {
    fields = others(params, UNLOAD), delete_files = params.delete_files, deadline = deadline_of(ctx, params),
  })
  reconcile.after(ctx)
  return done, message, kind, status
end

--- The reply to a call that has unloaded.
function calls.unloaded_reply(ctx, params, done)
  local reply = engine_reply(done.text)
  reply.status, reply.lora_name, reply.job_id = "unloaded", params.lora_name, ctx.job.id
  if params.delete_files then
    reply.files_deleted = done.deleted or 0
  end
  if done.warning then
    reply.warnings = json.list({ done.warning })
  end
  return reply
end

--- Restores one adapter. Returns what kthena.adapter_load's restore returns.
function calls.restore(ctx, name)
  local ok, problem, why = adapters.check_name(ctx, name)
  if not ok then
    return nil, problem, why
  end
  local done, message, kind, status = load.restore(ctx, name)
  reconcile.after(ctx)
  return done, message, kind, status
end

return calls
