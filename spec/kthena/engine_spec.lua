-- The words a rule author reads, as `rules check` and the log print them.
local testing = require("kthena.testing")

-- Loads the source of a rule file; returns its problems as a list, without the file's name.
local function problems(source)
  local engine, text = testing.load("rules/engines/x.lua", source)
  local list = {}
  for line in (engine and "" or text):gmatch("[^\n]+") do
    list[#list + 1] = assert(line:match("^rules/engines/x%.lua: (.*)$"), line)
  end
  return list
end

-- The problems of a file with these fields, which are Lua, besides the ones every file needs.
local function fields(lua)
  return problems("return { api = 1, engine = 'x', metrics = {}, " .. lua .. " }")
end

-- The problems of a file with one metric with these fields; they begin with "metrics[1]", which is left out.
local function metric(lua)
  local list = problems("return { api = 1, engine = 'x', metrics = { { name = 'kthena:x', " .. lua .. " } } }")
  for i, line in ipairs(list) do
    list[i] = line:gsub("^metrics%[1%]%.?", "")
  end
  return list
end

local NAME = 'a metric name (letters, digits, "_", ":")'
local LABEL = 'a label name (letters, digits, "_")'
local ENGINE = 'an engine name (lower-case letters, digits, "_", ".", "-")'

describe("the schema of engine files", function()
  it("accepts a file with everything in it", function()
    assert.same({}, problems([[return {
      api = 1, engine = "a.b-c_9", aliases = { "other" }, detect = { "acme_" }, prefixes = { "acme:", "" },
      labels = {
        drop = { "pid" }, rename = { model = "model_name" }, add = { pod = "$pod", model = "$model", cost = "5$$" },
      },
      metrics = {
        { name = "kthena:a", type = "counter", help = "A.", from = "a" },
        {
          name = "kthena:b", type = "gauge", merge = "max",
          from = { "b", { name = "c", sample = "sum", scale = 0.001, where = { x = "y" }, prefixes = { "" } } },
        },
        { name = "kthena:c", type = "histogram", from = { "c" }, scale = "1e-6", where = { priority = { "", "1" } } },
        { name = "kthena:d", type = "summary", sum = "d_us", count = { name = "d_total", scale = 2 } },
      },
      adapters = {
        load = function() end, unload = function() end, list = function() end, reset = function() end,
      },
    }]]))
    assert.same({}, fields("adapters = { cannot = 'it takes none' }"))
    assert.same({}, problems("return { api = 1, engine = 'x', metrics = {} }"))
  end)

  it("wants a table", function()
    assert.same({ "expected a table; a rule file ends with return { ... }, got nothing" }, problems(""))
    assert.same({ "expected a table; a rule file ends with return { ... }, got 5" }, problems("return 5"))
  end)

  it("wants api, engine and metrics", function()
    assert.same({
      "api: missing; expected 1",
      "engine: missing; expected " .. ENGINE,
      "metrics: missing; expected a list of metrics",
    }, problems("return {}"))
    assert.same({ "api: expected 1, the only version there is, got 2" },
      problems("return { api = 2, engine = 'x', metrics = {} }"))
  end)

  it("checks the file's own fields", function()
    assert.same({ 'engin: unknown key; did you mean "engine"?' }, fields("engin = 'x'"))
    assert.same({ "aliases[2]: expected " .. ENGINE .. ', got "B C"' }, fields("aliases = { 'b', 'B C' }"))
    assert.same({ 'aliases[1]: "auto" means finding the engine out from its page; choose another name' },
      fields("aliases = { 'auto' }"))
    assert.same({ 'aliases[1]: "x" is there twice' }, fields("aliases = { 'x' }"))
    assert.same({ 'detect: expected a list of beginnings of page lines, got "x:"' }, fields("detect = 'x:'"))
    assert.same({ 'detect[1]: expected the beginning of a page line, got ""' }, fields("detect = { '' }"))
    assert.same({ "prefixes: is empty; expected at least one item" }, fields("prefixes = {}"))
    assert.same({ 'prefixes[1]: expected a prefix of metric names (letters, digits, "_", ":"), got "a b"' },
      fields("prefixes = { 'a b' }"))
    assert.same({ "adapters.load: expected a function, got true", 'adapters.lst: unknown key; did you mean "list"?' },
      fields("adapters = { load = true, unload = print, lst = print }"))
    local there = 'missing; "load" and "unload" are there, or "cannot"'
    assert.same({ "adapters.load: " .. there, "adapters.unload: " .. there }, fields("adapters = {}"))
    assert.same({ "adapters.unload: " .. there }, fields("adapters = { load = print, list = print }"))
    assert.same({ 'adapters.list: cannot stand beside "cannot"' },
      fields("adapters = { cannot = 'no', list = print }"))
    assert.same({ "adapters.cannot: expected a sentence, got true", "adapters.load: cannot stand beside \"cannot\"" },
      fields("adapters = { cannot = true, load = print }"))
    assert.same({ 'adapters.cannot: expected a sentence, got ""' }, fields("adapters = { cannot = '' }"))
  end)

  it("checks names and types of metrics", function()
    assert.same({ 'type: expected counter, gauge, histogram or summary, got "guage"' },
      metric("type = 'guage', from = 'x'"))
    assert.same({ "type: missing; expected counter, gauge, histogram or summary" }, metric("from = 'x'"))
    assert.same({ 'nmae: unknown key; did you mean "name"?' }, metric("type = 'gauge', from = 'x', nmae = 'y'"))
    assert.same({ "metrics[1]: expected a table, got 5" },
      problems("return { api = 1, engine = 'x', metrics = { 5 } }"))
    assert.same({ "metrics[1].name: expected " .. NAME .. ', got "a-b"' },
      problems("return { api = 1, engine = 'x', metrics = { { name = 'a-b', type = 'gauge', from = 'x' } } }"))
    assert.same({ 'metrics[2].name: "a" is the name of metrics[1] already' },
      problems([[local a = { name = 'a', type = 'gauge', from = 'x' }
        return { api = 1, engine = 'x', metrics = { a, a } }]]))
  end)

  it("checks sources", function()
    assert.same({ "from: missing; expected a source or a list of sources" }, metric("type = 'gauge'"))
    assert.same({ "from: is empty; expected at least one item" }, metric("type = 'gauge', from = {}"))
    assert.same({ "from: expected a metric name or a table, got true" }, metric("type = 'gauge', from = true"))
    assert.same({ "from[2]: expected " .. NAME .. ', got "a b"' }, metric("type = 'gauge', from = { 'a', 'a b' }"))
    assert.same({ "from.name: missing; expected " .. NAME }, metric("type = 'gauge', from = { scale = 2 }"))
    assert.same({ 'from[1].sample: expected sum or count, got "max"' },
      metric("type = 'gauge', from = { { name = 'a', sample = 'max' } }"))
    assert.same({ "sample: goes with type counter or gauge, this is a histogram" },
      metric("type = 'histogram', from = 'a', sample = 'sum'"))
    assert.same({ "from[1].sample: goes with type counter or gauge, this is a summary" },
      metric("type = 'summary', from = { { name = 'a', sample = 'sum' } }"))
  end)

  it("checks pairs of sum and count", function()
    assert.same({ 'count: missing; "sum" and "count" go together' }, metric("type = 'summary', sum = 'a'"))
    assert.same({ 'sum: missing; "sum" and "count" go together' }, metric("type = 'summary', count = 'a'"))
    assert.same({ 'from: cannot stand beside "sum" and "count"' },
      metric("type = 'summary', from = 'a', sum = 'a', count = 'b'"))
    assert.same({ 'sum: goes with type summary or histogram, this is a counter; "sample" takes one of the two' },
      metric("type = 'counter', sum = 'a', count = 'b'"))
    assert.same({ "sum.sample: unknown key; expected name or scale" },
      metric("type = 'summary', sum = { name = 'a', sample = 'sum' }, count = 'b'"))
  end)

  it("checks factors", function()
    for _, good in ipairs({ "0.001", "1000", "-1", "1e-6", "'1e-6'", "'.5'", "'1E3'", "'+0.25'" }) do
      assert.same({}, metric("type = 'gauge', from = 'a', scale = " .. good), good)
    end
    local expected = 'expected a number that is not 0, such as 0.001 or "1e-6", got '
    for bad, shown in pairs({ ["0"] = "0", ["0/0"] = "nan", ["1/0"] = "inf", ["'0.0'"] = '"0.0"', ["'0x10'"] = '"0x10"',
      ["' 1'"] = '" 1"', ["'1e999'"] = '"1e999"', ["''"] = '""', ["'.'"] = '"."' }) do
      local found = metric("type = 'gauge', from = 'a', scale = " .. bad)
      found[1] = found[1] and found[1]:gsub("%-nan", "nan")
      assert.same({ "scale: " .. expected .. shown }, found)
    end
    assert.same({ 'scale: expected a number such as 0.001 or "1e-6", got true' },
      metric("type = 'gauge', from = 'a', scale = true"))
  end)

  it("checks selections", function()
    assert.same({ "where: expected a table of labels and their values, got a list" },
      metric("type = 'gauge', from = 'a', where = { 'x' }"))
    assert.same({ 'where["a-b"]: expected ' .. LABEL .. ', got "a-b"' },
      metric("type = 'gauge', from = 'a', where = { ['a-b'] = 'x' }"))
    assert.same({ "where.a[2]: expected text, got 1" },
      metric("type = 'gauge', from = 'a', where = { a = { 'x', 1 } }"))
    assert.same({ "where.a: is empty; expected at least one item" },
      metric("type = 'gauge', from = 'a', where = { a = {} }"))
  end)

  it("checks label edits", function()
    assert.same({ "labels.drop[1]: expected " .. LABEL .. ', got "a:b"' },
      metric("type = 'gauge', from = 'a', labels = { drop = { 'a:b' } }"))
    assert.same({ "labels.rename.a: expected " .. LABEL .. ', got ""' },
      metric("type = 'gauge', from = 'a', labels = { rename = { a = '' } }"))
    assert.same({ 'labels.add.a: unknown variable "$podd"; expected $pod or $model, or $$ for a $' },
      metric("type = 'gauge', from = 'a', labels = { add = { a = '$pod $podd $$podd' } }"))
    assert.same({ 'labels.ad: unknown key; did you mean "add"?' },
      metric("type = 'gauge', from = 'a', labels = { ad = {} }"))
    assert.same({ "merge: goes with type counter or gauge, this is a histogram" },
      metric("type = 'histogram', from = 'a', merge = 'max'"))
    assert.same({ 'merge: expected max or min, got "sum"' }, metric("type = 'gauge', from = 'a', merge = 'sum'"))
  end)

  it("keeps edits away from the labels of buckets and quantiles", function()
    local words = '"le" holds the boundaries of a histogram such as metrics[1]; leave it alone'
    local edits = { "drop = { 'le' }", "rename = { le = 'x' }", "rename = { x = 'le' }", "add = { le = '1' }" }
    for _, edit in ipairs(edits) do
      assert.same({ "labels: " .. words }, metric("type = 'histogram', from = 'a', labels = { " .. edit .. " }"))
      assert.same({}, metric("type = 'gauge', from = 'a', labels = { " .. edit .. " }"))
    end
    assert.same({ "labels: " .. words }, problems([[return {
      api = 1, engine = 'x', labels = { drop = { 'le' } },
      metrics = { { name = 'a', type = 'histogram', from = 'a' }, { name = 'b', type = 'histogram', from = 'b' } } }]]))
    assert.same({ 'labels: "quantile" holds the boundaries of a summary such as metrics[1]; leave it alone' },
      metric("type = 'summary', from = 'a', labels = { drop = { 'quantile' } }"))
  end)

  it("reports every problem, not only the first", function()
    assert.same({
      'detect[1]: expected the beginning of a page line, got ""',
      "metrics[1].name: missing; expected " .. NAME,
      'metrics[1].type: expected counter, gauge, histogram or summary, got "guage"',
      'metrics[1].nmae: unknown key; did you mean "name"?',
      'metrics[2].scale: expected a number that is not 0, such as 0.001 or "1e-6", got "abc"',
      'metrics[2].count: missing; "sum" and "count" go together',
    }, problems([[return { api = 1, engine = "x", detect = { "" }, metrics = {
      { nmae = "a", type = "guage", from = "a" },
      { name = "b", type = "summary", sum = "b", scale = "abc" },
    } }]]))
  end)

  it("says how many more there are than it prints", function()
    local list = problems("local m = {} for i = 1, 300 do m[i] = i end return { api = 1, engine = 'x', metrics = m }")
    assert.equal(101, #list)
    assert.equal("200 more problems", list[101])
  end)

  it("is not taken in by data that is not plain", function()
    assert.same({ "metrics: has a metatable; rules are plain data" },
      problems([[return { api = 1, engine = "x", metrics = setmetatable({}, { __index = function() return 1 end }) }]]))
    assert.same({ "metrics[1]: contains itself" },
      problems([[local t = { api = 1, engine = "x", metrics = {} } t.metrics[1] = t return t]]))
    assert.same({ "api: expected 1, got a cdata", "engine: expected " .. ENGINE .. ", got a function" },
      problems([[return { api = 1LL, engine = print, metrics = {} }]]))
  end)
end)
