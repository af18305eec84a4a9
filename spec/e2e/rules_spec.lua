-- Rules that change while the runtime serves: new, edited, bad, good again, by ConfigMap, by SIGHUP.
local engine = require("spec.support.engine")
local files = require("spec.support.files")
local http = require("spec.support.http")
local json = require("dkjson")
local pages = require("spec.support.pages")
local rules = require("spec.support.rules")
local runtime = require("spec.support.runtime")
local wait = require("spec.support.wait")

local PAGE = "acme_queue 1\nacme_backlog 2\n"

describe("rules", function()
  local fake

  setup(function()
    fake = engine.start({ page = PAGE })
  end)

  local function start(directory, ...)
    files.make_directory(directory)
    return runtime.serve(fake, { "--rules", directory, ... })
  end

  local function waiting(sidecar)
    return pages.value(http.get(sidecar.url, "/metrics").body, "kthena:num_requests_waiting")
  end

  local function becomes(sidecar, value)
    wait.until_true(("kthena:num_requests_waiting to become %s"):format(tostring(value)), function()
      local now = waiting(sidecar)
      return now == value, now
    end, 5)
  end

  local function status(sidecar)
    local reply = http.get(sidecar.url, "/v1/rules")
    assert.equal(200, reply.status)
    assert.equal("application/json", reply.headers["content-type"])
    return assert(json.decode(reply.body)), reply.body
  end

  local function own(sidecar, name)
    return pages.value(http.get(sidecar.url, "/metrics/runtime").body, "kthena_runtime_rules_" .. name)
  end

  it("of an engine that nobody knew are live when its file appears", function()
    local directory = files.temporary()
    local sidecar = start(directory, "--engine", "auto")
    assert.is_nil(waiting(sidecar))
    rules.write(directory, "acme", rules.text("acme", "acme_queue"))
    becomes(sidecar, 1)
  end)

  it("follow edits, and a file that is removed again", function()
    local directory = files.temporary()
    rules.write(directory, "acme", rules.text("acme", "acme_queue"))
    local sidecar = start(directory, "--engine", "acme")
    assert.equal(1, waiting(sidecar))
    local generation = own(sidecar, "generation")
    rules.write(directory, "acme", rules.text("acme", "acme_backlog"))
    becomes(sidecar, 2)
    assert.is_true(own(sidecar, "generation") > generation)
    assert.equal(status(sidecar).generation, own(sidecar, "generation"))
    assert.is_true(own(sidecar, "age_seconds") >= 0)
    local extra = rules.write(directory, "other", rules.text("other"))
    wait.until_true("the other engine", function()
      return select(2, status(sidecar)):find('"other"', 1, true)
    end, 5)
    files.remove(extra)
    wait.until_true("the other engine to go", function()
      return not select(2, status(sidecar)):find('"other"', 1, true)
    end, 5)
  end)

  it("of a source and a workflow that nobody knew are known when their files appear", function()
    local directory = files.temporary()
    local sidecar = start(directory)
    rules.write(directory, "acme", rules.source("acme", "acme"), "source")
    files.write(directory .. "/greet.lua", rules.workflow("greet", "/v1/greet"))
    local function find(list, name)
      for _, item in ipairs(list) do
        if item.name == name then
          return item
        end
      end
    end
    local state
    wait.until_true("the source and the workflow", function()
      state = status(sidecar)
      return find(state.sources, "acme") and find(state.workflows, "greet")
    end, 5)
    assert.same({ "acme" }, find(state.sources, "acme").schemes)
    assert.equal(directory .. "/sources/acme.lua", find(state.sources, "acme").file)
    local workflow = find(state.workflows, "greet")
    assert.equal("POST /v1/greet", workflow.method .. " " .. workflow.path)
    assert.equal(directory .. "/greet.lua", workflow.file)
    assert.truthy(sidecar:log():find("loaded rules generation %d+: %d+ engines, %d+ sources?, %d+ workflows? from"),
      sidecar:log())
  end)

  it("cannot take a path of the server, nor one of another workflow", function()
    local directory = files.temporary()
    local sidecar = start(directory)
    local a = rules.write(directory, "a", rules.workflow("a", "/v1/rules"), "workflow")
    local b = rules.write(directory, "b", rules.workflow("b", "/v1/own"), "workflow")
    local c = rules.write(directory, "c", rules.workflow("c", "/v1/own"), "workflow")
    local sentences = {
      a .. ': route.path: "/v1/rules" belongs to the server itself',
      ('%s: route.path: "/v1/own" is taken by %s'):format(c, b),
    }
    for _, sentence in ipairs(sentences) do
      wait.until_true(sentence, function()
        return sidecar:log():find(sentence, 1, true)
      end, 5)
    end
    for _, workflow in ipairs(status(sidecar).workflows) do
      assert.are_not.equal("/v1/own", workflow.path)
    end
  end)

  it("may replace a built-in file", function()
    local directory = files.temporary()
    local sidecar = start(directory)
    assert.is_nil(waiting(sidecar))
    rules.write(directory, "vllm", rules.text("vllm", "acme_queue"))
    becomes(sidecar, 1)
    local found
    for _, file in ipairs(status(sidecar).files) do
      if file.replaces and tostring(file.replaces):find("vllm.lua", 1, true) then
        found = json.encode(file)
      end
    end
    assert.truthy(found and found:find(directory, 1, true), found)
  end)

  it("that are bad leave the last good ones serving and say so everywhere, until they are good again", function()
    local directory = files.temporary()
    rules.write(directory, "acme", rules.text("acme", "acme_queue"))
    local sidecar = start(directory, "--engine", "acme")
    local generation = own(sidecar, "generation")
    assert.equal(0, own(sidecar, "reload_failures_total"))
    local bad = rules.text("acme", "acme_backlog"):gsub('"gauge"', '"guage"')
    local path = rules.write(directory, "acme", bad)
    local sentence = path .. ': metrics[1].type: expected counter, gauge, histogram or summary, got "guage"'
    wait.until_true("the failed reload to be counted", function()
      return own(sidecar, "reload_failures_total") == 1
    end, 5)
    assert.equal(1, waiting(sidecar))
    assert.equal(generation, own(sidecar, "generation"))
    assert.truthy(sidecar:log():find(sentence, 1, true), sidecar:log())
    local state, text = status(sidecar)
    assert.equal(generation, state.generation)
    assert.truthy(text:find((json.encode(sentence):gsub("\\/", "/")), 1, true), text)
    assert.equal(200, http.get(sidecar.url, "/ready").status)
    rules.write(directory, "acme", rules.text("acme", "acme_backlog"))
    becomes(sidecar, 2)
    assert.falsy(select(2, status(sidecar)):find("guage", 1, true))
    assert.equal(1, own(sidecar, "reload_failures_total"))
  end)

  it("of the engine in use cannot be taken away", function()
    local directory = files.temporary()
    local path = rules.write(directory, "acme", rules.text("acme", "acme_queue"))
    local sidecar = start(directory, "--engine", "acme")
    files.remove(path)
    wait.until_true("the failed reload to be counted", function()
      return own(sidecar, "reload_failures_total") == 1
    end, 5)
    assert.equal(1, waiting(sidecar))
    assert.truthy(sidecar:log():find("the engine in use is gone: unknown engine 'acme'", 1, true), sidecar:log())
  end)

  it("of an engine recognised by its page cannot be taken away either", function()
    local directory = files.temporary()
    local path = rules.write(directory, "acme", rules.text("acme", "acme_queue"))
    local sidecar = start(directory, "--engine", "auto")
    assert.equal(1, waiting(sidecar))
    files.remove(path)
    wait.until_true("the failed reload to be counted", function()
      return own(sidecar, "reload_failures_total") == 1
    end, 5)
    assert.equal(1, waiting(sidecar))
  end)

  it("are read from a ConfigMap mount, whose link is swapped", function()
    local directory = files.temporary() .. "/mount"
    rules.mount(directory, "v1", { ["acme.lua"] = rules.text("acme", "acme_queue") })
    local sidecar = start(directory, "--engine", "acme")
    assert.equal(1, waiting(sidecar))
    rules.mount(directory, "v2", { ["acme.lua"] = rules.text("acme", "acme_backlog") })
    becomes(sidecar, 2)
  end)

  it("are read again at SIGHUP, changed or not", function()
    local directory = files.temporary()
    rules.write(directory, "acme", rules.text("acme", "acme_queue"))
    local sidecar = start(directory, "--engine", "acme")
    local generation = own(sidecar, "generation")
    sidecar.process:signal("SIGHUP")
    wait.until_true("a new generation", function()
      return own(sidecar, "generation") > generation
    end)
    assert.equal(1, waiting(sidecar))
  end)

  it("that never end, or eat memory, or call what they may not, are cut with a sentence", function()
    local directory = files.temporary()
    rules.write(directory, "acme", rules.text("acme", "acme_queue"))
    local sidecar = start(directory, "--engine", "acme")
    local bad = {
      loop = { "while true do end", ":1: used more than 1 s\n" },
      caught = { "while true do pcall(function() while true do end end) end", ":1: used more than 1 s\n" },
      hog = { "local text = ('x'):rep(2 ^ 28)", ": used more than 64 MiB of memory" },
      shell = { "os.execute('true')", ":1: " },
      raised = { "error('on purpose')", ":1: on purpose\n" },
      unread = { "return 1 +", ":1: " },
    }
    for name, case in pairs(bad) do
      rules.write(directory, name, case[1])
    end
    wait.until_true("every problem to be told", function()
      for name, case in pairs(bad) do
        if not sidecar:log():find(("%s/engines/%s.lua%s"):format(directory, name, case[2]), 1, true) then
          return false, name
        end
      end
      return true
    end)
    assert.equal(1, waiting(sidecar))
    assert.is_true(own(sidecar, "reload_failures_total") >= 1)
  end)

  it("that are bad at the start end the program with every problem", function()
    local directory = files.temporary()
    rules.write(directory, "acme", "return { api = 1, engin = 'acme', metrics = {} }")
    rules.write(directory, "brok", "return {")
    local result = runtime.run(runtime.arguments(fake, { "--rules", directory }))
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find('acme.lua: engin: unknown key; did you mean "engine"?', 1, true), result.stderr)
    assert.truthy(result.stderr:find("brok.lua:1: ", 1, true), result.stderr)
  end)

  it("see $pod and $model of the command line", function()
    local directory = files.temporary()
    rules.write(directory, "acme", [[return { api = 1, engine = "acme",
      labels = { add = { pod = "$pod", model = "$model", cost = "5$$" } },
      metrics = { { name = "kthena:num_requests_waiting", type = "gauge", from = "acme_queue" } } }]])
    local sidecar = start(directory, "--engine", "acme", "--pod", 'a.ns', "--model", 'say "hi"\\')
    local body = http.get(sidecar.url, "/metrics").body
    local line = body:match("\n(kthena:num_requests_waiting{[^\n]*)")
    for _, label in ipairs({ 'pod="a.ns"', 'model="say \\"hi\\"\\\\"', 'cost="5$"' }) do
      assert.truthy(line:find(label, 1, true), line)
    end
  end)

  it("are shown with the effective mapping at /v1/rules", function()
    local sidecar = runtime.serve(fake)
    local state, text = status(sidecar)
    assert.equal(1, state.generation)
    local names = {}
    for _, file in ipairs(state.files) do
      names[#names + 1] = json.encode(file)
    end
    assert.truthy(table.concat(names):find("engines/vllm.lua", 1, true))
    for _, name in ipairs(pages.standard) do
      assert.truthy(text:find('"' .. name .. '"', 1, true), name)
    end
    assert.truthy(text:find("vllm:time_to_first_token_seconds", 1, true) or text:find("ray_vllm:", 1, true))
  end)
end)

describe("KTHENA_RULES_DIR", function()
  it("takes the place of the built-in rules", function()
    local fake = engine.start({ page = PAGE })
    local directory = files.temporary()
    rules.write(directory, "acme", rules.text("acme", "acme_queue"))
    local env = { KTHENA_RULES_DIR = directory }
    local sidecar = runtime.serve(fake, { "--engine", "acme" }, { env = env })
    assert.equal(1, pages.value(http.get(sidecar.url, "/metrics").body, "kthena:num_requests_waiting"))
    local result = runtime.run(runtime.arguments(fake), { env = env })
    assert.equal(2, result.status)
    assert.truthy(result.stderr:find("unknown engine 'vllm'", 1, true), result.stderr)
  end)
end)
