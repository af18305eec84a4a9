-- Secrets: where they are sent, and that nothing which people or machines read afterwards holds one.
local downloads = require("spec.support.api")
local engine = require("spec.support.engine")
local files = require("spec.support.files")
local http = require("spec.support.http")
local json = require("dkjson")
local origin = require("spec.support.origin")
local rules = require("spec.support.rules")
local runtime = require("spec.support.runtime")

-- In every secret that is planted, and in nothing else.
local MARK = "planted"

-- A source that tells everybody what the server answers; the server repeats what it is sent.
local CARELESS = [[return { api = 1, source = "careless", schemes = { "careless" },
  config = { token = { secret = true }, endpoint = { endpoint = true } },
  resolve = function(uri, ctx)
    local reply = ctx.http.get(ctx.config.endpoint .. "/echo?key=planted-in-a-rule", {
      headers = { Authorization = { "Bearer ", ctx.config.token } } })
    local received = ctx.secret("received-planted-9")
    ctx.log.info("the server says " .. reply.body .. " and received-planted-9")
    if uri.rest == "raises" then
      error("it failed: " .. reply.body)
    elseif uri.rest == "prints" then
      ctx.log.info(tostring(ctx.config.token) .. tostring(received))
    end
    return nil, "it failed: " .. reply.body .. " and received-planted-9", "protocol"
  end }]]

