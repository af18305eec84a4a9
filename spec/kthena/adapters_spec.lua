local adapters = require("kthena.adapters")
local fake_workflow_ctx = require("spec.support.fake_workflow_ctx")

describe("records of adapters", function()
  it("are written only when they change", function()
    local ctx, world = fake_workflow_ctx.new()
    local record = { source = "s3://b/a", fields = { x = { 1, 2 } } }
    assert(adapters.set_record(ctx, "a", record))
    assert(adapters.set_record(ctx, "a", { source = "s3://b/a", fields = { x = { 1, 2 } } }))
    assert(adapters.set_record(ctx, "b", nil))
    assert.equal(1, world.writes)
    assert.same({ a = record }, adapters.records(ctx))
    assert(adapters.set_record(ctx, "a", nil))
    assert.same({}, adapters.records(ctx))
  end)
end)

describe("facts of adapters", function()
  it("say since when", function()
    local ctx, world = fake_workflow_ctx.new()
    adapters.note(ctx, "a", "loading")
    local began = world.now
    world.now = world.now + 5
    adapters.note(ctx, "a", "loading", { path = "/a" })
    assert.same({ state = "loading", since = began, path = "/a" }, adapters.facts(ctx, "a"))
    adapters.note(ctx, "a", "loaded")
    assert.equal(began + 5, adapters.facts(ctx, "a").since)
  end)

  it("keep the last error until it is loaded", function()
    local ctx = fake_workflow_ctx.new()
    adapters.note_failure(ctx, "a", "boom")
    adapters.note(ctx, "a", "downloading")
    assert.equal("boom", adapters.facts(ctx, "a").error)
    adapters.note_failure(ctx, "a", "bang")
    assert.equal("bang", adapters.facts(ctx, "a").error)
    assert.equal(2, adapters.facts(ctx, "a").failures)
    adapters.note(ctx, "a", "loaded")
    assert.is_nil(adapters.facts(ctx, "a").error)
    assert.is_nil(adapters.facts(ctx, "a").failures)
  end)

  it("are dropped a day after all is over", function()
    local ctx, world = fake_workflow_ctx.new()
    for _, name in ipairs({ "wanted", "recorded", "over" }) do
      adapters.note_failure(ctx, name, "boom")
    end
    local all = { facts = adapters.all_facts(ctx), wanted = { wanted = {} }, records = { recorded = {} } }
    adapters.prune(ctx, all)
    assert.truthy(adapters.all_facts(ctx).over)
    world.now = world.now + 86401
    adapters.prune(ctx, all)
    assert.is_nil(adapters.all_facts(ctx).over)
    assert.truthy(adapters.all_facts(ctx).wanted and adapters.all_facts(ctx).recorded)
  end)
end)

describe("the next try", function()
  it("comes for each in its time", function()
    local ctx, world = fake_workflow_ctx.new()
    adapters.note_failure(ctx, "now", "boom", nil, "soon")
    adapters.note_failure(ctx, "later", "boom", nil, "later")
    adapters.note_failure(ctx, "never", "boom")
    assert.same({ "now" }, adapters.due(ctx))
    assert.same({}, adapters.due(ctx))
    world.now = world.now + 1
    assert.same({ "later", "now" }, adapters.due(ctx))
  end)

  it("is put off at most five minutes", function()
    for failures = 1, 100 do
      local full = math.min(2 ^ (failures - 1), 300)
      for _ = 1, 20 do
        local delay = adapters.delay(failures)
        assert.is_true(delay <= full and delay >= full * 0.75)
      end
    end
  end)
end)

describe("two adapters", function()
  it("are the same by what the engine sees", function()
    local one = { source = "s3://b/a", output_dir = "/a", pinned = true, fields = { x = 1 } }
    assert.is_true(adapters.is_same(one, { source = "s3://b/a", output_dir = "/b", pinned = true, fields = { x = 1 } }))
    assert.is_false(adapters.is_same(one, { source = "s3://b/a", pinned = true }))
    assert.is_false(adapters.is_same(one, { source = "s3://b/a", fields = { x = 1 } }))
    assert.is_false(adapters.is_same(one, { source = "s3://b/b", pinned = true, fields = { x = 1 } }))
    assert.is_false(adapters.is_same({ output_dir = "/a" }, { output_dir = "/b" }))
    assert.is_true(adapters.is_same({ output_dir = "/a", fields = {} }, { output_dir = "/a" }))
    assert.is_false(adapters.is_same(one, nil))
  end)

  it("may be in one place", function()
    assert.is_true(adapters.is_same_path("/a/", "/a"))
    assert.is_true(adapters.is_same_path("/", "/"))
    assert.is_false(adapters.is_same_path("/a", "/b"))
    assert.is_false(adapters.is_same_path(nil, "/b"))
  end)
end)

describe("what is wanted", function()
  local set = { known = true, adapters = { d = { source = "d" } }, absent = { x = true } }

  it("is what is declared, or what was loaded", function()
    assert.equal(set.adapters.d, adapters.wanted({ source = "other" }, "d", set))
    assert.same({ source = "r" }, adapters.wanted({ source = "r" }, "r", set))
    assert.is_nil(adapters.wanted(nil, "r", set))
    assert.is_nil(adapters.wanted({ absent = true }, "r", set))
    assert.is_nil(adapters.wanted({ source = "x" }, "x", set))
    assert.is_nil(adapters.wanted({ declared = true }, "r", set))
    assert.truthy(adapters.wanted({ declared = true }, "r", { known = false, adapters = {}, absent = {} }))
  end)

  it("says what must go, and what is others'", function()
    assert.is_true(adapters.is_unwanted(nil, "x", set))
    assert.is_true(adapters.is_unwanted({ absent = true }, "r", set))
    assert.is_false(adapters.is_unwanted(nil, "r", set))
  end)
end)
