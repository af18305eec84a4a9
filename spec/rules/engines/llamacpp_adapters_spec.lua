-- llama.cpp's adapters: files named at the start, scaled later.
local fake_engine = require("spec.support.fake_engine")
local json = require("kthena.json")
local support = require("spec.rules.support")

local LIST, SET = "GET /lora-adapters", "POST /lora-adapters"

-- The reply with these pairs of path and scale.
local function preloaded(...)
  local entries = {}
  for i, pair in ipairs({ ... }) do
    entries[i] = { id = i - 1, path = pair[1], scale = pair[2] }
  end
  return { body = json.encode(json.list(entries)) }
end

local FOUR = {
  { "/adapters/sql/ggml-adapter.gguf", 0 }, { "/adapters/chat.gguf", 0.5 }, { "/adapters/code.gguf", 1 },
  { "sql.gguf", 1 },
}

describe("llama.cpp's adapters", function()
  local hooks = support.engine("llamacpp").adapters

  -- What a hook makes of these adapters, and the engine.
  local function run(hook, entries, with, set)
    set = set or { body = '{"success":true}' }
    local engine = fake_engine.new({ [LIST] = preloaded(unpack(entries)), [SET] = set })
    local result = { hooks[hook](engine, fake_engine.adapter(with)) }
    assert.is_nil(next(engine.locks))
    return result, engine
  end

  it("are switched on without touching the others", function()
    for _, with in ipairs({
      { path = "/adapters/sql/ggml-adapter.gguf", name = "x" },
      { path = "/adapters/sql", name = "chat" }, -- a path counts for more than a name
      { path = "/adapters/sql/", name = "x" },
    }) do
      local result, engine = run("load", FOUR, with)
      assert.same({ "loaded", ("the scale of the adapter '%s' is 1"):format(with.name) }, result)
      assert.equal('[{"id":0,"scale":1},{"id":1,"scale":0.5},{"id":2,"scale":1},{"id":3,"scale":1}]',
        engine.requests[2].text)
      assert.equal("llamacpp scales", engine.requests[1].locked)
      assert.equal("llamacpp scales", engine.requests[2].locked)
    end
    local result, engine = run("load", { { "/a/sql.gguf", 0.25 } }, { path = "/elsewhere", timeout = 8 })
    assert.equal("loaded", result[1])
    assert.equal('[{"id":0,"scale":1}]', engine.requests[2].text)
    assert.equal(8, engine.requests[2].timeout)
  end)

  it("may be on already", function()
    local result, engine = run("load", FOUR, { path = "/adapters/code.gguf", name = "code" })
    assert.same({ "already_loaded", "the scale of the adapter 'code' is 1" }, result)
    assert.equal(1, #engine.requests)
  end)

  it("have to be named at the start", function()
    for _, entries in ipairs({ {}, { { "/adapters/sqlx/a.gguf", 1 }, { "/adapters/sql.bin", 1 } } }) do
      local result, engine = run("load", entries)
      assert.same({ nil, "llama-server has no adapter 'sql'; start llama-server with --lora /adapters/sql "
        .. "--lora-init-without-apply: it takes adapters only at its start", "unsupported", 501 }, result)
      assert.equal(1, #engine.requests)
    end
  end)

  it("are switched off", function()
    local result, engine = run("unload", FOUR, { name = "chat", path = false })
    assert.same({ "unloaded", "the scale of the adapter 'chat' is 0" }, result)
    assert.equal('[{"id":0,"scale":0},{"id":1,"scale":0},{"id":2,"scale":1},{"id":3,"scale":1}]',
      engine.requests[2].text)
  end)

  it("may be off, or unknown", function()
    for _, with in ipairs({ { path = "/adapters/sql" }, { name = "none", path = "/none" } }) do
      local result, engine = run("unload", FOUR, with)
      assert.same({ "not_found", ("llama-server does not use an adapter '%s'"):format(with.name or "sql") }, result)
      assert.equal(1, #engine.requests)
    end
  end)

  it("are listed when they are on", function()
    assert.same({ {
      { name = "chat", path = "/adapters/chat.gguf", files = true },
      { name = "code", path = "/adapters/code.gguf", files = true },
      { name = "sql", path = "sql.gguf", files = true },
    } }, (run("list", FOUR)))
    assert.same({ {} }, (run("list", {})))
  end)

  it("hand on what the engine refuses", function()
    for _, hook in ipairs({ "load", "unload", "list" }) do
      local function with(reply)
        local engine = fake_engine.new({ [LIST] = reply })
        local result = { hooks[hook](engine, fake_engine.adapter()) }
        assert.is_nil(next(engine.locks))
        return result
      end
      assert.same({ nil, "HTTP 503: Loading model", "unavailable", 503 }, with({ status = 503,
        body = '{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}' }))
      assert.same({ nil, "HTTP 401: Invalid API Key", "unauthorized", 401 }, with({ status = 401,
        body = '{"error":{"code":401,"message":"Invalid API Key","type":"authentication_error"}}' }))
      assert.same({ nil, "connection refused", "unavailable", 503 },
        with({ failure = "connection refused", kind = "unavailable", code = 503 }))
      assert.same({ nil, "the engine does not load adapters at run time; start llama-server with --lora FILE "
        .. "--lora-init-without-apply: it takes adapters only at its start (HTTP 501: This server does not support it)",
        "unsupported", 501 }, with({ status = 501,
        body = '{"error":{"code":501,"message":"This server does not support it","type":"not_supported_error"}}' }))
      for _, body in ipairs({ "<html>", "7", "[7]", '[{"id":0,"path":"x"}]', '[{"id":0,"scale":1}]' }) do
        assert.same({ nil, "the engine's answer to GET /lora-adapters is no list of adapters", "protocol", 502 },
          with({ body = body }))
      end
    end
    assert.same({ nil, "HTTP 400: invalid adapter id", "invalid", 400 }, (run("load", FOUR, nil,
      { status = 400, body = '{"error":{"code":400,"message":"invalid adapter id","type":"invalid_request_error"}}' })))
    assert.same({ nil, "too slow", "timeout", 504 }, (run("load", FOUR, nil,
      { failure = "too slow", kind = "timeout", code = 504 })))
  end)

  it("wait for one another", function()
    local engine = fake_engine.new({}, { lock = function()
      return nil, "still locked", "timeout"
    end })
    assert.same({ nil, "still locked", "timeout" }, { hooks.load(engine, fake_engine.adapter()) })
    assert.same({ nil, "still locked", "timeout" }, { hooks.unload(engine, fake_engine.adapter()) })
  end)
end)
