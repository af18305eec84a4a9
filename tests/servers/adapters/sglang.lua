-- SGLang. Switches of its own: lists (false: a release whose /v1/models has no adapters), evict (true: with max_loras
-- reached the oldest adapter that is not pinned goes), busy (true: requests are running, /flush_cache refuses),
-- dp_size. An adapter that is unloaded is not listed any more while the call still waits for its requests to end.
local common = require("adapters.common")
local requests = require("requests")

local function result(state, message)
  local loaded = requests.object({})
  for _, adapter in ipairs(state.adapters) do
    loaded[adapter.name] = adapter.path
  end
  return requests.json(message and 400 or 200, { rid = requests.null, http_worker_ipc = requests.null,
    success = message == nil, error_message = message or requests.null, loaded_adapters = loaded })
end

-- The check of the body against the request's type.
local function validate(request, fields)
  if type(request.json) ~= "table" or not common.is_json(request) then
    return requests.json(422, { detail = requests.list({ { type = "model_attributes_type",
      loc = requests.list({ "body" }), msg = "Input should be a valid dictionary or object" } }) })
  end
  for _, name in ipairs(fields) do
    if type(request.json[name]) ~= "string" then
      return requests.json(422, { detail = requests.list({ { type = "missing",
        loc = requests.list({ "body", name }), msg = "Field required" } }) })
    end
  end
end

-- Why the engine loads and unloads nothing, or nil.
local function disabled(state)
  if state.switches.enabled == false then
    return result(state, "LoRA is not enabled. Please set `--enable-lora` to enable LoRA.")
  elseif (state.switches.dp_size or 1) > 1 then
    return common.text(500, "Internal Server Error", "text/plain; charset=utf-8") -- an assertion; its words are logged
  end
end

local function evict(state)
  for _, adapter in ipairs(state.adapters) do
    if not adapter.pinned then
      return state:remove(adapter.name)
    end
  end
end

local function problem(state, body)
  local config = state:config(body.lora_path)
  if state:find(body.lora_name) then
    return ("Failed to load LoRA adapter %s because it is already loaded"):format(body.lora_name)
  elseif not config then
    return ("[Errno 2] No such file or directory: '%s/adapter_config.json'"):format(body.lora_path)
  elseif state:is_too_large(config) then
    return ("LoRA adapter %s with rank %d is incompatible with the current LoRA memory pool configuration. Please "
      .. "ensure that the LoRA adapter's rank is within the configured `--max-lora-rank` and that the target modules "
      .. "are included in `--lora-target-modules`."):format(body.lora_name, config.r)
  elseif state:is_full() and not state.switches.evict then
    return ("Cannot load LoRA adapter %s: the maximum number of loaded LoRA adapters (%d) is reached"):format(
      body.lora_name, state.switches.max_loras)
  end
end

local function load(state, request)
  local wrong = validate(request, { "lora_name", "lora_path" }) or disabled(state)
  if wrong then
    return wrong
  elseif not state:work("load", request.json.lora_name) then
    return nil
  end
  local message = problem(state, request.json)
  if message then
    return result(state, message)
  elseif state:is_full() then
    evict(state)
  end
  state:add(request.json.lora_name, request.json.lora_path, { pinned = request.json.pinned == true })
  return result(state)
end

local function unload(state, request)
  local wrong = validate(request, { "lora_name" }) or disabled(state)
  if wrong then
    return wrong
  end
  local name = request.json.lora_name
  if not state:remove(name) then
    return result(state, ("LoRA with name %s does not exist. Loaded LoRAs: dict_keys([])"):format(name))
  end
  return state:work("unload", name) and result(state) or nil
end

local function models(state)
  if state.switches.lists ~= false then
    return common.models(state, "sglang")
  end
  return requests.json(200, { object = "list", data = requests.list({ { id = state.model, object = "model",
    created = 1790000000, owned_by = "sglang", root = state.model, max_model_len = 4096 } }) })
end

local function flush(state)
  if not state.switches.busy then
    state.stats.resets = state.stats.resets + 1
  end
  return common.text(state.switches.busy and 400 or 200, "Cache flushed.\nPlease check backend logs for more details. "
    .. "(When there are running or waiting requests, the operation will not be performed.)\n")
end

local function complete(state, request)
  if type(request.json) == "table" and type(request.json.model) == "string" then
    request.json.model = request.json.model:match(":(.*)$") or request.json.model -- base:adapter
  end
  return common.complete(state, request, function(message)
    return requests.json(400, { object = "error", message = message, type = "BadRequestError", param = requests.null,
      code = 400 })
  end)
end

local function health(state)
  return common.text(state.switches.starting and 503 or 200, "")
end

return function()
  return {
    authorise = function(state, request)
      local open = request.path:find("^/health") or request.path:find("^/metrics")
      if not open and not common.is_authorised(state, request) then
        return requests.json(401, { error = "Unauthorized" })
      end
    end,
    missing = common.missing,
    routes = {
      ["POST /load_lora_adapter"] = { "load", load },
      ["POST /unload_lora_adapter"] = { "unload", unload },
      ["GET /v1/models"] = { "list", models },
      ["POST /flush_cache"] = { "reset", flush },
      ["GET /health"] = { "health", health },
      ["GET /health_generate"] = { "health", health },
      ["GET /metrics"] = { "metrics", function(state)
        local labels = ('{model_name="%s"}'):format(state.model)
        return common.page(state, {
          { "sglang:num_queue_reqs", "gauge", labels, "0.0" },
          { "sglang:generation_tokens_total", "counter", labels, "7.0" },
        })
      end },
      ["POST /v1/completions"] = { "complete", complete },
      ["POST /v1/chat/completions"] = { "complete", complete },
    },
  }
end
