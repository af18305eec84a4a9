-- TLS: the certificate given, nothing older than 1.2, and a new certificate while running.
local engine = require("spec.support.engine")
local files = require("spec.support.files")
local http = require("spec.support.http")
local json = require("dkjson")
local pages = require("spec.support.pages")
local process = require("spec.support.process")
local runtime = require("spec.support.runtime")
local tls = require("spec.support.tls")
local wait = require("spec.support.wait")

describe("TLS", function()
  local fake, directory

  setup(function()
    fake = engine.start()
    directory = files.temporary()
  end)

  local function start(name, ...)
    local certificate, key = tls.certificate(directory .. "/" .. name, name)
    return runtime.serve(fake, { "--tls-cert", certificate, "--tls-key", key, ... }), certificate
  end

  it("serves everything over https", function()
    local sidecar, certificate = start("plain")
    assert.truthy(sidecar.url:find("^https://127%.0%.0%.1:%d+$"), sidecar.url)
    assert.equal('{"status":"healthy","service":"runtime"}', tls.get(certificate, sidecar.url .. "/health"))
    assert.equal(pages.vllm, tls.get(certificate, sidecar.url .. "/metrics"):sub(1, #pages.vllm))
  end)

  it("is not trusted under another certificate", function()
    local sidecar = start("one")
    local other = tls.certificate(directory .. "/other", "other")
    local body, problem = tls.get(other, sidecar.url .. "/health")
    assert.is_nil(body)
    assert.truthy(problem:lower():find("certificate"), problem)
  end)

  it("takes 1.2 and 1.3 and refuses 1.1", function()
    local sidecar = start("versions")
    assert.truthy(tls.probe(sidecar.url, "-tls1_2"):find("Protocol  : TLSv1.2", 1, true))
    assert.truthy(tls.probe(sidecar.url, "-tls1_3"):find("TLSv1.3", 1, true))
    local said = tls.probe(sidecar.url, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    assert.truthy(said:find("alert protocol version", 1, true), said)
  end)

  it("does not mind a client that speaks plain HTTP", function()
    local sidecar, certificate = start("mixed")
    local plain = sidecar.url:gsub("^https", "http")
    local connection = http.connect(plain)
    connection:ask("GET", "/health")
    local ok, reply = pcall(connection.reply, connection)
    assert.is_true(not ok or reply == nil or reply.status >= 400)
    assert.is_string(tls.get(certificate, sidecar.url .. "/health"))
  end)

  it("is left out on a unix socket", function()
    local path = directory .. "/runtime.sock"
    local certificate, key = tls.certificate(directory .. "/both", "both")
    local sidecar = runtime.serve(fake, { "--host", "127.0.0.1", "--host", "unix:" .. path, "--tls-cert", certificate,
      "--tls-key", key }, { listeners = 2 })
    assert.equal(200, http.get("unix:" .. path, "/health").status)
    assert.is_string(tls.get(certificate, sidecar.url .. "/health"))
  end)

  it("shows a new certificate when the files change, without a restart", function()
    local sidecar, certificate = start("renewed")
    assert.is_string(tls.get(certificate, sidecar.url .. "/health"))
    tls.certificate(directory .. "/renewed", "second")
    wait.until_true("the new certificate to be shown", function()
      return tls.get(certificate, sidecar.url .. "/health")
    end)
    assert.truthy(tls.probe(sidecar.url):find("CN = second", 1, true))
  end)

  it("goes on with the last good certificate when the new one is broken", function()
    local sidecar, certificate = start("kept")
    files.write(directory .. "/kept.copy", files.read(certificate))
    files.write(certificate, "this is no certificate\n")
    wait.until_true("the broken certificate to be noticed", function()
      assert.is_string(tls.get(directory .. "/kept.copy", sidecar.url .. "/health"))
      return sidecar:log():find("kept.crt", 1, true)
    end)
    assert.is_string(tls.get(directory .. "/kept.copy", sidecar.url .. "/health"))
  end)

  it("is refused at start when key and certificate do not belong together", function()
    local certificate = tls.certificate(directory .. "/left", "left")
    local _, key = tls.certificate(directory .. "/right", "right")
    local result = runtime.run(runtime.arguments(fake, { "--tls-cert", certificate, "--tls-key", key }))
    assert.equal(2, result.status)
    assert.truthy(result.stderr:find("right.key", 1, true), result.stderr)
  end)
end)

describe("an engine behind TLS", function()
  -- openssl serves the file "metrics" of its directory, head and all.
  local function start(directory)
    local certificate, key = tls.certificate(directory .. "/engine", "engine")
    files.write(directory .. "/metrics", "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
      .. "Connection: close\r\nContent-Length: " .. #pages.vllm .. "\r\n\r\n" .. pages.vllm)
    local port = http.free_port()
    process.start({ "openssl", "s_server", "-quiet", "-HTTP", "-accept", "127.0.0.1:" .. port, "-cert", certificate,
      "-key", key }, { cwd = directory })
    local url = "https://127.0.0.1:" .. port
    wait.until_true("openssl to listen", function()
      return tls.get(certificate, url .. "/metrics")
    end)
    return url, certificate
  end

  it("is trusted by the bundle in SSL_CERT_FILE, and not without it", function()
    local url, certificate = start(files.temporary())
    local trusting = runtime.serve(nil, { "--engine-base-url", url }, { env = { SSL_CERT_FILE = certificate } })
    local reply = http.get(trusting.url, "/metrics")
    assert.equal(200, reply.status, reply.body)
    assert.equal(pages.vllm, reply.body:sub(1, #pages.vllm))
    local wary = runtime.serve(nil, { "--engine-base-url", url })
    reply = http.get(wary.url, "/metrics")
    assert.equal(502, reply.status)
    assert.truthy(json.decode(reply.body).detail:find("certificate", 1, true), reply.body)
  end)
end)
