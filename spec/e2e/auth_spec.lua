-- --auth-token-file: probes and metrics stay open, everything else asks for the token.
local engine = require("spec.support.engine")
local files = require("spec.support.files")
local http = require("spec.support.http")
local json = require("dkjson")
local runtime = require("spec.support.runtime")
local wait = require("spec.support.wait")

describe("a token", function()
  local sidecar, file

  setup(function()
    file = files.write(files.temporary() .. "/token", "correct-horse\n")
    sidecar = runtime.serve(engine.start(), { "--auth-token-file", file })
  end)

  local function status(path, authorization)
    return http.get(sidecar.url, path, authorization and { "Authorization: " .. authorization }).status
  end

  it("is not asked for by probes and metrics", function()
    for _, path in ipairs({ "/health", "/metrics", "/ready" }) do
      assert.equal(200, status(path), path)
      assert.equal(200, status(path, "Bearer wrong"), path)
    end
  end)

  it("is asked for by everything else", function()
    for _, path in ipairs({ "/v1/rules", "/v1/jobs", "/openapi.json" }) do
      local reply = http.get(sidecar.url, path)
      assert.equal(401, reply.status, path)
      assert.truthy(reply.headers["www-authenticate"]:find("^Bearer"))
      assert.is_string(json.decode(reply.body).detail)
      assert.equal(200, status(path, "Bearer correct-horse"), path)
    end
  end)

  it("is not told apart from what is not there by those who do not have it", function()
    assert.equal(401, status("/v1/nothing"))
    assert.equal(404, status("/v1/nothing", "Bearer correct-horse"))
  end)

  it("has to be right to the last byte", function()
    for _, wrong in ipairs({ "Bearer correct-hors", "Bearer correct-horse2", "Bearer ", "Bearer", "correct-horse",
      "Basic correct-horse", "Bearer CORRECT-HORSE", "Bearer correct-horse correct-horse" }) do
      assert.equal(401, status("/v1/rules", wrong), wrong)
    end
    assert.equal(200, status("/v1/rules", "bearer correct-horse"))
  end)

  it("is never written to the log", function()
    status("/v1/rules", "Bearer correct-horse")
    assert.falsy(sidecar:log():find("correct-horse", 1, true))
  end)

  it("is shown as a security scheme in the API description", function()
    local reply = http.get(sidecar.url, "/openapi.json", { "Authorization: Bearer correct-horse" })
    local document = json.decode(reply.body)
    local _, scheme = next(document.components.securitySchemes)
    assert.equal("http", scheme.type)
    assert.equal("bearer", scheme.scheme)
  end)
end)

describe("the token file", function()
  it("is read again when it changes; an empty one leaves the last token", function()
    local file = files.write(files.temporary() .. "/token", "first")
    local sidecar = runtime.serve(engine.start(), { "--auth-token-file", file })
    local function status(token)
      return http.get(sidecar.url, "/v1/rules", { "Authorization: Bearer " .. token }).status
    end
    assert.equal(200, status("first"))
    files.write(file .. ".new", "second\n")
    assert(os.rename(file .. ".new", file))
    wait.until_true("the second token to be taken", function()
      return status("second") == 200
    end)
    assert.equal(401, status("first"))
    files.write(file, "")
    wait.until_true("the empty file to be noticed", function()
      assert.equal(200, status("second"))
      return sidecar:log():find("the token is not changed", 1, true)
    end)
    assert.equal(200, status("second"))
    assert.equal(401, status(""))
  end)

  it("that is empty at the start is refused", function()
    local file = files.write(files.temporary() .. "/token", "\n")
    local result = runtime.run(runtime.arguments(nil, { "--auth-token-file", file }))
    assert.equal(2, result.status)
    assert.truthy(result.stderr:find(file, 1, true), result.stderr)
  end)
end)
