-- Files of sources and workflows that come and go while the runtime serves.
local downloads = require("spec.support.api")
local engine = require("spec.support.engine")
local files = require("spec.support.files")
local json = require("dkjson")
local rules = require("spec.support.rules")
local runtime = require("spec.support.runtime")
local wait = require("spec.support.wait")

describe("a rule file of a source or a workflow", function()
  local fake

  setup(function()
    fake = engine.start()
  end)

  it("adds a workflow's route, changes it and takes it away while the sidecar serves", function()
    local directory = files.temporary()
    local sidecar = runtime.serve(fake, { "--rules", directory })
    local function becomes(status, answer)
      wait.until_true("status " .. status, function()
        local reply, got = downloads.post(sidecar, { name = "x" }, "/v1/greet/sir")
        return got == status and reply.text == answer, json.encode(reply)
      end)
    end
    local text = [[return { api = 1, workflow = "greet", route = { method = "POST", path = "/v1/greet/{who}" },
      params = { { name = "who", type = "string" } },
      run = function(params) return { text = "hello " .. params.who } end }]]
    becomes(404)
    local path = rules.write(directory, "greet", text, "workflow")
    becomes(200, "hello sir")
    rules.write(directory, "greet", (text:gsub("hello", "bye")), "workflow")
    becomes(200, "bye sir")
    files.remove(path)
    becomes(404)
  end)

  it("adds a source that works at once", function()
    local directory, model = files.temporary(), files.temporary()
    local sidecar = runtime.serve(fake, { "--rules", directory })
    files.write(model .. "/a", "abc")
    local body = { source = "shelf://m", output_dir = files.temporary() }
    local reply, status = downloads.post(sidecar, body)
    assert.equal(400, status)
    assert.truthy(reply.detail:find("unknown scheme 'shelf://'", 1, true), reply.detail)
    rules.write(directory, "shelf", ([[return { api = 1, source = "shelf", schemes = { "shelf" },
      resolve = function() return { revision = "7", pinned = true,
        files = { { path = "b", size = 3, from = "%s/a" } } } end }]]):format(model), "source")
    wait.until_true("the scheme to be known", function()
      reply, status = downloads.post(sidecar, body)
      return status ~= 400, json.encode(reply)
    end)
    assert.same({ 200, "7", 3 }, { status, reply.revision, reply.bytes })
    assert.equal("abc", files.read(body.output_dir .. "/b"))
  end)
end)
