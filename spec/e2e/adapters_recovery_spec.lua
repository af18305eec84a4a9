-- What is wanted is there again after the engine, the sidecar or both have gone.
local doubles = require("spec.support.adapters")
local files = require("spec.support.files")
local json = require("dkjson")
local lora = require("spec.support.lora")
local wait = require("spec.support.wait")

local FAST = { "--reconcile-seconds=0.3" }

local function names(count)
  local list = {}
  for i = 1, count do
    list[i] = ("a%02d"):format(i)
  end
  return list
end

local function load_all(sidecar, list)
  local bodies = {}
  for i, name in ipairs(list) do
    bodies[i] = sidecar:body(name)
  end
  for _, reply in ipairs(sidecar:send_all("/v1/load_lora_adapter", bodies)) do
    assert.equal(200, reply.status, reply.body)
  end
end

describe("after a restart of the engine", function()
  it("all adapters are back without anybody's call, side by side", function()
    local double = doubles.start("vllm", { seconds = { load = 0.1 } })
    local sidecar = lora.serve(double)
    local twenty = names(20)
    load_all(sidecar, twenty)
    double:forget()
    double:crash()
    wait.until_true("the loss to be noticed", function()
      return sidecar:sample("kthena_runtime_engine_up") == 0
    end)
    double:revive()
    sidecar:wait_for_engine(twenty)
    local stats = double:stats()
    assert.equal(20, #double:seen("POST /v1/load_lora_adapter"))
    assert.equal(0, stats.overlaps)
    assert.is_true(stats.parallel > 4)
    for _, name in ipairs(twenty) do
      assert.equal("loaded", sidecar:wait_for_state(name, "loaded").state)
    end
    wait.until_true("the time of recovery to be known", function()
      return sidecar:sample("kthena_runtime_lora_recovery_seconds_count") == 1
    end)
  end)

  it("too short for anybody to notice, all are back with the next comparison", function()
    local double = doubles.start("vllm")
    local sidecar = lora.serve(double, { arguments = FAST })
    load_all(sidecar, names(3))
    double:restart(0)
    sidecar:wait_for_engine(names(3))
  end)

  it("that no connection has met, the other socket at its port tells", function()
    local double = doubles.start("vllm")
    local sidecar = lora.serve(double, { arguments = { "--reconcile-seconds=3600" } })
    load_all(sidecar, names(3))
    double:restart(0)
    sidecar:wait_for_engine(names(3))
    assert.equal(2, sidecar:sample("kthena_runtime_engine_starts_total"))
  end)

  it("one that fails is tried again, and does not hold up the others", function()
    local double = doubles.start("vllm")
    local sidecar = lora.serve(double, { arguments = FAST })
    load_all(sidecar, names(3))
    double:set({ fail = { { on = "load", name = "a02", times = 2, status = 500, body = "boom" } } })
    double:restart()
    sidecar:wait_for_engine({ "a01", "a03" })
    sidecar:wait_for_engine(names(3))
    assert.equal("loaded", sidecar:wait_for_state("a02", "loaded").state)
  end)

  it("what was unloaded meanwhile does not come back", function()
    local double = doubles.start("vllm")
    local sidecar = lora.serve(double, { arguments = FAST })
    load_all(sidecar, names(2))
    double:stop()
    local status = sidecar:unload("a01")
    assert.equal(503, status)
    double:start()
    sidecar:wait_for_engine({ "a02" })
    wait.until_true("it to be forgotten", function()
      return sidecar:adapter("a01") == nil
    end)
  end)

  it("a load that it broke off is brought to its end when it was wanted before", function()
    local double = doubles.start("vllm")
    local sidecar = lora.serve(double, { arguments = FAST })
    sidecar:must_load("a")
    double:set({ hold = { { on = "load" } } })
    double:restart()
    double:wait_for_held(1)
    double:set({ hold = json.null })
    double:restart()
    sidecar:wait_for_engine({ "a" })
  end)

  it("adapters that others have loaded are left alone", function()
    local double = doubles.start("vllm", { check_path = false })
    local sidecar = lora.serve(double, { arguments = FAST })
    sidecar:must_load("a")
    local http = require("spec.support.http")
    http.request(double.url, "POST", "/v1/load_lora_adapter", { "Content-Type: application/json" },
      '{"lora_name":"theirs","lora_path":"/theirs"}')
    wait.until_true("three comparisons", function()
      return (sidecar:sample("kthena_runtime_lora_reconcile_runs_total") or 0) > 3
    end)
    assert.same({ a = "loaded", theirs = "unmanaged" }, sidecar:states())
  end)
end)

describe("after a restart of the sidecar", function()
  it("it knows what is wanted, and does not load it twice", function()
    local double = doubles.start("vllm")
    local sidecar = lora.serve(double, { arguments = FAST })
    load_all(sidecar, names(3))
    sidecar:crash()
    double:forget()
    sidecar = sidecar:again({ arguments = FAST })
    local one = sidecar:wait_for_state("a01", "loaded")
    assert.is_true(one.confirmed and one.wanted)
    assert.equal("already_loaded", sidecar:must_load("a02").status)
    assert.equal(0, #double:seen("POST /v1/load_lora_adapter"))
  end)

  it("and of the engine with it, all are back", function()
    local double = doubles.start("vllm")
    local sidecar = lora.serve(double, { arguments = FAST })
    load_all(sidecar, names(3))
    sidecar:crash()
    double:crash()
    double:revive()
    sidecar = sidecar:again({ arguments = FAST })
    sidecar:wait_for_engine(names(3))
  end)

  it("a damaged state is kept aside, and the engine's adapters are left", function()
    local double = doubles.start("vllm")
    local sidecar = lora.serve(double, { arguments = FAST })
    sidecar:must_load("a")
    sidecar:crash()
    files.write(sidecar.directory .. "/state/state.json", '{"version":1,"val')
    sidecar = sidecar:again({ arguments = FAST })
    assert.truthy(sidecar.runtime:wait_for_log("state%.json%.damaged"))
    assert.same({ a = "unmanaged" }, sidecar:states())
    assert.equal("already_loaded", sidecar:must_load("a").status)
    assert.same({ a = "loaded" }, sidecar:states())
  end)

  it("in the middle of a replacement, either the new one is there, or the old one again", function()
    local double = doubles.start("vllm", { max_rank = 16 })
    local sidecar = lora.serve(double, { arguments = FAST })
    sidecar:must_load("a")
    local bad = lora.source(sidecar.directory, "bad", { r = 64 })
    local good = lora.source(sidecar.directory, "good")
    for _, case in ipairs({ { bad, "/adapters/a" }, { good, "/adapters/a.next" } }) do
      local source, expected = unpack(case)
      double:set({ hold = { { on = "load" } } })
      sidecar:send("POST", "/v1/load_lora_adapter", sidecar:body("a", { source = source, async_download = true }))
      double:wait_for_held(double:stats().held + 1)
      sidecar:crash()
      double:set({ hold = json.null })
      double:restart()
      sidecar = sidecar:again({ arguments = FAST })
      wait.until_true("the engine to have " .. expected, function()
        local path = double:stats().adapters.a
        return path == sidecar.directory .. expected, path
      end, 20)
      sidecar:wait_for_state("a", "loaded")
    end
  end)
end)

describe("whatever happens", function()
  local NAMES = names(4)

  -- What a sequence does to the world, each with a share of the steps.
  local steps = {
    { 6, function(world)
      local name, source = NAMES[math.random(#NAMES)], math.random(3)
      return ("load %s %d"):format(name, source), function()
        world.sidecar:load(name, { source = world.sources[source], async_download = math.random(4) == 1 })
      end
    end },
    { 3, function(world)
      local name = NAMES[math.random(#NAMES)]
      return "unload " .. name, function()
        world.sidecar:unload(name)
      end
    end },
    { 2, function(world)
      local bodies = {}
      for i = 1, 6 do
        bodies[i] = world.sidecar:body(NAMES[math.random(#NAMES)], { source = world.sources[math.random(3)] })
      end
      return "six loads at once", function()
        world.sidecar:send_all("/v1/load_lora_adapter", bodies)
      end
    end },
    { 1, function(world)
      return "engine restarts", function()
        world.double:restart(math.random() * 0.2)
      end
    end },
    { 1, function(world)
      return "engine crashes", function()
        world.double:crash()
        world.double:revive()
      end
    end },
    { 1, function(world)
      return "sidecar is killed", function()
        world.sidecar:crash()
        world.sidecar = world.sidecar:again({ arguments = FAST })
      end
    end },
    { 1, function(world)
      return "both are killed", function()
        world.sidecar:crash()
        world.double:crash()
        world.double:revive()
        world.sidecar = world.sidecar:again({ arguments = FAST })
      end
    end },
    { 2, function(world)
      local name = NAMES[math.random(#NAMES)]
      return "engine fails twice for " .. name, function()
        world.double:set({ fail = { { on = "load", name = name, times = 2, status = 500, body = "boom" } } })
      end
    end },
    { 1, function(world)
      return "a job is cancelled", function()
        local _, reply = world.sidecar:load(NAMES[1], { source = world.sources[1], async_download = true })
        if type(reply) == "table" and reply.job_id then
          world.sidecar:send("DELETE", "/v1/jobs/" .. reply.job_id)
        end
      end
    end },
  }

  local function pick()
    local total = 0
    for _, step in ipairs(steps) do
      total = total + step[1]
    end
    local at = math.random(total)
    for _, step in ipairs(steps) do
      at = at - step[1]
      if at <= 0 then
        return step[2]
      end
    end
  end

  -- Whether the files of an adapter are those of its source.
  local function has_files(one)
    return files.read(one.path .. "/adapter_model.safetensors") == "weights of " .. one.source:sub(#"file://" + 1)
  end

  -- Whether the engine has what is wanted, with the right files; and the two, to be shown.
  local function compare(world)
    local _, reply = world.sidecar:send("GET", "/v1/lora_adapters")
    local wanted, known = {}, true
    for _, one in ipairs(reply.adapters or {}) do
      if one.wanted then
        wanted[#wanted + 1] = one.name .. "=" .. tostring(one.path)
        known = known and (one.state ~= "loaded" or has_files(one))
      end
      known = known and one.state ~= "downloading" and one.state ~= "loading" and one.state ~= "unloading"
    end
    local has = {}
    for name, path in pairs(world.double:stats().adapters) do
      has[#has + 1] = name .. "=" .. path
    end
    table.sort(wanted)
    table.sort(has)
    return known and table.concat(wanted, " ") == table.concat(has, " "),
      ("wanted: %s\nengine: %s"):format(table.concat(wanted, " "), table.concat(has, " "))
  end

  for round = 1, 3 do
    it(("the engine ends up with what is wanted (%d)"):format(round), function()
      local seed = tonumber(os.getenv("KTHENA_TEST_SEED") or "") or os.time() * 10 + round
      math.randomseed(seed)
      local double = doubles.start("vllm", { seconds = { load = 0.01 } })
      local world = { double = double, sidecar = lora.serve(double, { arguments = FAST }), sources = {} }
      for i = 1, 3 do
        world.sources[i] = lora.source(world.sidecar.directory, "s" .. i)
      end
      local story = { "KTHENA_TEST_SEED=" .. seed }
      for i = 1, 40 do
        local what, act = pick()(world)
        story[i + 1] = what
        act()
      end
      local ok, problem = pcall(wait.until_true, "all to be as it is wanted", function()
        return compare(world)
      end, 30)
      assert(ok, tostring(problem) .. "\n" .. table.concat(story, "\n"))
      wait.until_true("two more comparisons", function()
        return (world.sidecar:sample("kthena_runtime_lora_reconcile_runs_total") or 0) > 2
      end)
      local same, difference = compare(world)
      assert(same, difference .. "\n" .. table.concat(story, "\n"))
    end)
  end
end)
