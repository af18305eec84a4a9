-- MindIE 1.0 to 3.x with MIES_SERVICE_MONITOR_MODE=1. Names from the sample page in its service guide ("metrics query
-- interface, Prometheus format"): vLLM's old ones without a prefix, on the management address and metricsPort.
-- Several models share one series, their names joined with "&". Time per output token is the gap between two tokens.
-- Adapters (2.3 and later): on the management address, which mostly answers 200 and tells what happened in the text.
-- Its guide calls the base model master_mode, its source master_model. The list is on the service's own address.
local openai = require "kthena.openai"

local PAUSE = 0.5 -- seconds until it is asked again about an adapter it is still unloading

local function management(engine)
  local host = engine.url:match("^%a+://(%b[])") or engine.url:match("^%a+://([^:/]+)")
  return engine.management_url or ("https://%s:1026"):format(host)
end

-- Posts a body; returns the text of the reply, and the reply.
local function post(engine, path, body, timeout)
  local base = management(engine)
  local reply, message, kind, status = engine.post(path, body, { base = base, timeout = timeout })
  if not reply then
    return nil, message, kind, status
  elseif openai.is_missing_path(reply) then
    return openai.unsupported(reply, ("set --engine-management-url to MindIE's management address, which %s is not, "
      .. "or use MindIE 2.3 or later"):format(base))
  end
  return openai.text(reply), reply
end

-- What a hook returns for a text that is no success.
local function failure(engine, text, reply)
  if text:find("only supports Python graph", 1, true) or text:find("not support PD separation", 1, true) then
    return openai.unsupported(reply, "serve the model on its Python graph and without PD separation")
  elseif text:find("No adapter found", 1, true) then
    return engine.fail(404, text)
  elseif text:find("^Call to load LoRA method failed") or text:find("^Input invalid") then
    return engine.fail(400, text)
  end
  return engine.fail(reply.status == 200 and 502 or reply, text)
end

local function is_unloading(text)
  return text:find("is waiting to unload", 1, true) or text:find("currently being unloaded", 1, true)
end

local function load(engine, adapter)
  local body = openai.load_body(adapter)
  body.master_model = body.master_model or body.master_mode or adapter.base_model or "" -- "" is the model it serves
  body.master_mode = body.master_mode or body.master_model
  local deadline = engine.time() + adapter.timeout
  while true do
    local text, reply, kind, status = post(engine, "/v1/load_lora_adapter", body, deadline - engine.time())
    if not text then
      return nil, reply, kind, status
    elseif text:find("^Success") or (reply.status == 200 and reply.body == "") then
      return "loaded", text
    elseif text:find("has already been added", 1, true) then
      return "already_loaded", text
    elseif not is_unloading(text) then
      return failure(engine, text, reply)
    elseif engine.time() + PAUSE >= deadline then
      return engine.fail(504, text)
    end
    local awake, message, problem = engine.sleep(PAUSE)
    if not awake then
      return nil, message, problem
    end
  end
end

local function unload(engine, adapter)
  local text, reply, kind, status = post(engine, "/v1/unload_lora_adapter", openai.unload_body(adapter),
    adapter.timeout)
  if not text then
    return nil, reply, kind, status
  elseif text:find("^Success") or (reply.status == 200 and reply.body == "") then
    return "unloaded", text
  elseif text:find("cannot be found", 1, true) then
    return "not_found", text
  end
  return failure(engine, text, reply)
end

return {
  api = 1,
  engine = "mindie",
  detect = {
    "npu_cache_usage_perc",
    "npu_prefix_cache_hit_rate",
    "request_received_total",
    "request_failed_total",
    "failed_request_perc",
  },
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
      from = "time_per_output_token_seconds",
    },
    {
      name = "kthena:e2e_request_latency_seconds",
      type = "histogram",
      help = "Time from a request's arrival to its last token, in seconds.",
      from = "e2e_request_latency_seconds",
    },
  },
  adapters = { load = load, unload = unload, list = openai.told_list },
}
