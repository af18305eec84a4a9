-- MindIE's adapter API on recorded replies: texts, most with status 200.
local fake_engine = require("spec.support.fake_engine")
local support = require("spec.rules.support")

local LOAD, UNLOAD = "POST /v1/load_lora_adapter", "POST /v1/unload_lora_adapter"
local ADDED = "Success: LoRA adapter 'sql' added successfully."
local REMOVED = "Success: LoRA adapter 'sql' removed successfully."
local WAITING = "The LoRA adapter 'sql' is waiting to unload."
local FAILED = "Call to load LoRA method failed: "

describe("MindIE's adapters", function()
  local hooks = support.engine("mindie").adapters

  local function results(hook, key, reply, with)
    return { hooks[hook](fake_engine.new({ [key] = reply }), fake_engine.adapter(with)) }
  end

  it("are managed at the management address", function()
    for url, base in pairs({
      ["http://127.0.0.1:1025"] = "https://127.0.0.1:1026",
      ["https://mindie.ns.svc"] = "https://mindie.ns.svc:1026",
      ["http://[::1]:1025/x"] = "https://[::1]:1026",
    }) do
      local engine = fake_engine.new({ [LOAD] = { body = ADDED }, [UNLOAD] = { body = REMOVED } }, { url = url })
      assert.same({ "loaded", ADDED }, { hooks.load(engine, fake_engine.adapter()) })
      assert.same({ "unloaded", REMOVED }, { hooks.unload(engine, fake_engine.adapter({ timeout = 5 })) })
      assert.equal(base, engine.requests[1].base)
      assert.equal(base, engine.requests[2].base)
      assert.equal(5, engine.requests[2].timeout)
    end
    local engine = fake_engine.new({ [LOAD] = { body = ADDED } }, { management_url = "http://127.0.0.2:9" })
    hooks.load(engine, fake_engine.adapter())
    assert.equal("http://127.0.0.2:9", engine.requests[1].base)
  end)

  it("are loaded for a base model, under both names there are for it", function()
    for _, case in ipairs({
      { {}, "" },
      { { base_model = "qwen2" }, "qwen2" },
      { { base_model = "qwen2", fields = { master_mode = "q" } }, "q" },
      { { fields = { master_model = "q" } }, "q" },
    }) do
      local engine = fake_engine.new({ [LOAD] = { body = ADDED } })
      hooks.load(engine, fake_engine.adapter(case[1]))
      local body = engine.requests[1].body
      assert.same({ case[2], case[2] }, { body.master_mode, body.master_model })
      assert.same({ "sql", "/adapters/sql" }, { body.lora_name, body.lora_path })
    end
  end)

  it("answer in quotes, or not at all", function()
    assert.same({ "unloaded", "Success: LoRA adapter sql removed successfully." },
      results("unload", UNLOAD, { body = '"Success: LoRA adapter sql removed successfully."' }))
    assert.same({ "loaded", "no message" }, results("load", LOAD, { body = "" }))
    assert.same({ "unloaded", "no message" }, results("unload", UNLOAD, { body = "" }))
  end)

  it("may be there already, or not", function()
    local text = "The LoRA adapter 'sql' has already been added."
    assert.same({ "already_loaded", text }, results("load", LOAD, { body = text }))
    text = "The LoRA adapter 'sql' cannot be found."
    assert.same({ "not_found", text }, results("unload", UNLOAD, { body = text }))
    assert.same({ "not_found", text }, results("unload", UNLOAD, { status = 404, body = text }))
  end)

  it("are waited for while they are unloading", function()
    local slots = FAILED
      .. "The number of LoRA adapters exceeds 'max_loras', some adapters are currently being unloaded."
    local engine = fake_engine.new({ [LOAD] = { { body = WAITING }, { body = slots }, { body = ADDED } } })
    assert.same({ "loaded", ADDED }, { hooks.load(engine, fake_engine.adapter({ timeout = 10 })) })
    assert.equal(3, #engine.requests)
    assert.same({ 0.5, 1, 10, 9.5, 9 }, { engine.requests[2].at, engine.requests[3].at, engine.requests[1].timeout,
      engine.requests[2].timeout, engine.requests[3].timeout })
  end)

  it("are not waited for beyond the time there is", function()
    local engine = fake_engine.new({ [LOAD] = { body = WAITING } })
    assert.same({ nil, "HTTP 504: " .. WAITING, "timeout", 504 },
      { hooks.load(engine, fake_engine.adapter({ timeout = 2 })) })
    assert.equal(4, #engine.requests)
    engine = fake_engine.new({ [LOAD] = { body = WAITING } }, { sleep = function()
      return nil, "the job was cancelled", "cancelled"
    end })
    assert.same({ nil, "the job was cancelled", "cancelled" }, { hooks.load(engine, fake_engine.adapter()) })
  end)

  it("that cannot be loaded fail with the engine's words", function()
    for text, expected in pairs({
      ["Loading LoRA 'sql' failed: No adapter found for '/adapters/sql'."] = { "not_found", 404 },
      ["The LoRA adapter 'sql' is invalid."] = { "invalid", 400 },
      ["LoRA rank is greater than max_lora_rank."] = { "invalid", 400 },
      ["The number of LoRA adapters exceeds 'max_loras', and none are currently unloading."] = { "invalid", 400 },
    }) do
      text = FAILED .. text
      assert.same({ nil, ("HTTP %d: %s"):format(expected[2], text), unpack(expected) },
        results("load", LOAD, { body = text }))
    end
    for _, hook in ipairs({ "load", "unload" }) do
      local key = hook == "load" and LOAD or UNLOAD
      assert.same({ nil, "HTTP 400: Input invalid lora name", "invalid", 400 },
        results(hook, key, { status = 503, body = "Input invalid lora name" }))
      assert.same({ nil, "HTTP 503: The service has been stopped.", "unavailable", 503 }, results(hook, key,
        { status = 503, body = '{"error":"The service has been stopped.","error_type":"Service Unavailable"}' }))
      assert.same({ nil, "HTTP 502: Unknown LoRA status.", "protocol", 502 },
        results(hook, key, { body = "Unknown LoRA status." }))
      assert.same({ nil, "HTTP 500: no message", "protocol", 500 }, results(hook, key, { status = 500 }))
    end
  end)

  it("need an engine that was started for them", function()
    for _, text in ipairs({
      FAILED .. "The LoRA command only supports Python graph, please check the model graph type.",
      "Multi Lora does not support PD separation!",
    }) do
      assert.same({ nil, "the engine does not load adapters at run time; serve the model on its Python graph and "
        .. "without PD separation (HTTP 200: " .. text .. ")", "unsupported", 501 },
        results("load", LOAD, { body = text }))
    end
    assert.same({ nil, "the engine does not load adapters at run time; set --engine-management-url to MindIE's "
      .. "management address, which https://127.0.0.1:1026 is not, or use MindIE 2.3 or later (HTTP 404: no message)",
      "unsupported", 501 }, results("load", LOAD, { status = 404 }))
  end)

  it("hand on why the engine did not answer", function()
    for hook, key in pairs({ load = LOAD, unload = UNLOAD, list = "GET /v1/models" }) do
      assert.same({ nil, "connection refused", "unavailable", 503 },
        results(hook, key, { failure = "connection refused", kind = "unavailable", code = 503 }))
    end
  end)

  it("are listed at the service's address, by releases that tell them", function()
    local engine = fake_engine.new({ ["GET /v1/models"] = { body = [[{"object":"list","data":[
      {"id":"qwen2","root":"/models/qwen2","object":"model","created":1,"owned_by":"MindIE Server","parent":"null"},
      {"id":"sql","root":"/adapters/sql","object":"model","created":1,"owned_by":"MindIE Server","parent":"qwen2"},
      {"id":"old","object":"model","created":1,"owned_by":"MindIE Server","parent":"qwen2"}]}]] } })
    assert.same({ { name = "sql", path = "/adapters/sql", base = "qwen2" }, { name = "old", base = "qwen2" } },
      hooks.list(engine))
    assert.is_nil(engine.requests[1].base)
    assert.same({ nil, "this release of the engine does not tell which adapters it has", "unsupported", 501 },
      results("list", "GET /v1/models", { body = '{"data":[{"id":"qwen2","owned_by":"MindIE Server"}]}' }))
  end)

  it("offer no way to drop their blocks", function()
    assert.is_nil(hooks.reset)
  end)
end)
