local fake_workflow_ctx = require("spec.support.fake_workflow_ctx")
local files = require("kthena.adapter_files")

local WEIGHTS = "adapter_model.safetensors"

local function check(texts, options)
  local ctx, world = fake_workflow_ctx.new(options)
  world:put("/d", texts)
  return files.check(ctx, "/d")
end

local function problem_of(texts)
  local warnings, message, kind = check(texts)
  assert.is_nil(warnings)
  assert.equal("invalid", kind)
  return message
end

describe("an adapter's directory", function()
  it("is good with a configuration and weights of any kind", function()
    for _, weights in ipairs({ WEIGHTS, "adapter_model.bin", "adapter_model.pt", "model-00001.safetensors" }) do
      assert.same({}, check({ ["adapter_config.json"] = '{"r": 16}', [weights] = "x", ["README.md"] = "" }))
    end
  end)

  it("is good as a converted file, which only the engine can read", function()
    assert.same({}, check({ ["a.gguf"] = "x" }))
    local ctx, world = fake_workflow_ctx.new()
    world:put("/d", { ["a.gguf"] = "x" })
    assert.same({}, files.check(ctx, "/d/a.gguf"))
    assert.is_nil(files.check(ctx, "/d/b.gguf"))
  end)

  it("is refused with a sentence that says why", function()
    local config = "adapter_config.json"
    for expected, texts in pairs({
      ["/d is empty; an adapter's files were expected there"] = {},
      ["/d holds no adapter: there is no adapter_config.json in it; check the source"] = { [WEIGHTS] = "x" },
      ["/d holds a whole model, not an adapter: there is no adapter_config.json"] =
        { ["config.json"] = "{}", ["model.safetensors"] = "x" },
      ["/d/adapter_config.json: no JSON object"] = { [config] = "5", [WEIGHTS] = "x" },
      ["/d/adapter_config.json: r, the adapter's rank, is not known; this is no LoRA adapter"] =
        { [config] = "{}", [WEIGHTS] = "x" },
      ["/d/adapter_config.json: r, the adapter's rank, is not known (its peft_type is IA3); this is no LoRA adapter"] =
        { [config] = '{"peft_type": "IA3", "r": null}', [WEIGHTS] = "x" },
      ["/d holds no weights: expected adapter_model.safetensors or adapter_model.bin"] =
        { [config] = '{"r": 8}', ["README.md"] = "x" },
    }) do
      assert.equal(expected, problem_of(texts))
    end
    for _, rank in ipairs({ "0", "-1", "1.5", '"8"' }) do
      assert.truthy(problem_of({ [config] = '{"r": ' .. rank .. "}", [WEIGHTS] = "x" }):find("rank"))
    end
    assert.truthy(problem_of({ [config] = '{"r": 8}', [WEIGHTS] = "" }):find("holds no weights"))
    assert.truthy(problem_of({ [config] = "{", [WEIGHTS] = "x" }):find("^/d/adapter_config.json: not JSON: "))
  end)

  it("that cannot be read says so", function()
    local ctx, world = fake_workflow_ctx.new()
    local warnings, message, kind = files.check(ctx, "/d")
    assert.is_nil(warnings)
    assert.equal("could not look for the adapter in /d: /d: no such file or directory", message)
    assert.equal("not_found", kind)
    world:put("/d")
    ctx.files.read = function(path)
      return nil, path .. ": permission denied", "denied"
    end
    warnings, message, kind = files.check(ctx, "/d")
    assert.is_nil(warnings)
    assert.equal("could not read /d/adapter_config.json: /d/adapter_config.json: permission denied", message)
    assert.equal("denied", kind)
  end)

  it("is warned about when it was made for another base model", function()
    local function warnings_for(base, model)
      return check({ ["adapter_config.json"] = ('{"r": 8, "base_model_name_or_path": %s}'):format(base),
        [WEIGHTS] = "x" }, { model = model })
    end
    assert.same({ "the adapter was made for org/a, the engine runs org/b" }, warnings_for('"org/a"', "org/b"))
    assert.same({}, warnings_for('"meta-llama/Llama-3-8B"', "/models/llama-3-8b/"))
    assert.same({}, warnings_for("null", "org/b"))
    assert.same({}, warnings_for('""', "org/b"))
    assert.same({}, warnings_for('"org/a"', ""))
  end)
end)

describe("the files of a record", function()
  local function are_there(change)
    local ctx, world = fake_workflow_ctx.new()
    world:put("/d")
    world.manifests["/d"] = { source = "s3://b/a", revision = "1" }
    local record = { source = "s3://b/a", revision = "1", path = "/d" }
    change(record, world)
    return files.are_there(ctx, record) ~= nil
  end

  it("are there when the manifest says so and they are an adapter", function()
    assert.is_true(are_there(function() end))
    assert.is_true(are_there(function(record, world)
      record.source, world.manifests["/d"] = nil, nil
    end))
    assert.is_false(are_there(function(record) record.source = "s3://b/other" end))
    assert.is_false(are_there(function(record) record.revision = "2" end))
    assert.is_false(are_there(function(record) record.path = nil end))
    assert.is_false(are_there(function(_, world) world.manifests["/d"] = nil end))
    assert.is_false(are_there(function(_, world) world:put("/d", {}) end))
  end)
end)
