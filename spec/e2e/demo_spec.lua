-- demo-engine: a page that moves, and a runtime in front of it.
local http = require("spec.support.http")
local pages = require("spec.support.pages")
local runtime = require("spec.support.runtime")
local wait = require("spec.support.wait")

describe("demo-engine", function()
  it("serves a vLLM page that moves, from which serve makes every standard family", function()
    local demo = runtime.listen({ "demo-engine", "--port", "0" })
    assert.truthy(demo.url:find("^http://127%.0%.0%.1:%d+$"), demo.url)
    local sidecar = runtime.serve(demo)
    local function tokens()
      local reply = http.get(sidecar.url, "/metrics")
      assert.equal(200, reply.status, reply.body)
      for _, name in ipairs(pages.standard) do
        assert.truthy(reply.body:find("\n# TYPE " .. name .. " ", 1, true), name)
      end
      return pages.value(reply.body, "kthena:generation_tokens_total")
    end
    local first = tokens()
    wait.until_true("the page to move", function()
      return tokens() > first
    end)
    local runtime_page = http.get(sidecar.url, "/metrics/runtime").body
    assert.equal(0, pages.value(runtime_page, "kthena_runtime_unparsed_lines"))
    assert.equal(200, http.get(demo.url, "/health").status)
  end)
end)
