-- vLLM: "vllm" (nested errors, 500 for a load that fails), "vllm-old" (0.6 to 0.10: flat errors, 400) and "vllm-rust"
-- (its frontend in Rust). Switches of its own: enable_lora (false: started without --enable-lora), dev_mode (true:
-- /reset_prefix_cache is there), allowed_prefixes (Rust: where local adapters may be). A path such as ns/name is that
-- of a repository, which vLLM fetches itself.
local common = require("adapters.common")
local requests = require("requests")

local MEDIA = "Unsupported Media Type: Only 'application/json' is allowed"

local function config_of(state, path)
  return path:find("^[%w_.-]+/[%w_.-]+$") and {} or state:config(path)
end

-- The forms of an error.
local forms = {}

forms["vllm"] = function(status, kind, message)
  return requests.json(status, { error = { message = message, type = kind, param = requests.null, code = status } })
end

forms["vllm-old"] = function(status, kind, message)
  return requests.json(status, { object = "error", message = message, type = kind, param = requests.null,
    code = status })
end

forms["vllm-rust"] = function(status, kind, message, param)
  return requests.json(status, { error = { message = message, type = kind, param = param or requests.null,
    code = status } })
end

-- The kinds of error by what went wrong, for Python and for Rust.
local python = { input = "InvalidUserInput", missing = "NotFoundError", validation = "BadRequestError" }
local rust = { input = "invalid_request", missing = "model_not_found", validation = "invalid_request" }

-- What is wrong with a request before it is looked at, or nil.
local function refused(kind, fail, kinds, request, fields)
  if not common.is_json(request) then
    local status = kind == "vllm" and 400 or 415
    return kind == "vllm-old" and requests.json(status, { detail = MEDIA }) or fail(status, kinds.validation, MEDIA)
  elseif type(request.json) ~= "table" then
    return fail(400, kinds.validation, "[{'type': 'json_invalid', 'loc': ('body', 0), 'msg': 'JSON decode error'}]")
  end
  for _, name in ipairs(fields) do
    if type(request.json[name]) ~= "string" then
      return fail(400, kinds.validation,
        ("[{'type': 'missing', 'loc': ('body', '%s'), 'msg': 'Field required'}]"):format(name))
    end
  end
end

local function already(kind, name)
  local text = ("The lora adapter '%s' has already been loaded."):format(name)
  if kind == "vllm-old" then
    return text
  end
  return text .. " If you want to load the adapter in place, set 'load_inplace' to "
    .. (kind == "vllm" and "True." or "true.")
end

