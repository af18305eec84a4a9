-- The adapter API that several engines share.
local fake_engine = require("spec.support.fake_engine")
local json = require("kthena.json")
local openai = require("kthena.openai")

local function reply(status, body)
  return { status = status, body = body, json = json.decode(body) }
end

describe("the shared adapter API", function()
  it("finds what an engine says in every form of error", function()
    for body, said in pairs({
      ['{"object":"error","message":"flat","type":"InvalidUserInput","param":null,"code":400}'] = "flat",
      ['{"error":{"message":"nested","type":"NotFoundError","param":null,"code":404}}'] = "nested",
      ['{"error":"Unauthorized"}'] = "Unauthorized",
      ['{"detail":"Not Found"}'] = "Not Found",
      ['{"success":false,"error_message":"no","loaded_adapters":{}}'] = "no",
      ['{"success":true,"error_message":null}'] = '{"success":true,"error_message":null}',
      ['{"detail":[{"type":"missing","loc":["body","lora_name"],"msg":"Field required"},{"msg":"x","loc":[0]}]}'] =
        "body.lora_name: Field required; 0: x",
      ['{"detail":[{"msg":"bare"}]}'] = "bare",
      ['{"detail":["odd"]}'] = '{"detail":["odd"]}',
      ['{"detail":[]}'] = '{"detail":[]}',
      ['"Success: in quotes."'] = "Success: in quotes.",
      ["Success: plain.\n"] = "Success: plain.",
      ["[1]"] = "[1]",
      ["true"] = "true",
      [""] = "no message",
      [" \r\n"] = "no message",
    }) do
      assert.equal(said, openai.text(reply(400, body)), body)
    end
  end)

  it("tells a path that is missing from a thing that is", function()
    assert.is_true(openai.is_missing_path(reply(404, '{"detail":"Not Found"}')))
    assert.is_true(openai.is_missing_path(reply(404, '{"error":{"message":"Not Found"}}')))
    assert.is_true(openai.is_missing_path(reply(404, '{"error":{"code":404,"message":"File Not Found"}}')))
    assert.is_true(openai.is_missing_path(reply(404, "")))
    assert.is_true(openai.is_missing_path(reply(405, '{"detail":"Method Not Allowed"}')))
    assert.is_true(openai.is_missing_path(reply(501, "")))
    assert.is_false(openai.is_missing_path(reply(404, '{"object":"error","message":"The lora cannot be found."}')))
    assert.is_false(openai.is_missing_path(reply(400, '{"detail":"Not Found"}')))
    assert.is_false(openai.is_missing_path(reply(500, "")))
  end)

  it("sends what the caller has said of an adapter", function()
    local adapter = fake_engine.adapter({
      base_model = "b", pinned = false, load_inplace = true, fields = { lora_name = "forged", is_3d = json.null },
    })
    assert.same({
      lora_name = "sql", lora_path = "/adapters/sql", base_model = "b", pinned = false, load_inplace = true,
      is_3d = json.null,
    }, openai.load_body(adapter))
    assert.same({ lora_name = "sql", is_3d = json.null }, openai.unload_body(adapter))
    assert.same({ lora_name = "a" }, openai.unload_body({ name = "a" }))
    assert.same({ lora_name = "forged", is_3d = json.null }, adapter.fields)
  end)

  local CARDS = '{"object":"list","data":[{"id":"base","root":"/models/base","parent":null},'
    .. '{"id":"a","root":"/adapters/a","parent":"base"},{"id":"b","parent":"base"},'
    .. '{"id":"c","root":"x","parent":"null"}]}'

  it("lists the cards that have a parent", function()
    for _, list in ipairs({ openai.list, openai.told_list }) do
      local engine = fake_engine.new({ ["GET /v1/models"] = { body = CARDS } })
      assert.same({ { name = "a", path = "/adapters/a", base = "base" }, { name = "b", base = "base" } }, list(engine))
    end
  end)

  it("knows releases that do not tell their adapters", function()
    local engine = fake_engine.new({ ["GET /v1/models"] = { body = '{"data":[{"id":"base","root":"base"}]}' } })
    assert.same({}, openai.list(engine))
    assert.same({ nil, "this release of the engine does not tell which adapters it has", "unsupported", 501 },
      { openai.told_list(engine) })
  end)

  it("hands on why there is no list", function()
    for _, case in ipairs({
      { { failure = "refused", kind = "unavailable", code = 503 }, "refused", "unavailable", 503 },
      { { status = 401, body = '{"error":"Unauthorized"}' }, "HTTP 401: Unauthorized", "unauthorized", 401 },
      { { status = 503, body = "" }, "HTTP 503: no message", "unavailable", 503 },
      { { body = "<html>" }, "the engine's answer to GET /v1/models is no list of models", "protocol", 502 },
      { { body = '{"data":1}' }, "the engine's answer to GET /v1/models is no list of models", "protocol", 502 },
      { { body = "[]" }, "the engine's answer to GET /v1/models is no list of models", "protocol", 502 },
      { { body = '{"data":[{"root":"x"}]}' }, "the engine's answer to GET /v1/models has a model without an id",
        "protocol", 502 },
      { { body = '{"data":[7]}' }, "the engine's answer to GET /v1/models has a model without an id", "protocol", 502 },
    }) do
      for _, list in ipairs({ openai.list, openai.told_list }) do
        local engine = fake_engine.new({ ["GET /v1/models"] = case[1] })
        assert.same({ nil, case[2], case[3], case[4] }, { list(engine) })
      end
    end
  end)

  it("resets where that is offered", function()
    for _, case in ipairs({
      { { body = "" }, true },
      { { status = 404, body = '{"detail":"Not Found"}' }, true },
      { { status = 400, body = "busy" }, nil, "HTTP 400: busy", "invalid", 400 },
      { { failure = "gone", kind = "unavailable", code = 503 }, nil, "gone", "unavailable", 503 },
    }) do
      local engine = fake_engine.new({ ["POST /flush"] = case[1] })
      assert.same({ unpack(case, 2, 5) }, { openai.reset(engine, "/flush") })
      assert.is_nil(engine.requests[1].body)
    end
  end)
end)
