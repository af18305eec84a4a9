-- GET /metrics when all is well: what the reply holds, byte for byte, and what the engine is asked.
local engine = require("spec.support.engine")
local files = require("spec.support.files")
local http = require("spec.support.http")
local pages = require("spec.support.pages")
local process = require("spec.support.process")
local runtime = require("spec.support.runtime")
local wait = require("spec.support.wait")

local TEXT = "text/plain; version=0.0.4; charset=utf-8"
local OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

describe("GET /metrics", function()
  local fake, sidecar

  setup(function()
    fake = engine.start()
    sidecar = runtime.serve(fake, { "--reconcile-seconds", "3600" }):ready()
  end)

  local function scrape(page, script, headers)
    fake:script(script or {})
    fake:serve(page or pages.vllm)
    local reply = http.get(sidecar.url, "/metrics", headers)
    assert.equal(200, reply.status, reply.body)
    return reply
  end

  it("answers the engine's bytes, the standard families, then its own metrics", function()
    local body = scrape().body
    assert.equal(pages.vllm, body:sub(1, #pages.vllm))
    local rest = pages.without_help(body:sub(#pages.vllm + 1))
    assert.equal(pages.vllm_families, rest:sub(1, #pages.vllm_families))
    local own = rest:sub(#pages.vllm_families + 1)
    for _, line in ipairs(pages.lines(own)) do
      assert.truthy(line:find("^# %u+ kthena_runtime_") or line:find("^kthena_runtime_"), line)
    end
    assert.equal("\n", body:sub(-1))
  end)

  it("gives each standard family a HELP text", function()
    local body = scrape().body
    for _, name in ipairs(pages.standard) do
      assert.truthy(body:find("\n# HELP " .. name .. " %S"), name)
    end
  end)

  it("adds a missing final newline and nothing else", function()
    local cut = pages.vllm:sub(1, -2)
    local body = scrape(cut).body
    assert.equal(pages.vllm, body:sub(1, #pages.vllm))
    assert.equal("# HELP kthena:", body:sub(#pages.vllm + 1, #pages.vllm + 14))
  end)

  it("passes carriage returns, blank lines and odd bytes through", function()
    local odd = "\n\n# odd \1\200\255 \r\n" .. pages.vllm .. "x{y=\"\\\"z\\n\"} 1\r\n"
    local body = scrape(odd).body
    assert.equal(odd, body:sub(1, #odd))
    local families = pages.without_help(body:sub(#odd + 1)):sub(1, #pages.vllm_families)
    assert.equal(pages.vllm_families, families)
  end)

  it("answers an empty page with its own metrics alone", function()
    local body = scrape("").body
    assert.falsy(body:find("kthena:", 1, true))
    assert.truthy(body:find("^# HELP kthena_runtime_"))
  end)

  it("does not produce a family that the engine exposes itself", function()
    local page = "# TYPE kthena:num_requests_waiting gauge\nkthena:num_requests_waiting 9\n" .. pages.vllm
    local body = scrape(page).body
    local _, count = body:gsub("\nkthena:num_requests_waiting[ {]", "")
    assert.equal(1, count)
    local _, types = body:gsub("# TYPE kthena:num_requests_waiting ", "")
    assert.equal(1, types)
    assert.truthy(body:find("\nkthena:generation_tokens_total{", 1, true))
  end)

  it("leaves look-alikes alone", function()
    local body = scrape().body
    assert.falsy(body:find("kthena:num_requests_waiting_by_reason", 1, true))
    assert.falsy(body:find("kthena:generation_tokens_created", 1, true))
  end)

  it("keeps OpenMetrics as it is: type, exemplars, # EOF at the very end", function()
    local reply = scrape(pages.open_metrics, { type = OPEN_METRICS })
    assert.equal(OPEN_METRICS, reply.headers["content-type"])
    local page = pages.open_metrics:gsub("# EOF\n$", "")
    assert.equal(page, reply.body:sub(1, #page))
    local rest = reply.body:sub(#page + 1)
    assert.equal("\n# EOF\n", rest:sub(-7))
    local _, ends = reply.body:gsub("# EOF", "")
    assert.equal(1, ends)
    assert.truthy(rest:find("# TYPE kthena:generation_tokens counter\n", 1, true))
    for _, sample in ipairs({
      'kthena:generation_tokens_total{model_name="m"} 17.0 # {trace_id="abc"} 1.0 1700000000.123\n',
      'kthena:time_to_first_token_seconds_bucket{le="0.25",model_name="m"} 7.0 # {trace_id="def"} 0.2\n',
    }) do
      assert.truthy(rest:find(sample, 1, true), sample)
    end
  end)

  it("passes the scraper's Accept on and asks the engine for identity", function()
    scrape(nil, nil, { "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "Accept-Encoding: gzip" })
    local seen = fake:stats().seen[1]
    assert.equal("GET", seen.method)
    assert.equal("/metrics", seen.target)
    assert.equal("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", seen.headers.accept)
    assert.equal("identity", seen.headers["accept-encoding"])
  end)

  it("does not hand the scraper's credentials to the engine", function()
    scrape(nil, nil, { "Authorization: Bearer secret", "Cookie: a=b" })
    local seen = fake:stats().seen[1]
    assert.is_nil(seen.headers.authorization)
    assert.is_nil(seen.headers.cookie)
  end)

  it("takes the engine's content type when it is one of an exposition", function()
    for given, expected in pairs({
      [TEXT] = TEXT,
      ["text/plain; version=1.0.0; charset=utf-8; escaping=underscores"] =
        "text/plain; version=1.0.0; charset=utf-8; escaping=underscores",
      ["text/plain; charset=utf-8"] = TEXT,
      [OPEN_METRICS] = OPEN_METRICS,
      ["application/octet-stream"] = TEXT,
    }) do
      local page = given == OPEN_METRICS and pages.open_metrics or nil
      assert.equal(expected, scrape(page, { type = given }).headers["content-type"], given)
    end
    assert.equal(TEXT, scrape(nil, { type = false }).headers["content-type"])
  end)

  it("compresses for a scraper that asks for gzip", function()
    local plain = scrape()
    assert.is_nil(plain.headers["content-encoding"])
    local page = pages.vllm:rep(20)
    local reply = scrape(page, nil, { "Accept-Encoding: gzip" })
    assert.equal("gzip", reply.headers["content-encoding"])
    assert.truthy(reply.headers.vary and reply.headers.vary:lower():find("accept%-encoding"))
    assert.is_true(#reply.body < #page / 2)
    local packed = files.write(files.temporary() .. "/page.gz", reply.body)
    local unpacked = process.run({ "gzip", "-dc", packed })
    assert.equal(0, unpacked.status, unpacked.stderr)
    assert.equal(page, unpacked.stdout:sub(1, #page))
    assert.truthy(unpacked.stdout:find("\nkthena_runtime_build_info{", 1, true))
    for _, refusal in ipairs({ "gzip;q=0", "identity", "br, zstd" }) do
      assert.is_nil(scrape(page, nil, { "Accept-Encoding: " .. refusal }).headers["content-encoding"], refusal)
    end
  end)

  it("undoes the compression of an engine that compresses all the same", function()
    local plain = files.write(files.temporary() .. "/page", pages.vllm)
    local packed = process.run({ "gzip", "-c", plain }).stdout
    local body = scrape(nil, { headers = { "Content-Encoding: gzip" }, body = packed }).body
    assert.equal(pages.vllm, body:sub(1, #pages.vllm))
  end)

  it("answers HEAD with the head alone", function()
    fake:script({})
    local connection = http.connect(sidecar.url)
    local reply = connection:request("HEAD", "/metrics")
    assert.equal(200, reply.status)
    assert.equal(TEXT, reply.headers["content-type"])
    assert.is_true(tonumber(reply.headers["content-length"]) > #pages.vllm)
    assert.equal(200, connection:request("GET", "/health").status)
  end)

  it("reads every way an engine may send its page", function()
    for _, mode in ipairs({ "chunked", "until_close", "interim", "quiet_close" }) do
      assert.equal(pages.vllm, scrape(nil, { mode = mode }).body:sub(1, #pages.vllm), mode)
    end
  end)

  it("passes a page of several megabytes", function()
    local page = pages.vllm:rep(2000)
    assert.equal(page, scrape(page).body:sub(1, #page))
  end)

  it("shares one engine request among the scrapes that arrive while it runs", function()
    fake:script({ mode = "hold" })
    fake:serve(pages.vllm .. "reply_number {{n}}\n")
    local before = pages.value(http.get(sidecar.url, "/metrics/runtime").body, "kthena_runtime_scrapes_shared_total")
    local connections = {}
    for i = 1, 20 do
      connections[i] = http.connect(sidecar.url)
      connections[i]:ask("GET", "/metrics")
    end
    wait.until_true("20 scrapes to wait for one", function()
      local own = http.get(sidecar.url, "/metrics/runtime").body
      local shared = pages.value(own, "kthena_runtime_scrapes_shared_total") - before
      return shared == 19, shared
    end)
    fake:release()
    for _, connection in ipairs(connections) do
      local reply = connection:reply()
      assert.equal(200, reply.status)
      assert.truthy(reply.body:find("\nreply_number 1\n", 1, true))
    end
    assert.equal(1, fake:stats().requests)
    fake:script({})
    assert.truthy(http.get(sidecar.url, "/metrics").body:find("\nreply_number 1\n", 1, true))
  end)

  it("counts what it does", function()
    local function own(name)
      return pages.value(http.get(sidecar.url, "/metrics/runtime").body, "kthena_runtime_" .. name)
    end
    local before = own("scrape_duration_seconds_count")
    scrape()
    scrape()
    assert.equal(before + 2, own("scrape_duration_seconds_count"))
    assert.equal(before + 2, own('scrape_duration_seconds_bucket{le="+Inf"}'))
    assert.is_true(own("scrape_duration_seconds_sum") > 0)
    assert.equal(#pages.vllm, own("page_bytes"))
    assert.equal(1, own("unparsed_lines"))
    assert.is_true(own("process_resident_memory_bytes") > 2 ^ 20)
    assert.is_true(own("process_cpu_seconds_total") > 0)
  end)

  it("keeps its connection to the engine, and re-makes it silently when it is stale", function()
    scrape()
    fake:script({})
    for _ = 1, 3 do
      assert.equal(200, http.get(sidecar.url, "/metrics").status)
    end
    assert.equal(0, fake:stats().connections)
    fake:script({ mode = "stale" })
    for _ = 1, 5 do
      assert.equal(200, http.get(sidecar.url, "/metrics").status)
    end
    assert.is_true(fake:stats().connections >= 2)
    fake:script({ mode = "quiet_close" })
    for _ = 1, 5 do
      assert.equal(200, http.get(sidecar.url, "/metrics").status)
    end
  end)

  it("follows one redirect on the engine's own host", function()
    for _, status in ipairs({ 301, 302, 307, 308 }) do
      for _, location in ipairs({ "/metrics/", fake.url .. "/metrics/" }) do
        local target = location:match("^http://[^/]+(/.*)$") or location
        local reply = scrape(nil, { mode = "redirect", status = status, location = location, target = target })
        assert.equal(pages.vllm, reply.body:sub(1, #pages.vllm))
        assert.equal(target, fake:stats().seen[2].target)
      end
    end
  end)
end)

describe("--engine-metrics-path", function()
  it("is what the engine is asked for", function()
    local fake = engine.start()
    local sidecar = runtime.serve(fake, { "--engine-metrics-path", "/prometheus/metrics?model=x" })
    assert.equal(200, http.get(sidecar.url, "/metrics").status)
    assert.equal("/prometheus/metrics?model=x", fake:stats().seen[1].target)
  end)
end)
