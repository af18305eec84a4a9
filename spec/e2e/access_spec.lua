-- What requests may have written and fetched: --output-root, the system's directories, --allow-source, and addresses
-- that no request may lead to.
local downloads = require("spec.support.api")
local engine = require("spec.support.engine")
local files = require("spec.support.files")
local json = require("dkjson")
local origin = require("spec.support.origin")
local rules = require("spec.support.rules")
local runtime = require("spec.support.runtime")
local socket = require("socket")
local unistd = require("posix.unistd")

local function refused(sidecar, status, body, ...)
  local reply, got = downloads.post(sidecar, body)
  assert.equal(status, got, json.encode(body) .. " -> " .. json.encode(reply))
  for _, part in ipairs({ ... }) do
    assert.truthy(reply.detail:find(part, 1, true), reply.detail)
  end
  return reply.detail
end

describe("an output directory", function()
  local fake, model

  setup(function()
    fake = engine.start()
    model = files.temporary()
    files.write(model .. "/config.json", "{}")
    files.write(model .. "/sub/a.bin", "a")
  end)

  local function taken(sidecar, directory)
    local reply, status = downloads.post(sidecar, { source = "pvc://" .. model, output_dir = directory })
    assert.equal(200, status, json.encode(reply))
  end

  local function denied(sidecar, directory, ...)
    return refused(sidecar, 403, { source = "pvc://" .. model, output_dir = directory }, ...)
  end

  it("is any but the system's own", function()
    local sidecar = runtime.serve(fake)
    local link = files.temporary() .. "/link"
    assert(unistd.link("/etc", link, true))
    for _, directory in ipairs({ "/", "//", "/etc", "/etc/x/y", "/usr/lib/x", "/proc/self/fd", "/sys/x", "/dev/x",
      "/bin", "/lib/x", "/boot", "/run/x", "/tmp/../etc", "/no/such/../../etc/x", "/var", "/home", link, link .. "/x",
      link .. "/../etc/x" }) do
      denied(sidecar, directory, "the system's own", "--output-root")
    end
    assert.is_false(files.exists("/etc/x"))
    taken(sidecar, files.temporary() .. "/new/deep/m")
  end)

  it("is below --output-root, with links resolved", function()
    local root, outside = files.temporary(), files.temporary()
    local sidecar = runtime.serve(fake, { "--output-root", root, "--output-root", root .. "-too" })
    files.make_directory(root .. "/real")
    assert(unistd.link(outside, root .. "/out", true))
    assert(unistd.link(root .. "/real", root .. "/in", true))
    assert(unistd.link("nowhere/else", root .. "/dangling", true))
    for _, directory in ipairs({ outside, root .. "/../x", root .. "/out", root .. "/out/m", root .. "/a/../../x",
      root .. "2", "/", "relative", "~/m", root .. "/in/../../x" }) do
      denied(sidecar, directory, "--output-root")
    end
    local _, status = downloads.post(sidecar, { source = "pvc://" .. model, output_dir = root .. "/dangling/m" })
    assert.is_true(status >= 400, status)
    assert.same({}, files.list(outside))
    for _, directory in ipairs({ root .. "/m", root, root .. "/in/m", root .. "/x/../y", root .. "-too/m" }) do
      taken(sidecar, directory)
    end
    assert.equal("a", files.read(root .. "/real/m/sub/a.bin"))
    files.remove(root .. "-too")
  end)

  it("does not lead out by a link that waits in it", function()
    local sidecar = runtime.serve(fake)
    local outside, directory = files.temporary(), files.temporary()
    assert(unistd.link(outside, directory .. "/sub", true))
    local reply, status = downloads.post(sidecar, { source = "pvc://" .. model, output_dir = directory })
    assert.is_true(status >= 400, json.encode(reply))
    assert.same({}, files.list(outside))
  end)

  it("may begin with ~", function()
    local home = files.temporary()
    local sidecar = runtime.serve(fake, {}, { env = { HOME = home } })
    taken(sidecar, "~/m")
    assert.equal("{}", files.read(home .. "/m/config.json"))
  end)
end)

