local fake_workflow_ctx = require("spec.support.fake_workflow_ctx")
local support = require("spec.rules.workflows.support")

local function loaded(trigger)
  local ctx, world = fake_workflow_ctx.new({ trigger = trigger })
  world:source("s3://b/a", {})
  local params = { lora_name = "a", source = "s3://b/a", output_dir = "/adapters/a" }
  assert(support.workflow("load_lora").run(params, ctx))
  world.asked = {}
  return ctx, world
end

describe("lora_adapters", function()
  it("lists adapters, without a trace", function()
    local rules, effective = support.workflow("lora_adapters")
    local reply = rules.run({}, (loaded()))
    assert.equal(1, #reply.adapters)
    assert.equal("loaded", reply.adapters[1].state)
    assert.same({ method = "GET", path = "/v1/lora_adapters" }, effective.route)
    assert.is_true(effective.quiet)
  end)
end)

describe("lora_adapter", function()
  it("shows one adapter", function()
    local rules = support.workflow("lora_adapter")
    local ctx = loaded()
    assert.equal("s3://b/a", rules.run({ lora_name = "a" }, ctx).source)
    local _, _, kind = rules.run({ lora_name = "b" }, ctx)
    assert.equal("not_found", kind)
  end)
end)

describe("restore_lora", function()
  it("brings one adapter to what is wanted", function()
    local rules, effective = support.workflow("restore_lora")
    local ctx, world = loaded()
    world.loaded = {}
    assert.same({ status = "loaded" }, rules.run({ lora_name = "a" }, ctx))
    assert.equal("/adapters/a", world.loaded.a)
    assert.equal(1, world.series['kthena_runtime_lora_adapter_up{name="a"}'])
    local _, _, kind = rules.run({ lora_name = "base" }, ctx)
    assert.equal("invalid", kind)
    assert.same({ "lora_name" }, effective.same)
    assert.equal("lora_name", effective.serial)
  end)
end)

describe("reconcile and retry_lora", function()
  it("have what is missing restored", function()
    local reconcile, effective = support.workflow("reconcile")
    local retry = support.workflow("retry_lora")
    local ctx, world = loaded("timer")
    world.loaded = {}
    assert.same({ "a" }, reconcile.run({}, ctx).restoring)
    assert.same({ "restore_lora a" }, world.calls)
    world:fail_load(nil, { "HTTP 500: boom", "protocol", 500 })
    support.workflow("restore_lora").run({ lora_name = "a" }, ctx)
    world.now = world.now + 1
    assert.same({ "a" }, retry.run({}, ctx).restoring)
    assert.same({ "restore_lora a", "restore_lora a" }, world.calls)
    assert.equal("reconcile_seconds", effective.every)
    assert.same({ "start", "engine_up", "rules_changed", "file_changed" }, effective.on)
    assert.equal("adapters", effective.ready)
  end)

  it("need the settings that serve takes", function()
    local _, effective = support.workflow("reconcile")
    local shown = {}
    for _, one in ipairs(effective.settings) do
      shown[#shown + 1] = ("%s %s %s"):format(one.flag or "-", one.env, one.type)
    end
    assert.same({ "lora-config KTHENA_LORA_CONFIG file", "- LORA_ADAPTERS string", "lora-dir KTHENA_LORA_DIR string",
      "adapter-timeout KTHENA_ADAPTER_TIMEOUT seconds", "reconcile-seconds KTHENA_RECONCILE_SECONDS seconds" }, shown)
  end)
end)