describe("a secret", function()
  local fake, web, environment

  setup(function()
    fake = engine.start()
    web = origin.start()
    environment = {
      HF_AUTH_TOKEN = "hf-planted-1", MS_TOKEN = "ms-planted-2", ACCESS_KEY = "ak-planted-3",
      SECRET_KEY = "sk-planted-4", AWS_SESSION_TOKEN = "st-planted-5/+=x",
    }
  end)

  local function serve(extra)
    local args = { "--log-level", "debug", "--max-attempts", "1", unpack(extra or {}) }
    return runtime.serve(fake, args, { env = environment })
  end

  -- Downloads into a new directory.
  local function download(sidecar, source, config, more)
    local body = { source = source, config = config, output_dir = files.temporary() }
    for name, value in pairs(more or {}) do
      body[name] = value
    end
    return downloads.post(sidecar, body)
  end

  -- Everything that a sidecar tells of itself and its jobs.
  local function told(sidecar)
    local texts = { sidecar:log() }
    for _, path in ipairs({ "/v1/jobs", "/metrics", "/metrics/runtime", "/v1/rules", "/openapi.json" }) do
      texts[#texts + 1] = http.get(sidecar.url, path).body
    end
    for _, job in ipairs(downloads.jobs(sidecar)) do
      texts[#texts + 1] = http.get(sidecar.url, "/v1/jobs/" .. job.id).body
      texts[#texts + 1] = http.get(sidecar.url, ("/v1/jobs/%s/events"):format(job.id)).body
    end
    return table.concat(texts, "\n")
  end

  local function assert_clean(text)
    local at = text:find(MARK, 1, true)
    assert.is_nil(at, at and text:sub(math.max(1, at - 300), at + 100))
  end

  -- What a web server was sent, in one text.
  local function sent(server)
    local text = json.encode(server:seen())
    server:forget()
    return text
  end

  it("of the environment is sent to no endpoint that a request brings, unless that is allowed", function()
    local address = origin.outer_address()
    if not address then
      return pending("this machine has no address but loopback")
    end
    local outer = origin.start(address)
    local cases = {
      { "hf://ns/m", "hf_endpoint", "hf_token", "hf%-planted%-1" }, { "ms://ns/m", "ms_endpoint", "ms_token",
        "ms%-planted%-2" }, { "s3://bucket/m", "endpoint", "access_key", "ak%-planted%-3" },
    }
    local sidecar = serve()
    local allowing = serve({ "--allow-source", "*://*" })
    for _, case in ipairs(cases) do
      download(sidecar, case[1], { [case[2]] = outer.url })
      local requests = sent(outer)
      assert.truthy(requests:find('"method"', 1, true), case[1])
      assert_clean(requests)
      download(sidecar, case[1], { [case[2]] = outer.url, [case[3]] = "own-planted-6", secret_key = "own-planted-7" })
      assert.truthy(sent(outer):find("own-planted-6", 1, true), case[1])
      download(allowing, case[1], { [case[2]] = outer.url })
      assert.truthy(sent(outer):find(case[4]), case[1])
    end
    assert.truthy(sidecar:log():find("config: hf_token: not used, because the request brings an hf_endpoint", 1, true))
    assert_clean(told(sidecar))
    assert_clean(told(allowing))
  end)

  it("of a configuration or the environment is in no error that repeats it", function()
    local sidecar = serve({ "--allow-source", "*" })
    web:serve("/api/models/ns/m/revision/main", { status = 403, text = "no", echo = true,
      headers = { "X-Error-Message: bad token hf-planted-8" } })
    web:serve("/api/v1/models/ns/m/repo/files", { status = 403, text = '{"Code":403,"Message":"bad ms-planted-8"}' })
    local refusal = "<Error><Code>InvalidToken</Code><Message>%s of %s</Message></Error>"
    web:serve("/theirs", { status = 400, text = refusal:format("st-planted-5/+=x", "ak-planted-3") })
    web:serve("/own", { status = 400, text = refusal:format("st-planted-8", "ak-planted-8") })
    for _, case in ipairs({
      { "hf://ns/m", { hf_endpoint = web.url, hf_token = "hf-planted-8" }, 403 },
      { "ms://ns/m", { ms_endpoint = web.url, ms_token = "ms-planted-8" }, 403 },
      { "s3://theirs/m", { endpoint = web.url }, 401 },
      { "s3://own/m", { endpoint = web.url, access_key = "ak-planted-8", secret_key = "sk-planted-8",
        session_token = "st-planted-8" }, 401 },
    }) do
      for _, config in ipairs({ case[2], json.encode(case[2]) }) do
        local reply, status = download(sidecar, case[1], config)
        assert.equal(case[3], status, json.encode(reply))
        assert.truthy(reply.detail:find("***", 1, true), reply.detail)
        assert_clean(reply.detail)
      end
    end
    assert.truthy(sent(web):find("hf-planted-8", 1, true)) -- it was really used
    for _, config in ipairs({ '{"hf_token": "hf-planted-8"', '"hf-planted-8"', { hf_token = { "hf-planted-8" } } }) do
      local reply, status = download(sidecar, "hf://ns/m", config)
      assert.equal(400, status)
      assert_clean(json.encode(reply))
    end
    assert_clean(told(sidecar))
  end)

  it("that a careless rule file repeats is hidden", function()
    local directory = files.temporary()
    rules.write(directory, "careless", CARELESS, "source")
    local sidecar = serve({ "--allow-source", "*", "--rules", directory })
    web:serve("/echo", { text = "you sent", echo = true })
    local kinds = { raises = 500, prints = 500, returns = 502 }
    for what, status in pairs(kinds) do
      local reply, got = download(sidecar, "careless://" .. what, { endpoint = web.url, token = "tk-planted-10" })
      assert.is_true(got == status or what == "prints", json.encode(reply))
      assert.falsy(json.encode(reply):find("planted%-%d"), json.encode(reply))
    end
    assert.truthy(sent(web):find("tk-planted-10", 1, true))
    assert.truthy(sidecar:log():find("the server says you sent", 1, true), sidecar:log())
    assert.falsy(told(sidecar):find("planted%-%d"), told(sidecar))
  end)

  it("in a URL is in no job, log or error", function()
    local sidecar = serve({ "--allow-source", web.url .. "/*", "--allow-source", "http://127.0.0.1:1/*" })
    local query = "?X-Amz-Security-Token=planted-11%2F%3D&X-Amz-Signature=planted-12"
    web:serve("/good", { text = "good" })
    web:serve("/bad", { status = 403, text = "no" })
    for path, to in pairs({ ["/to-good"] = "/good", ["/to-bad"] = "/bad", ["/to-nowhere"] = "/none" }) do
      web:serve(path, { status = 302, text = "", headers = { "Location: " .. to .. "?Signature=planted-13" } })
    end
    for path, status in pairs({ ["/good"] = 200, ["/to-good"] = 200, ["/bad"] = 403, ["/to-bad"] = 403,
      ["/none"] = 404, ["/to-nowhere"] = 404 }) do
      local reply, got = download(sidecar, web.url .. path .. query)
      assert.equal(status, got, json.encode(reply))
      assert_clean(json.encode(reply))
    end
    for _, source in ipairs({ "http://127.0.0.1:1/x", "http://10.255.255.1:1/x", "nothing://x" }) do
      local reply, got = download(sidecar, source .. query)
      assert.is_true(got >= 400)
      assert_clean(json.encode(reply))
    end
    local reply, got = download(sidecar, web.url:gsub("//", "//user:planted-14@") .. "/good")
    assert.equal(403, got)
    assert_clean(json.encode(reply))
    local requests = sent(web)
    assert.truthy(requests:find("planted-12", 1, true) and requests:find("planted-13", 1, true))
    local text = told(sidecar)
    assert_clean(text)
    assert.truthy(text:find(web.url .. "/good?***", 1, true), text)
  end)

  it("in a URL is in no record on the disk", function()
    local sidecar = serve({ "--allow-source", "*" })
    local directory = files.temporary()
    local url = web:serve("/held", { size = 100000, hold = 1000 }) .. "?Signature=planted-16"
    local id = downloads.start(sidecar, { source = url, output_dir = directory })
    web:wait_until_held()
    local function recorded()
      local text = {}
      for _, name in ipairs(files.list(directory .. "/.kthena")) do
        text[#text + 1] = files.read(directory .. "/.kthena/" .. name)
      end
      return table.concat(text)
    end
    assert_clean(recorded())
    web:release()
    assert.equal("succeeded", downloads.wait_for(sidecar, id, "succeeded").state)
    local records = recorded()
    assert.truthy(records:find(web.url .. "/held?sha256-", 1, true), records)
    assert_clean(records)
    local result = runtime.run({ "download", "-s", url, "-o", directory, "--progress", "json" })
    assert.equal(0, result.status, result.stderr)
    assert_clean(result.stdout .. result.stderr)
  end)

  it("in a URL is in no event while the job runs", function()
    local sidecar = serve({ "--allow-source", "*" })
    local url = web:serve("/held", { size = 100000, hold = 1000 }) .. "?Signature=planted-15"
    local directory = files.temporary()
    local id = downloads.start(sidecar, { source = url, output_dir = directory })
    web:wait_until_held()
    local stream = downloads.follow(sidecar, id)
    local _, job = downloads.event(stream)
    assert.equal(web.url .. "/held?***", job.request.source)
    local reply = downloads.post(sidecar, { source = url .. "&x", output_dir = directory })
    assert_clean(json.encode({ job, reply }))
    assert_clean(http.get(sidecar.url, "/v1/jobs").body)
    web:release()
    repeat
      local name
      name, job = downloads.event(stream)
      assert_clean(json.encode(job))
    until name == "end"
    assert.equal("succeeded", job.state)
    assert_clean(told(sidecar))
  end)
end)
