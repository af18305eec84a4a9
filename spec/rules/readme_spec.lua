-- The example of rules/README.md does what the page says.
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

  it("names every field the schema knows, and no other", function()
    local known = {}
    local function add(record)
      for _, field in ipairs(record.fields) do
        known[field[1]] = true
      end
    end
    local schema = require("kthena.engine").schema
    add(schema)
    for _, field in ipairs(schema.fields) do
      if field[1] == "metrics" then
        add(field[2].of)
      end
    end
    local named = {}
    for row in readme:gmatch("\n| (`[^|]*) |") do
      for field in row:gmatch("`([%l_]+)`") do
        named[field] = true
      end
    end
    assert.same(known, named)
  end)
end)
