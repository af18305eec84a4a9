-- vLLM 0.5 and later. Names from vllm/engine/metrics.py (V0), vllm/v1/metrics/loggers.py (V1) and captured pages of
-- 0.5, 0.10.2 and September 2026. Ray puts "ray_" before the names and, in newer releases, "_" for the ":".
-- Time per output token: time_per_output_token_seconds was renamed to inter_token_latency_seconds (both are on the
-- page of 0.10.2 to 0.11, only the new one since 0.12). With speculative decoding it is the time per step. The
-- per-request mean is the last resort; to prefer it, copy this file to a --rules directory and move it up.
-- Adapters: since 0.6.1, with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING. Errors are flat up to 0.10, nested
-- since; a failed load is 400 up to 0.10, 500 later. The Rust frontend words its errors in its own way.
local openai = require "kthena.openai"

local REMEDY = "start vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"

-- Whether it was started without adapters: the routes are not there, or the flag is missing.
local function is_off(reply, text)
  return openai.is_missing_path(reply) or text:find("LoRA is not enabled", 1, true)
end

local function load(engine, adapter)
  local reply, message, kind, status = engine.post("/v1/load_lora_adapter", openai.load_body(adapter),
    { timeout = adapter.timeout })
  if not reply then
    return nil, message, kind, status
  end
  local text = openai.text(reply)
  if reply.status == 200 then
    return "loaded", text
  elseif text:find("has already been loaded", 1, true) then
    return "already_loaded", text
  elseif is_off(reply, text) then
    return openai.unsupported(reply, REMEDY)
  end
  return engine.fail(reply, text)
end

local function unload(engine, adapter)
  local reply, message, kind, status = engine.post("/v1/unload_lora_adapter", openai.unload_body(adapter),
    { timeout = adapter.timeout })
  if not reply then
    return nil, message, kind, status
  end
  local text = openai.text(reply)
  if reply.status == 200 then
    return "unloaded", text
  elseif is_off(reply, text) then
    return openai.unsupported(reply, REMEDY)
  elseif reply.status == 404 then
    return "not_found", text
  end
  return engine.fail(reply, text)
end

return {
  api = 1,
  engine = "vllm",
  aliases = { "vllmdisaggregated" },
  detect = { "vllm:", "ray_vllm:", "ray_vllm_" },
  prefixes = { "vllm:", "ray_vllm:", "ray_vllm_" },
  metrics = {
    {
      name = "kthena:generation_tokens_total",
      type = "counter",
      help = "Tokens generated since the engine started.",
      from = "generation_tokens_total",
    },
    {
      name = "kthena:num_requests_waiting",
      type = "gauge",
      help = "Requests waiting in the engine's queue.",
      from = "num_requests_waiting",
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
    list = openai.list,
    reset = function(engine)
      return openai.reset(engine, "/reset_prefix_cache")
    end,
  },
}
