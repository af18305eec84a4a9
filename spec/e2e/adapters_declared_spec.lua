-- Adapters that a file or a variable declares.
local doubles = require("spec.support.adapters")
local files = require("spec.support.files")
local http = require("spec.support.http")
local json = require("dkjson")
local lora = require("spec.support.lora")
local unistd = require("posix.unistd")
local wait = require("spec.support.wait")

local SLOW = "--reconcile-seconds=300" -- so that what happens does so at once

describe("declared adapters", function()
  local double, sidecar, directory, file

  -- Starts a sidecar with a file of this content.
  local function start(text, options)
    options = options or {}
    directory = files.temporary()
    file = files.write(directory .. "/lora.yaml", text or "adapters: []\n")
    double = doubles.start("vllm", options.switches)
    sidecar = lora.serve(double, { directory = directory, env = options.env, arguments = {
      "--lora-config=" .. file, "--lora-dir=" .. directory .. "/declared", options.every or SLOW,
    } })
  end

  local function entry(name, source)
    return ("- name: %s\n  artifactURL: %s\n"):format(name, source or lora.source(directory, name))
  end

  local function declare(...)
    files.write(file, "adapters:\n" .. table.concat({ ... }))
  end

  local function problem()
    local _, reply = sidecar:send("GET", "/v1/lora_adapters")
    return type(reply.declared.problem) == "string" and reply.declared.problem or nil
  end

  local function wait_for_problem(pattern)
    return wait.until_true("the problem to be shown", function()
      local text = problem()
      return text and text:find(pattern) and text, tostring(text)
    end)
  end

  it("are loaded when they appear, changed when they change, and unloaded when they go", function()
    start()
    sidecar:must_load("called")
    declare(entry("a"), entry("b"))
    sidecar:wait_for_engine({ "a", "b", "called" })
    local one = sidecar:wait_for_state("a", "loaded")
    assert.is_true(one.declared)
    assert.equal(directory .. "/declared/a", one.path)
    assert.is_false(sidecar:adapter("called").declared)
    declare(entry("a", lora.source(directory, "other")), entry("b"))
    wait.until_true("a to be replaced", function()
      return double:stats().adapters.a == directory .. "/declared/a.next"
    end)
    assert.equal(1, #double:seen("POST /v1/unload_lora_adapter"))
    declare(entry("b"))
    sidecar:wait_for_engine({ "b", "called" })
  end)

  it("stay as they are while the file is broken or gone, and go on when it is repaired", function()
    start()
    declare(entry("a"))
    sidecar:wait_for_engine({ "a" })
    files.write(file, "adapters: [")
    wait_for_problem("lora%.yaml")
    files.write(file, "adapters:\n- name: b\n")
    wait_for_problem("adapters%[1%]%.artifactURL: is missing")
    files.remove(file)
    wait.until_true("the problem to be another", function()
      local text = problem()
      return text and not text:find("artifactURL")
    end)
    assert.same({ "a" }, double:names())
    assert.equal("loaded", sidecar:adapter("a").state)
    declare(entry("b"))
    sidecar:wait_for_engine({ "b" })
    assert.is_nil(problem())
  end)

  it("may be broken from the start, and are read when they are repaired", function()
    start("adapters: 5\n")
    wait_for_problem("adapters: expected a list")
    assert.equal(503, http.get(sidecar.url, "/ready?adapters=1").status)
    declare(entry("a"))
    sidecar:wait_for_engine({ "a" })
  end)

  it("may come as a vLLMLoRAConfig, which also says what must not exist", function()
    start()
    sidecar:must_load("old")
    files.write(file, json.encode({ vLLMLoRAConfig = {
      host = "localhost", port = 8000, defaultBaseModel = "base",
      ensureExist = { models = { { id = "sql", source = lora.source(directory, "sql") },
        { id = "here", source = doubles.write(directory .. "/here"), ["base-model"] = "other" } } },
      ensureNotExist = { models = { { id = "old", source = "x/y" } } },
    } }))
    sidecar:wait_for_engine({ "here", "sql" })
    local base = {}
    for _, request in ipairs(double:seen("POST /v1/load_lora_adapter")) do
      base[request.json.lora_name] = request.json.base_model
    end
    assert.same({ sql = "base", here = "other" }, base)
    assert.same({ sql = directory .. "/declared/sql", here = directory .. "/here" }, double:stats().adapters)
    local status, reply = sidecar:load("old")
    assert.equal(409, status, json.encode(reply))
  end)

  it("may come with the environment", function()
    local sources = files.temporary()
    start("adapters: []", { env = { LORA_ADAPTERS = json.encode({ { name = "a",
      artifactURL = lora.source(sources, "a") } }) } })
    sidecar:wait_for_engine({ "a" })
  end)

  it("are followed through the links of a mounted ConfigMap", function()
    start()
    local mount = directory .. "/mount"
    local function put(version, text)
      files.write(("%s/..%d/lora.yaml"):format(mount, version), text)
      unistd.link(".." .. version, mount .. "/..data_tmp", true)
      assert(os.rename(mount .. "/..data_tmp", mount .. "/..data"))
    end
    put(1, "adapters:\n" .. entry("a"))
    unistd.link("..data/lora.yaml", mount .. "/lora.yaml", true)
    sidecar:crash()
    sidecar = sidecar:again({ arguments = { "--lora-config=" .. mount .. "/lora.yaml",
      "--lora-dir=" .. directory .. "/declared", SLOW } })
    sidecar:wait_for_engine({ "a" })
    put(2, "adapters:\n" .. entry("b"))
    sidecar:wait_for_engine({ "b" })
  end)

  it("hold the pod back until they are loaded, for those who ask so", function()
    start("adapters: []", { switches = { hold = { { on = "load" } } } })
    sidecar.runtime:ready()
    wait.until_true("to be ready without adapters", function()
      return http.get(sidecar.url, "/ready?adapters=1").status == 200
    end)
    declare(entry("a"))
    double:wait_for_held(1)
    assert.equal(200, http.get(sidecar.url, "/ready").status)
    wait.until_true("not to be ready", function()
      return http.get(sidecar.url, "/ready?adapters=1").status == 503
    end)
    double:set({ hold = json.null })
    double:release()
    wait.until_true("to be ready", function()
      return http.get(sidecar.url, "/ready?adapters=1").status == 200
    end)
  end)

  it("that fail are tried again, and say why", function()
    start("adapters: []", { switches = { fail = { { on = "load", times = 2, status = 500, body = "boom" } } } })
    declare(entry("a"))
    wait.until_true("the failure to be shown", function()
      local one = sidecar:adapter("a")
      return one and one.error == "HTTP 500: boom"
    end)
    sidecar:wait_for_engine({ "a" })
    assert.equal(0, sidecar:wait_for_state("a", "loaded").failures)
  end)

  it("are there again after a restart of all, and those that were taken out meanwhile are not", function()
    start()
    declare(entry("a"), entry("b"))
    sidecar:wait_for_engine({ "a", "b" })
    sidecar:crash()
    declare(entry("b"))
    sidecar = sidecar:again({ arguments = { "--lora-config=" .. file, "--lora-dir=" .. directory .. "/declared" } })
    sidecar:wait_for_engine({ "b" })
  end)

  it("are the file's business, not the API's", function()
    start()
    declare(entry("a"))
    sidecar:wait_for_engine({ "a" })
    local status, reply = sidecar:unload("a")
    assert.equal(409, status)
    assert.truthy(reply.detail:find("is declared in .*lora%.yaml"), reply.detail)
    assert.equal(409, (sidecar:load("a", { source = lora.source(directory, "x") })))
    assert.equal(200, (sidecar:load("a")))
  end)
end)