describe("a source", function()
  it("is one that --allow-source names, when it is given", function()
    local model = files.temporary()
    files.write(model .. "/a", "a")
    local sidecar = runtime.serve(engine.start(), { "--allow-source", "pvc://" .. model .. "/*", "--allow-source",
      "hf://acme/*", "--allow-source", "file://" .. model })
    for _, source in ipairs({ "pvc:///etc", "pvc://" .. model, "file:///etc", "file://" .. model .. "/a",
      "hf://acme2/m", "acme/m", "https://example.com/x", "PVC://" .. model .. "/a" }) do
      refused(sidecar, 403, { source = source, output_dir = "/tmp/never" }, source, "--allow-source")
    end
    for _, source in ipairs({ "pvc://" .. model .. "/a", "file://" .. model }) do
      assert.equal(200, select(2, downloads.post(sidecar, { source = source, output_dir = files.temporary() })))
    end
  end)
end)

describe("an address on this machine or of its cloud", function()
  local fake, web, sidecar

  setup(function()
    fake = engine.start()
    web = origin.start()
    web:serve("/m.bin", { text = "bytes" })
    sidecar = runtime.serve(fake, { "--max-attempts", "1" })
  end)

  local function refuses(source, config)
    refused(sidecar, 403, { source = source, output_dir = files.temporary(), config = config },
      "must not be reached on a request's behalf", "--allow-source")
    assert.equal(0, #web:seen())
  end

  it("is no source of a request", function()
    for _, host in ipairs({ "127.0.0.1", "localhost", "LOCALHOST", "model.localhost", "127.1", "2130706433",
      "0x7f.0.0.1", "0.0.0.0", "127.200.0.9", "[::1]", "[::ffff:127.0.0.1]", "[::]", "169.254.169.254", "[fe80::1]",
      "100.100.100.200", "[fd00:ec2::254]", "224.0.0.1" }) do
      refuses(("http://%s:%d/m.bin"):format(host, web.port))
    end
    refuses("https://127.0.0.1/m.bin")
    local name = socket.dns.gethostname()
    if (socket.dns.toip(name) or ""):find("^127%.") then
      refuses(("http://%s:%d/m.bin"):format(name, web.port))
    end
  end)

  it("is no endpoint of a request", function()
    for _, endpoint in ipairs({ web.url, ("http://localhost:%d/"):format(web.port), "http://169.254.169.254" }) do
      refuses("s3://bucket/m", { endpoint = endpoint, access_key = "a", secret_key = "b" })
      refuses("hf://ns/m", { hf_endpoint = endpoint })
      refuses("ms://ns/m", { ms_endpoint = endpoint })
    end
  end)

  it("is no place that a request's source may redirect to", function()
    local address = origin.outer_address()
    if not address then
      return pending("this machine has no address but loopback")
    end
    local outer = origin.start(address)
    assert.equal(200, select(2, downloads.post(sidecar, { source = outer:serve("/ok", { text = "x" }),
      output_dir = files.temporary() })))
    for _, target in ipairs({ web.url, ("http://localhost:%d"):format(web.port), "http://169.254.169.254" }) do
      local url = outer:serve("/away", { status = 302, text = "", headers = { "Location: " .. target .. "/m.bin" } })
      refuses(url)
      url = outer:serve("/api/models/ns/m/revision/main", { status = 307, text = "",
        headers = { "Location: " .. target .. "/m.bin" } })
      refuses("hf://ns/m", { hf_endpoint = url:match("^http://[^/]*") })
    end
  end)

  it("is one that --allow-source may name, for a source and for an endpoint", function()
    local allowing = runtime.serve(fake, { "--allow-source", web.url .. "/*", "--allow-source", web.url,
      "--allow-source", "s3://*" })
    assert.equal(200, select(2, downloads.post(allowing, { source = web.url .. "/m.bin",
      output_dir = files.temporary() })))
    web:forget()
    local reply, status = downloads.post(allowing, { source = "s3://bucket/m", output_dir = files.temporary(),
      config = { endpoint = web.url, access_key = "a", secret_key = "b" } })
    assert.equal(404, status, json.encode(reply))
    assert.is_true(#web:seen() > 0)
    refused(allowing, 403, { source = "http://localhost:" .. web.port .. "/m.bin", output_dir = "/tmp/never" },
      "--allow-source")
    web:forget()
  end)

  it("is none that an allowed source or endpoint redirects to, unless that is allowed too", function()
    local directory = files.temporary()
    rules.write(directory, "direct", [[return { api = 1, source = "direct", schemes = { "direct" },
      config = { endpoint = { endpoint = true } },
      resolve = function(uri, ctx)
        return { files = { { path = "m.bin", url = ctx.config.endpoint .. "/" .. uri.rest } } }
      end }]], "source")
    local other = origin.start()
    local inside, outside = other:serve("/m.bin", { text = "x" }), "http://localhost:" .. other.port .. "/m.bin"
    local args = { "--rules", directory, "--allow-source", web.url .. "/*", "--allow-source", web.url,
      "--allow-source", "direct://*" }
    local allowing = runtime.serve(fake, args)
    local trusting = runtime.serve(fake, { "--allow-source", other.url .. "/*", unpack(args) })
    local function post(server, source)
      local reply, status = downloads.post(server, { source = source, output_dir = files.temporary(),
        config = { endpoint = web.url } })
      return status, json.encode(reply)
    end
    web:serve("/within", { status = 302, text = "", headers = { "Location: /m.bin" } })
    web:serve("/inside", { status = 302, text = "", headers = { "Location: " .. inside } })
    web:serve("/outside", { status = 302, text = "", headers = { "Location: " .. outside } })
    for _, base in ipairs({ web.url .. "/", "direct://" }) do
      for path, expected in pairs({ within = { 200, 200 }, inside = { 403, 200 }, outside = { 403, 403 } }) do
        for i, server in ipairs({ allowing, trusting }) do
          other:forget()
          local status, text = post(server, base .. path)
          assert.equal(expected[i], status, base .. path .. ": " .. text)
          assert.equal(status == 200 and path == "inside", #other:seen() > 0)
          assert.truthy(status == 200 or text:find("must not be reached on a request's behalf", 1, true), text)
        end
      end
    end
    web:forget()
  end)

  it("is reached where whoever runs the sidecar put it", function()
    local trusting = runtime.serve(fake, {}, { env = { HF_ENDPOINT = web.url } })
    local reply, status = downloads.post(trusting, { source = "hf://ns/m", output_dir = files.temporary() })
    assert.equal(404, status, json.encode(reply))
    assert.is_true(#web:seen() > 0)
    web:forget()
  end)

  it("is not reached by what a workflow makes of a request", function()
    local directory = files.temporary()
    files.write(directory .. "/fetch.lua", [[return { api = 1, workflow = "fetch",
      route = { method = "POST", path = "/v1/fetch" },
      params = { { name = "host", type = "string", required = true }, { name = "dir", type = "string" } },
      run = function(params, ctx) return ctx.download("http://" .. params.host .. "/m.bin", params.dir) end }]])
    local own = runtime.serve(fake, { "--rules", directory })
    local function fetch(host, dir)
      local reply, status = downloads.post(own, { host = host, dir = dir }, "/v1/fetch")
      assert.equal(403, status, json.encode(reply))
      return reply.detail
    end
    assert.truthy(fetch("127.0.0.1:" .. web.port, files.temporary()):find("must not be reached", 1, true))
    assert.truthy(fetch("example.com", "/etc/x"):find("the system's own", 1, true))
    assert.equal(0, #web:seen())
  end)
end)
