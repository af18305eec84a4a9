local adapters = require("kthena.adapters")
local fake_workflow_ctx = require("spec.support.fake_workflow_ctx")
local json = require("kthena.json")
local load = require("kthena.adapter_load")
local reconcile = require("kthena.adapter_reconcile")
local view = require("kthena.adapter_view")

-- A ctx with adapters loaded by calls, each in a directory of its own.
local function new(names, options)
  local ctx, world = fake_workflow_ctx.new(options)
  for _, name in ipairs(names) do
    world:source("s3://b/" .. name, { revision = "r1" })
    assert(load.load(ctx, name, { source = "s3://b/" .. name, output_dir = "/adapters/" .. name }, {}))
  end
  world.asked, world.writes, world.calls = {}, 0, {}
  return ctx, world
end

-- Runs the calls of workflows that were submitted, as the jobs would.
local function work(ctx, world)
  local calls = world.calls
  world.calls = {}
  for _, call in ipairs(calls) do
    local name = call:match("^restore_lora (.*)$")
    if name then
      load.restore(ctx, name)
      reconcile.after(ctx)
    else
      reconcile.run(ctx)
    end
  end
end

local function failures(world)
  return world.series["kthena_runtime_lora_reconcile_failures_total{}"] or 0
end

describe("reconciling", function()
  it("costs one listing when all is well", function()
    local ctx, world = new({ "a", "b" })
    reconcile.run(ctx)
    reconcile.run(ctx)
    world.asked, world.writes, world.changes = {}, 0, 0
    local result = reconcile.run(ctx)
    assert.same({ "list" }, world.asked)
    assert.same({ 0, 0 }, { world.writes, world.changes })
    assert.same({ status = "settled", wanted = 2, missing = 0, restoring = {}, ready = true }, result)
    assert.equal(3, world.series["kthena_runtime_lora_reconcile_runs_total{}"])
    assert.equal(0, failures(world))
  end)

  it("that has found all well looks again when anything is different", function()
    local ctx, world = new({ "a", "b" })
    local function differs(change)
      reconcile.run(ctx)
      reconcile.run(ctx)
      change()
      return reconcile.run(ctx)
    end
    assert.same({ "a" }, differs(function() world.loaded.a = "/theirs" end).restoring)
    work(ctx, world)
    assert.same({ "b" }, differs(function() world.loaded.b = nil end).restoring)
    work(ctx, world)
    assert.equal(1, differs(function() load.unload(ctx, "b", {}) end).wanted)
    assert.equal(2, differs(function() ctx.settings.lora_adapters = '[{"name":"c","source":"s3://b/a"}]' end).wanted)
    assert.is_false(differs(function() ctx.settings.lora_adapters = "[" end).ready)
  end)

  it("looks again while one that was given up may turn up", function()
    local ctx, world = new({ "a" })
    world:source("s3://b/late", {})
    world:fail_load("/adapters/late", { "no answer", "timeout", 504 })
    assert.is_nil((load.load(ctx, "late", { source = "s3://b/late", output_dir = "/adapters/late" }, {})))
    reconcile.run(ctx)
    reconcile.run(ctx)
    world.loaded.late = "/adapters/late"
    assert.same({ "late" }, reconcile.run(ctx).restoring)
  end)

  it("restores what is missing, each by a job", function()
    local ctx, world = new({ "a", "b", "c" })
    world.loaded = { b = "/adapters/b" }
    local result = reconcile.run(ctx)
    assert.same({ "restore_lora a", "restore_lora c" }, world.calls)
    assert.same({ status = "restoring", wanted = 3, missing = 2, restoring = { "a", "c" }, ready = false,
      detail = "2 of 3 adapters are not loaded: a, c" }, result)
    assert.equal("missing", adapters.facts(ctx, "a").state)
    work(ctx, world)
    assert.same({ a = "/adapters/a", b = "/adapters/b", c = "/adapters/c" }, world.loaded)
    assert.same({ "reconcile" }, world.calls)
    world.calls = {}
    assert.is_true(reconcile.run(ctx).ready)
    reconcile.after(ctx)
    assert.same({}, world.calls)
  end)

  it("restores what others have loaded under the same name", function()
    local ctx, world = new({ "a" })
    world.loaded.a = "/theirs"
    reconcile.run(ctx)
    work(ctx, world)
    assert.equal("/adapters/a", world.loaded.a)
  end)

  it("leaves others' adapters alone", function()
    local ctx, world = new({ "a" })
    world.loaded.x = "/theirs"
    assert.equal("settled", reconcile.run(ctx).status)
    assert.same({}, world.calls)
  end)

  it("does not let a bad adapter be tried before its time, nor hold up the others", function()
    local ctx, world = new({ "a", "b" })
    world.loaded = {}
    for _ = 1, 3 do
      world:fail_load("/adapters/a", { "HTTP 500: boom", "protocol", 500 })
    end
    reconcile.run(ctx)
    work(ctx, world)
    assert.same({ b = "/adapters/b" }, world.loaded)
    assert.same({ status = "settled", wanted = 2, missing = 1, restoring = {}, ready = false,
      detail = "1 of 2 adapters are not loaded: a" }, reconcile.run(ctx))
    assert.same({ restoring = {} }, reconcile.retry(ctx))
    world.now = world.now + 1
    assert.same({ restoring = { "a" } }, reconcile.retry(ctx))
    work(ctx, world)
    assert.equal(2, adapters.facts(ctx, "a").failures)
    world.now = world.now + 2
    assert.same({ "a" }, reconcile.run(ctx).restoring)
  end)

  it("unloads what is not to be there", function()
    local ctx, world = new({ "a", "b" })
    world.loaded.x = "/theirs"
    ctx.settings.lora_config = { path = "/l", version = 1, data = { vLLMLoRAConfig = {
      ensureNotExist = { models = { { id = "x" }, { id = "a" }, { id = "never" } } } } } }
    assert.same({ "a", "x" }, reconcile.run(ctx).restoring)
    work(ctx, world)
    assert.same({ b = "/adapters/b" }, world.loaded)
    assert.same({}, reconcile.run(ctx).restoring)
  end)

  it("loads what is declared, changes it, and takes it away", function()
    local ctx, world = new({})
    local function declare(list, version)
      ctx.settings.lora_config = { path = "/l", version = version, data = list }
      local result = reconcile.run(ctx)
      work(ctx, world)
      return result
    end
    world:source("s3://b/one", { revision = "1" })
    world:source("s3://b/two", { revision = "2" })
    assert.is_false(declare({ { name = "a", source = "s3://b/one" } }, 1).ready)
    assert.equal("/adapters/a", world.loaded.a)
    assert.is_true(declare({ { name = "a", source = "s3://b/one" } }, 1).ready)
    declare({ { name = "a", source = "s3://b/two" } }, 2)
    assert.equal("/adapters/a.next", world.loaded.a)
    declare({ { name = "a" } }, 3)
    assert.equal("/adapters/a.next", world.loaded.a)
    assert.same({ "warning: the declared adapters are as they were: /l: adapters[1].artifactURL: is missing" },
      world.logs)
    declare({ { name = "a" } }, 3)
    assert.equal(1, #world.logs)
    declare(json.decode("[]"), 4)
    assert.same({}, world.loaded)
    assert.is_true(declare(json.decode("[]"), 4).ready)
  end)

  it("is quiet while the engine is not up, and ready only without adapters", function()
    local ctx, world = new({ "a" })
    world.up = false
    local result = reconcile.run(ctx)
    assert.same({ status = "waiting", detail = "the engine is not up: connection refused", ready = false }, result)
    assert.equal("missing", adapters.facts(ctx, "a").state)
    assert.equal(0, failures(world))
    assert.same({}, world.calls)
    ctx, world = new({})
    world.up = false
    assert.is_true(reconcile.run(ctx).ready)
  end)

  it("counts what it cannot make sense of", function()
    local ctx, world = new({ "a" })
    world.list_failure = { "no list of models", "protocol", 502 }
    assert.equal("waiting", reconcile.run(ctx).status)
    assert.equal(1, failures(world))
    assert.equal("loaded", adapters.facts(ctx, "a").state)
  end)

  it("does not mind an engine that cannot have adapters, unless some are wanted", function()
    local ctx, world = fake_workflow_ctx.new()
    world.cannot, world.list_failure = true, { "acme cannot", "unsupported", 501 }
    assert.is_true(reconcile.run(ctx).ready)
    assert.equal(0, failures(world))
    ctx.settings.lora_adapters = '[{"name":"a","source":"o/a"}]'
    assert.is_false(reconcile.run(ctx).ready)
    assert.equal(1, failures(world))
  end)

  it("waits for an engine that is back but not done, and measures how long all took", function()
    local ctx, world = new({ "a", "b" }, { trigger = "engine_up" })
    world.up, world.loaded = false, {}
    world.slept = function()
      world.up = world.now >= 1790000002
    end
    assert.same({ "a", "b" }, reconcile.run(ctx).restoring)
    assert.truthy(world.logs[1]:find("the engine is back; 2 of 2 adapters are to be loaded"))
    world.now = world.now + 1
    load.restore(ctx, "a")
    reconcile.after(ctx)
    assert.is_nil(world.series["kthena_runtime_lora_recovery_seconds{}"])
    load.restore(ctx, "b")
    reconcile.after(ctx)
    reconcile.after(ctx)
    assert.same({ 3 }, world.series["kthena_runtime_lora_recovery_seconds{}"])
  end)

  it("gives up waiting for it in time", function()
    local ctx, world = new({ "a" }, { trigger = "engine_up" })
    world.up = false
    local began = world.now
    assert.equal("waiting", reconcile.run(ctx).status)
    assert.is_true(world.now - began < 16)
  end)

  it("trusts what it knows of an engine that does not tell, until that comes back", function()
    local ctx, world = new({})
    world.has_list = false
    world:source("s3://b/a", { revision = "r1" })
    assert(load.load(ctx, "a", { source = "s3://b/a", output_dir = "/adapters/a" }, {}))
    world.loaded = {}
    ctx.trigger = "timer"
    assert.equal("settled", reconcile.run(ctx).status)
    ctx.trigger = "engine_up"
    assert.same({ "a" }, reconcile.run(ctx).restoring)
    work(ctx, world)
    assert.equal("/adapters/a", world.loaded.a)
  end)

  it("is not ready while it is not known what is declared, and names only so many that are missing", function()
    local ctx, world = new({ "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "b1", "b2" })
    world.loaded = {}
    assert.equal("11 of 11 adapters are not loaded: a1, a2, a3, a4, a5, a6, a7, a8, a9, b1, ...",
      reconcile.run(ctx).detail)
    ctx = new({})
    ctx.settings.lora_config = { path = "/l", problem = "/l: no such file", version = 0 }
    local result = reconcile.run(ctx)
    assert.is_false(result.ready)
    assert.equal("/l: no such file", result.detail)
  end)

  it("says when a job could not be begun", function()
    local ctx, world = new({ "a" })
    world.loaded, world.call_failure = {}, "too many jobs wait"
    reconcile.run(ctx)
    assert.same({ "warning: could not begin to restore the adapter a: too many jobs wait" }, world.logs)
  end)
end)

describe("the view of adapters", function()
  local function state_of(ctx, name)
    return view.find(ctx, name).state
  end

  it("shows each with its state", function()
    local ctx, world = new({ "a", "lost" })
    world.loaded.x, world.loaded.lost = "/theirs", nil
    adapters.note_failure(ctx, "bad", "HTTP 400: no", { source = "s3://b/bad?sig=1" })
    adapters.note(ctx, "coming", "downloading", { source = "s3://b/coming", path = "/c" })
    ctx.settings.lora_adapters = '[{"name":"declared","source":"o/d"}]'
    local all = view.all(ctx)
    local states = {}
    for i, one in ipairs(all.adapters) do
      states[i] = one.name .. " " .. one.state
    end
    assert.same({ "a loaded", "bad failed", "coming downloading", "declared missing", "lost missing", "x unmanaged" },
      states)
    local null = json.null
    assert.same({
      name = "a", state = "loaded", confirmed = true, wanted = true, declared = false, source = "s3://b/a",
      path = "/adapters/a", output_dir = "/adapters/a", base_model = null, revision = "r1", digest = "r1",
      since = "2026-09-21T14:13:20.000Z", error = null, failures = 0, next_try = null,
    }, all.adapters[1])
    assert.equal("s3://b/bad", all.adapters[2].source)
    assert.equal("HTTP 400: no", all.adapters[2].error)
    assert.equal("/theirs", all.adapters[6].path)
    assert.is_false(all.adapters[6].wanted)
    assert.same({ name = "acme", answers = true, error = null }, all.engine)
    assert.same({ where = "LORA_ADAPTERS", count = 1, problem = null }, all.declared)
  end)

  it("knows what can be known while the engine does not answer", function()
    local ctx, world = new({ "a" })
    world.list_failure = { "no answer in 30 s", "timeout", 504 }
    local all = view.all(ctx)
    assert.equal("loaded", all.adapters[1].state)
    assert.is_false(all.adapters[1].confirmed)
    assert.same({ name = "acme", answers = false, error = "no answer in 30 s" }, all.engine)
    world.list_failure, world.up = nil, false
    assert.equal("missing", state_of(ctx, "a"))
  end)

  it("shows one that is to be unloaded still", function()
    local ctx, world = new({ "a" })
    world.up = false
    load.unload(ctx, "a", {})
    assert.equal("failed", state_of(ctx, "a"))
    ctx.memory.set("adapter/a", nil)
    assert.equal("unloading", state_of(ctx, "a"))
  end)

  it("does not show a file twice, under its name and under the adapter's", function()
    local ctx, world = new({})
    world.files, world.loaded = true, { chat = "/adapters/a/chat.gguf", other = "/x/other.gguf" }
    ctx.state.set("adapter/a", { output_dir = "/adapters/a", path = "/adapters/a" })
    local names = {}
    for i, one in ipairs(view.all(ctx).adapters) do
      names[i] = one.name .. " " .. one.state
    end
    assert.same({ "a loaded", "other unmanaged" }, names)
  end)

  it("has nothing on what nobody knows", function()
    local found, message, kind = view.find(new({}), "nobody")
    assert.is_nil(found)
    assert.equal('there is no adapter "nobody"', message)
    assert.equal("not_found", kind)
  end)

  it("writes times as jobs do", function()
    for text, time in pairs({
      ["1970-01-01T00:00:00.000Z"] = 0, ["2000-02-29T23:59:59.999Z"] = 951868799.999,
      ["2100-03-01T00:00:00.500Z"] = 4107542400.5, ["2024-12-31T12:00:00.000Z"] = 1735646400,
    }) do
      local ctx, world = new({})
      world.now = time
      adapters.note(ctx, "a", "downloading")
      assert.equal(text, view.find(ctx, "a").since)
    end
  end)
end)

describe("the metrics of adapters", function()
  it("follow what happens, and say so once", function()
    local ctx, world = new({ "a" })
    world.loaded.x = "/theirs"
    reconcile.run(ctx)
    assert.equal(1, world.series['kthena_runtime_lora_adapter_info{name="a",source="s3://b/a",state="loaded"}'])
    assert.equal(1, world.series['kthena_runtime_lora_adapter_info{name="x",source="",state="unmanaged"}'])
    assert.equal(1, world.series['kthena_runtime_lora_adapter_up{name="a"}'])
    world.loaded = {}
    reconcile.run(ctx)
    assert.equal(0, world.series['kthena_runtime_lora_adapter_up{name="a"}'])
    assert.is_nil(world.series['kthena_runtime_lora_adapter_up{name="x"}'])
    assert.is_nil(world.series['kthena_runtime_lora_adapter_info{name="a",source="s3://b/a",state="loaded"}'])
    assert.equal(1, world.series['kthena_runtime_lora_adapter_info{name="a",source="s3://b/a",state="missing"}'])
    assert.equal(1, #world.series['kthena_runtime_lora_load_seconds{result="loaded"}'])
  end)

  it("stay while somebody else writes them", function()
    local ctx, world = new({ "a" })
    world.locked = true
    reconcile.run(ctx)
    assert.is_nil(world.series['kthena_runtime_lora_adapter_up{name="a"}'])
  end)
end)
