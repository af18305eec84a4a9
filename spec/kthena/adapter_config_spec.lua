local config = require("kthena.adapter_config")
local fake_workflow_ctx = require("spec.support.fake_workflow_ctx")
local json = require("kthena.json")

local function parse(data, options)
  return config.parse(data, options or { directory = "/adapters", model = "base" })
end

local function problem_of(data)
  local set, problem = parse(data)
  assert.is_nil(set)
  return problem
end

describe("the list of adapters", function()
  it("is read with what it says, the rest being the engine's", function()
    local set = parse({ adapters = {
      { name = "a", artifactURL = "s3://b/a" },
      { name = "c/d", artifactURL = "hf://o/r", output_dir = "/x", baseModel = "m", pinned = true, rank = 8 },
    } })
    assert.same({
      a = { source = "s3://b/a", output_dir = "/adapters/a", declared = true },
      ["c/d"] = { source = "hf://o/r", output_dir = "/x", base_model = "m", pinned = true, fields = { rank = 8 },
        declared = true },
    }, set.adapters)
    assert.same({}, set.absent)
  end)

  it("may stand alone, and may be empty", function()
    assert.truthy(parse({ { name = "a", source = "o/r" } }).adapters.a)
    assert.same({}, parse({ adapters = {} }).adapters)
    assert.same({}, parse(json.decode("[]")).adapters)
    assert.same({}, parse({ adapters = json.null }).adapters)
  end)

  it("takes a path for where the files are", function()
    assert.same({ output_dir = "/mnt/a", declared = true }, parse({ { name = "a", source = "/mnt/a" } }).adapters.a)
  end)

  it("names directories safely", function()
    local set = parse({ { name = "../x y", source = "o/r" }, { name = "a%b", source = "o/r" } })
    assert.equal("/adapters/%2E.%2Fx%20y", set.adapters["../x y"].output_dir)
    assert.equal("/adapters/a%25b", set.adapters["a%b"].output_dir)
  end)

  it("is refused as a whole, with the place of what is wrong", function()
    local long = ("n"):rep(257)
    for expected, data in pairs({
      ["adapters[1].name: is missing"] = { { artifactURL = "s3://b/a" } },
      ["adapters[2].artifactURL: is missing"] = { { name = "a", source = "o/r" }, { name = "b" } },
      ['adapters[2].name: "a" is there twice'] = { { name = "a", source = "o/r" }, { name = "a", source = "o/s" } },
      ['adapters[1].name: is "base", the name of the base model'] = { { name = "base", source = "o/r" } },
      ["adapters[1].name: has 257 bytes; at most 256 are allowed"] = { { name = long, source = "o/r" } },
      ["adapters[1].name: holds control characters"] = { { name = "a\nb", source = "o/r" } },
      ["adapters[1].name: expected text"] = { { name = 5, source = "o/r" } },
      ["adapters[1].artifactURL: expected text"] = { { name = "a", artifactURL = {} } },
      ["adapters[1].pinned: expected true or false"] = { { name = "a", source = "o/r", pinned = "yes" } },
      ["adapters[1]: expected an entry with a name and where it is"] = { "a" },
      ["adapters: expected a list"] = { adapters = { a = 1 } },
      ['is empty; expected "adapters" or "vLLMLoRAConfig"'] = json.null,
      ['holds no table; expected "adapters" or "vLLMLoRAConfig"'] = "a=b",
      ['has neither "adapters" nor "vLLMLoRAConfig"'] = { adapter = {} },
    }) do
      assert.equal(expected, problem_of(data))
    end
  end)

  it("has an end", function()
    local list = {}
    for i = 1, 1001 do
      list[i] = { name = "a" .. i, source = "o/r" }
    end
    assert.equal("adapters: has 1001 entries; at most 1000 are allowed", problem_of(list))
  end)
end)