-- Why Rust refuses a name or a path, or nil.
local function rust_problem(state, body)
  if body.lora_name == state.model then
    return ("The lora adapter name '%s' conflicts with a served base model."):format(body.lora_name), "lora_name"
  end
  local allowed = not state.switches.allowed_prefixes or body.lora_path:sub(1, 1) ~= "/"
  for _, prefix in ipairs(state.switches.allowed_prefixes or {}) do
    allowed = allowed or body.lora_path:sub(1, #prefix + 1) == prefix .. "/"
  end
  if not allowed then
    return "Local LoRA adapter path is outside the configured allowed prefixes.", "lora_path"
  elseif not config_of(state, body.lora_path) then
    return "Local LoRA adapter path must exist and be accessible.", "lora_path"
  end
end

-- What is wrong with the adapter itself, and whether it is that it is not there; or nil.
local function adapter_problem(state, body)
  local config = config_of(state, body.lora_path)
  if state.switches.enable_lora == false then
    return "LoRA is not enabled. Use --enable-lora to enable LoRA."
  elseif not config then
    return ("Loading lora %s failed: No adapter found for %s"):format(body.lora_name, body.lora_path), true
  elseif state:is_too_large(config) then
    return ("LoRA rank %d is greater than max_lora_rank %d."):format(config.r, state.switches.max_rank)
  elseif state:is_full() and not state:find(body.lora_name) then
    return ("Number of added LoRAs (%d) exceeds max_cpu_loras (%d)"):format(#state.adapters + 1,
      state.switches.max_loras)
  end
end

local function health(state)
  return common.text(state.switches.starting and 503 or 200, "")
end

local function make(kind)
  local fail, kinds = forms[kind], kind == "vllm-rust" and rust or python

  local function load(state, request)
    local wrong = refused(kind, fail, kinds, request, { "lora_name", "lora_path" })
    local body = request.json
    if wrong then
      return wrong
    elseif body.lora_name == "" or body.lora_path == "" then
      return fail(400, kinds.input, "Both 'lora_name' and 'lora_path' must be provided.")
    end
    local problem, param
    if kind == "vllm-rust" then
      problem, param = rust_problem(state, body)
    end
    if problem then
      return fail(400, kinds.input, problem, param)
    elseif state:find(body.lora_name) and body.load_inplace ~= true then
      return fail(400, kinds.input, already(kind, body.lora_name), "lora_name")
    elseif not state:work("load", body.lora_name) then
      return nil
    elseif state:find(body.lora_name) and body.load_inplace ~= true then
      return fail(400, kinds.input, already(kind, body.lora_name), "lora_name")
    end
    local missing
    problem, missing = adapter_problem(state, body)
    if missing then
      return fail(404, "NotFoundError", problem)
    elseif problem and kind == "vllm-old" then
      return fail(400, "BadRequestError", problem)
    elseif problem then
      return fail(500, kind == "vllm" and "InternalServerError" or "server_error", problem)
    end
    state:add(body.lora_name, body.lora_path)
    return common.text(200, ("Success: LoRA adapter '%s' added successfully."):format(body.lora_name))
  end

  local function unload(state, request)
    local wrong = refused(kind, fail, kinds, request, { "lora_name" })
    if wrong then
      return wrong
    end
    local name, id = request.json.lora_name, request.json.lora_int_id
    local adapter = state:find(name)
    if name == "" then
      return fail(400, kinds.input, "'lora_name' needs to be provided to unload a LoRA adapter.")
    elseif not adapter then
      return fail(404, kinds.missing, ("The lora adapter '%s' cannot be found."):format(name))
    elseif kind == "vllm-rust" and id and id ~= adapter.id then
      return fail(400, kinds.input, ("The requested lora_int_id %d does not match loaded adapter '%s' with id %d.")
        :format(id, name, adapter.id), "lora_int_id")
    elseif not state:work("unload", name) then
      return nil
    end
    state:remove(name)
    return common.text(200, ("Success: LoRA adapter '%s' removed successfully."):format(name))
  end

  local function complete(state, request)
    return common.complete(state, request, function(message)
      return fail(404, "NotFoundError", message)
    end)
  end

  return {
    authorise = function(state, request)
      if request.path:find("^/v1") and not common.is_authorised(state, request) then
        return requests.json(401, { error = "Unauthorized" })
      end
    end,
    missing = function()
      return kind == "vllm-rust" and common.text(404, "") or common.missing()
    end,
    routes = {
      ["POST /v1/load_lora_adapter"] = { "load", load },
      ["POST /v1/unload_lora_adapter"] = { "unload", unload },
      ["GET /v1/models"] = { "list", function(state)
        return common.models(state, "vllm")
      end },
      ["POST /reset_prefix_cache"] = { "reset", function(state)
        state.stats.resets = state.stats.resets + 1
        return common.text(200, "")
      end, "dev_mode" },
      ["GET /health"] = { "health", health },
      ["GET /ping"] = { "health", health },
      ["POST /ping"] = { "health", health },
      ["GET /version"] = { "health", function()
        return requests.json(200, { version = kind == "vllm-old" and "0.10.0" or "0.32.0" })
      end },
      ["GET /metrics"] = { "metrics", function(state)
        local labels = ('{engine="0",model_name="%s"}'):format(state.model)
        return common.page(state, {
          { "vllm:num_requests_waiting", "gauge", labels, "0.0" },
          { "vllm:generation_tokens_total", "counter", labels, "7.0" },
        })
      end },
      ["POST /v1/completions"] = { "complete", complete },
      ["POST /v1/chat/completions"] = { "complete", complete },
    },
  }
end

return make
