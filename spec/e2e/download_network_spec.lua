-- The way to a source: proxies, private authorities, and what --insecure says.
local downloader = require("spec.support.downloader")
local files = require("spec.support.files")
local nginx = require("spec.support.nginx")
local process = require("spec.support.process")
local runtime = require("spec.support.runtime")
local tls = require("spec.support.tls")
local wait = require("spec.support.wait")

describe("the way to a source", function()
  local plan, server, rules, plain, secure, certificate, other

  setup(function()
    local directory = files.temporary()
    local key
    certificate, key = tls.certificate(directory .. "/server", "server")
    other = tls.certificate(directory .. "/other", "other")
    local root
    root, plan = downloader.tree({ ["a.bin"] = 300000, ["b.bin"] = 20000 })
    server = nginx.start(root, { certificate = certificate, key = key })
    rules = downloader.rules()
    plain, secure = "tree://" .. server.authority, "trees://" .. server.tls_authority
  end)

  -- Starts a proxy. Returns it, its port, and a function that tells what it was asked for.
  local function proxy()
    local running = process.start({ "luajit", files.root .. "/tests/servers/proxy.lua" })
    local port = wait.until_true("the proxy to listen", function()
      return running:stdout():match("^(%d+)\n")
    end)
    return port, function()
      return running:stdout():match("^%d+\n(.*)$")
    end
  end

  local function run(source, env, ...)
    local output = files.in_memory()
    env.SSL_CERT_FILE, env.AWS_CA_BUNDLE = env.SSL_CERT_FILE or "", env.AWS_CA_BUNDLE or ""
    local result = runtime.run(downloader.arguments(rules, source, output, ...), { env = env, seconds = 30 })
    return result, output
  end

  local function succeeds(...)
    local result, output = run(...)
    assert.equal(0, result.status, result.stderr)
    downloader.check(output, plan)
    return result
  end

  it("leads through the proxy for http", function()
    local port, asked = proxy()
    succeeds(plain, { HTTP_PROXY = ("http://127.0.0.1:%d"):format(port) })
    for _, path in ipairs({ "list.json", "a.bin", "b.bin" }) do
      assert.truthy(asked():find(("GET %s/%s\n"):format(server.url, path), 1, true), asked())
    end
    assert.is_nil(asked():find("CONNECT", 1, true))
  end)

  it("leads through a tunnel for https, where the proxy sees no request", function()
    local port, asked = proxy()
    succeeds(secure, { HTTPS_PROXY = ("http://user:pa55@127.0.0.1:%d"):format(port), SSL_CERT_FILE = certificate })
    assert.truthy(asked():find(("CONNECT %s Basic dXNlcjpwYTU1\n"):format(server.tls_authority), 1, true), asked())
    assert.is_nil(asked():find("GET", 1, true))
  end)

  it("leads around the proxy for the hosts of NO_PROXY", function()
    local port, asked = proxy()
    for _, value in ipairs({ "*", "127.0.0.1", "example.com,127.0.0.1" }) do
      succeeds(plain, { HTTP_PROXY = ("http://127.0.0.1:%d"):format(port), NO_PROXY = value })
    end
    assert.equal("", asked())
  end)

  it("is named when the proxy is not there, without its password", function()
    local result = run(server.url .. "/a.bin", { HTTP_PROXY = "http://user:pa55@127.0.0.1:1" }, "--max-attempts", "1")
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find("127.0.0.1 port 1", 1, true), result.stderr)
    assert.is_nil(result.stderr:find("pa55", 1, true))
  end)

  it("is not trusted without its authority", function()
    local result = run(secure, {}, "--max-attempts", "1")
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find("certificate", 1, true), result.stderr)
    assert.truthy(result.stderr:find(server.tls_url, 1, true), result.stderr)
    assert.equal(1, run(secure, { SSL_CERT_FILE = other }).status)
    assert.equal(1, run(secure, { SSL_CERT_FILE = certificate }, "--ca-file", other).status)
    result = run(secure, {}, "--ca-file", "/no/such/file.pem")
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find("/no/such/file.pem", 1, true), result.stderr)
  end)

  it("is trusted with a private authority, however that is told", function()
    succeeds(secure, { SSL_CERT_FILE = certificate })
    succeeds(secure, { AWS_CA_BUNDLE = certificate })
    succeeds(secure, { SSL_CERT_FILE = other }, "--ca-file", certificate)
  end)

  it("is taken unseen with --insecure, which says what that means", function()
    local result = succeeds(secure, {}, "--insecure")
    assert.truthy(result.stderr:find("warn%s+%-%-insecure: the certificates of download sources are not checked; "),
      result.stderr)
  end)
end)
