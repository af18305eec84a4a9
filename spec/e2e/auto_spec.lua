-- --engine auto: the engine is recognised by its page.
local engine = require("spec.support.engine")
local files = require("spec.support.files")
local http = require("spec.support.http")
local pages = require("spec.support.pages")
local rules = require("spec.support.rules")
local runtime = require("spec.support.runtime")

describe("--engine auto", function()
  local sidecar

  -- Each page gets a runtime of its own: an engine once recognised is not looked for again.
  local function scrape(page)
    sidecar = runtime.serve(engine.start({ page = page }), { "--engine", "auto" })
    local reply = http.get(sidecar.url, "/metrics")
    assert.equal(200, reply.status, reply.body)
    return reply.body
  end

  it("finds the rules that fit, and says so in the log", function()
    local body = scrape(pages.vllm)
    assert.equal(pages.vllm_families, pages.without_help(body:sub(#pages.vllm + 1)):sub(1, #pages.vllm_families))
    assert.truthy(sidecar:log():find("recognised the engine as vllm", 1, true))
    assert.truthy(http.get(sidecar.url, "/v1/rules").body:find('"engine":"vllm"', 1, true))
  end)

  it("takes the engine with the most lines", function()
    local page = "tgi_queue_size 4\n" .. ('sglang:num_running_reqs{x="1"} 1\n'):rep(3) .. "sglang:num_queue_reqs 6\n"
    assert.equal(6, pages.value(scrape(page), "kthena:num_requests_waiting"))
  end)

  it("passes a page that nobody knows through, and says so once", function()
    local page = "node_load1 0.5\n"
    local body = scrape(page)
    assert.equal(page, body:sub(1, #page))
    assert.falsy(body:find("kthena:", 1, true))
    assert.equal(200, http.get(sidecar.url, "/v1/rules").status)
    assert.equal(200, http.get(sidecar.url, "/metrics").status)
    local _, warnings = sidecar:log():gsub("no rules recognise the engine", "")
    assert.equal(1, warnings, sidecar:log())
  end)

  it("makes of each fixture what the engine it is named for makes of it", function()
    -- Triton with the vLLM backend shows more of vLLM's lines than of its own.
    local recognised = { ["triton-vllm.prom"] = "vllm" }
    local directory = files.root .. "/tests/fixtures/engines"
    local names = files.list(directory)
    assert.is_true(#names > 0)
    for _, name in ipairs(names) do
      local page = directory .. "/" .. name
      local named = runtime.run({ "metrics", "--only", "--engine", recognised[name] or name:match("^%a+"), page })
      local auto = runtime.run({ "metrics", "--only", "--engine", "auto", page })
      assert.equal(0, auto.status, name .. ": " .. auto.stderr)
      assert.equal(named.stdout, auto.stdout, name)
    end
  end)

  it("works with a user's own engine", function()
    local directory = files.temporary()
    rules.write(directory, "acme", rules.text("acme", "acme_queue"))
    local own = runtime.serve(engine.start({ page = "acme_queue 8\n" }), { "--engine", "auto", "--rules", directory })
    assert.equal(8, pages.value(http.get(own.url, "/metrics").body, "kthena:num_requests_waiting"))
  end)
end)
