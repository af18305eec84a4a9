--- The adapter API that one engine has made up and others have taken over, on top of OpenAI's: requests with lora_name
-- and lora_path, errors in several forms, adapters as cards of GET /v1/models. For the `adapters` hooks of engine
-- rules, by require "kthena.openai"; `engine` and `reply` are what those hooks work with (rules/README.md).
local openai = {}

local function with_fields(fields, own)
  local body = {}
  for name, value in pairs(fields or {}) do
    body[name] = value
  end
  for name, value in pairs(own) do
    body[name] = value
  end
  return body
end

--- The body that loads an adapter: whatever the caller of the API has said of it.
-- @usage engine.post("/v1/load_lora_adapter", openai.load_body(adapter), { timeout = adapter.timeout })
function openai.load_body(adapter)
  return with_fields(adapter.fields, {
    lora_name = adapter.name, lora_path = adapter.path, base_model = adapter.base_model, pinned = adapter.pinned,
    load_inplace = adapter.load_inplace,
  })
end

--- The body that unloads an adapter.
function openai.unload_body(adapter)
  return with_fields(adapter.fields, { lora_name = adapter.name })
end

-- A list of what is wrong with a request's fields: [{"loc": ["body", "lora_name"], "msg": "Field required"}].
local function field_errors(list)
  local parts = {}
  for i, entry in ipairs(list) do
    if type(entry) ~= "table" or type(entry.msg) ~= "string" then
      return nil
    end
    local where = {}
    for j, part in ipairs(type(entry.loc) == "table" and entry.loc or {}) do
      where[j] = tostring(part)
    end
    parts[i] = (#where > 0 and table.concat(where, ".") .. ": " or "") .. entry.msg
  end
  return #parts > 0 and table.concat(parts, "; ") or nil
end

local function sentence(value)
  if type(value) == "string" then
    return value
  elseif type(value) == "table" then
    return type(value.message) == "string" and value.message or field_errors(value)
  end
end

--- What the engine says in a reply, in its own words: the message of an error body, flat ({"message": ...}), nested
-- ({"error": {"message": ...}}) or FastAPI's ({"detail": ...}); of plain text, or of anything else, the body.
-- @usage return engine.fail(reply, openai.text(reply))
function openai.text(reply)
  local body = reply.json
  if type(body) == "string" then
    return body
  elseif type(body) == "table" then
    local said = sentence(body.error) or sentence(body.error_message) or sentence(body.detail) or sentence(body)
    if said then
      return said
    end
  end
  local text = reply.body:match("^%s*(.-)%s*$")
  return text ~= "" and text or "no message"
end

-- What the web frameworks' own 404 says.
local MISSING = { ["Not Found"] = true, ["File Not Found"] = true, ["no message"] = true }

--- Whether a reply says that the path does not exist there, rather than that what was asked for does not.
function openai.is_missing_path(reply)
  return reply.status == 405 or reply.status == 501 or (reply.status == 404 and MISSING[openai.text(reply)] == true)
end

-- The cards of GET /v1/models, a list; or nil, a message, a kind and a status.
local function cards_of(engine)
  local reply, message, kind, status = engine.get("/v1/models")
  if not reply then
    return nil, message, kind, status
  elseif reply.status ~= 200 then
    return engine.fail(reply, openai.text(reply))
  end
  local cards = type(reply.json) == "table" and reply.json.data
  if type(cards) ~= "table" then
    return nil, "the engine's answer to GET /v1/models is no list of models", "protocol", 502
  end
  for _, card in ipairs(cards) do
    if type(card) ~= "table" or type(card.id) ~= "string" then
      return nil, "the engine's answer to GET /v1/models has a model without an id", "protocol", 502
    end
  end
  return cards
end

-- A text of a card. The text "null" is how one engine writes that there is none.
local function text_of(value)
  return type(value) == "string" and value ~= "null" and value or nil
end

local function adapters_in(cards)
  local adapters = {}
  for _, card in ipairs(cards) do
    if text_of(card.parent) then
      adapters[#adapters + 1] = { name = card.id, path = text_of(card.root), base = card.parent }
    end
  end
  return adapters
end

--- The list hook of an engine whose /v1/models tells its adapters: the cards with a parent, as name, path (nil when it
-- is not told) and base.
-- @usage adapters = { list = openai.list, ... }
function openai.list(engine)
  local cards, message, kind, status = cards_of(engine)
  if not cards then
    return nil, message, kind, status
  end
  return adapters_in(cards)
end

--- The same for an engine with releases that leave adapters out. Those know no parent, not even null.
function openai.told_list(engine)
  local cards, message, kind, status = cards_of(engine)
  if not cards then
    return nil, message, kind, status
  end
  for _, card in ipairs(cards) do
    if card.parent == nil then
      return nil, "this release of the engine does not tell which adapters it has", "unsupported", 501
    end
  end
  return adapters_in(cards)
end

--- The result of a reset hook that is one POST; an engine that does not offer it is none the worse.
-- @usage reset = function(engine) return openai.reset(engine, "/flush_cache") end
function openai.reset(engine, path)
  local reply, message, kind, status = engine.post(path)
  if not reply then
    return nil, message, kind, status
  elseif reply.status < 300 or openai.is_missing_path(reply) then
    return true
  end
  return engine.fail(reply, openai.text(reply))
end

--- The result of a hook for an engine that could load adapters if it were started otherwise.
-- @usage return openai.unsupported(reply, "start it with --enable-lora")
function openai.unsupported(reply, remedy)
  return nil, ("the engine does not load adapters at run time; %s (HTTP %d: %s)"):format(remedy, reply.status,
    openai.text(reply)), "unsupported", 501
end

return openai
