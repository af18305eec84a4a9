local adapters = require("kthena.adapters")
local fake_workflow_ctx = require("spec.support.fake_workflow_ctx")
local load = require("kthena.adapter_load")

local S1, S2, DIR = "s3://b/one", "s3://b/two", "/adapters/a"

local function new(options)
  local ctx, world = fake_workflow_ctx.new(options)
  world:source(S1, { revision = "r1" })
  world:source(S2, { revision = "r2" })
  return ctx, world
end

local function want(source, directory, more)
  local one = { source = source, output_dir = directory or DIR }
  for key, value in pairs(more or {}) do
    one[key] = value
  end
  return one
end

-- A ctx whose engine has the adapter "a" from S1, and nothing of the way there.
local function loaded(options)
  local ctx, world = new(options)
  assert(load.load(ctx, "a", want(S1), {}))
  world.asked, world.downloads, world.writes = {}, {}, 0
  return ctx, world
end

local function fails(kind, status, ...)
  local done, message, got, code = ...
  assert.is_nil(done)
  assert.equal(kind, got)
  assert.equal(status, code)
  return message
end

describe("loading", function()
  it("downloads, checks, and has the engine load it with all that the caller said", function()
    local ctx, world = new()
    local done = assert(load.load(ctx, "a", want(S1, DIR, { base_model = "m", pinned = true, fields = { x = 1 } }),
      { max_workers = 3 }))
    assert.equal("loaded", done.result)
    assert.falsy(done.replaced)
    assert.same({ name = "a", path = DIR, base_model = "m", pinned = true, fields = { x = 1 }, timeout = 30 },
      world.last)
    assert.same({ source = S1, directory = DIR, options = { max_workers = 3 } }, world.downloads[1])
    local record = adapters.record(ctx, "a")
    assert.same({ source = S1, output_dir = DIR, path = DIR, revision = "r1", digest = "r1", base_model = "m",
      pinned = true, fields = { x = 1 }, since = world.now }, record)
    assert.same({ state = "loaded", confirmed = true, source = S1, path = DIR, since = world.now },
      adapters.facts(ctx, "a"))
    assert.same({ "downloading", "loading" }, { world.phases[1] and "downloading", world.phases[#world.phases] })
  end)

  it("takes files that are there already", function()
    local ctx, world = new()
    world:put(DIR)
    assert(load.load(ctx, "a", want(nil), {}))
    assert.equal(DIR, world.loaded.a)
    assert.same({}, world.downloads)
    assert.is_nil(adapters.record(ctx, "a").source)
  end)

  it("does nothing when it is loaded from there", function()
    local ctx, world = loaded()
    for _, one in ipairs({ want(S1), want(S1, "/elsewhere"), want(nil) }) do
      local done = assert(load.load(ctx, "a", one, { replace = false }))
      assert.equal("already_loaded", done.result)
      assert.equal(DIR, done.record.path)
      assert.equal(S1, done.record.source)
    end
    assert.same({ "list", "list", "list" }, world.asked)
    assert.same({}, world.downloads)
    assert.equal(0, adapters.facts(ctx, "a").error or 0)
  end)

  it("loads again what the engine has lost, from the files that are there", function()
    local ctx, world = loaded()
    world.loaded = {}
    assert.equal("loaded", assert(load.load(ctx, "a", want(S1), {})).result)
    assert.same({ "list", "load a" }, world.asked)
    assert.same({}, world.downloads)
  end)

  it("downloads again what is not there any more", function()
    local ctx, world = loaded()
    world.loaded, world.directories = {}, {}
    assert(load.load(ctx, "a", want(S1), {}))
    assert.equal(DIR, world.downloads[1].directory)
    assert.equal(DIR, world.loaded.a)
  end)

  it("adopts what the engine has from there without a record of it", function()
    local ctx, world = loaded()
    ctx.state.set("adapter/a", nil)
    assert.equal("already_loaded", assert(load.load(ctx, "a", want(S1), {})).result)
    assert.equal(S1, adapters.record(ctx, "a").source)
    assert.same({ "list" }, world.asked)
  end)

  it("tells the engine to take new files in place", function()
    local ctx, world = loaded()
    world:source(S2, { revision = "r2" })
    assert(load.load(ctx, "a", want(S2), { in_place = true }))
    assert.is_true(world.last.load_inplace)
    assert.same({ "list", "load a", "reset" }, world.asked)
    assert.equal(DIR, world.downloads[1].directory)
  end)

  it("refuses names", function()
    local ctx = new({ model = "base" })
    assert.equal("lora_name is the name of the base model; give the adapter another",
      fails("invalid", nil, load.load(ctx, "base", want(S1), {})))
    fails("invalid", nil, load.load(ctx, "", want(S1), {}))
    fails("invalid", nil, load.load(ctx, "a\1", want(S1), {}))
  end)

  it("says at once when the engine cannot, or is not up", function()
    local ctx, world = new()
    world.cannot = true
    assert.equal("acme cannot load adapters at run time", fails("unsupported", 501, load.load(ctx, "a", want(S1), {})))
    world.cannot, world.up = nil, false
    fails("unavailable", 503, load.load(ctx, "a", want(S1), {}))
    assert.same({}, world.downloads)
    assert.is_nil(adapters.record(ctx, "a"))
  end)

  it("downloads while it waits for the engine", function()
    local ctx, world = new()
    world.up = false
    world.slept = function()
      world.up = world.now >= 1790000005
    end
    assert(load.load(ctx, "a", want(S1), { deadline = world.now + 10 }))
    assert.equal("waiting for the engine", world.phases[1])
    assert.equal(DIR, world.loaded.a)
  end)

  it("stops waiting in time", function()
    local ctx, world = new()
    world.up = false
    fails("unavailable", 503, load.load(ctx, "a", want(S1), { deadline = world.now + 10 }))
    assert.equal("missing", adapters.facts(ctx, "a").state)
    assert.is_nil(adapters.record(ctx, "a"))
    world.cancelled = true
    fails("cancelled", nil, load.load(ctx, "a", want(S1), { deadline = world.now + 10 }))
  end)

  it("passes on what the engine says, and does not want what it refused", function()
    local ctx, world = new()
    world:fail_load(DIR, { "HTTP 400: rank 64 is more than max_lora_rank 16", "invalid", 400 })
    assert.equal("HTTP 400: rank 64 is more than max_lora_rank 16",
      fails("invalid", 400, load.load(ctx, "a", want(S1), {})))
    assert.is_nil(adapters.record(ctx, "a"))
    local facts = adapters.facts(ctx, "a")
    assert.equal("failed", facts.state)
    assert.truthy(facts.error:find("max_lora_rank"))
    assert.is_nil(facts.next_try)
    assert.equal("loaded", assert(load.load(ctx, "a", want(S1), {})).result)
    assert.is_nil(adapters.facts(ctx, "a").error)
  end)

  it("passes on why it could not be downloaded", function()
    local ctx, world = new()
    world:source(S1, { failure = "no such bucket", kind = "not_found" })
    assert.equal("no such bucket", fails("not_found", nil, load.load(ctx, "a", want(S1), {})))
    assert.equal("failed", adapters.facts(ctx, "a").state)
    assert.same({ "list" }, world.asked)
  end)

  it("keeps watch for one that was given up and that the engine may load still", function()
    local ctx, world = new()
    world:fail_load(DIR, { "no answer in 30 s", "timeout", 504, late = true })
    fails("timeout", 504, load.load(ctx, "a", want(S1), {}))
    assert.equal(DIR, world.loaded.a)
    assert.is_true(adapters.record(ctx, "a").absent)
    assert.same({ "a" }, adapters.due(ctx))
    assert.same({ status = "unloaded" }, load.restore(ctx, "a"))
    assert.is_nil(world.loaded.a)
    assert.is_nil(adapters.record(ctx, "a"))
  end)

  it("keeps that watch for a while only", function()
    local ctx, world = new()
    world:fail_load(DIR, { "cancelled", "cancelled" })
    fails("cancelled", nil, load.load(ctx, "a", want(S1), {}))
    assert.same({ status = "waiting" }, load.restore(ctx, "a"))
    world.now = world.now + 91
    assert.same({ status = "gone" }, load.restore(ctx, "a"))
    assert.is_nil(adapters.record(ctx, "a"))
  end)

  it("does not have the engine load what could not be recorded", function()
    local ctx, world = new()
    ctx.state.problem = "no space left on device"
    fails("io", nil, load.load(ctx, "a", want(S1), {}))
    assert.is_nil(world.loaded.a)
  end)

  it("works with an engine that does not tell what it has", function()
    local ctx, world = new()
    world.has_list = false
    assert(load.load(ctx, "a", want(S1), {}))
    world.asked = {}
    assert.equal("already_loaded", assert(load.load(ctx, "a", want(S1), {})).result)
    assert.equal("loaded", assert(load.load(ctx, "a", want(S2), {})).result)
    assert.same({ "list", "list", "unload a", "list", "load a", "reset" }, world.asked)
  end)

  it("goes by the record where the engine does not tell paths", function()
    local ctx, world = loaded()
    world.loaded.a = ""
    assert.equal("already_loaded", assert(load.load(ctx, "a", want(S1), {})).result)
  end)

  it("goes by files where the engine does", function()
    local ctx, world = new()
    world.files, world.loaded = true, { chat = "/adapters/a/chat.gguf" }
    world:put(DIR, { ["chat.gguf"] = "x" })
    ctx.state.set("adapter/a", { output_dir = DIR, path = DIR })
    assert.equal("already_loaded", assert(load.load(ctx, "a", want(nil), {})).result)
    assert.same({ status = "loaded" }, load.restore(ctx, "a"))
  end)
end)

describe("replacing", function()
  it("downloads first, unloads, waits until it is gone, loads and resets the cache", function()
    local ctx, world = loaded()
    world.lingers = 3
    local done = assert(load.load(ctx, "a", want(S2, "/adapters/b"), {}))
    assert.equal("loaded", done.result)
    assert.is_true(done.replaced)
    assert.equal(S1, done.old.source)
    assert.same({ "list", "unload a", "list", "list", "list", "list", "load a", "reset" }, world.asked)
    assert.equal("/adapters/b", world.loaded.a)
    assert.is_nil(adapters.record(ctx, "a").previous)
    assert.truthy(world.directories[DIR])
  end)

  it("looks again at what the engine has when the download took its time", function()
    local ctx, world = loaded()
    world:source(S2, { revision = "r2", seconds = 60 })
    local done = assert(load.load(ctx, "a", want(S2, "/adapters/b"), {}))
    assert.equal("loaded", done.result)
    assert.same({ "list", "list", "unload a", "list", "load a", "reset" }, world.asked)
  end)

  it("leaves the files in use alone when the new ones are for the same directory, and deletes them then", function()
    local ctx, world = loaded()
    local done = assert(load.load(ctx, "a", want(S2), {}))
    assert.equal(DIR .. ".next", done.record.path)
    assert.equal(DIR .. ".next", world.loaded.a)
    assert.equal(DIR, adapters.record(ctx, "a").output_dir)
    assert.is_nil(world.directories[DIR])
    assert(load.load(ctx, "a", want(S1), {}))
    assert.equal(DIR, world.loaded.a)
    assert.is_nil(world.directories[DIR .. ".next"])
  end)

  it("needs another directory when none beside may be used", function()
    local ctx, world = loaded()
    world.outside = DIR .. ".next"
    assert.truthy(fails("denied", nil, load.load(ctx, "a", want(S2), {})):find("give the new one another directory$"))
    assert.equal("loaded", adapters.facts(ctx, "a").state)
    assert.equal(DIR, world.loaded.a)
  end)

  it("puts the old one back when the new one fails, and says so", function()
    local ctx, world = loaded()
    world:fail_load("/adapters/b", { "HTTP 400: bad weights", "invalid", 400 })
    assert.equal("HTTP 400: bad weights; the one before it is loaded again",
      fails("invalid", 400, load.load(ctx, "a", want(S2, "/adapters/b"), {})))
    assert.equal(DIR, world.loaded.a)
    assert.equal(S1, adapters.record(ctx, "a").source)
    local facts = adapters.facts(ctx, "a")
    assert.equal("loaded", facts.state)
    assert.truthy(facts.error:find("bad weights"))
    assert.is_nil(facts.next_try)
  end)

  it("has the old one restored when it could not be put back", function()
    local ctx, world = loaded()
    world:fail_load("/adapters/b", { "HTTP 400: bad weights", "invalid", 400 })
    world:fail_load(DIR, { "HTTP 500: out of memory", "protocol", 500 })
    assert.equal("HTTP 400: bad weights; the one before it could not be loaded again: HTTP 500: out of memory",
      fails("invalid", 400, load.load(ctx, "a", want(S2, "/adapters/b"), {})))
    assert.same({ "a" }, adapters.due(ctx))
    assert.same({ status = "loaded" }, load.restore(ctx, "a"))
    assert.equal(DIR, world.loaded.a)
  end)

  it("has the old one restored when it was cancelled on the way", function()
    local ctx, world = loaded()
    world:fail_load("/adapters/b", { "cancelled", "cancelled" })
    fails("cancelled", nil, load.load(ctx, "a", want(S2, "/adapters/b"), {}))
    assert.same({ "a" }, adapters.due(ctx))
    assert.same({ status = "loaded" }, load.restore(ctx, "a"))
    assert.equal(DIR, world.loaded.a)
  end)

  it("leaves the old one alone when the new one cannot be downloaded, or is no adapter", function()
    local ctx, world = loaded()
    world:source(S2, { failure = "connection refused" })
    fails("unreachable", nil, load.load(ctx, "a", want(S2, "/adapters/b"), {}))
    world:source(S2, { revision = "r2", files = { ["config.json"] = "{}" } })
    fails("invalid", nil, load.load(ctx, "a", want(S2, "/adapters/b"), {}))
    assert.same({ "list", "list" }, world.asked)
    assert.equal("loaded", adapters.facts(ctx, "a").state)
    assert.equal(S1, adapters.record(ctx, "a").source)
  end)

  it("leaves the old one alone when it cannot be unloaded", function()
    local ctx, world = loaded()
    world.unload_failure = { "HTTP 500: boom", "protocol", 500 }
    assert.truthy(fails("protocol", 500, load.load(ctx, "a", want(S2), {})):find("^could not unload the one"))
    assert.equal(S1, adapters.record(ctx, "a").source)
    assert.equal("loaded", adapters.facts(ctx, "a").state)
  end)

  it("is refused on demand", function()
    local ctx, world = loaded()
    assert.equal('the adapter "a" is loaded from s3://b/one already; unload it first, or leave out replace = false',
      fails("exists", nil, load.load(ctx, "a", want(S2), { replace = false })))
    fails("exists", nil, load.load(ctx, "a", want(S1, DIR, { base_model = "x" }), { replace = false }))
    assert.same({ "list", "list" }, world.asked)
    assert.same({}, world.downloads)
  end)

  it("asks the source when told to, and replaces only what has changed", function()
    local ctx, world = loaded()
    assert.equal("already_loaded", assert(load.load(ctx, "a", want(S1), { refresh = true })).result)
    assert.equal(DIR .. ".next", world.downloads[1].directory)
    assert.is_nil(world.directories[DIR .. ".next"])
    world:source(S1, { revision = "r9" })
    fails("exists", nil, load.load(ctx, "a", want(S1), { config = {}, replace = false }))
    local done = assert(load.load(ctx, "a", want(S1), { config = {} }))
    assert.is_true(done.replaced)
    assert.equal("r9", adapters.record(ctx, "a").revision)
  end)

  it("takes the place of what others have loaded, and puts it back", function()
    local ctx, world = new()
    world.loaded.a = "/theirs"
    world:fail_load(DIR, { "HTTP 400: bad", "invalid", 400 })
    assert.truthy(fails("invalid", 400, load.load(ctx, "a", want(S1), {})):find("the one before it is loaded again$"))
    assert.equal("/theirs", world.loaded.a)
    assert.is_nil(adapters.record(ctx, "a"))
    assert.is_true(assert(load.load(ctx, "a", want(S1), {})).replaced)
    assert.equal(DIR, world.loaded.a)
  end)

  it("warns when the cache could not be reset", function()
    local ctx, world = loaded()
    world.reset_failure = "HTTP 500: no"
    assert.same({ "could not reset the engine's prefix cache: HTTP 500: no" },
      assert(load.load(ctx, "a", want(S2), {})).warnings)
  end)

  it("gives up waiting for an engine that does not let go", function()
    local ctx, world = loaded()
    world.lingers = 1e9
    assert.truthy(fails("timeout", nil, load.load(ctx, "a", want(S2), {})):find("still has it after 30 s"))
  end)
end)

describe("the directory", function()
  it("is not shared by adapters of other sources", function()
    local ctx, world = loaded()
    assert.equal(DIR .. ' holds the adapter "a", from s3://b/one; give this one a directory of its own',
      fails("exists", nil, load.load(ctx, "b", want(S2), {})))
    assert(load.load(ctx, "b", want(S1), {}))
    assert.equal(DIR, world.loaded.b)
  end)

  it("has to be an allowed one", function()
    local ctx, world = new()
    world.outside = "/etc"
    fails("denied", nil, load.load(ctx, "a", want(S1, "/etc/x"), {}))
  end)
end)

describe("unloading", function()
  it("takes it from the engine and from what is wanted", function()
    local ctx, world = loaded()
    local done = assert(load.unload(ctx, "a", { fields = { lora_int_id = 3 } }))
    assert.equal("Success: LoRA adapter 'a' removed successfully.", done.text)
    assert.same({ lora_int_id = 3 }, world.last.fields)
    assert.is_nil(world.loaded.a)
    assert.is_nil(adapters.record(ctx, "a"))
    assert.same({}, adapters.facts(ctx, "a"))
    assert.truthy(world.directories[DIR])
  end)

  it("is done when the engine does not have it any more", function()
    local ctx, world = loaded()
    world.loaded = {}
    assert(load.unload(ctx, "a", {}))
    assert.is_nil(adapters.record(ctx, "a"))
  end)

  it("passes on that the engine does not have what nobody wanted", function()
    local ctx = new()
    assert.equal("HTTP 404: The lora adapter 'x' cannot be found.",
      fails("not_found", 404, load.unload(ctx, "x", {})))
    assert.same({}, adapters.facts(ctx, "x"))
  end)

  it("takes away what others have loaded", function()
    local ctx, world = new()
    world.loaded.x = "/theirs"
    world:put("/theirs")
    local done = assert(load.unload(ctx, "x", { delete_files = true }))
    assert.equal("could not delete the files in /theirs: /theirs: no manifest", done.warning)
    assert.is_nil(world.loaded.x)
    assert.truthy(world.directories["/theirs"])
  end)

  it("deletes the files on demand, unless another adapter has them", function()
    local ctx, world = loaded()
    assert(load.load(ctx, "b", want(S1), {}))
    local done = assert(load.unload(ctx, "a", { delete_files = true }))
    assert.equal(DIR .. ' is kept: the adapter "b" uses it', done.warning)
    assert.equal(2, assert(load.unload(ctx, "b", { delete_files = true })).deleted)
    assert.is_nil(world.directories[DIR])
  end)

  it("is not forgotten when the engine is not up", function()
    local ctx, world = loaded()
    world.up = false
    fails("unavailable", 503, load.unload(ctx, "a", {}))
    assert.is_true(adapters.record(ctx, "a").absent)
    assert.same({ status = "waiting", message = "the engine is not up: connection refused" }, load.restore(ctx, "a"))
    world.up = true
    assert.same({ status = "unloaded" }, load.restore(ctx, "a"))
    assert.is_nil(world.loaded.a)
    assert.is_nil(adapters.record(ctx, "a"))
  end)

  it("waits for the engine on demand", function()
    local ctx, world = loaded()
    world.up = false
    world.slept = function()
      world.up = true
    end
    assert(load.unload(ctx, "a", { deadline = world.now + 5 }))
    world.up, world.slept = false, nil
    fails("unavailable", 503, load.unload(ctx, "a", { deadline = world.now + 5 }))
  end)

  it("is tried again when the engine refuses", function()
    local ctx, world = loaded()
    world.unload_failure = { "HTTP 500: boom", "protocol", 500 }
    assert.equal("HTTP 500: boom", fails("protocol", 500, load.unload(ctx, "a", {})))
    fails("protocol", 500, load.restore(ctx, "a"))
    assert.equal(2, adapters.facts(ctx, "a").failures)
    world.unload_failure = nil
    assert.same({ status = "unloaded" }, load.restore(ctx, "a"))
  end)

  it("is not tried again when the engine cannot", function()
    local ctx, world = loaded()
    world.unload_failure = { "cannot", "unsupported", 501 }
    fails("unsupported", 501, load.unload(ctx, "a", {}))
    assert.is_nil(adapters.record(ctx, "a"))
  end)

  it("loads it again with a later call", function()
    local ctx, world = loaded()
    world.up = false
    fails("unavailable", 503, load.unload(ctx, "a", {}))
    world.up, world.loaded = true, {}
    assert(load.load(ctx, "a", want(S1), {}))
    assert.is_nil(adapters.record(ctx, "a").absent)
    assert.equal(DIR, world.loaded.a)
  end)
end)

describe("restoring", function()
  it("brings back what the engine has lost, without a download", function()
    local ctx, world = loaded()
    world.loaded = {}
    assert.same({ status = "loaded" }, load.restore(ctx, "a"))
    assert.same({}, world.downloads)
    assert.equal(DIR, world.loaded.a)
    assert.equal(S1, adapters.record(ctx, "a").source)
  end)

  it("does nothing when it is there, and leaves others' alone", function()
    local ctx, world = loaded()
    world.loaded.x = "/theirs"
    assert.same({ status = "loaded" }, load.restore(ctx, "a"))
    assert.same({ status = "unmanaged" }, load.restore(ctx, "x"))
    assert.same({ status = "gone" }, load.restore(ctx, "nobody"))
    assert.same({ "list", "list", "list" }, world.asked)
    assert.equal(0, world.writes)
  end)

  it("puts its own in the place of what was loaded under its name", function()
    local ctx, world = loaded()
    world.loaded.a = "/theirs"
    assert.same({ status = "loaded" }, load.restore(ctx, "a"))
    assert.equal(DIR, world.loaded.a)
  end)

  it("tries again later, ever later", function()
    local ctx, world = loaded()
    world.loaded = {}
    local last = 0
    for i = 1, 10 do
      world:fail_load(DIR, { "HTTP 500: boom", "protocol", 500 })
      fails("protocol", 500, load.restore(ctx, "a"))
      local facts = adapters.facts(ctx, "a")
      local delay = facts.next_try - world.now
      local full = math.min(2 ^ (i - 1), 300)
      assert.is_true(delay <= full and delay >= full * 0.75)
      assert.is_true(delay > last * 0.74)
      assert.equal(i, facts.failures)
      last = delay
    end
    assert.same({}, adapters.due(ctx))
    world.now = world.now + 300
    assert.same({ "a" }, adapters.due(ctx))
    assert.same({}, adapters.due(ctx))
    assert.same({ status = "loaded" }, load.restore(ctx, "a"))
    assert.is_nil(adapters.facts(ctx, "a").failures)
  end)

  it("does not count an engine that is not up as a failure", function()
    local ctx, world = loaded()
    world.loaded = {}
    world:fail_load(DIR, { "connection reset", "unavailable", 503 })
    assert.equal("waiting", load.restore(ctx, "a").status)
    assert.equal("missing", adapters.facts(ctx, "a").state)
    assert.is_nil(adapters.facts(ctx, "a").failures)
    assert.equal(S1, adapters.record(ctx, "a").source)
  end)

  it("says what is wrong with an engine that answers nonsense", function()
    local ctx, world = loaded()
    world.list_failure = { "no list of models", "protocol", 502 }
    fails("protocol", 502, load.restore(ctx, "a"))
  end)

  it("goes on with a replacement that was interrupted, and falls back when that fails", function()
    local ctx, world = loaded()
    local old = adapters.record(ctx, "a")
    world:put("/adapters/b")
    world.manifests["/adapters/b"] = { source = S2, revision = "r2", digest = "r2" }
    ctx.state.set("adapter/a", { source = S2, output_dir = "/adapters/b", path = "/adapters/b", revision = "r2",
      digest = "r2", previous = old, since = 1 })
    world.loaded = {}
    world:fail_load("/adapters/b", { "HTTP 400: bad", "invalid", 400 })
    fails("invalid", 400, load.restore(ctx, "a"))
    assert.same({ "a" }, adapters.due(ctx))
    assert.same({ status = "loaded" }, load.restore(ctx, "a"))
    assert.equal(DIR, world.loaded.a)
    assert.equal(S1, adapters.record(ctx, "a").source)
  end)
end)

describe("a declared adapter", function()
  local function declare(ctx, ...)
    local list = {}
    for i, entry in ipairs({ ... }) do
      list[i] = { name = entry[1], source = entry[2] }
    end
    ctx.settings.lora_config = { path = "/etc/l", data = { adapters = list }, version = tostring(list) }
  end

  it("is loaded, changed, and taken away", function()
    local ctx, world = new()
    declare(ctx, { "a", S1 })
    assert.same({ status = "loaded" }, load.restore(ctx, "a"))
    assert.is_true(adapters.record(ctx, "a").declared)
    declare(ctx, { "a", S2 })
    assert.same({ status = "loaded" }, load.restore(ctx, "a"))
    assert.equal(DIR .. ".next", world.loaded.a)
    declare(ctx)
    assert.same({ status = "unloaded" }, load.restore(ctx, "a"))
    assert.same({}, world.loaded)
  end)

  it("stays when the declarations cannot be read", function()
    local ctx, world = new()
    declare(ctx, { "a", S1 })
    load.restore(ctx, "a")
    world.loaded = {}
    ctx.memory.set("adapters/declared", nil)
    ctx.settings.lora_config = { path = "/etc/l", problem = "not YAML", version = 0 }
    assert.same({ status = "loaded" }, load.restore(ctx, "a"))
    assert.equal(DIR, world.loaded.a)
  end)

  it("is not changed or unloaded by calls", function()
    local ctx = new()
    declare(ctx, { "a", S1 })
    load.restore(ctx, "a")
    assert.equal('the adapter "a" is declared in another way in /etc/l; change that',
      fails("exists", nil, load.load(ctx, "a", want(S2), {})))
    assert.equal('the adapter "a" is declared in /etc/l, which would bring it back; take it out there',
      fails("exists", nil, load.unload(ctx, "a", {})))
    assert.equal("already_loaded", assert(load.load(ctx, "a", want(S1), {})).result)
  end)

  it("that was also loaded by a call stays when it is declared no more", function()
    local ctx, world = new()
    declare(ctx, { "a", S1 })
    load.restore(ctx, "a")
    assert(load.load(ctx, "a", want(S1), {}))
    declare(ctx)
    assert.same({ status = "loaded" }, load.restore(ctx, "a"))
    assert.equal(DIR, world.loaded.a)
  end)

  it("that the engine refuses leaves the one before it, for good", function()
    local ctx, world = new()
    declare(ctx, { "a", S1 })
    load.restore(ctx, "a")
    declare(ctx, { "a", S2 })
    world:fail_load(DIR .. ".next", { "HTTP 400: bad", "invalid", 400 })
    fails("invalid", 400, load.restore(ctx, "a"))
    assert.equal(DIR, world.loaded.a)
    assert.same({ status = "refused" }, load.restore(ctx, "a"))
    assert.is_nil(adapters.facts(ctx, "a").next_try)
    world.loaded = {}
    assert.same({ status = "loaded" }, load.restore(ctx, "a"))
    assert.equal(DIR .. ".next", world.loaded.a)
  end)

  it("that fails otherwise is tried a few times in the place of the one before it", function()
    local ctx, world = new()
    declare(ctx, { "a", S1 })
    load.restore(ctx, "a")
    declare(ctx, { "a", S2 })
    for i = 1, 5 do
      world:fail_load(DIR .. ".next", { "HTTP 500: boom", "protocol", 500 })
      fails("protocol", 500, load.restore(ctx, "a"))
      assert.equal(i < 5, adapters.facts(ctx, "a").next_try ~= nil)
    end
    assert.same({ status = "refused" }, load.restore(ctx, "a"))
  end)

  it("that must not exist is unloaded, whoever loaded it, and refused to callers", function()
    local ctx, world = loaded()
    world.loaded.x = "/theirs"
    ctx.settings.lora_config = { path = "/etc/l", version = 1, data = { vLLMLoRAConfig = {
      ensureNotExist = { models = { { id = "a" }, { id = "x" } } } } } }
    assert.same({ status = "unloaded" }, load.restore(ctx, "a"))
    assert.same({ status = "unloaded" }, load.restore(ctx, "x"))
    assert.same({ status = "gone" }, load.restore(ctx, "x"))
    assert.same({}, world.loaded)
    assert.equal('the adapter "a" is not to be loaded, says /etc/l; change that first',
      fails("exists", nil, load.load(ctx, "a", want(S1), {})))
  end)

  it("that is gone from the declarations does not take others' with it", function()
    local ctx, world = new()
    declare(ctx, { "a", S1 })
    load.restore(ctx, "a")
    world.loaded.a = "/theirs"
    declare(ctx)
    assert.same({ status = "gone" }, load.restore(ctx, "a"))
    assert.equal("/theirs", world.loaded.a)
  end)
end)
