-- Everything of the HTTP face but the page itself: probes, errors, what is refused, and what cannot starve it.
local engine = require("spec.support.engine")
local http = require("spec.support.http")
local json = require("dkjson")
local pages = require("spec.support.pages")
local runtime = require("spec.support.runtime")
local wait = require("spec.support.wait")

describe("the HTTP face", function()
  local fake, sidecar

  setup(function()
    fake = engine.start()
    sidecar = runtime.serve(fake)
  end)

  local function detail(reply)
    assert.equal("application/json", reply.headers["content-type"])
    local body = json.decode(reply.body)
    assert.is_string(body and body.detail, reply.body)
    return body.detail
  end

  it("answers /health as the reference does, whatever the engine does", function()
    local lonely = runtime.serve(nil, { "--engine-base-url", "http://127.0.0.1:" .. http.free_port() })
    for _, url in ipairs({ sidecar.url, lonely.url }) do
      local reply = http.get(url, "/health")
      assert.equal(200, reply.status)
      assert.equal('{"status":"healthy","service":"runtime"}', reply.body)
      assert.equal("application/json", reply.headers["content-type"])
    end
  end)

  it("is ready once the engine has answered, and says why it is not before", function()
    local late = engine.start()
    late:script({ status = 503, body = "loading weights" })
    local own = runtime.serve(late)
    local reply = http.get(own.url, "/ready")
    assert.equal(503, reply.status)
    assert.truthy(detail(reply):find("engine", 1, true))
    late:script({})
    wait.until_true("/ready to answer 200", function()
      reply = http.get(own.url, "/ready")
      return reply.status == 200, reply.body
    end)
  end)

  it("answers 404 for what there is not", function()
    for _, path in ipairs({ "/", "/metricsx", "/metrics/x", "/health/", "/v1", "/v1/rules/x", "/.git/config",
      "/v1/jobs/x", "/v1/jobs/x/events", "/v1/jobs/", "/metrics/../health/x", "/%2e%2e/etc/passwd" }) do
      local reply = http.get(sidecar.url, path)
      assert.equal(404, reply.status, path)
      detail(reply)
    end
  end)

  it("lists jobs, by state too", function()
    for _, path in ipairs({ "/v1/jobs", "/v1/jobs?state=running" }) do
      local reply = http.get(sidecar.url, path)
      assert.equal(200, reply.status)
      assert.equal('{"jobs":[]}', reply.body)
    end
    local reply = http.get(sidecar.url, "/v1/jobs?state=lost")
    assert.equal(400, reply.status)
    assert.truthy(detail(reply):find("'lost'; give queued, running", 1, true))
  end)

  it("answers 405 with Allow for a method a path does not have", function()
    for _, path in ipairs({ "/metrics", "/metrics/runtime", "/health", "/ready", "/openapi.json", "/v1/rules" }) do
      for _, method in ipairs({ "POST", "DELETE", "PUT", "PATCH" }) do
        local reply = http.request(sidecar.url, method, path, { "Content-Length: 0" })
        assert.equal(405, reply.status, method .. " " .. path)
        assert.truthy(reply.headers.allow:find("GET", 1, true))
        assert.truthy(reply.headers.allow:find("HEAD", 1, true))
        detail(reply)
      end
    end
  end)

  it("ignores the query", function()
    assert.equal(200, http.get(sidecar.url, "/health?a=b&c").status)
    assert.equal(200, http.get(sidecar.url, "/metrics?name[]=x").status)
  end)

  it("answers HEAD like GET without the body", function()
    local connection = http.connect(sidecar.url)
    for _, path in ipairs({ "/health", "/openapi.json", "/v1/rules", "/metrics/runtime", "/nothing" }) do
      local full = http.get(sidecar.url, path)
      local reply = connection:request("HEAD", path)
      assert.equal(full.status, reply.status, path)
      assert.equal(full.headers["content-type"], reply.headers["content-type"], path)
      assert.is_true(tonumber(reply.headers["content-length"]) > 0, path)
    end
  end)

  it("describes its routes in /openapi.json", function()
    local reply = http.get(sidecar.url, "/openapi.json")
    assert.equal(200, reply.status)
    assert.equal("application/json", reply.headers["content-type"])
    local document = assert(json.decode(reply.body))
    assert.truthy(document.openapi:find("^3%.1%.%d+$"))
    assert.is_string(document.info.title)
    assert.is_string(document.info.version)
    for _, path in ipairs({ "/metrics", "/metrics/runtime", "/health", "/ready", "/openapi.json", "/v1/rules" }) do
      local operation = document.paths[path] and document.paths[path].get
      assert.is_table(operation, path)
      assert.is_string(operation.summary, path)
      assert.is_table(operation.responses["200"], path)
      for status, response in pairs(operation.responses) do
        assert.truthy(status:find("^%d%d%d$") or status == "default", status)
        assert.is_string(response.description or response["$ref"], path)
      end
    end
    assert.is_table(document.paths["/metrics"].get.responses["502"])
    assert.is_table(document.paths["/ready"].get.responses["503"])
    for reference in reply.body:gmatch('"$ref":"#/([^"]+)"') do
      local target = document
      for step in reference:gmatch("[^/]+") do
        target = assert(target[step], reference)
      end
    end
  end)

  it("shows its metrics alone at /metrics/runtime, without asking the engine", function()
    fake:script({})
    http.get(sidecar.url, "/metrics")
    fake:script({})
    local reply = http.get(sidecar.url, "/metrics/runtime")
    assert.equal(200, reply.status)
    assert.equal("text/plain; version=0.0.4; charset=utf-8", reply.headers["content-type"])
    assert.equal(0, fake:stats().requests)
    for name, kind in pairs({
      scrape_duration_seconds = "histogram", scrapes_shared_total = "counter", page_bytes = "gauge",
      unparsed_lines = "gauge", rules_generation = "gauge", rules_age_seconds = "gauge",
      rules_reload_failures_total = "counter", build_info = "gauge", process_resident_memory_bytes = "gauge",
      process_cpu_seconds_total = "counter", scrape_failures_total = "counter",
    }) do
      name = "kthena_runtime_" .. name
      assert.truthy(reply.body:find("# TYPE " .. name .. " " .. kind .. "\n", 1, true), name)
      assert.truthy(reply.body:find("# HELP " .. name .. " %S"), name)
    end
    assert.truthy(reply.body:find('kthena_runtime_build_info{[^}]*version="%d+%.%d+%.%d+"'))
  end)
end)

