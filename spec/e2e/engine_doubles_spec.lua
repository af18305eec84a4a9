-- The engines with adapters of tests/servers/adapters.lua, against the hooks of the built-in rules.
local adapters = require("spec.support.adapters")
local fake_engine = require("spec.support.fake_engine")
local files = require("spec.support.files")
local http = require("spec.support.http")
local json = require("dkjson")
local null = json.null
local rules = require("spec.rules.support")
local wait = require("spec.support.wait")

local JSON = "Content-Type: application/json"

-- The engine object of hooks, over the network to a double.
local function live(double, key)
  local headers = key and { "Authorization: Bearer " .. key } or {}
  return fake_engine.new(function(method, path, body, options)
    local reply = http.request(options.base or double.url, method, path,
      body and { JSON, unpack(headers) } or headers, body)
    return reply.status, reply.body
  end, { url = double.url, management_url = double.management_url })
end

local function hooks_of(kind)
  return rules.engine((kind:match("^vllm") or kind)).adapters
end

describe("the engine doubles", function()
  local directory

  local function setting(kind, switches)
    directory = files.temporary()
    local double = adapters.start(kind, switches)
    return double, hooks_of(kind), live(double)
  end

  local function adapter(name, config)
    return fake_engine.adapter({ name = name, path = adapters.write(directory .. "/" .. name, config), timeout = 2 })
  end

  for _, kind in ipairs({ "vllm", "vllm-old", "vllm-rust", "sglang", "mindie" }) do
    describe(kind, function()
      local function ready(switches)
        local double, hooks, engine = setting(kind, switches)
        double:set({ allowed_prefixes = { directory } })
        return double, hooks, engine
      end

      it("loads, lists and unloads", function()
        local double, hooks, engine = ready()
        assert.equal("loaded", (hooks.load(engine, adapter("a"))))
        assert.equal("already_loaded", (hooks.load(engine, adapter("a"))))
        assert.same({ { name = "a", path = directory .. "/a", base = "base" } }, (hooks.list(engine)))
        assert.equal("unloaded", (hooks.unload(engine, adapter("a"))))
        assert.equal("not_found", (hooks.unload(engine, adapter("a"))))
        assert.same({}, (hooks.list(engine)))
        local seen = double:stats().seen
        assert.equal(kind == "mindie" and "management" or "service", seen[1].port)
        assert.same({ "a", directory .. "/a" }, { seen[1].json.lora_name, seen[1].json.lora_path })
      end)

      it("refuses adapters that are not good", function()
        local _, hooks, engine = ready({ max_rank = 16, max_loras = 1 })
        local outcome, message = hooks.load(engine, adapter("big", { r = 64 }))
        assert.is_nil(outcome)
        assert.truthy(message:find("^HTTP %d+: .*rank"), message)
        local nowhere = fake_engine.adapter({ name = "x", path = directory .. "/nowhere", timeout = 2 })
        outcome, message = hooks.load(engine, nowhere)
        assert.is_nil(outcome)
        assert.truthy(message:find("No adapter found") or message:find("No such file")
          or message:find("must exist"), message)
        assert.equal("loaded", (hooks.load(engine, adapter("a"))))
        assert.is_nil((hooks.load(engine, adapter("b"))))
        assert.same({ { name = "a", path = directory .. "/a", base = "base" } }, (hooks.list(engine)))
      end)

      it("can be started without adapters", function()
        local _, hooks, engine = ready({ enabled = false })
        for _, hook in ipairs({ "load", "unload" }) do
          local _, message, problem, status = hooks[hook](engine, adapter("a"))
          assert.same({ "unsupported", 501 }, { problem, status }, message)
        end
      end)

      it("fails as often as it is told to", function()
        local failure = { on = "load", name = "a", times = 1, status = 500, body = "boom" }
        local _, hooks, engine = ready({ fail = { failure } })
        assert.equal("loaded", (hooks.load(engine, adapter("b"))))
        assert.same({ nil, "HTTP 500: boom", "protocol", 500 }, { hooks.load(engine, adapter("a")) })
        assert.equal("loaded", (hooks.load(engine, adapter("a"))))
      end)

      it("forgets its adapters when it restarts, and crashes", function()
        local double, hooks, engine = ready()
        local function start_time()
          return http.get(double.url, "/metrics").body:match("process_start_time_seconds (%S+)\n$")
        end
        local started = start_time()
        hooks.load(engine, adapter("a"))
        double:stop()
        assert.is_false((pcall(http.get, double.url, "/health")))
        double:start()
        assert.same({}, (hooks.list(engine)))
        assert.are_not.equal(started, start_time())
        hooks.load(engine, adapter("a"))
        double:crash()
        assert.is_false((pcall(http.get, double.url, "/health")))
        double:revive()
        assert.same({}, (hooks.list(engine)))
        assert.equal("loaded", (hooks.load(engine, adapter("a"))))
      end)

      it("serves its model and its adapters", function()
        local double, hooks, engine = ready()
        if kind == "mindie" then
          return
        end
        hooks.load(engine, adapter("a"))
        for name, status in pairs({ base = 200, a = 200, b = kind == "sglang" and 400 or 404 }) do
          local reply = http.request(double.url, "POST", "/v1/completions", { JSON },
            json.encode({ model = name, prompt = "x" }))
          assert.equal(status, reply.status, name)
        end
      end)
    end)
  end

  it("ask for their key", function()
    for _, kind in ipairs({ "vllm", "vllm-rust", "sglang", "llamacpp" }) do
      local double, hooks, engine = setting(kind, { api_key = "secret", files = { "/x/a.gguf" } })
      double:set({ allowed_prefixes = { directory } })
      local _, _, problem = hooks.load(engine, adapter("a"))
      assert.equal("unauthorized", problem, kind)
      assert.equal("loaded", (hooks.load(live(double, "secret"), adapter("a"))))
      assert.equal(200, http.get(double.url, "/health").status)
    end
  end)

  it("hold operations, and drop what was held by a restart", function()
    local double = setting("vllm", { hold = { { on = "load", name = "a" } } })
    local function ask(name)
      local connection = http.connect(double.url)
      connection:ask("POST", "/v1/load_lora_adapter", { JSON },
        json.encode({ lora_name = name, lora_path = adapter(name).path }))
      return connection
    end
    local held = ask("a")
    double:wait_for_held(1)
    assert.equal(200, ask("b"):reply().status)
    local again = ask("a")
    double:wait_for_held(2)
    assert.equal(1, double:stats().overlaps)
    assert.equal(2, double:stats().parallel)
    double:release()
    assert.equal(600, held:reply().status + again:reply().status) -- the second one finds it loaded
    double:order({ forget = true })
    local lost = http.connect(double.url)
    lost:ask("POST", "/v1/load_lora_adapter", { JSON }, json.encode({ lora_name = "a", lora_path = adapter("a").path,
      load_inplace = true }))
    double:wait_for_held(1)
    double:restart(0)
    assert.is_nil((lost:reply()))
    double:release()
    wait.until_true("the engine to be back", function()
      return pcall(http.get, double.url, "/health")
    end)
    assert.same({}, double:names())
  end)

  it("keep connections", function()
    local double = setting("sglang")
    local connection = http.connect(double.url)
    for _ = 1, 3 do
      assert.equal(422, connection:request("POST", "/load_lora_adapter", { JSON }, "[1]").status)
    end
    assert.equal(1, double:stats().connections)
    assert.equal("[1]", double:stats().seen[3].body)
    double:set({ fail = { { on = "load", times = 1, reset = true } } })
    assert.is_nil((connection:request("POST", "/load_lora_adapter", { JSON }, "{}")))
  end)

  it("read bodies as strictly as the engines do", function()
    for kind, case in pairs({
      ["vllm"] = { 400, "Unsupported Media Type: Only 'application/json' is allowed" },
      ["vllm-old"] = { 415, "Unsupported Media Type: Only 'application/json' is allowed" },
      ["vllm-rust"] = { 415, "Unsupported Media Type: Only 'application/json' is allowed" },
    }) do
      local double = setting(kind)
      local reply = http.request(double.url, "POST", "/v1/load_lora_adapter", nil, "{}")
      assert.equal(case[1], reply.status)
      assert.truthy(reply.body:find(case[2], 1, true))
      assert.equal(400, http.request(double.url, "POST", "/v1/load_lora_adapter", { JSON }, "{").status)
      reply = http.request(double.url, "POST", "/v1/load_lora_adapter", { JSON }, '{"lora_name":"","lora_path":""}')
      assert.equal(400, reply.status)
      assert.truthy(reply.body:find("Both 'lora_name' and 'lora_path' must be provided.", 1, true))
      reply = http.request(double.url, "POST", "/v1/unload_lora_adapter", { JSON }, '{"lora_name":""}')
      assert.equal(400, reply.status)
      assert.truthy(reply.body:find("needs to be provided to unload", 1, true))
    end
  end)

  it("know vLLM's own switches", function()
    local double, hooks, engine = setting("vllm", { enable_lora = false })
    assert.equal("unsupported", (select(3, hooks.load(engine, adapter("a")))))
    assert.is_true(hooks.reset(engine))
    assert.equal(0, double:stats().resets)
    double:set({ enable_lora = null, dev_mode = true })
    assert.is_true(hooks.reset(engine))
    assert.equal(1, double:stats().resets)
    assert.equal("loaded", (hooks.load(engine, adapter("a"))))
    assert.equal("loaded", (hooks.load(engine, fake_engine.adapter({ name = "hub", path = "ns/name" }))))
    double = setting("vllm-rust", { allowed_prefixes = { "/nowhere" } })
    for _, body in ipairs({
      { lora_name = "base", lora_path = "/nowhere/a" }, { lora_name = "a", lora_path = directory },
      { lora_name = "a", lora_path = "/nowhere/a" },
    }) do
      assert.equal(400, http.request(double.url, "POST", "/v1/load_lora_adapter", { JSON }, json.encode(body)).status)
    end
  end)

  it("know SGLang's own switches", function()
    local double, hooks, engine = setting("sglang", { lists = false, busy = true, max_loras = 2, evict = true })
    assert.equal("unsupported", (select(3, hooks.list(engine))))
    assert.equal("invalid", (select(3, hooks.reset(engine))))
    local pinned = adapter("a")
    pinned.pinned = true
    assert.equal("loaded", (hooks.load(engine, pinned)))
    assert.equal("loaded", (hooks.load(engine, adapter("b"))))
    assert.equal("loaded", (hooks.load(engine, adapter("c"))))
    assert.same({ "a", "c" }, double:names())
    double:set({ busy = false, dp_size = 2 })
    assert.is_true(hooks.reset(engine))
    assert.same({ "protocol", 500 }, { select(3, hooks.load(engine, adapter("d"))) })
  end)

  it("know MindIE's own switches", function()
    local double, hooks, engine = setting("mindie", { drain = true })
    hooks.load(engine, adapter("a"))
    hooks.unload(engine, adapter("a"))
    assert.same({ "timeout", 504 }, { select(3, hooks.load(engine, adapter("a"))) })
    engine.sleep = function()
      double:release()
      return true
    end
    assert.equal("loaded", (hooks.load(engine, adapter("a"))))
    double:set({ graph = false, lists = false })
    assert.equal("unsupported", (select(3, hooks.load(engine, adapter("b")))))
    assert.equal("unsupported", (select(3, hooks.list(engine))))
    assert.equal("invalid", (select(3, hooks.load(engine, fake_engine.adapter({ name = "no name" })))))
    double:set({ stopped = true })
    assert.same({ "unavailable", 503 }, { select(3, hooks.load(engine, adapter("b"))) })
  end)

  it("scale the files of llama.cpp", function()
    local double, hooks, engine = setting("llamacpp", { files = { "/x/a.gguf", "/x/b.gguf" } })
    for _, name in ipairs({ "a", "b" }) do
      assert.equal("loaded", (hooks.load(engine, fake_engine.adapter({ name = name }))))
    end
    assert.same({ "/x/a.gguf", "/x/b.gguf" }, double:names())
    assert.equal("unloaded", (hooks.unload(engine, fake_engine.adapter({ name = "a" }))))
    assert.same({ "/x/b.gguf" }, double:names())
    local reply = http.request(double.url, "POST", "/lora-adapters", { JSON }, '[{"id":0,"scale":1}]')
    assert.equal('{"success":true}', reply.body)
    assert.same({ "/x/a.gguf" }, double:names())
    assert.equal(400, http.request(double.url, "POST", "/lora-adapters", { JSON }, '[{"id":2}]').status)
    assert.equal(400, http.request(double.url, "POST", "/lora-adapters", { JSON }, '{"id":0}').status)
    double:stop()
    double:start()
    assert.same({}, (hooks.list(engine)))
    double:set({ starting = true, metrics = false })
    assert.same({ "unavailable", 503 }, { select(3, hooks.list(engine)) })
    double:set({ starting = false })
    assert.equal(501, http.get(double.url, "/metrics").status)
  end)

  it("have nothing for engines without adapters", function()
    for _, kind in ipairs({ "tgi", "trtllm", "lmdeploy", "triton", "nim" }) do
      local double = adapters.start(kind)
      assert.equal(404, http.request(double.url, "POST", "/v1/load_lora_adapter", { JSON }, "{}").status)
      assert.equal(200, http.get(double.url, "/health").status)
      local page = http.get(double.url, kind == "trtllm" and "/prometheus/metrics" or "/metrics").body
      local _, waiting = next(rules.samples(rules.engine(kind):families(page), "kthena:num_requests_waiting"))
      assert.equal("0", waiting, kind)
    end
  end)
end)
