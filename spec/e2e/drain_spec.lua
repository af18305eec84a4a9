-- SIGTERM and SIGINT: not ready any more, work in flight ends, then exit 0.
local engine = require("spec.support.engine")
local http = require("spec.support.http")
local json = require("dkjson")
local pages = require("spec.support.pages")
local runtime = require("spec.support.runtime")
local wait = require("spec.support.wait")

describe("draining", function()
  local function start(...)
    local fake = engine.start()
    local sidecar = runtime.serve(fake, { ... })
    wait.until_true("/ready to answer 200", function()
      return http.get(sidecar.url, "/ready").status == 200
    end)
    return fake, sidecar
  end

  local function hold(fake, sidecar)
    fake:script({ mode = "hold" })
    local connection = http.connect(sidecar.url)
    connection:ask("GET", "/metrics")
    wait.until_true("the engine to hold the scrape", function()
      return fake:stats().held > 0
    end)
    return connection
  end

  local function not_ready(sidecar)
    return wait.until_true("/ready to answer 503", function()
      local reply = http.get(sidecar.url, "/ready")
      return reply.status == 503 and reply
    end)
  end

  it("ends at once when nothing is in flight", function()
    for _, signal in ipairs({ "SIGTERM", "SIGINT" }) do
      local _, sidecar = start()
      local idle = http.connect(sidecar.url)
      assert.equal(200, idle:request("GET", "/health").status)
      http.connect(sidecar.url):send("GET /hea")
      sidecar.process:signal(signal)
      assert.equal(0, sidecar.process:wait(10))
      assert.is_true(idle:is_closed())
    end
  end)

  it("does not wait for an engine that nobody has asked for", function()
    local fake = engine.start()
    fake:script({ mode = "stall" })
    local sidecar = runtime.serve(fake)
    wait.until_true("the engine to be probed", function()
      return fake:stats().requests > 0
    end)
    sidecar.process:signal("SIGTERM")
    assert.equal(0, sidecar.process:wait(5))
  end)

  it("lets a scrape finish, says 503 at /ready and Connection: close in every reply", function()
    local fake, sidecar = start()
    local scrape = hold(fake, sidecar)
    sidecar.process:signal("SIGTERM")
    local reply = not_ready(sidecar)
    assert.equal("shutting down", json.decode(reply.body).detail)
    local probe = http.connect(sidecar.url)
    reply = probe:request("GET", "/health")
    assert.equal(200, reply.status)
    assert.equal("close", reply.headers.connection:lower())
    assert.is_true(probe:is_closed())
    assert.is_nil(sidecar.process:status())
    fake:release()
    reply = scrape:reply()
    assert.equal(200, reply.status)
    assert.equal(pages.vllm, reply.body:sub(1, #pages.vllm))
    assert.equal("close", reply.headers.connection:lower())
    assert.is_true(scrape:is_closed())
    assert.equal(0, sidecar.process:wait(10))
  end)

  it("does not wait for ever for an engine that does not answer", function()
    local fake, sidecar = start("--request-timeout", "600")
    local scrape = hold(fake, sidecar)
    sidecar.process:signal("SIGTERM")
    not_ready(sidecar)
    assert.equal(0, sidecar.process:wait(15))
    local ok, reply = pcall(scrape.reply, scrape)
    assert.is_true(not ok or reply == nil or reply.status >= 500)
  end)

  it("frees the port for the next runtime", function()
    local fake, sidecar = start()
    local port = sidecar.url:match(":(%d+)$")
    assert.equal(200, http.get(sidecar.url, "/metrics").status)
    assert.equal(0, sidecar.process:stop())
    local next_one = runtime.serve(fake, { "--port", port })
    assert.equal(200, http.get(next_one.url, "/metrics").status)
  end)
end)
