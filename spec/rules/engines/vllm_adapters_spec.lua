-- vLLM's adapter API on recorded replies: 0.6 to 2026, and the Rust frontend.
local fake_engine = require("spec.support.fake_engine")
local json = require("kthena.json")
local support = require("spec.rules.support")

local LOAD, UNLOAD = "POST /v1/load_lora_adapter", "POST /v1/unload_lora_adapter"
local REMEDY = "the engine does not load adapters at run time; start vLLM with --enable-lora and "
  .. "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True "
local LOADED = "The lora adapter 'sql' has already been loaded."
local IN_PLACE = LOADED .. " If you want to load the adapter in place, set 'load_inplace' to "

local function flat(status, kind, message)
  return { status = status, body = json.encode({ object = "error", message = message, type = kind, param = json.null,
    code = status }) }
end

local function nested(status, kind, message, param)
  return { status = status, body = json.encode({ error = { message = message, type = kind, param = param or json.null,
    code = status } }) }
end

local function both(status, kind, message)
  return { flat(status, kind, message), nested(status, kind, message) }
end

describe("vLLM's adapters", function()
  local hooks = support.engine("vllm").adapters

  -- What a hook makes of a reply.
  local function results(hook, key, reply)
    return { hooks[hook](fake_engine.new({ [key] = reply }), fake_engine.adapter()) }
  end

  -- Every form of an error comes to the same.
  local function all(hook, key, replies, expected)
    for _, reply in ipairs(replies) do
      assert.same(expected, results(hook, key, reply), reply.body)
    end
  end

  it("are loaded with what the caller has said of them", function()
    local engine = fake_engine.new({ [LOAD] = { body = "Success: LoRA adapter 'sql' added successfully." } })
    local adapter = fake_engine.adapter({ base_model = "b", load_inplace = true, timeout = 7,
      fields = { is_3d_lora_weight = true } })
    assert.same({ "loaded", "Success: LoRA adapter 'sql' added successfully." }, { hooks.load(engine, adapter) })
    assert.equal(7, engine.requests[1].timeout)
    assert.is_nil(engine.requests[1].base)
    assert.same({
      lora_name = "sql", lora_path = "/adapters/sql", base_model = "b", load_inplace = true, is_3d_lora_weight = true,
    }, engine.requests[1].body)
  end)

  it("may be loaded already", function()
    all("load", LOAD, both(400, "InvalidUserInput", LOADED), { "already_loaded", LOADED })
    all("load", LOAD, both(400, "InvalidUserInput", IN_PLACE .. "True."), { "already_loaded", IN_PLACE .. "True." })
    all("load", LOAD, { nested(400, "invalid_request", IN_PLACE .. "true.", "lora_name") },
      { "already_loaded", IN_PLACE .. "true." })
  end)

  it("need an engine that was started for them", function()
    for hook, key in pairs({ load = LOAD, unload = UNLOAD }) do
      all(hook, key, { { status = 404, body = '{"detail":"Not Found"}' }, nested(404, "Not Found", "Not Found") },
        { nil, REMEDY .. "(HTTP 404: Not Found)", "unsupported", 501 })
      all(hook, key, { { status = 404, body = "" } },
        { nil, REMEDY .. "(HTTP 404: no message)", "unsupported", 501 })
      all(hook, key, both(500, "InternalServerError", "LoRA is not enabled."),
        { nil, REMEDY .. "(HTTP 500: LoRA is not enabled.)", "unsupported", 501 })
    end
  end)

  it("that cannot be loaded fail with the engine's status and words", function()
    local missing = "Loading lora sql failed: No adapter found for /adapters/sql"
    all("load", LOAD, both(404, "NotFoundError", missing), { nil, "HTTP 404: " .. missing, "not_found", 404 })
    local rank = "LoRA rank 128 is greater than max_lora_rank 16."
    all("load", LOAD, both(400, "BadRequestError", rank), { nil, "HTTP 400: " .. rank, "invalid", 400 })
    all("load", LOAD, both(500, "InternalServerError", rank), { nil, "HTTP 500: " .. rank, "protocol", 500 })
    local both_needed = "Both 'lora_name' and 'lora_path' must be provided."
    all("load", LOAD, both(400, "InvalidUserInput", both_needed), { nil, "HTTP 400: " .. both_needed, "invalid", 400 })
    local conflict = "The lora adapter name 'sql' conflicts with a served base model."
    all("load", LOAD, { nested(400, "invalid_request", conflict, "lora_name") },
      { nil, "HTTP 400: " .. conflict, "invalid", 400 })
    local access = "Local LoRA adapter path is outside the configured allowed prefixes."
    all("load", LOAD, { nested(400, "invalid_request", access, "lora_path") },
      { nil, "HTTP 400: " .. access, "invalid", 400 })
    local media = "Unsupported Media Type: Only 'application/json' is allowed"
    all("load", LOAD, both(415, "BadRequestError", media), { nil, "HTTP 415: " .. media, "invalid", 415 })
    all("load", LOAD, { { status = 422,
      body = '{"detail":[{"loc":["body","lora_path"],"msg":"Input should be a valid string"}]}' } },
      { nil, "HTTP 422: body.lora_path: Input should be a valid string", "invalid", 422 })
    all("load", LOAD, { { status = 500, body = "Internal Server Error" } },
      { nil, "HTTP 500: Internal Server Error", "protocol", 500 })
    all("load", LOAD, { { status = 503, body = "" } }, { nil, "HTTP 503: no message", "unavailable", 503 })
  end)

  it("need the engine's key", function()
    for hook, key in pairs({ load = LOAD, unload = UNLOAD }) do
      all(hook, key, { { status = 401, body = '{"error":"Unauthorized"}' } },
        { nil, "HTTP 401: Unauthorized", "unauthorized", 401 })
    end
  end)

  it("are unloaded", function()
    local engine = fake_engine.new({ [UNLOAD] = { body = "Success: LoRA adapter 'sql' removed successfully." } })
    assert.same({ "unloaded", "Success: LoRA adapter 'sql' removed successfully." }, { hooks.unload(engine,
      fake_engine.adapter({ timeout = 9, fields = { lora_int_id = 3 } })) })
    assert.equal(9, engine.requests[1].timeout)
    assert.same({ lora_name = "sql", lora_int_id = 3 }, engine.requests[1].body)
  end)

  it("may not be there to be unloaded", function()
    local text = "The lora adapter 'sql' cannot be found."
    all("unload", UNLOAD, both(404, "NotFoundError", text), { "not_found", text })
    all("unload", UNLOAD, { nested(404, "model_not_found", "The model `sql` does not exist.", "model") },
      { "not_found", "The model `sql` does not exist." })
  end)

  it("that cannot be unloaded fail with the engine's status and words", function()
    local text = "Failed to remove lora adapter 'sql' from the engine."
    all("unload", UNLOAD, both(500, "InternalServerError", text), { nil, "HTTP 500: " .. text, "protocol", 500 })
    local name = "'lora_name' needs to be provided to unload a LoRA adapter."
    all("unload", UNLOAD, both(400, "InvalidUserInput", name), { nil, "HTTP 400: " .. name, "invalid", 400 })
    local id = "The requested lora_int_id 3 does not match loaded adapter 'sql' with id 1."
    all("unload", UNLOAD, { nested(400, "invalid_request", id, "lora_int_id") },
      { nil, "HTTP 400: " .. id, "invalid", 400 })
  end)

  it("hand on why the engine did not answer", function()
    local failure = { failure = "connection refused", kind = "unavailable", code = 503 }
    for hook, key in pairs({
      load = LOAD, unload = UNLOAD, list = "GET /v1/models", reset = "POST /reset_prefix_cache",
    }) do
      all(hook, key, { failure }, { nil, "connection refused", "unavailable", 503 })
    end
  end)

  it("are listed", function()
    assert.same({ { { name = "sql", path = "/adapters/sql", base = "m" } } }, results("list", "GET /v1/models", {
      body = [[{"object":"list","data":[
        {"id":"m","object":"model","created":1,"owned_by":"vllm","root":"/models/m","parent":null,"max_model_len":4096,
         "permission":[{"id":"modelperm-1","object":"model_permission","allow_sampling":true}]},
        {"id":"sql","object":"model","created":1,"owned_by":"vllm","root":"/adapters/sql","parent":"m",
         "max_model_len":null,"permission":[]}]}]],
    }))
    assert.same({ {} }, results("list", "GET /v1/models",
      { body = '{"object":"list","data":[{"id":"m","root":"m","parent":null}]}' }))
  end)

  it("have their blocks dropped where that is offered", function()
    assert.same({ true }, results("reset", "POST /reset_prefix_cache", { body = "" }))
    assert.same({ true },
      results("reset", "POST /reset_prefix_cache", { status = 404, body = '{"detail":"Not Found"}' }))
    assert.same({ nil, "HTTP 500: Internal Server Error", "protocol", 500 },
      results("reset", "POST /reset_prefix_cache", { status = 500, body = "Internal Server Error" }))
  end)
end)