describe("vLLMLoRAConfig", function()
  it("is read with defaults and what must not exist", function()
    local set = parse({ vLLMLoRAConfig = {
      name = "sql-loras", host = "localhost", port = 8000, defaultBaseModel = "llama",
      ensureExist = { models = {
        { id = "a", source = "org/a" }, { id = "b", source = "/mnt/b", ["base-model"] = "other" },
      } },
      ensureNotExist = { models = { { id = "c", source = "org/c" }, { id = "d" } } },
    } })
    assert.same({
      a = { source = "org/a", output_dir = "/adapters/a", base_model = "llama", declared = true },
      b = { output_dir = "/mnt/b", base_model = "other", declared = true },
    }, set.adapters)
    assert.same({ c = true, d = true }, set.absent)
  end)

  it("stands beside the other form", function()
    local set = parse({ adapters = { { name = "x", source = "o/x" } },
      vLLMLoRAConfig = { ensureExist = { models = { { id = "y", source = "o/y" } } } } })
    assert.truthy(set.adapters.x and set.adapters.y)
    assert.same({ adapters = {}, absent = {} }, parse({ vLLMLoRAConfig = { ensureExist = json.null } }))
  end)

  it("is refused as a whole, with the place of what is wrong", function()
    local function exist(...)
      return { vLLMLoRAConfig = { ensureExist = { models = { ... } } } }
    end
    for expected, data in pairs({
      ["vLLMLoRAConfig: expected a table with ensureExist and ensureNotExist"] = { vLLMLoRAConfig = "x" },
      ["vLLMLoRAConfig.ensureExist: expected a table with models"] = { vLLMLoRAConfig = { ensureExist = 1 } },
      ["vLLMLoRAConfig.ensureExist.models: expected a list"] = { vLLMLoRAConfig = { ensureExist = { models = 1 } } },
      ["vLLMLoRAConfig.ensureExist.models[1].id: is missing"] = exist({ source = "o/a" }),
      ["vLLMLoRAConfig.ensureExist.models[1].source: is missing"] = exist({ id = "a" }),
      ["vLLMLoRAConfig.ensureNotExist.models[1].id: is missing"] =
        { vLLMLoRAConfig = { ensureNotExist = { models = { {} } } } },
      ["vLLMLoRAConfig.ensureNotExist: expected a table with models"] = { vLLMLoRAConfig = { ensureNotExist = "b" } },
      ['vLLMLoRAConfig.ensureNotExist.models[1].id: "a" is there twice'] = { vLLMLoRAConfig = {
        ensureExist = { models = { { id = "a", source = "o/a" } } }, ensureNotExist = { models = { { id = "a" } } },
      } },
    }) do
      assert.equal(expected, problem_of(data))
    end
  end)
end)

describe("the declared set", function()
  local function read(settings, ctx)
    ctx = ctx or fake_workflow_ctx.new()
    for name, value in pairs(settings) do
      ctx.settings[name] = value
    end
    return config.read(ctx), ctx
  end

  local function file(data, version, problem)
    return { lora_config = { path = "/etc/lora.yaml", data = data, version = version, problem = problem } }
  end

  it("is empty and known where nothing is declared", function()
    local set = read({})
    assert.same({ adapters = {}, absent = {}, known = true, where = "LORA_ADAPTERS" }, set)
  end)

  it("is that of file and variable, and the file's word is the last", function()
    local settings = file({
      adapters = { { name = "a", source = "file/a" } },
      vLLMLoRAConfig = { ensureNotExist = { models = { { id = "c" } } } },
    }, 1)
    settings.lora_adapters = '[{"name":"a","artifactURL":"var/a"},{"name":"b","artifactURL":"var/b"},'
      .. '{"name":"c","artifactURL":"var/c"}]'
    local set = read(settings)
    assert.equal("file/a", set.adapters.a.source)
    assert.equal("var/b", set.adapters.b.source)
    assert.is_nil(set.adapters.c)
    assert.same({ c = true }, set.absent)
    assert.equal("/etc/lora.yaml", set.where)
  end)

  it("stays when the file breaks, and says so", function()
    local _, ctx = read(file({ { name = "a", source = "o/a" } }, 1))
    local set = read(file({ { name = "b" } }, 2), ctx)
    assert.truthy(set.adapters.a)
    assert.is_true(set.known)
    assert.equal("/etc/lora.yaml: adapters[1].artifactURL: is missing", set.problem)
    set = read(file({ { name = "a", source = "o/a" } }, 2, "line 3: not YAML"), ctx)
    assert.truthy(set.adapters.a)
    assert.equal("line 3: not YAML", set.problem)
    set = read(file({ { name = "c", source = "o/c" } }, 3), ctx)
    assert.truthy(set.adapters.c)
    assert.is_nil(set.problem)
  end)

  it("is not known while the file has never been good", function()
    local set = read(file(nil, 0, "/etc/lora.yaml: no such file"))
    assert.is_false(set.known)
    assert.equal("/etc/lora.yaml: no such file", set.problem)
    set = read(file({ { name = "b" } }, 1))
    assert.is_false(set.known)
    assert.equal("/etc/lora.yaml: could not be read yet", read(file(nil, 0)).problem)
  end)

  it("is not known while the variable is none", function()
    local set = read({ lora_adapters = "a=b" })
    assert.is_false(set.known)
    assert.truthy(set.problem:find("^LORA_ADAPTERS: not JSON: .*; expected %[{"))
    assert.equal("LORA_ADAPTERS: adapters[1].name: is missing", read({ lora_adapters = '[{"source":"o/r"}]' }).problem)
    assert.is_true(read({ lora_adapters = "  " }).known)
  end)

  it("takes --lora-dir with or without a slash at its end", function()
    local set = read({ lora_dir = "~/x//", lora_adapters = '{"adapters":[{"name":"a","source":"o/a"}]}' })
    assert.equal("~/x/a", set.adapters.a.output_dir)
  end)
end)
