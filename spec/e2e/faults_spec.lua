-- GET /metrics when the engine misbehaves: always 502 with the address and the cause, never half a page with 200.
local engine = require("spec.support.engine")
local http = require("spec.support.http")
local json = require("dkjson")
local pages = require("spec.support.pages")
local runtime = require("spec.support.runtime")
local wait = require("spec.support.wait")

describe("an engine that", function()
  local fake, sidecar

  setup(function()
    fake = engine.start()
    local limits = { "--request-timeout", tostring(wait.seconds(5)), "--max-page-bytes", "1MiB" }
    sidecar = runtime.serve(fake, limits):ready()
  end)

  -- The detail of the 502 that a scrape gets; it has to name the address and say one of the causes (lower case).
  local function refusal(url, address, ...)
    local reply = http.get(url, "/metrics")
    assert.equal(502, reply.status, reply.body:sub(1, 300))
    assert.equal("application/json", reply.headers["content-type"])
    local detail = json.decode(reply.body).detail
    assert.truthy(detail:find("^Failed to fetch metrics from engine: "), detail)
    assert.truthy(detail:find(address, 1, true), detail)
    for _, cause in ipairs({ ... }) do
      assert.truthy(detail:lower():find(cause), detail)
    end
    return detail
  end

  local function fault(script, ...)
    fake:script(script)
    return refusal(sidecar.url, fake.url .. "/metrics", ...)
  end

  it("resets the connection before it answers", function()
    fault({ mode = "reset" }, "reset")
  end)

  it("resets the connection in the middle of the page", function()
    fault({ mode = "reset_body" }, "reset")
  end)

  it("closes the connection instead of answering", function()
    assert.falsy(fault({ mode = "close" }, "empty reply"):find("reset", 1, true))
  end)

  it("sends less than it announced", function()
    fault({ mode = "short" }, "clos")
  end)

  it("breaks off a chunked reply", function()
    fault({ mode = "chunked_cut" }, "clos")
  end)

  it("answers 404", function()
    fault({ status = 404, type = "application/json", body = '{"detail":"Not Found"}' }, "404")
  end)

  it("answers 500 with a text, which is quoted", function()
    fault({ status = 500, body = "CUDA error: out of memory\n" }, "500", "cuda error: out of memory")
  end)

  it("answers 500 with a text that JSON must escape", function()
    fault({ status = 500, body = 'a "quoted" \\ text\n\1\255 end' }, "500", 'a "quoted"')
  end)

  it("answers 501, as one with metrics switched off", function()
    fault({ status = 501, reason = "Not Implemented", body = "metrics are off" }, "501")
  end)

  it("answers 200 with an HTML page", function()
    fault({ type = "text/html; charset=utf-8", body = "<!doctype html><html><body>hi</body></html>\n" }, "html")
    fault({ type = "text/plain", body = "<!DOCTYPE html>\n<html></html>\n" }, "html")
  end)

  it("answers 200 with JSON", function()
    fault({ type = "application/json", body = '[{"gpuMemUsage": 1}]' }, "json")
    fault({ type = "text/plain; version=0.0.4", body = '{"status":"ok"}\n' }, "json")
  end)

  it("redirects to another host", function()
    fault({ mode = "redirect", status = 302, location = "http://127.0.0.2:1/metrics" }, "redirect", "127%.0%.0%.2")
  end)

  it("redirects to another port or scheme", function()
    local port = http.free_port()
    fault({ mode = "redirect", status = 302, location = ("http://127.0.0.1:%d/metrics/"):format(port) }, "redirect")
    fault({ mode = "redirect", status = 302, location = "file:///etc/passwd" }, "redirect")
  end)

  it("redirects without end", function()
    fault({ mode = "redirect", status = 307, location = "/metrics/", loop = true }, "redirect")
    assert.equal(2, fake:stats().requests)
  end)

  it("sends a page that is announced to be too large", function()
    fault({ mode = "huge", bytes = 2 ^ 20 + 1 }, "max%-page%-bytes")
  end)

  it("sends a page that grows too large", function()
    fault({ mode = "huge", bytes = 2 ^ 22, chunked = true }, "max%-page%-bytes")
  end)

  it("sends a head without end", function()
    fault({ mode = "endless_head" })
  end)

  it("is not an HTTP server", function()
    fault({ mode = "garbage" })
  end)

  it("sends what it calls gzip and is not", function()
    fault({ headers = { "Content-Encoding: gzip" }, body = "\31\139\8\0 not even gzip" }, "encoding")
  end)

  it("recovers is scraped again as if nothing had been", function()
    fault({ status = 500, body = "boom" })
    fake:script({})
    local reply = http.get(sidecar.url, "/metrics")
    assert.equal(200, reply.status)
    assert.equal(pages.vllm, reply.body:sub(1, #pages.vllm))
  end)

  it("fails a shared scrape fails it for everybody", function()
    fake:script({ mode = "hold", status = 503, body = "busy" })
    local connections = {}
    for i = 1, 5 do
      connections[i] = http.connect(sidecar.url)
      connections[i]:ask("GET", "/metrics")
    end
    wait.until_true("the engine to hold the scrape", function()
      return fake:stats().held > 0
    end)
    fake:script({ status = 503, body = "busy" })
    fake:release()
    for _, connection in ipairs(connections) do
      local reply = connection:reply()
      assert.equal(502, reply.status)
      assert.truthy(json.decode(reply.body).detail:find("503", 1, true))
    end
  end)

  it("fails is counted by cause", function()
    local function failures()
      local sum, causes = 0, {}
      for _, line in ipairs(pages.lines(http.get(sidecar.url, "/metrics/runtime").body)) do
        local cause, value = line:match('^kthena_runtime_scrape_failures_total{cause="([^"]+)"} (%d+)$')
        if cause then
          sum, causes[cause] = sum + tonumber(value), tonumber(value)
        end
      end
      return sum, causes
    end
    local before = failures()
    fault({ status = 500, body = "boom" })
    fault({ mode = "short" })
    fault({ mode = "huge", bytes = 2 ^ 20 + 1 })
    local after, causes = failures()
    assert.equal(before + 3, after)
    local different = 0
    for _ in pairs(causes) do
      different = different + 1
    end
    assert.is_true(different >= 3)
  end)

  it("is slow is given --request-timeout in all, however it is slow", function()
    fake:script({ mode = "stall" })
    local impatient = runtime.serve(fake, { "--request-timeout", "0.5" })
    for _, mode in ipairs({ "stall", "stall_body", "drip" }) do
      fake:script({ mode = mode })
      refusal(impatient.url, fake.url .. "/metrics", "0%.5 ?s")
    end
    fake:script({})
    assert.equal(200, http.get(impatient.url, "/metrics").status)
  end)

  it("does not run", function()
    local port = http.free_port()
    local orphan = runtime.serve(nil, { "--engine-base-url", "http://127.0.0.1:" .. port })
    refusal(orphan.url, ("http://127.0.0.1:%d/metrics"):format(port), "refused")
  end)

  it("has a name that does not resolve", function()
    local orphan = runtime.serve(nil, { "--engine-base-url", "http://engine.invalid:8000" })
    refusal(orphan.url, "http://engine.invalid:8000/metrics", "resolve")
  end)
end)

describe("REQUEST_TIMEOUT", function()
  it("stands in for --request-timeout", function()
    local fake = engine.start()
    fake:script({ mode = "stall" })
    local sidecar = runtime.serve(fake, nil, { env = { REQUEST_TIMEOUT = "0.3" } })
    local reply = http.get(sidecar.url, "/metrics")
    assert.equal(502, reply.status)
    assert.truthy(reply.body:find("0.3 ?s"))
  end)
end)
