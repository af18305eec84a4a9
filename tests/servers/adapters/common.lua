-- What several engine doubles answer alike.
local requests = require("requests")

local common = {}

--- The 404 of FastAPI for a path that does not exist.
function common.missing()
  return requests.json(404, { detail = "Not Found" })
end

--- A reply that is plain text with this type, or without any.
function common.text(status, body, type)
  return { status = status, body = body, type = type }
end

--- Whether a request has the bearer token there has to be.
function common.is_authorised(state, request)
  local key = state.switches.api_key
  return not key or request.headers.authorization == "Bearer " .. key
end

--- Whether a request says that its body is JSON.
function common.is_json(request)
  return (request.headers["content-type"] or ""):find("^application/json") ~= nil
end

--- A card of /v1/models.
function common.card(id, owner, root, parent)
  return { id = id, object = "model", created = 1790000000, owned_by = owner, root = root,
    parent = parent or requests.null, max_model_len = parent and requests.null or 4096 }
end

--- The reply of /v1/models: the model's card, then those of its adapters.
function common.models(state, owner)
  local cards = { common.card(state.model, owner, "/models/" .. state.model) }
  for i, adapter in ipairs(state.adapters) do
    cards[i + 1] = common.card(adapter.name, owner, adapter.path, state.model)
  end
  return requests.json(200, { object = "list", data = requests.list(cards) })
end

--- A page of metrics: lines "name value", and the start time unless it is not to be told.
function common.page(state, lines)
  local text = {}
  for _, line in ipairs(lines) do
    text[#text + 1] = ("# TYPE %s %s\n%s\n"):format(line[1], line[2], line[1] .. (line[3] or "") .. " " .. line[4])
  end
  if state.switches.start_time ~= false then
    local name = "process_start_time_seconds"
    text[#text + 1] = ("# TYPE %s gauge\n%s %.3f\n"):format(name, name, state.started)
  end
  return common.text(200, table.concat(text), "text/plain; version=0.0.4; charset=utf-8")
end

--- An answer to a prompt: of the model, or of an adapter that is there.
function common.complete(state, request, missing)
  local model = type(request.json) == "table" and request.json.model
  if model ~= state.model and not state:find(model) then
    return missing(("The model `%s` does not exist."):format(tostring(model)))
  end
  return requests.json(200, { id = "cmpl-1", object = "text_completion", model = model,
    choices = requests.list({ { index = 0, text = " ok", finish_reason = "stop" } }) })
end

return common
