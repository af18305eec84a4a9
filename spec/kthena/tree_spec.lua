local tree = require("kthena.tree")

-- Copies a value; returns the copy and the problems as "key: message".
local function copy(value)
  local problems = {}
  local result = tree.copy(value, function(key, message)
    problems[#problems + 1] = key .. ": " .. message
  end)
  return result, problems
end

describe("kthena.tree", function()
  it("copies plain data", function()
    local hook = function() end
    local source = { a = 1, b = { "x", { c = true } }, d = {}, load = hook }
    local result, problems = copy(source)
    assert.same({}, problems)
    assert.same(source, result)
    assert.not_equal(source.b, result.b)
    assert.equal(hook, result.load)
  end)

  it("allows a table in two places, each a copy of its own", function()
    local labels = { drop = { "pid" } }
    local result, problems = copy({ { labels = labels }, { labels = labels } })
    assert.same({}, problems)
    assert.not_equal(result[1].labels, result[2].labels)
  end)

  it("reports what is not plain data, with its place", function()
    local cycle = {}
    cycle.metrics = { cycle }
    local cases = {
      { cycle, "metrics[1]: contains itself" },
      { { metrics = setmetatable({}, {}) }, "metrics: has a metatable; rules are plain data" },
      { { detect = { "a", nil, "b" } }, "detect: is a list with a hole (an item that is nil)" },
      { { metrics = { 1, x = 2 } }, "metrics: mixes list items and named keys" },
      { { metrics = { [0] = 1 } }, "metrics: has a key that is 0; keys are names, or 1, 2, 3... in a list" },
      { { [true] = 1 }, ": has a key that is true; keys are names, or 1, 2, 3... in a list" },
      { { [1.5] = 1 }, ": has a key that is 1.5; keys are names, or 1, 2, 3... in a list" },
    }
    for _, case in ipairs(cases) do
      local _, problems = copy(case[1])
      assert.same({ case[2] }, problems)
    end
  end)

  it("calls no metamethod", function()
    local function bang()
      error("called")
    end
    local trap = setmetatable({}, { __index = bang, __newindex = bang, __len = bang, __pairs = bang, __eq = bang })
    local _, problems = copy({ trap, { trap } })
    assert.same({
      "[1]: has a metatable; rules are plain data",
      "[2][1]: has a metatable; rules are plain data",
    }, problems)
  end)

  it("bounds depth and size", function()
    local deep = {}
    for _ = 1, 30 do
      deep = { deep }
    end
    local _, problems = copy(deep)
    assert.same({ ("[1]"):rep(20) .. ": is nested more than 20 levels deep" }, problems)
    local wide = {}
    for _ = 1, 19 do
      wide = { wide, wide, wide, wide }
    end
    _, problems = copy(wide)
    assert.same({ ": holds more than 100000 values" }, problems)
    local long = {}
    for i = 1, 200000 do
      long[i] = i
    end
    _, problems = copy(long)
    assert.same({ ": holds more than 100000 values" }, problems)
  end)
end)
