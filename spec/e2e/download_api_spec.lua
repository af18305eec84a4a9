-- POST /v1/download_model: what it takes, what it answers, and with which status it fails.
local downloads = require("spec.support.api")
local engine = require("spec.support.engine")
local files = require("spec.support.files")
local http = require("spec.support.http")
local json = require("dkjson")
local origin = require("spec.support.origin")
local process = require("spec.support.process")
local rules = require("spec.support.rules")
local runtime = require("spec.support.runtime")
local scope = require("spec.support.scope")

local PATH = "/v1/download_model"

-- A source whose one file is a model of this machine, under a revision that its configuration names.
local NOTED = [[return { api = 1, source = "noted", schemes = { "noted" }, config = { revision = {} },
  resolve = function(uri, ctx)
    return { revision = ctx.config.revision or "none", pinned = false,
      files = { { path = "config.json", size = 2, from = uri.path .. "/config.json" } } }
  end }]]

-- A source that asks what its URI names, and does not wait long for the answer.
local HASTY = [[return { api = 1, source = "hasty", schemes = { "hasty" },
  resolve = function(uri, ctx)
    local reply, message, kind = ctx.http.get("http://" .. uri.rest, { timeout = 0.2, attempts = 1 })
    if not reply then
      return nil, message, kind
    end
    return nil, "this cannot be", "policy"
  end }]]

