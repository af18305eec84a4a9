local testing = require("kthena.testing")

-- An engine with one metric with these fields, and perhaps fields of the file.
local function engine(metric, file, options)
  local source = "return { api = 1, engine = 'x', metrics = { { name = 'kthena:x', %s } }, %s }"
  return assert(testing.load("rules/engines/x.lua", source:format(metric, file or ""), options))
end

local function sources(...)
  return engine(...).effective.metrics[1].sources
end

local HISTOGRAM = table.concat({
  "# TYPE a histogram", 'a_bucket{le="250"} 1', 'a_bucket{le="+Inf"} 2', "a_sum 1500", "a_count 2", "",
}, "\n")

describe("the expansion of metrics", function()
  it("tries each source with each prefix, in order", function()
    assert.same({ { name = "p_a" }, { name = "q_a" }, { name = "p_b" }, { name = "q_b" } },
      sources("type = 'gauge', from = { 'a', 'b' }", "prefixes = { 'p_', 'q_' }"))
    assert.same({ { name = "r_a" } }, sources("type = 'gauge', from = 'a', prefixes = { 'r_' }", "prefixes = { 'p_' }"))
    assert.same({ { name = "s_a" }, { name = "b" } },
      sources("type = 'gauge', from = { { name = 'a', prefixes = { 's_' } }, 'b' }"))
  end)

  it("lets a source override its metric", function()
    assert.same({
      { name = "a", scale = "0.001", sample = "sum", where = { x = { "1" } } },
      { name = "b", scale = "1e-6", sample = "count", where = { y = { "", "2" } } },
    }, sources([[type = 'counter', scale = 0.001, sample = 'sum', where = { x = '1' },
      from = { 'a', { name = 'b', scale = '1e-6', sample = 'count', where = { y = { '', '2' } } } }]]))
  end)

  it("takes the first source that is there", function()
    local gauge = engine("type = 'gauge', from = { 'a', 'b' }")
    assert.equal("# HELP kthena:x The engine's b.\n# TYPE kthena:x gauge\nkthena:x 2\n", gauge:families("b 2\n"))
    assert.equal("# HELP kthena:x The engine's a.\n# TYPE kthena:x gauge\nkthena:x 1\n", gauge:families("b 2\na 1\n"))
    assert.equal("", gauge:families("c 3\n"))
    assert.same({ ["kthena:x"] = "a" }, gauge:why("b 2\na 1\n"))
    assert.same({ ["kthena:x"] = "the page has no matching samples of a, b" }, gauge:why("c 3\n"))
    assert.same({ ["kthena:x"] = "the engine exposes it itself" }, gauge:why("kthena:x 1\na 1\n"))
  end)

  it("takes histograms whole, sums and bounds scaled", function()
    local samples, keys = testing.samples(engine("type = 'histogram', from = 'a', scale = 0.001"):families(HISTOGRAM))
    assert.same({ 'kthena:x_bucket{le="0.25"}', 'kthena:x_bucket{le="+Inf"}', "kthena:x_sum", "kthena:x_count" }, keys)
    assert.equal("1", samples['kthena:x_bucket{le="0.25"}'])
    assert.equal("1.5", samples["kthena:x_sum"])
    assert.equal("2", samples["kthena:x_count"])
  end)

  it("takes one sample of a histogram", function()
    assert.equal("# HELP kthena:x The engine's a.\n# TYPE kthena:x counter\nkthena:x 1500\n",
      engine("type = 'counter', from = 'a', sample = 'sum'"):families(HISTOGRAM))
    assert.equal("# HELP kthena:x The engine's a.\n# TYPE kthena:x gauge\nkthena:x 2\n",
      engine("type = 'gauge', from = 'a', sample = 'count'"):families(HISTOGRAM))
  end)

  it("makes a summary of two counters, when both are there", function()
    local pair = engine("type = 'summary', sum = { name = 'a_us', scale = '1e-6' }, count = 'a_ok', help = 'H.'")
    assert.same({ { sum = { name = "a_us", scale = "1e-6" }, count = { name = "a_ok" } } },
      pair.effective.metrics[1].sources)
    assert.equal("# HELP kthena:x H.\n# TYPE kthena:x summary\nkthena:x_sum 2.5\nkthena:x_count 3\n",
      pair:families("a_us 2500000\na_ok 3\n"))
    assert.equal("", pair:families("a_us 2500000\n"))
  end)

  it("selects and edits labels", function()
    local edited = engine([[type = 'gauge', from = 'a', where = { p = { '', '1' } },
      labels = { drop = { 'd' }, rename = { r = 's' }, add = { pod = '$pod', both = '$model/$pod$$', n = '$$pod' } }]],
      nil, { pod = "p1", model = "m1" })
    local samples, keys = testing.samples(edited:families('a{d="1",r="2"} 1\na{p="1"} 2\na{p="2"} 3\n'))
    assert.equal(2, #keys)
    for _, key in ipairs(keys) do
      for _, label in ipairs({ 'pod="p1"', 'both="m1/p1$"', 'n="$pod"' }) do
        assert.truthy(key:find(label, 1, true), key)
      end
    end
    assert.truthy(keys[1]:find('s="2"', 1, true))
    assert.falsy(keys[1]:find('d="1"', 1, true))
    assert.equal("2", samples[keys[2]])
  end)

  it("leaves $pod as it is when there is none", function()
    local effective = engine("type = 'gauge', from = 'a', labels = { add = { x = '$pod' } }").effective
    assert.same({ x = "$pod" }, effective.metrics[1].labels.add)
  end)

  it("uses the file's label edits where a metric has none of its own", function()
    local file = "labels = { drop = { 'a' } }"
    assert.same({ drop = { "a" }, rename = {}, add = {} },
      engine("type = 'gauge', from = 'a'", file).effective.metrics[1].labels)
    assert.same({ drop = {}, rename = { b = "c" }, add = {} },
      engine("type = 'gauge', from = 'a', labels = { rename = { b = 'c' } }", file).effective.metrics[1].labels)
  end)

  it("names the file in every rule", function()
    local loaded = engine("type = 'gauge', from = 'a', merge = 'max', help = 'H.'",
      "aliases = { 'y' }, detect = { 'z' }")
    assert.same({
      engine = "x", aliases = { "y" }, detect = { "z" }, file = "rules/engines/x.lua",
      metrics = {
        {
          name = "kthena:x", type = "gauge", help = "H.", merge = "max", file = "rules/engines/x.lua",
          labels = { drop = {}, rename = {}, add = {} }, sources = { { name = "a" } },
        },
      },
    }, loaded.effective)
  end)

  it("is bounded", function()
    local _, problems = testing.load("x.lua", [[
      local m, p = {}, {}
      for i = 1, 30 do p[i] = "p" .. i end
      for i = 1, 900 do m[i] = { name = "m" .. i, type = "gauge", from = { "a", "b", "c" } } end
      return { api = 1, engine = "x", prefixes = p, metrics = m }]])
    assert.equal("x.lua: metrics[56]: the rules expand to more than 5000 sources or 20000 selections\n", problems)
  end)

  it("reports a factor with more digits than it can keep", function()
    local _, problems = testing.load("x.lua", ([[return { api = 1, engine = "x",
      metrics = { { name = "a", type = "gauge", from = "b", scale = "0.%s" } } }]]):format(("1"):rep(99)))
    assert.truthy(problems:find("^x.lua: metrics%[1%].scale: "), problems)
  end)
end)
