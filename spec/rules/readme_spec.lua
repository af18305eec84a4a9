-- The examples of rules/README.md do what the page says.
local fake_engine = require("spec.support.fake_engine")
local fake_workflow_ctx = require("spec.support.fake_workflow_ctx")
local files = require("spec.support.files")
local schemas = {
  Engines = require("kthena.engine").schema,
  Sources = require("kthena.source").schema,
  Workflows = require("kthena.workflow").schema,
}
local support = require("spec.rules.support")
local testing = require("kthena.testing")

local readme = testing.read(support.root .. "rules/README.md")

-- The blocks of code, by the words of the text before them.
local function block_after(words, pattern)
  local _, stop = readme:find(words, 1, true)
  return assert(readme:match(pattern, assert(stop, words)), words)
end

local function indented_after(words)
  return (block_after(words, "\n\n(    .-\n)\n"):gsub("^    ", ""):gsub("\n    ", "\n"))
end

local function lua_after(words)
  return block_after(words, "```lua\n(.-)```")
end

describe("the README of the rules", function()
  local acme = assert(testing.load("my-rules/acme.lua", lua_after("`my-rules/acme.lua`:"), { pod = "p1.ns" }))

  it("shows a page and what its rules make of it", function()
    local page = indented_after("Acme counts its queue")
    assert.equal(indented_after("--only page.prom` prints"), acme:families(page))
  end)

  it("shows a spec that passes", function()
    local run = assert(loadstring(lua_after("`spec/acme_spec.lua`, run by")))
    local passed = 0
    setfenv(run, {
      require = function(name)
        assert.equal("kthena.testing", name)
        return setmetatable({
          engine = function(path)
            assert.equal("my-rules/acme.lua", path)
            return acme
          end,
        }, { __index = testing })
      end,
      describe = function(_, body)
        body()
      end,
      it = function(_, body)
        body()
        passed = passed + 1
      end,
      assert = assert,
    })
    run()
    assert.equal(1, passed)
  end)

  -- The hooks the page shows, in a file of their own.
  local function acme_hooks()
    local text = ("return { api = 1, engine = 'acme', metrics = {}, %s }"):format(lua_after("Acme loads an adapter on"))
    return testing.engine(files.write(files.temporary() .. "/acme.lua", text)).adapters
  end

  it("shows how an engine loads adapters", function()
    local hooks = acme_hooks()
    local adapter = fake_engine.adapter({ fields = { rank = 8 } })
    local engine = fake_engine.new({
      ["POST /adapters"] = { { status = 201, body = "ok" }, { status = 409, body = "there" }, { status = 404 },
        { status = 400, body = "bad" }, { failure = "down", kind = "unavailable", code = 503 } },
      ["POST /adapters/drop"] = { { body = "gone" }, { status = 410, body = "never was" },
        { status = 500, body = "?" } },
      ["GET /adapters"] = { { body = '[{"name":"a","dir":"/a"}]' }, { status = 503, body = "starting" } },
    })
    assert.same({ "loaded", "ok" }, { hooks.load(engine, adapter) })
    assert.same({ name = "sql", dir = "/adapters/sql", rank = 8 }, engine.requests[1].body)
    assert.same({ "already_loaded", "there" }, { hooks.load(engine, adapter) })
    assert.same({ nil, "start acme with --adapters", "unsupported", 501 }, { hooks.load(engine, adapter) })
    assert.same({ nil, "HTTP 400: bad", "invalid", 400 }, { hooks.load(engine, adapter) })
    assert.same({ nil, "down", "unavailable", 503 }, { hooks.load(engine, adapter) })
    assert.same({ "unloaded", "gone" }, { hooks.unload(engine, adapter) })
    assert.same({ "not_found", "never was" }, { hooks.unload(engine, adapter) })
    assert.same({ nil, "HTTP 500: ?", "protocol", 500 }, { hooks.unload(engine, adapter) })
    assert.same({ { { name = "a", path = "/a" } } }, { hooks.list(engine) })
    assert.same({ nil, "HTTP 503: starting", "unavailable", 503 }, { hooks.list(engine) })
  end)

  it("shows a spec of hooks that passes", function()
    local run = assert(loadstring(lua_after("has the hooks, to be called with an `engine`")))
    local passed = 0
    setfenv(run, {
      testing = { engine = function()
        return { adapters = acme_hooks() }
      end },
      it = function(_, body)
        body()
        passed = passed + 1
      end,
      assert = assert,
    })
    run()
    assert.equal(1, passed)
  end)

  -- The names in the first columns of the tables of a section whose head begins with this word.
  local function named(section, heading)
    local text = assert(readme:match("\n## " .. section .. "\n(.-)\n## "), section)
    local names = {}
    for head, rows in text:gsub("\n\n", "\n\n\n"):gmatch("\n| ([^|]*) |[^\n]*\n|[-|]+\n(.-)\n\n") do
      for row in (head == heading and rows or ""):gmatch("[^\n]+") do
        for name in row:match("^|([^|]*)|"):gmatch("`([%l_]+)`") do
          names[name] = true
        end
      end
    end
    return names
  end

  local function known(...)
    local names = {}
    for _, record in ipairs({ ... }) do
      for _, field in ipairs(record.fields) do
        names[field[1]] = true
      end
    end
    return names
  end

  local function node(section, name)
    for _, field in ipairs(schemas[section].fields) do
      if field[1] == name then
        return field[2]
      end
    end
  end

  it("names every field the schemas know, and no other", function()
    assert.same(known(schemas.Engines, node("Engines", "metrics").of), named("Engines", "field"))
    assert.same(known(node("Engines", "adapters")), named("Engines", "hook"))
    assert.same(known(schemas.Sources), named("Sources", "field"))
    assert.same(known(node("Sources", "config").values), named("Sources", "key field"))
    assert.same(known(schemas.Workflows), named("Workflows", "field"))
    assert.same(known(node("Workflows", "params").of), named("Workflows", "parameter field"))
    assert.same(known(node("Workflows", "settings").of), named("Workflows", "setting field"))
  end)

  -- Loads an example as the file it says it is.
  local function open(kind, words)
    local path = ("%s/%ss/x.lua"):format(files.temporary(), kind)
    files.write(path, lua_after(words))
    return testing[kind](path)
  end

  local source

  setup(function()
    source = open("source", "`my-rules/sources/acme-registry.lua`:")
  end)

  it("shows a source that lists files", function()
    local asked, options
    local plan = source.resolve(testing.uri("acme://m1@3"), {
      config = { endpoint = "https://acme.example", token = "t" },
      url = { encode = function(text) return text end },
      json = require("kthena.json").decode,
      http = { get = function(url, given)
        asked, options = url, given
        return { status = 200, body = '{"version":"3","files":[{"name":"a/b","bytes":5,"sha256":"ab"}]}' }
      end },
    })
    assert.equal("https://acme.example/models/m1/3/index.json", asked)
    assert.same({ Authorization = { "Bearer ", "t" } }, options.headers)
    assert.same({
      revision = "3", pinned = true, access = { headers = options.headers },
      files = { { path = "a/b", size = 5, sha256 = "ab", url = "https://acme.example/models/m1/3/a/b" } },
    }, plan)
    assert.same({ "acme's registry refused the token; set ACME_TOKEN", "unauthorized" },
      { source.explain({ status = 403 }) })
    assert.is_nil(source.explain({ status = 500 }))
  end)

  it("shows a spec of a source that passes", function()
    local run = assert(loadstring(lua_after("whose functions take a `ctx`")))
    local passed = 0
    setfenv(run, {
      testing = setmetatable({ source = function() return source end }, { __index = testing }),
      it = function(_, body)
        body()
        passed = passed + 1
      end,
      assert = assert,
    })
    run()
    assert.equal(1, passed)
  end)

  it("shows a workflow", function()
    local workflow = open("workflow", "`my-rules/workflows/warm_up.lua` adds")
    local asked
    local ctx = { download = function(...)
      asked = { ... }
      return { bytes = 7 }
    end }
    assert.same({ status = "ready", model = "m", bytes = 7 }, workflow.run({ model = "m", output_dir = "/d" }, ctx))
    assert.same({ "acme://m", "/d" }, asked)
    ctx.download = function()
      return nil, "no", "not_found"
    end
    assert.same({ nil, "no", "not_found" }, { workflow.run({ model = "m", output_dir = "/d" }, ctx) })
  end)

  it("shows a way to warm adapters up", function()
    local built_in = testing.read(support.root .. "rules/workflows/load_lora.lua")
    local run = lua_after("This\none warms the adapter up")
    local at = built_in:find("  run = function", 1, true)
    local path = files.write(files.temporary() .. "/workflows/load_lora.lua",
      'local json = require "kthena.json"\n' .. built_in:sub(1, at - 1) .. run .. "}\n")
    local rules = testing.workflow(path)
    local ctx, world = fake_workflow_ctx.new()
    world:source("s3://b/a", {})
    local params = { lora_name = "a", source = "s3://b/a", output_dir = "/adapters/a" }
    assert.is_true(rules.run(params, ctx).warm)
    assert.equal("http://127.0.0.1:1/v1/completions", world.requests[1].url)
    assert.truthy(world.requests[1].body:find('"model":"a"', 1, true))
    world.http_failure = "connection refused"
    assert.is_false(rules.run(params, ctx).warm)
    assert.same({ "warning: could not warm up a: connection refused" }, world.logs)
  end)
end)