describe("POST " .. PATH, function()
  local web, sidecar, model

  setup(function()
    web = origin.start()
    model = files.temporary()
    files.write(model .. "/config.json", "{}")
    files.write(model .. "/weights/a.bin", ("a"):rep(1000))
    files.write(model .. "/weights/b.bin", ("b"):rep(500))
    local directory = files.temporary()
    rules.write(directory, "noted", NOTED, "source")
    rules.write(directory, "hasty", HASTY, "source")
    sidecar = runtime.serve(engine.start(), { "--rules", directory, "--allow-source", "*", "--max-attempts", "1" })
  end)

  local function post(body)
    return downloads.post(sidecar, body)
  end

  local function refused(status, body, ...)
    local reply, got = post(body)
    assert.equal(status, got, json.encode(reply))
    for _, part in ipairs({ ... }) do
      assert.truthy(reply.detail:find(part, 1, true), reply.detail)
    end
    return reply.detail
  end

  it("answers 200 with the reference's fields and its own once the model is there", function()
    local directory = files.temporary() .. "/m"
    local body = { source = "pvc://" .. model, output_dir = directory }
    local reply, status = post(body)
    assert.equal(200, status)
    local job = downloads.job(sidecar, reply.job_id)
    assert.same("succeeded", job.state)
    assert.same(reply, job.result)
    assert.is_true(reply.duration_seconds >= 0)
    reply.job_id, reply.duration_seconds = nil, nil
    assert.same({
      status = "completed", message = "Model download completed successfully", source = body.source,
      output_dir = directory, revision = "", files = 3, bytes = 1502, files_present = 0, bytes_fetched = 1502,
    }, reply)
    assert.equal(("b"):rep(500), files.read(directory .. "/weights/b.bin"))
    reply, status = post(body)
    assert.equal(200, status)
    assert.same({ 3, 1502, 3, 0 }, { reply.files, reply.bytes, reply.files_present, reply.bytes_fetched })
  end)

  it("answers 202 with the reference's fields and a job's id when told not to wait", function()
    local directory = files.temporary() .. "/./m"
    local body = { source = "file://" .. model, output_dir = directory, async_download = true, max_workers = 2 }
    local reply, status = post(body)
    assert.equal(202, status)
    local job = downloads.wait_for(sidecar, reply.job_id, "succeeded")
    assert.equal("completed", job.result.status)
    reply.job_id = nil
    assert.same({
      status = "started", message = "Model download started in background", source = body.source,
      output_dir = directory,
    }, reply)
    assert.equal("{}", files.read(directory .. "/config.json"))
  end)

  it("brings a file of a web server, and asks only once for what it has", function()
    local directory = files.temporary()
    local url = web:serve("/a%20model.bin", { size = 100000, headers = { 'ETag: "one"' } })
    assert.equal(100000, post({ source = url, output_dir = directory }).bytes_fetched)
    assert.equal(origin.bytes(100000), files.read(directory .. "/a model.bin"))
    local before = #web:seen("GET")
    local reply = post({ source = url, output_dir = directory })
    assert.same({ 1, 1, 0 }, { reply.files, reply.files_present, reply.bytes_fetched })
    assert.equal(before, #web:seen("GET"))
  end)

  it("takes the configuration as an object and as JSON in a text", function()
    for _, config in ipairs({ { revision = "v7" }, '{"revision": "v7"}' }) do
      local reply = post({ source = "noted://x" .. model, output_dir = files.temporary(), config = config })
      assert.equal("v7", reply.revision, json.encode(reply))
    end
    for _, config in ipairs({ json.null, "", "{}", { unknown = "x" } }) do
      local reply = post({ source = "noted://x" .. model, output_dir = files.temporary(), config = config })
      assert.equal("none", reply.revision, json.encode(reply))
    end
    refused(400, { source = "noted://x" .. model, output_dir = files.temporary(), config = { revision = {} } },
      "config: revision: expected a text")
  end)

  it("takes globs as lists and as one text", function()
    local function brought(include, exclude)
      local directory = files.temporary()
      local reply = post({ source = "pvc://" .. model, output_dir = directory, include = include, exclude = exclude })
      return reply.files and table.concat(files.list(directory), " ") or reply.detail
    end
    assert.equal("weights", brought("weights/*"))
    assert.equal("config.json weights", brought({ "*.json", "*/b.bin" }))
    assert.equal("config.json", brought(nil, "**/*.bin"))
    assert.equal("weights", brought({ "**" }, { "*.json", "*/a.bin" }))
    assert.truthy(brought("nothing"):find("has no files that the include and exclude patterns leave", 1, true))
  end)

  it("says what is missing in the reference's words", function()
    for _, nothing in ipairs({ "", "{}", '{"source": null}', '{"source": "", "output_dir": "/x"}' }) do
      assert.equal("Missing required parameter: source", refused(400, nothing))
    end
    assert.equal("Missing required parameter: output_dir", refused(400, { source = "ns/repo" }))
    assert.equal("Missing required parameter: output_dir", refused(400, { source = "ns/repo", output_dir = "" }))
  end)

  it("says which parameter is of a wrong type", function()
    for name, cases in pairs({
      source = { { 5, "expected text, got a number" }, { { "x" }, "expected text, got a list" },
        { "pvc:///a\nb", "control characters" } },
      output_dir = { { true, "expected text, got true or false" } },
      config = { { 5, "expected a JSON object or the text of one, got a number" }, { "[1]", "got a list" },
        { '{"a":', "not JSON at line 1, column" } },
      max_workers = { { "8", "expected a whole number, got text" }, { 1.5, "whole number, got 1.5" },
        { 0, "at least 1" }, { 257, "at most 256" } },
      async_download = { { "yes", "expected true or false, got text" }, { 1, "got a number" } },
      include = { { 5, "expected a list of texts, got a number" }, { { "a", 5 }, "expected text, got a number" } },
      exclude = { { { a = 1 }, "expected a list of texts, got an object" } },
    }) do
      for _, case in ipairs(cases) do
        local body = { source = "pvc://" .. model, output_dir = "/tmp/never" }
        body[name] = case[1]
        refused(400, body, ("parameter '%s': "):format(name), case[2])
      end
    end
    assert.is_false(files.exists("/tmp/never"))
  end)

  it("says where a body is no JSON, and that it has to be an object", function()
    refused(400, '{"source": "pvc:///a",\n  "output_dir": }', "the body: not JSON at line 2, column 17")
    refused(400, "{} {}", "not JSON at line 1, column 4")
    refused(400, "{\"source\": \"\255\"}", "not JSON")
    refused(400, ("["):rep(100000), "not JSON")
    refused(400, "[]", "expected a JSON object, got a list")
    refused(400, "null", "expected a JSON object, got null")
  end)

  it("refuses other methods, media types, and bodies that are too large", function()
    local reply = http.get(sidecar.url, PATH)
    assert.same({ 405, "POST" }, { reply.status, reply.headers.allow })
    local function ask(lines, body)
      return http.request(sidecar.url, "POST", PATH, lines, body)
    end
    reply = ask({ "Content-Type: text/plain" }, "{}")
    assert.equal(415, reply.status)
    assert.truthy(json.decode(reply.body).detail:find("send it as 'application/json'", 1, true))
    assert.equal(400, ask({ "Content-Type: application/json; charset=utf-8" }, "{}").status)
    assert.equal(400, ask({}, "{}").status)
    local large = ('{"source": "%s"}'):format(("x"):rep(1024 * 1024))
    assert.equal(413, ask({ "Content-Type: application/json" }, large).status)
    local chunked = ("%x\r\n%s\r\n0\r\n\r\n"):format(#large, large)
    reply = http.raw(sidecar.url, ("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" ..
      "Transfer-Encoding: chunked\r\n\r\n%s"):format(PATH, chunked))
    assert.equal(413, reply.status)
  end)

  it("lists the schemes it knows when it does not know one", function()
    refused(400, { source = "gopher://a/b", output_dir = "/tmp/x" }, "unknown scheme 'gopher://'", "s3://bucket/prefix",
      "obs://", "hf://namespace/name[@revision]", "ms://", "pvc://", "https://host/path/file", "file:///", "noted://")
  end)

  it("answers 404 for what is not there", function()
    local directory = files.temporary()
    refused(404, { source = "pvc:///no/such/model", output_dir = directory }, "/no/such/model", "mount the volume")
    refused(404, { source = web.url .. "/none", output_dir = directory }, "status 404", web.url .. "/none")
    refused(404, { source = "pvc://" .. files.temporary(), output_dir = directory }, "holds no files")
  end)

  it("passes a source's 401 and 403 on", function()
    for _, status in ipairs({ 401, 403 }) do
      local url = web:serve("/closed", { status = status, text = "not for you" })
      refused(status, { source = url, output_dir = files.temporary() }, "status " .. status, "not for you")
    end
  end)

  it("answers 502 and 504 when the source fails", function()
    local directory = files.temporary()
    for _, status in ipairs({ 500, 503 }) do
      local url = web:serve("/broken", { status = status, text = "out of order" })
      refused(502, { source = url, output_dir = directory }, "status " .. status, "/broken")
    end
    refused(502, { source = ("http://127.0.0.1:%d/x"):format(http.free_port()), output_dir = directory }, "refused")
    refused(502, { source = "http://no-such-host.invalid/x", output_dir = directory }, "no-such-host.invalid")
    web:serve("/held", { text = "late", hold = 0 })
    refused(504, { source = ("hasty://127.0.0.1:%d/held"):format(web.port), output_dir = directory }, "/held")
    web:release()
  end)

  it("answers 507, with the numbers, when there is no space", function()
    local small = files.temporary()
    if process.run({ "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small }).status ~= 0 then
      return pending("a small file system cannot be mounted here")
    end
    scope.defer(function()
      assert.equal(0, process.run({ "umount", small }).status)
    end)
    local url = web:serve("/large", { size = 3 * 1024 * 1024 })
    web:forget()
    local detail = refused(507, { source = url, output_dir = small .. "/m" }, small .. "/m: 3", "are free")
    assert.truthy(detail:find("3[.%d]* MB are needed, [.%d]+ [kM]B are free"), detail)
    assert.equal(0, #web:seen("GET"))
    assert.equal(200, select(2, post({ source = "pvc://" .. model, output_dir = small .. "/m" })))
  end)

  it("is described in the API's document", function()
    local document = json.decode(http.get(sidecar.url, "/openapi.json").body)
    local post_of = document.paths[PATH].post
    local schema = post_of.requestBody.content["application/json"].schema
    assert.same({ "source", "output_dir" }, schema.required)
    local types = {}
    for name, property in pairs(schema.properties) do
      types[name] = property.type
    end
    assert.same({
      source = "string", output_dir = "string", config = { "object", "string" }, max_workers = "integer",
      async_download = "boolean", include = { "array", "string" }, exclude = { "array", "string" },
    }, types)
    assert.same({ 8, 1, 256 }, { schema.properties.max_workers.default, schema.properties.max_workers.minimum,
      schema.properties.max_workers.maximum })
    assert.is_true(schema.properties.config.writeOnly)
    for _, status in ipairs({ "200", "202", "400", "401", "403", "404", "409", "429", "502", "504", "507" }) do
      assert.is_table(post_of.responses[status], status)
    end
  end)
end)
