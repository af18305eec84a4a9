-- llama.cpp's llama-server with --metrics. Names from tools/server/server-context.cpp.
-- It has no histograms and so no latencies: only averages, such as tokens_predicted_seconds_total over
-- tokens_predicted_total. Its predicted_tokens_seconds is tokens per second in spite of the name.
-- Adapters are files named at its start; all it can do later is scale them, 0 being off. One POST sets all scales, so
-- that those not to be touched are sent along, and no two may do so at once.
local json = require "kthena.json"
local openai = require "kthena.openai"

local PATH = "/lora-adapters"
local REMEDY = "start llama-server with --lora %s --lora-init-without-apply: it takes adapters only at its start"

local function file_name(path)
  return path:match("([^/]*)/*$"):gsub("%.gguf$", "")
end

-- How well a preloaded file fits an adapter: 3 its path, 2 in its directory, 1 its name; or nil.
local function fit(entry, adapter)
  local path = adapter.path and adapter.path:gsub("/+$", "")
  if entry.path == path then
    return 3
  elseif path and entry.path:sub(1, #path + 1) == path .. "/" then
    return 2
  end
  return file_name(entry.path) == adapter.name and 1 or nil
end

local function find(entries, adapter)
  local best, rank = nil, 0
  for _, entry in ipairs(entries) do
    local own = fit(entry, adapter) or 0
    if own > rank then
      best, rank = entry, own
    end
  end
  return best
end

-- The preloaded adapters: a list of id, path and scale.
local function preloaded(engine)
  local reply, message, kind, status = engine.get(PATH)
  if not reply then
    return nil, message, kind, status
  elseif openai.is_missing_path(reply) then
    return openai.unsupported(reply, REMEDY:format("FILE"))
  elseif reply.status ~= 200 then
    return engine.fail(reply, openai.text(reply))
  end
  for _, entry in ipairs(type(reply.json) == "table" and reply.json or { false }) do
    if type(entry) ~= "table" or type(entry.path) ~= "string" or type(entry.scale) ~= "number" then
      return nil, "the engine's answer to GET /lora-adapters is no list of adapters", "protocol", 502
    end
  end
  return reply.json
end

-- Sets the scale of one adapter. Returns true when it was that already, false when it is now, nil when there is none.
local function set_scale(engine, adapter, scale)
  local entries, message, kind, status = preloaded(engine)
  if not entries then
    return nil, message, kind, status
  end
  local own = find(entries, adapter)
  if not own or own.scale == scale then
    return own and true
  end
  local scales = {}
  for i, entry in ipairs(entries) do
    scales[i] = { id = entry.id, scale = entry == own and scale or entry.scale }
  end
  local reply
  reply, message, kind, status = engine.post(PATH, json.list(scales), { timeout = adapter.timeout })
  if not reply then
    return nil, message, kind, status
  elseif reply.status ~= 200 then
    return engine.fail(reply, openai.text(reply))
  end
  return false
end

local function locked(engine, adapter, scale)
  local lock, message, kind = engine.lock("llamacpp scales", adapter.timeout)
  if not lock then
    return nil, message, kind
  end
  local was, problem, problem_kind, status = set_scale(engine, adapter, scale)
  lock:release()
  return was, problem, problem_kind, status
end

local function load(engine, adapter)
  local was, message, kind, status = locked(engine, adapter, 1)
  if message then
    return nil, message, kind, status
  elseif was == nil then
    return nil, ("llama-server has no adapter '%s'; %s"):format(adapter.name, REMEDY:format(adapter.path)),
      "unsupported", 501
  end
  return was and "already_loaded" or "loaded", ("the scale of the adapter '%s' is 1"):format(adapter.name)
end

local function unload(engine, adapter)
  local was, message, kind, status = locked(engine, adapter, 0)
  if message then
    return nil, message, kind, status
  elseif was ~= false then
    return "not_found", ("llama-server does not use an adapter '%s'"):format(adapter.name)
  end
  return "unloaded", ("the scale of the adapter '%s' is 0"):format(adapter.name)
end

local function list(engine)
  local entries, message, kind, status = preloaded(engine)
  if not entries then
    return nil, message, kind, status
  end
  local active = {}
  for _, entry in ipairs(entries) do
    if entry.scale ~= 0 then
      active[#active + 1] = { name = file_name(entry.path), path = entry.path, files = true }
    end
  end
  return active
end

return {
  api = 1,
  engine = "llamacpp",
  detect = { "llamacpp:" },
  prefixes = { "llamacpp:" },
  metrics = {
    {
      name = "kthena:generation_tokens_total",
      type = "counter",
      help = "Tokens generated since the engine started.",
      from = "tokens_predicted_total",
    },
    {
      name = "kthena:num_requests_waiting",
      type = "gauge",
      help = "Requests waiting in the engine's queue.",
      from = "requests_deferred",
    },
  },
  adapters = { load = load, unload = unload, list = list },
}