describe("connections", function()
  local sidecar

  setup(function()
    sidecar = runtime.serve(engine.start())
  end)

  local function is_healthy_at_once(own)
    for _ = 1, 10 do
      local reply, problem = http.connect(own.url, 1):request("GET", "/health")
      assert.is_table(reply, problem)
      assert.equal(200, reply.status)
    end
  end

  it("are kept alive", function()
    local connection = http.connect(sidecar.url)
    for _, path in ipairs({ "/health", "/metrics", "/nothing", "/health" }) do
      local reply = connection:request("GET", path)
      assert.is_number(reply.status)
      assert.not_equal("close", (reply.headers.connection or ""):lower())
    end
  end)

  it("carry requests that were sent ahead", function()
    local connection = http.connect(sidecar.url)
    connection:send(("GET /health HTTP/1.1\r\nHost: t\r\n\r\n"):rep(5))
    for _ = 1, 5 do
      assert.equal(200, connection:reply().status)
    end
  end)

  it("close when asked to", function()
    local connection = http.connect(sidecar.url)
    local reply = connection:request("GET", "/health", { "Connection: close" })
    assert.equal("close", reply.headers.connection:lower())
    assert.is_true(connection:is_closed())
  end)

  it("close after a reply to HTTP/1.0", function()
    local connection = http.connect(sidecar.url)
    connection:send("GET /health HTTP/1.0\r\n\r\n")
    assert.equal(200, connection:reply().status)
    assert.is_true(connection:is_closed())
  end)

  it("may bring a request byte by byte", function()
    local connection = http.connect(sidecar.url)
    for byte in ("GET /health HTTP/1.1\r\nHost: t\r\n\r\n"):gmatch(".") do
      assert(connection:send(byte))
    end
    assert.equal(200, connection:reply().status)
  end)

  it("that are silent or half a request, 500 of each, do not keep /health from answering within a second", function()
    for _ = 1, 500 do
      http.connect(sidecar.url)
      http.connect(sidecar.url):send("GET /metrics HTTP/1.1\r\nHost: t\r\nX-")
    end
    is_healthy_at_once(sidecar)
  end)

  it("that are kept alive by 300 idle clients do not either", function()
    for _ = 1, 300 do
      assert.equal(200, http.connect(sidecar.url):request("GET", "/health").status)
    end
    is_healthy_at_once(sidecar)
  end)

  it("of 100 scrapers that wait for a hung engine do not either; those too many are told to come back", function()
    local fake = engine.start()
    local own = runtime.serve(fake):ready()
    fake:script({ mode = "hold" })
    local connections = {}
    for i = 1, 100 do
      connections[i] = http.connect(own.url)
      connections[i]:ask("GET", "/metrics")
    end
    is_healthy_at_once(own)
    fake:release()
    local counts = { [200] = 0, [503] = 0 }
    for _, connection in ipairs(connections) do
      local reply = connection:reply()
      counts[reply.status] = counts[reply.status] + 1
      assert.is_true(reply.status == 200 or reply.headers["retry-after"] ~= nil)
    end
    assert.is_true(counts[200] > 0)
  end)

  it("of 100 scrapers that do not read their pages do not either", function()
    local own = runtime.serve(engine.start({ page = pages.vllm:rep(4000) })):ready()
    for _ = 1, 100 do
      local connection = http.connect(own.url)
      connection.socket:setoption("recv-buffer-size", 4096)
      connection:ask("GET", "/metrics")
    end
    is_healthy_at_once(own)
  end)
end)
