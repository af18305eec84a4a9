-- llama.cpp: adapters are the files of --lora, whose scale can be set; those that a request leaves out get scale 0.
-- Switches of its own: files (the paths given at its start), scale (theirs at the start, 0 by default).
local common = require("adapters.common")
local requests = require("requests")

local function fail(status, kind, message)
  return requests.json(status, { error = { code = status, message = message, type = kind } })
end

-- The scales, by the position of the file.
local function scales_of(state)
  if state.scales_epoch ~= state.epoch then
    state.scales, state.scales_epoch = {}, state.epoch
    for i in ipairs(state.switches.files or {}) do
      state.scales[i] = state.switches.scale or 0
    end
  end
  return state.scales
end

-- Keeps the list of the adapters that are in use, for the statistics.
local function note(state, scales)
  state.adapters = {}
  for i, path in ipairs(state.switches.files or {}) do
    if scales[i] ~= 0 then
      state:add(path, path)
    end
  end
end

local function list(state)
  local entries = requests.list({})
  for i, scale in ipairs(scales_of(state)) do
    entries[i] = { id = i - 1, path = state.switches.files[i], scale = scale, task_name = "", prompt_prefix = "" }
  end
  return requests.json(200, entries)
end

local function set(state, request)
  local body, scales = request.json, scales_of(state)
  if type(body) ~= "table" or (body[1] == nil and next(body) ~= nil) then
    return fail(400, "invalid_request_error", "Request body must be an array")
  end
  local changed = {}
  for i in ipairs(scales) do
    changed[i] = 0
  end
  for _, entry in ipairs(body) do
    if type(entry) ~= "table" or type(entry.id) ~= "number" or not changed[entry.id + 1] then
      return fail(400, "invalid_request_error", "invalid adapter id")
    end
    changed[entry.id + 1] = entry.scale or 0
  end
  if not state:work("load", "scales") then
    return nil
  end
  state.scales = changed
  note(state, changed)
  return requests.json(200, { success = true })
end

local open = { ["/health"] = true, ["/v1/health"] = true, ["/models"] = true, ["/v1/models"] = true, ["/"] = true }

return function()
  return {
    authorise = function(state, request)
      if state.switches.starting then
        return fail(503, "unavailable_error", "Loading model")
      elseif not open[request.path] and not common.is_authorised(state, request) then
        return fail(401, "authentication_error", "Invalid API Key")
      end
    end,
    missing = function()
      return fail(404, "not_found_error", "File Not Found")
    end,
    routes = {
      ["GET /lora-adapters"] = { "list", list },
      ["POST /lora-adapters"] = { "load", set },
      ["GET /health"] = { "health", function()
        return requests.json(200, { status = "ok" })
      end },
      ["GET /metrics"] = { "metrics", function(state)
        if state.switches.metrics == false then
          return fail(501, "not_supported_error",
            "This server does not support metrics endpoint. Start it with `--metrics`")
        end
        return common.page(state, {
          { "llamacpp:tokens_predicted_total", "counter", "", "7" },
          { "llamacpp:requests_deferred", "gauge", "", "0" },
        })
      end },
      ["GET /v1/models"] = { "list", function(state)
        return requests.json(200, { object = "list", data = requests.list({ { id = state.model, object = "model",
          owned_by = "llamacpp" } }) })
      end },
    },
  }
end
