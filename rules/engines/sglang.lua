-- SGLang 0.4 to September 2026. Names from sglang/srt/metrics/collector.py, the page in its production metrics guide
-- (0.4) and a capture of September 2026. A colon becomes "_" behind sgl-router's /engine_metrics.
-- Time per output token: time_per_output_token_seconds until early 2025, inter_token_latency_seconds since.
-- Adapters: paths without /v1; a failure is {"success": false} and 400. An unload waits for the adapter's requests.
-- /v1/models has adapters, and a parent in each card, since late 2025.
local openai = require "kthena.openai"

local REMEDY = "start SGLang with --enable-lora"

local function contains(text, ...)
  for _, part in ipairs({ ... }) do
    if text:find(part, 1, true) then
      return true
    end
  end
  return false
end

-- Posts a body; returns the reply and whether it is a success, or what a hook returns.
local function post(engine, path, body, adapter)
  local reply, message, kind, status = engine.post(path, body, { timeout = adapter.timeout })
  if not reply then
    return nil, message, kind, status
  end
  return reply, reply.status == 200 and type(reply.json) == "table" and reply.json.success == true
end

-- What a hook returns for a failure that is none of its own.
local function failure(engine, reply)
  local text = openai.text(reply)
  if openai.is_missing_path(reply) or contains(text, "LoRA is not enabled") then
    return openai.unsupported(reply, REMEDY)
  elseif contains(text, "dp_size must be 1") then
    return openai.unsupported(reply, "start SGLang with --dp-size 1 or --enable-dp-attention")
  end
  return engine.fail(reply.status == 200 and 502 or reply, text)
end

local function load(engine, adapter)
  local reply, success, kind, status = post(engine, "/load_lora_adapter", openai.load_body(adapter), adapter)
  if not reply then
    return nil, success, kind, status
  elseif success then
    return "loaded", ("SGLang has loaded the adapter '%s'"):format(adapter.name)
  elseif contains(openai.text(reply), "is already loaded", "already exists. Loaded LoRAs") then
    return "already_loaded", openai.text(reply)
  end
  return failure(engine, reply)
end

local function unload(engine, adapter)
  local reply, success, kind, status = post(engine, "/unload_lora_adapter", openai.unload_body(adapter), adapter)
  if not reply then
    return nil, success, kind, status
  elseif success then
    return "unloaded", ("SGLang has unloaded the adapter '%s'"):format(adapter.name)
  elseif contains(openai.text(reply), "does not exist", "is not loaded") then
    return "not_found", openai.text(reply)
  end
  return failure(engine, reply)
end

return {
  api = 1,
  engine = "sglang",
  detect = { "sglang:", "sglang_" },
  prefixes = { "sglang:", "sglang_" },
  metrics = {
    {
      name = "kthena:generation_tokens_total",
      type = "counter",
      help = "Tokens generated since the engine started.",
      from = "generation_tokens_total",
    },
    {
      -- With priority scheduling, priority="" is the total and the other series are parts of it. Every rank of one
      -- scheduler reports the same queue, so the ranks become one series; data-parallel ranks are queues of their own.
      name = "kthena:num_requests_waiting",
      type = "gauge",
      help = "Requests waiting in the engine's queue.",
      from = "num_queue_reqs",
      where = { priority = "" },
      labels = { drop = { "tp_rank", "pp_rank", "moe_ep_rank", "pid", "priority" } },
      merge = "max",
    },
    {
      name = "kthena:time_to_first_token_seconds",
      type = "histogram",
      help = "Time from a request's arrival to its first token, in seconds.",
      from = "time_to_first_token_seconds",
    },
    {
      name = "kthena:time_per_output_token_seconds",
      type = "histogram",
      help = "Time per output token, in seconds.",
      from = {
        "time_per_output_token_seconds",
        "inter_token_latency_seconds",
        "request_time_per_output_token_seconds",
      },
    },
    {
      name = "kthena:e2e_request_latency_seconds",
      type = "histogram",
      help = "Time from a request's arrival to its last token, in seconds.",
      from = "e2e_request_latency_seconds",
    },
  },
  adapters = {
    load = load,
    unload = unload,
    list = openai.told_list,
    reset = function(engine)
      return openai.reset(engine, "/flush_cache")
    end,
  },
}
