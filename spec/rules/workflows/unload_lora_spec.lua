local fake_workflow_ctx = require("spec.support.fake_workflow_ctx")
local load = require("kthena.adapter_load")
local support = require("spec.rules.workflows.support")

local unload_lora, effective = support.workflow("unload_lora")

local function loaded()
  local ctx, world = fake_workflow_ctx.new()
  world:source("s3://b/one", {})
  assert(load.load(ctx, "a", { source = "s3://b/one", output_dir = "/adapters/a" }, {}))
  return ctx, world
end

local function call(ctx, change)
  local params = { lora_name = "a", delete_files = false, wait_seconds = 0 }
  for name, value in pairs(change or {}) do
    params[name] = value
  end
  return unload_lora.run(params, ctx)
end

describe("unload_lora", function()
  it("is what Kthena's controller calls, one at a time with loads of that name", function()
    assert.same({ method = "POST", path = "/v1/unload_lora_adapter" }, effective.route)
    assert.equal("lora_name", effective.serial)
    assert.equal("lora_name", select(2, support.workflow("load_lora")).serial)
  end)

  it("answers with the engine's words and what is added", function()
    local ctx, world = loaded()
    assert.same({ message = "Success: LoRA adapter 'a' removed successfully.", status = "unloaded", lora_name = "a",
      job_id = "job1" }, call(ctx, { lora_int_id = 1 }))
    assert.same({ lora_int_id = 1 }, world.last.fields)
    assert.is_nil(world.series['kthena_runtime_lora_adapter_up{name="a"}'])
  end)

  it("deletes files on demand, and says how many", function()
    assert.equal(2, call(loaded(), { delete_files = true }).files_deleted)
    local ctx, world = loaded()
    world.manifests = {}
    local reply = call(ctx, { delete_files = true })
    assert.equal(0, reply.files_deleted)
    assert.same({ "could not delete the files in /adapters/a: /adapters/a: no manifest" }, reply.warnings)
  end)

  it("passes failures on", function()
    local reply, message, kind, status = call(loaded(), { lora_name = "x" })
    assert.is_nil(reply)
    assert.same({ "HTTP 404: The lora adapter 'x' cannot be found.", "not_found", 404 }, { message, kind, status })
  end)

  it("waits for the engine when told to", function()
    local ctx, world = loaded()
    world.up = false
    world.slept = function()
      world.up = true
    end
    assert.equal("unloaded", call(ctx, { wait_seconds = 5 }).status)
  end)
end)
