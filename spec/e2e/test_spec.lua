-- `kthena-runtime test`: a user's own specs for a user's own rules, with nothing else installed by the user.
local files = require("spec.support.files")
local rules = require("spec.support.rules")
local runtime = require("spec.support.runtime")

describe("kthena-runtime test", function()
  local function project(spec)
    local directory = files.temporary()
    rules.write(directory .. "/rules", "acme", rules.text("acme", "acme_queue"))
    files.write(directory .. "/spec/acme_spec.lua", spec)
    return directory
  end

  it("runs the specs of a directory and exits 0 when they pass", function()
    local directory = project([[
      describe("acme", function()
        local testing = require("kthena.testing")
        it("finds the queue", function()
          local acme = testing.engine("rules/engines/acme.lua", { pod = "p", model = "m" })
          local samples = testing.samples(acme:families('acme_queue{x="1"} 3\n'))
          assert.equal("3", samples['kthena:num_requests_waiting{x="1"}'])
        end)
        it("is told what is wrong with a rule file", function()
          local _, problems = testing.load("acme.lua", "return { api = 1, engin = 'acme', metrics = {} }")
          assert.truthy(problems:find('acme.lua: engin: unknown key; did you mean "engine"?', 1, true))
        end)
      end)
    ]])
    for _, arguments in ipairs({ {}, { "spec" }, { "spec/acme_spec.lua" }, { directory .. "/spec" } }) do
      local result = runtime.run({ "test", unpack(arguments) }, { cwd = directory })
      assert.equal(0, result.status, result.stdout .. result.stderr)
      assert.truthy(result.stdout:find("2 successes / 0 failures / 0 errors", 1, true), result.stdout)
    end
  end)

  it("exits with another status when one fails, or cannot be read", function()
    for _, spec in ipairs({
      'it("fails", function() assert.equal(1, 2) end)',
      'it("raises", function() error("boom") end)',
      "this is no Lua",
    }) do
      local result = runtime.run({ "test" }, { cwd = project(spec) })
      assert.is_number(result.status)
      assert.not_equal(0, result.status)
    end
  end)

  it("passes busted's own flags through", function()
    local directory = project([[
      it("good one", function() end)
      it("bad one", function() error("boom") end)
    ]])
    local result = runtime.run({ "test", "--filter=good", "--output=TAP", "spec" }, { cwd = directory })
    assert.equal(0, result.status, result.stdout .. result.stderr)
    assert.truthy(result.stdout:find("ok 1 - good one", 1, true), result.stdout)
    assert.falsy(result.stdout:find("bad one", 1, true))
  end)

  it("says so when there is nothing to run", function()
    local result = runtime.run({ "test", "/no/such/spec" })
    assert.not_equal(0, result.status)
    assert.truthy((result.stdout .. result.stderr):find("/no/such/spec", 1, true), result.stdout .. result.stderr)
  end)
end)
