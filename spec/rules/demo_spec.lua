-- The demo engine's page: numbers that a real engine could have shown, at any time and from one time to the next.
local sandbox = require("kthena.sandbox")
local support = require("spec.rules.support")
local testing = require("kthena.testing")

-- The demo, in the sandbox that rule files run in.
local function load_demo()
  local path = support.root .. "rules/demo/vllm.lua"
  return assert(sandbox.load(testing.read(path), "=demo.lua", path))()
end

-- Name and labels -> number, and name -> type.
local function read(page)
  local values, types = {}, {}
  for series, value in pairs(testing.samples(page)) do
    values[series] = assert(tonumber(value), series .. " " .. value)
  end
  for name, kind in page:gmatch("# TYPE (%S+) (%S+)") do
    types[name] = kind
  end
  return values, types
end

local function total(values, start)
  local sum = 0
  for series, value in pairs(values) do
    if series:sub(1, #start) == start then
      sum = sum + value
    end
  end
  return sum
end

local times = {}
for i = 0, 120 do
  times[#times + 1] = i * 0.37
end
for i = 1, 40 do
  times[#times + 1] = 60 + i * 31.7
end
times[#times + 1] = 30 * 86400

describe("the demo engine's page", function()
  local demo = load_demo()

  it("is the same for the same second", function()
    assert.equal(1, demo.api)
    assert.equal("vllm", demo.demo)
    assert.equal(demo.page(77.5), demo.page(77.5))
    assert.equal("\n", demo.page(0):sub(-1))
  end)

  it("has the five families and the families a reader must not mistake for them", function()
    local page = demo.page(60)
    assert.same(support.five, support.names(support.engine("vllm"):families(page)))
    for _, name in ipairs({ "vllm:num_requests_waiting_by_reason", "vllm:generation_tokens_created",
      "vllm:request_time_per_output_token_seconds", "python_info", "process_cpu_seconds_total" }) do
      assert.truthy(page:find("\n# TYPE " .. name .. " ", 1, true), name)
    end
  end)

  it("never takes a count back", function()
    local before, wrong = {}, {}
    for _, time in ipairs(times) do
      local values, types = read(demo.page(time))
      for series, value in pairs(values) do
        local name = series:match("^[^{]*")
        local kind = types[name] or types[name:match("^(.*)_%l+$")]
        local least = kind == "gauge" and 0 or before[series] or 0
        if not kind or value < least then
          wrong[#wrong + 1] = ("%s (%s): %g at %g"):format(series, kind, value, time)
        end
        before[series] = value
      end
    end
    assert.same({}, wrong)
  end)

  it("has buckets that grow with their bound, the last of which is the count", function()
    local wrong = {}
    for _, time in ipairs(times) do
      local page = demo.page(time)
      local values = read(page)
      local below = {}
      for name, labels, value in page:gmatch("\n(%S-)_bucket(%b{}) (%S+)") do
        local count = tonumber(value)
        local others, last = labels:gsub(',le="%+Inf"', "")
        if count < (below[name] or 0) or last == 1 and (count ~= values[name .. "_count" .. others]
            or (count > 0) ~= (values[name .. "_sum" .. others] > 0)) then
          wrong[#wrong + 1] = ("%s%s: %g at %g"):format(name, labels, count, time)
        end
        below[name] = count
      end
      assert.truthy(below["vllm:inter_token_latency_seconds"])
    end
    assert.same({}, wrong)
  end)

  it("agrees with itself", function()
    for _, time in ipairs(times) do
      local values = read(demo.page(time))
      local function all(name)
        return total(values, name .. "{")
      end
      local begun = all("vllm:time_to_first_token_seconds_count")
      local finished = all("vllm:e2e_request_latency_seconds_count")
      assert.equal(all("vllm:num_requests_waiting"), all("vllm:num_requests_waiting_by_reason"))
      assert.equal(all("vllm:num_requests_running"), begun - finished)
      assert.equal(all("vllm:request_success_total"), finished)
      assert.equal(all("vllm:generation_tokens_total"), begun + all("vllm:inter_token_latency_seconds_count"))
      assert.is_true(all("vllm:kv_cache_usage_perc") < 1)
    end
  end)

  it("moves", function()
    local waiting, running = {}, {}
    for time = 30, 300, 5 do
      local values = read(demo.page(time))
      waiting[total(values, "vllm:num_requests_waiting{")] = true
      running[total(values, "vllm:num_requests_running{")] = true
    end
    local function distinct(set)
      local count = 0
      for _ in pairs(set) do
        count = count + 1
      end
      return count
    end
    assert.is_true(distinct(waiting) >= 5, "waiting")
    assert.is_true(distinct(running) >= 5, "running")
  end)
end)
