-- MindIE: the API for adapters is on the management port, the list on the service's. Nearly everything is status 200.
-- Switches of its own: drain (true: an adapter that is unloaded keeps waiting for its requests until the order
-- "release"), graph (false: the model is not served by its Python graph), stopped (true: the service has been stopped),
-- lists (false: a release whose /v1/models has no adapters).
local common = require("adapters.common")
local requests = require("requests")

local function said(text, ...)
  return common.text(200, text:format(...), "application/json")
end

-- What is refused before it is looked at, or nil.
local function refused(state, request)
  if state.switches.stopped then
    return requests.json(503, { error = "The service has been stopped.", error_type = "Service Unavailable" })
  elseif type(request.json) ~= "table" then
    return said("Req body converts to json fail.")
  elseif not tostring(request.json.lora_name or ""):find("^[%w_-]+$") then
    return common.text(503, "Input invalid lora name", "application/json")
  elseif tostring(request.json.lora_path or ""):find("[^%w_./-]") then
    return common.text(503, "Input invalid lora path", "application/json")
  end
end

-- Whether an adapter is still waiting for its requests to end.
local function is_draining(state, name)
  local since = state.draining[name]
  if since and state.releases > since then
    state.draining[name] = nil
  end
  return state.draining[name] ~= nil
end

local function problem(state, body)
  local config = body.lora_path ~= "" and state:config(body.lora_path)
  if state.switches.graph == false then
    return "The LoRA command only supports Python graph, please check the model graph type."
  elseif state:is_full() then
    return "The number of LoRA adapters exceeds 'max_loras', "
      .. (next(state.draining) and "some adapters are currently being unloaded." or "and none are currently unloading.")
  elseif not config then
    return ("Loading LoRA '%s' failed: No adapter found for '%s'."):format(body.lora_name, body.lora_path)
  elseif state:is_too_large(config) then
    return "LoRA rank is greater than max_lora_rank."
  end
end

local function load(state, request)
  local wrong = refused(state, request)
  if wrong then
    return wrong
  end
  local body = request.json
  if is_draining(state, body.lora_name) then
    return said("The LoRA adapter '%s' is waiting to unload.", body.lora_name)
  elseif state:find(body.lora_name) then
    return said("The LoRA adapter '%s' has already been added.", body.lora_name)
  elseif not state:work("load", body.lora_name) then
    return nil
  end
  local message = problem(state, body)
  if message then
    return said("Call to load LoRA method failed: %s", message)
  end
  state:add(body.lora_name, body.lora_path, { base = body.master_model })
  return said("Success: LoRA adapter '%s' added successfully.", body.lora_name)
end

local function unload(state, request)
  local wrong = refused(state, request)
  if wrong then
    return wrong
  end
  local name = request.json.lora_name
  if not state:find(name) then
    return said("The LoRA adapter '%s' cannot be found.", name)
  elseif not state:work("unload", name) then
    return nil
  end
  state:remove(name)
  state.draining[name] = state.switches.drain and state.releases or nil
  return said("Success: LoRA adapter '%s' removed successfully.", name)
end

local function card(id, root, parent)
  return { id = id, root = root, object = "model", created = 1790000000, owned_by = "MindIE Server", parent = parent }
end

local function models(state)
  if state.switches.lists == false then
    return requests.json(200, { object = "list", data = requests.list({ card(state.model) }) })
  end
  local cards = { card(state.model, "/models/" .. state.model, "null") }
  for i, adapter in ipairs(state.adapters) do
    local base = adapter.base ~= nil and adapter.base ~= "" and adapter.base or state.model
    cards[i + 1] = card(adapter.name, adapter.path, base)
  end
  return requests.json(200, { object = "list", data = requests.list(cards) })
end

local function page(state)
  local labels = ('{model_name="%s"}'):format(state.model)
  return common.page(state, {
    { "request_received_total", "counter", labels, "7" },
    { "npu_cache_usage_perc", "gauge", labels, "0" },
    { "num_requests_waiting", "gauge", labels, "0" },
  })
end

local function health(state)
  return common.text(state.switches.starting and 503 or 200, "")
end

return function()
  return {
    authorise = function() end,
    missing = function()
      return common.text(404, "")
    end,
    routes = {
      ["GET /v1/models"] = { "list", models },
      ["GET /v1/health"] = { "health", health },
      ["GET /health"] = { "health", health },
      ["GET /metrics"] = { "metrics", page },
    },
    management = {
      ["POST /v1/load_lora_adapter"] = { "load", load },
      ["POST /v1/unload_lora_adapter"] = { "unload", unload },
      ["GET /metrics"] = { "metrics", page },
    },
  }
end
