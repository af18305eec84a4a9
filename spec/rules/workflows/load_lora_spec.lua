local fake_workflow_ctx = require("spec.support.fake_workflow_ctx")
local support = require("spec.rules.workflows.support")

local load_lora, effective = support.workflow("load_lora")

local function new()
  local ctx, world = fake_workflow_ctx.new()
  world:source("s3://b/one", { revision = "r1" })
  world:source("s3://b/two", { revision = "r2" })
  return ctx, world
end

local function call(ctx, change)
  local params = { lora_name = "a", source = "s3://b/one", output_dir = "/adapters/a", max_workers = 8,
    async_download = false, load_inplace = false, replace = true, refresh = false, wait_seconds = 0 }
  for name, value in pairs(change or {}) do
    params[name] = value
  end
  return load_lora.run(params, ctx)
end

describe("load_lora", function()
  it("is what Kthena's controller calls", function()
    assert.same({ method = "POST", path = "/v1/load_lora_adapter" }, effective.route)
    assert.equal("async_download", effective.async)
    assert.equal("LoRA adapter download and load started in background", effective.started.message)
    assert.same({ "lora_name", "source", "output_dir" }, effective.started.echo)
    local defaults = {}
    for _, one in ipairs(effective.params) do
      defaults[one.name] = one.default
    end
    assert.equal(8, defaults.max_workers)
    assert.is_false(defaults.async_download)
  end)

  it("answers with the engine's words and what is added", function()
    local ctx, world = new()
    local reply = call(ctx)
    assert.same({
      message = "Success: LoRA adapter 'a' added successfully.", status = "loaded", lora_name = "a",
      source = "s3://b/one", output_dir = "/adapters/a", path = "/adapters/a", revision = "r1", digest = "r1",
      job_id = "job1", duration_seconds = 0,
    }, reply)
    assert.equal(1, world.series['kthena_runtime_lora_adapter_up{name="a"}'])
    reply = call(ctx)
    assert.equal("already_loaded", reply.status)
    assert.equal("LoRA adapter 'a' is already loaded", reply.message)
  end)

  it("answers with the engine's JSON", function()
    local ctx, world = new()
    world.text = '{"success": true, "loaded_adapters": {"a": "/adapters/a"}}'
    local reply = call(ctx)
    assert.is_true(reply.success)
    assert.same({ a = "/adapters/a" }, reply.loaded_adapters)
    assert.is_nil(reply.message)
    world.text = '["a"]'
    assert.equal('["a"]', call(ctx, { lora_name = "b", output_dir = "/adapters/b" }).message)
  end)

  it("says what was replaced, and warns", function()
    local ctx, world = new()
    call(ctx)
    world.reset_failure = "HTTP 500: no"
    local reply = call(ctx, { source = "s3://b/two" })
    assert.equal("replaced", reply.status)
    assert.same({ source = "s3://b/one", path = "/adapters/a", revision = "r1" }, reply.replaced)
    assert.same({ "could not reset the engine's prefix cache: HTTP 500: no" }, reply.warnings)
    assert.equal("/adapters/a.next", reply.path)
    assert.equal("/adapters/a", reply.output_dir)
    local _, _, kind = call(ctx, { replace = false })
    assert.equal("exists", kind)
  end)

  it("tells the engine what it does not know itself, and the source its configuration", function()
    local ctx, world = new()
    call(ctx, { is_3d_lora_weight = true, base_model = "m", pinned = false, load_inplace = true,
      config = { hf_token = "t" }, max_workers = 2 })
    assert.same({ is_3d_lora_weight = true }, world.last.fields)
    assert.equal("m", world.last.base_model)
    assert.is_false(world.last.pinned)
    assert.is_true(world.last.load_inplace)
    assert.same({ config = { hf_token = "t" }, max_workers = 2 }, world.downloads[1].options)
    for _, text in pairs(ctx.state.texts) do
      assert.is_nil(text:find("hf_token"))
    end
  end)

  it("waits for the engine when told to", function()
    local ctx, world = new()
    world.up = false
    local _, _, kind, status = call(ctx)
    assert.equal("unavailable", kind)
    assert.equal(503, status)
    world.slept = function()
      world.up = true
    end
    assert.equal("loaded", call(ctx, { wait_seconds = 5 }).status)
  end)

  it("passes failures on", function()
    local ctx, world = new()
    world:fail_load(nil, { "HTTP 400: bad", "invalid", 400 })
    local reply, message, kind, status = call(ctx)
    assert.is_nil(reply)
    assert.same({ "HTTP 400: bad", "invalid", 400 }, { message, kind, status })
    assert.equal(0, world.series['kthena_runtime_lora_adapter_up{name="a"}'])
  end)
end)
