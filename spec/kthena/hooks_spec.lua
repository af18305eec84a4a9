local hooks = require("kthena.hooks")

local function rule(hook, ...)
  local results = { n = select("#", ...), ... }
  return { path = "acme.lua", rules = { [hook] = function() return unpack(results, 1, results.n) end } }
end

describe("a hook", function()
  it("returns a table, or what went wrong", function()
    local value = {}
    assert.equal(value, hooks.call(rule("resolve", value), "resolve"))
    assert.same({ nil, "gone", "not_found" }, { hooks.call(rule("resolve", nil, "gone", "not_found"), "resolve") })
    assert.same({ nil, "not JSON", "protocol" }, { hooks.call(rule("resolve", nil, "not JSON"), "resolve") })
    assert.same({ nil, "gone", "not_found" }, { hooks.call(rule("resolve", false, "gone", "not_found"), "resolve") })
  end)

  it("is named when it returns anything else", function()
    local function broken(expected, ...)
      local value, message, kind = hooks.call(rule("resolve", ...), "resolve")
      assert.is_nil(value)
      assert.matches(expected, message, 1, true)
      assert.equal("policy", kind)
    end
    broken("acme.lua: resolve: returned nothing; expected a table, or nil, a message and a kind")
    broken("acme.lua: resolve: expected it to return a table, got 5", 5)
    broken('acme.lua: resolve: returned the kind "notfound"; did you mean "not_found"?', nil, "gone", "notfound")
    broken("acme.lua: resolve: returned the kind", nil, "gone", {})
    broken("returned nothing", nil, {})
  end)

  it("may choose a status when it runs", function()
    local value = {}
    local function run(...)
      return hooks.run(rule("run", ...), {}, {})
    end
    assert.same({ value, nil, nil, nil }, { run(value) })
    assert.same({ value, nil, nil, 202 }, { run(value, 202) })
    assert.same({ nil, "gone", "not_found", nil }, { run(nil, "gone", "not_found") })
    assert.same({ nil, "tea", "protocol", 418 }, { run(nil, "tea", nil, 418) })
    assert.same({ nil, "later", "unavailable", 503 }, { run(false, "later", "unavailable", 503) })
    for _, status in ipairs({ 199, 300, 200.5, "200", {} }) do
      local reply, message, kind = run(value, status)
      assert.is_nil(reply)
      assert.matches("acme.lua: run: returned the status .*; expected one from 200 to 299", message)
      assert.equal("policy", kind)
    end
    for _, status in ipairs({ 399, 600, 404.5, "404" }) do
      local reply, message, kind = run(nil, "gone", "not_found", status)
      assert.is_nil(reply)
      assert.matches("acme.lua: run: returned the status .*; expected one from 400 to 599", message)
      assert.equal("policy", kind)
    end
    assert.matches("expected it to return a table, got 5", (select(2, run(5))))
  end)

  it("may have no opinion of a refusal", function()
    assert.is_nil(hooks.explain(rule("explain"), {}))
    assert.same({ "it is gated", "denied" }, { hooks.explain(rule("explain", "it is gated", "denied"), {}) })
    local message, kind = hooks.explain(rule("explain", 5), {})
    assert.matches("acme.lua: explain: expected it to return a sentence", message)
    assert.equal("policy", kind)
  end)

  it("may finish with small files", function()
    assert.same({}, hooks.finish(rule("finish"), {}))
    assert.same({ { path = "a", text = "b" } }, hooks.finish(rule("finish", { { path = "a", text = "b" } }), {}))
    assert.same({ nil, "no", "io" }, { hooks.finish(rule("finish", nil, "no", "io"), {}) })
    local _, message, kind = hooks.finish(rule("finish", { { path = "a" } }), {})
    assert.equal("acme.lua: finish: files[1]: expected a table with path and text", message)
    assert.equal("policy", kind)
    _, message = hooks.finish(rule("finish", 5), {})
    assert.equal("acme.lua: finish: expected it to return a list of files, got 5", message)
  end)
end)
