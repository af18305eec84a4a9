-- SGLang's adapter API on recorded replies.
local fake_engine = require("spec.support.fake_engine")
local json = require("kthena.json")
local support = require("spec.rules.support")

local LOAD, UNLOAD = "POST /load_lora_adapter", "POST /unload_lora_adapter"
local OFF = "LoRA is not enabled. Please set `--enable-lora` to enable LoRA."

local function refused(message, status)
  return { status = status or 400, body = json.encode({ rid = json.null, http_worker_ipc = json.null, success = false,
    error_message = message, loaded_adapters = {} }) }
end

describe("SGLang's adapters", function()
  local hooks = support.engine("sglang").adapters

  local function results(hook, key, reply)
    return { hooks[hook](fake_engine.new({ [key] = reply }), fake_engine.adapter()) }
  end

  it("are loaded and unloaded without /v1", function()
    local engine = fake_engine.new({
      [LOAD] = { body = '{"success":true,"error_message":null,"loaded_adapters":{"sql":"/adapters/sql"}}' },
      [UNLOAD] = { body = '{"success":true,"error_message":"","loaded_adapters":{}}' },
    })
    local adapter = fake_engine.adapter({ pinned = true, timeout = 11, fields = { lora_id = "x" } })
    assert.same({ "loaded", "SGLang has loaded the adapter 'sql'" }, { hooks.load(engine, adapter) })
    assert.same({ "unloaded", "SGLang has unloaded the adapter 'sql'" }, { hooks.unload(engine, adapter) })
    assert.same({ lora_name = "sql", lora_path = "/adapters/sql", pinned = true, lora_id = "x" },
      engine.requests[1].body)
    assert.same({ lora_name = "sql", lora_id = "x" }, engine.requests[2].body)
    assert.equal(11, engine.requests[1].timeout)
    assert.equal(11, engine.requests[2].timeout) -- it waits for the adapter's requests to end
  end)

  it("may be loaded already", function()
    for _, text in ipairs({
      "Failed to load LoRA adapter sql because it is already loaded",
      "LoRA with name sql already exists. Loaded LoRAs: dict_keys(['sql'])",
    }) do
      assert.same({ "already_loaded", text }, results("load", LOAD, refused(text)))
    end
  end)

  it("need an engine that was started for them", function()
    local remedy = "the engine does not load adapters at run time; start SGLang with "
    for hook, key in pairs({ load = LOAD, unload = UNLOAD }) do
      assert.same({ nil, remedy .. "--enable-lora (HTTP 400: " .. OFF .. ")", "unsupported", 501 },
        results(hook, key, refused(OFF)))
      assert.same({ nil, remedy .. "--enable-lora (HTTP 404: Not Found)", "unsupported", 501 },
        results(hook, key, { status = 404, body = '{"detail":"Not Found"}' }))
      assert.same({ nil, remedy .. "--dp-size 1 or --enable-dp-attention "
        .. "(HTTP 400: dp_size must be 1 for dynamic lora loading)", "unsupported", 501 },
        results(hook, key, refused("dp_size must be 1 for dynamic lora loading")))
    end
  end)

  it("that cannot be loaded fail with the engine's status and words", function()
    for _, text in ipairs({
      "LoRA adapter sql with rank 128 is incompatible with the current LoRA memory pool configuration. Please ensure "
        .. "that the LoRA adapter's rank is within the configured `--max-lora-rank` and that the target modules are "
        .. "included in `--lora-target-modules`.",
      "Cannot load LoRA adapter sql: the maximum number of loaded LoRA adapters is reached",
    }) do
      assert.same({ nil, "HTTP 400: " .. text, "invalid", 400 }, results("load", LOAD, refused(text)))
    end
    assert.same({ nil, "HTTP 500: Internal Server Error", "protocol", 500 },
      results("load", LOAD, { status = 500, body = "Internal Server Error" }))
    assert.same({ nil, "HTTP 401: Unauthorized", "unauthorized", 401 },
      results("load", LOAD, { status = 401, body = '{"error":"Unauthorized"}' }))
    assert.same({ nil, "HTTP 503: no message", "unavailable", 503 }, results("load", LOAD, { status = 503 }))
  end)

  it("are not loaded by a success that says otherwise", function()
    assert.same({ nil, "HTTP 502: no", "protocol", 502 }, results("load", LOAD, refused("no", 200)))
    assert.same({ nil, "HTTP 502: OK", "protocol", 502 }, results("load", LOAD, { body = "OK" }))
    assert.same({ nil, "HTTP 502: true", "protocol", 502 }, results("unload", UNLOAD, { body = "true" }))
  end)

  it("may not be there to be unloaded", function()
    for _, text in ipairs({
      "LoRA with name sql does not exist. Loaded LoRAs: dict_keys([])", "LoRA adapter sql is not loaded",
    }) do
      assert.same({ "not_found", text }, results("unload", UNLOAD, refused(text)))
    end
    assert.same({ nil, "HTTP 400: in use", "invalid", 400 }, results("unload", UNLOAD, refused("in use")))
  end)

  it("hand on why the engine did not answer", function()
    for hook, key in pairs({ load = LOAD, unload = UNLOAD, list = "GET /v1/models", reset = "POST /flush_cache" }) do
      assert.same({ nil, "too slow", "timeout", 504 },
        results(hook, key, { failure = "too slow", kind = "timeout", code = 504 }))
    end
  end)

  it("are listed by releases that tell them", function()
    assert.same({ { { name = "sql", path = "/adapters/sql", base = "m" } } }, results("list", "GET /v1/models", {
      body = [[{"object":"list","data":[
        {"id":"m","object":"model","created":1,"owned_by":"sglang","root":"m","parent":null,"max_model_len":4096},
        {"id":"sql","object":"model","created":1,"owned_by":"sglang","root":"/adapters/sql","parent":"m",
         "max_model_len":null}]}]],
    }))
    assert.same({ nil, "this release of the engine does not tell which adapters it has", "unsupported", 501 },
      results("list", "GET /v1/models",
        { body = '{"data":[{"id":"m","owned_by":"sglang","root":"m","max_model_len":4096}]}' }))
  end)

  it("have their blocks dropped unless requests are running", function()
    assert.same({ true }, results("reset", "POST /flush_cache", { body = "Cache flushed.\n" }))
    assert.same({ nil, "HTTP 400: Cache flushed.\nPlease check backend logs", "invalid", 400 },
      results("reset", "POST /flush_cache", { status = 400, body = "Cache flushed.\nPlease check backend logs" }))
  end)
end)
