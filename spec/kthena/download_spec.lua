local engine = require("spec.support.engine")
local files = require("spec.support.files")
local testing = require("kthena.testing")

-- A source of local files, and of one remote file that a scripted server answers for.
local function source(fields)
  local rules = {
    source = "acme",
    config = { token = { secret = true } },
    resolve = function(uri, ctx)
      local plan = { files = {} }
      local list, message, kind = ctx.files(uri.path)
      if not list then
        return nil, message, kind
      end
      plan.files = list
      return plan
    end,
  }
  for key, value in pairs(fields or {}) do
    rules[key] = value
  end
  return rules
end

local function volume()
  local directory = files.temporary()
  files.write(directory .. "/in/a.json", "{}")
  files.write(directory .. "/in/sub/b.bin", "12345")
  return directory
end

local function remote(url, fields)
  return source({
    resolve = function(_, ctx)
      return { access = { headers = { Authorization = ctx.config.token } }, files = { { path = "f", url = url } } }
    end,
    explain = fields and fields.explain,
  })
end

describe("a download", function()
  it("can be planned, and run, from a spec", function()
    local directory = volume()
    local plan = assert(testing.plan(source(), "acme://" .. directory .. "/in", { include = { "*.bin" } }))
    assert.same({ 1, "sub/b.bin", 5, false },
      { #plan.files, plan.files[1].path, plan.files[1].size, plan.files[1].present })
    local out = directory .. "/out"
    local result = assert(testing.download(source(), "acme://" .. directory .. "/in", out))
    assert.same({ 2, 7, 0, 7, out, "" },
      { result.files, result.bytes, result.present, result.fetched, result.path, result.revision })
    assert.equal("12345", files.read(out .. "/sub/b.bin"))
    result = assert(testing.download(source(), "acme://" .. directory .. "/in", out))
    assert.same({ 2, 2, 0 }, { result.files, result.present, result.fetched })
    plan = assert(testing.plan(source(), "acme://" .. directory .. "/in", { directory = out }))
    assert.is_true(plan.files[1].present)
  end)

  it("sends what the plan says, and tells the source of a refusal", function()
    local fake = engine.start()
    local out = files.temporary()
    local seen
    fake:script({ status = 403, body = "gated", headers = { "X-Why: terms" } })
    local rules = remote(fake.url .. "/f?signature=planted", {
      explain = function(failure)
        seen = failure
        return "accept the terms first", "unauthorized"
      end,
    })
    local result, message, kind = testing.download(rules, "acme://x", out, { config = { token = "planted-token" } })
    assert.is_nil(result)
    assert.equal("unauthorized", kind)
    local expected = ("accept the terms first: could not download 'f': GET %s/f: "):format(fake.url)
    assert.equal(expected, message:sub(1, #expected))
    assert.is_nil(message:find("planted"))
    assert.same({ 403, "gated", "terms", "f", fake.url .. "/f" },
      { seen.status, seen.body, seen.headers["x-why"], seen.path, seen.url })
    assert.equal("planted-token", fake:order({}).seen[1].headers.authorization)
  end)

  it("asks the source again only for what has worked before", function()
    local fake = engine.start()
    local asked = 0
    fake:script({ status = 401, body = "" })
    local rules = source({
      resolve = function()
        asked = asked + 1
        return { files = { { path = "f", url = fake.url } } }
      end,
    })
    local _, message, kind = testing.download(rules, "acme://x", files.temporary())
    assert.equal("unauthorized", kind)
    assert.matches("could not download 'f'", message)
    assert.equal(1, asked)
  end)

  it("refuses a source that lists nothing, or finishes with a path that leads out", function()
    local directory = volume()
    local _, message, kind = testing.plan(source(), "acme://" .. directory .. "/in", { include = { "*.none" } })
    assert.equal("not_found", kind)
    assert.matches("has no files that the include and exclude patterns leave", message)
    for _, path in ipairs({ "../x", "/etc/x", ".kthena/manifest", "a/../../x" }) do
      local rules = source({ finish = function() return { { path = path, text = "x" } } end })
      _, message, kind = testing.download(rules, "acme://" .. directory .. "/in", directory .. "/out")
      assert.equal("policy", kind)
      assert.matches("acme.lua: finish: ", message, 1, true)
    end
    assert.is_false(files.exists(directory .. "/x"))
  end)

  it("tells finish of the files that were selected", function()
    local directory = volume()
    local rules = source({
      finish = function(plan)
        local names = {}
        for i, file in ipairs(plan.files) do
          names[i] = file.path
        end
        return { { path = ".cache/list", text = table.concat(names, " ") } }
      end,
    })
    assert(testing.download(rules, "acme://" .. directory .. "/in", directory .. "/out", { exclude = { "*.json" } }))
    assert.equal("sub/b.bin", files.read(directory .. "/out/.cache/list"))
  end)
end)
