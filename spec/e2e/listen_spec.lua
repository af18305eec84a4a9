-- Where the runtime listens: IPv4, IPv6, unix sockets, several at once; and an engine behind IPv6.
local engine = require("spec.support.engine")
local files = require("spec.support.files")
local http = require("spec.support.http")
local pages = require("spec.support.pages")
local runtime = require("spec.support.runtime")

describe("--host", function()
  local fake

  setup(function()
    fake = engine.start()
  end)

  local function answers(address)
    assert.equal(200, http.get(address, "/health").status)
    assert.equal(pages.vllm, http.get(address, "/metrics").body:sub(1, #pages.vllm))
  end

  it("takes an IPv6 address, with and without brackets", function()
    for _, host in ipairs({ "::1", "[::1]" }) do
      local sidecar = runtime.serve(fake, { "--host", host })
      assert.truthy(sidecar.url:find("^http://%[::1%]:%d+$"), sidecar.url)
      answers(sidecar.url)
    end
  end)

  it("takes the path of a unix socket, and leaves none behind", function()
    local path = files.temporary() .. "/runtime.sock"
    local sidecar = runtime.serve(fake, { "--host", "unix:" .. path })
    assert.equal("unix:" .. path, sidecar.url)
    answers(sidecar.url)
    assert.equal(0, sidecar.process:stop())
    assert.is_false(files.exists(path))
  end)

  it("takes over the socket of a runtime that was killed", function()
    local path = files.temporary() .. "/runtime.sock"
    local first = runtime.serve(fake, { "--host", "unix:" .. path })
    first.process:signal("SIGKILL")
    first.process:wait()
    assert.is_true(files.exists(path))
    answers(runtime.serve(fake, { "--host", "unix:" .. path }).url)
  end)

  it("leaves a file alone that is no socket, and a socket somebody listens on", function()
    local path = files.write(files.temporary() .. "/precious", "data")
    local result = runtime.run(runtime.arguments(fake, { "--host", "unix:" .. path }))
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find(path, 1, true), result.stderr)
    assert.equal("data", files.read(path))
    path = path .. ".sock"
    local first = runtime.serve(fake, { "--host", "unix:" .. path })
    result = runtime.run(runtime.arguments(fake, { "--host", "unix:" .. path }))
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find(path, 1, true), result.stderr)
    answers(first.url)
  end)

  it("may be given several times", function()
    local path = files.temporary() .. "/runtime.sock"
    local hosts = { "--host", "127.0.0.1", "--host", "::1", "--host=unix:" .. path, "-H", "127.0.0.2" }
    local sidecar = runtime.serve(fake, hosts, { listeners = 4 })
    assert.equal(4, #sidecar.urls)
    for _, url in ipairs(sidecar.urls) do
      answers(url)
    end
  end)

  it("may list several in KTHENA_HOST", function()
    local args = runtime.arguments(fake)
    for i = #args, 1, -1 do
      if args[i]:find("^%-%-host=") then
        table.remove(args, i)
      end
    end
    local sidecar = runtime.listen(args, { env = { KTHENA_HOST = "127.0.0.1,::1" }, listeners = 2 })
    answers(sidecar.urls[1])
    answers(sidecar.urls[2])
  end)

  it("that is no address of this machine ends the program with a sentence", function()
    for host, status in pairs({ ["192.0.2.1"] = 1, ["2001:db8::1"] = 1, ["no.such.host.invalid"] = 2 }) do
      local result = runtime.run(runtime.arguments(fake, { "--host", host }))
      assert.equal(status, result.status, result.stderr)
      assert.truthy(result.stderr:find(host, 1, true), result.stderr)
    end
  end)
end)

describe("--engine-base-url", function()
  it("takes an IPv6 address, and a slash at the end", function()
    local fake = engine.start({ host = "::1" })
    local sidecar = runtime.serve(nil, { "--engine-base-url", fake.url .. "/" })
    assert.equal(pages.vllm, http.get(sidecar.url, "/metrics").body:sub(1, #pages.vllm))
    assert.equal("/metrics", fake:stats().seen[1].target)
  end)

  it("may hold a path, and a proxy in the environment is not asked", function()
    local fake = engine.start()
    local proxy = "http://127.0.0.1:" .. http.free_port()
    local sidecar = runtime.serve(nil, { "--engine-base-url", fake.url .. "/engine" },
      { env = { http_proxy = proxy, HTTP_PROXY = proxy, ALL_PROXY = proxy, all_proxy = proxy } })
    assert.equal(200, http.get(sidecar.url, "/metrics").status)
    assert.equal("/engine/metrics", fake:stats().seen[1].target)
  end)
end)
