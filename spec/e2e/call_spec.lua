-- The commands that ask a running sidecar: call and status.
local engine = require("spec.support.engine")
local files = require("spec.support.files")
local json = require("dkjson")
local runtime = require("spec.support.runtime")

describe("a running sidecar", function()
  local function start(extra, options)
    return runtime.serve(engine.start(), extra, options):ready()
  end

  local function ask(sidecar, command, ...)
    return runtime.run({ command, "--url", sidecar.url, ... })
  end

  -- A model of two files, and a directory for it to go to.
  local function model()
    local top = files.temporary()
    files.write(top .. "/from/a", "12345")
    files.write(top .. "/from/sub/b", "123")
    return "pvc://" .. top .. "/from", top .. "/to"
  end

  it("runs a workflow as a job and prints what it answers", function()
    local source, directory = model()
    local result = ask(start(), "call", "download_model", "--source", source, "--output-dir=" .. directory,
      "--include", "a", "--include=*.none", "--progress", "none")
    assert.equal(0, result.status, result.stderr)
    assert.truthy(result.stdout:find("\nbytes +5\n") or result.stdout:find("^bytes +5\n"), result.stdout)
    assert.truthy(result.stdout:find("\nstatus +completed\n"), result.stdout)
    assert.equal("12345", files.read(directory .. "/a"))
    assert.falsy(files.exists(directory .. "/sub"))
  end)

  it("prints the reply as JSON, and the progress as events, when asked to", function()
    local source, directory = model()
    local sidecar = start()
    local result = ask(sidecar, "call", "download_model", "--source", source, "--output_dir", directory, "--json",
      "--progress", "none")
    assert.equal(0, result.status, result.stderr)
    assert.equal(8, json.decode(result.stdout).bytes)
  end)

  it("says what a workflow takes", function()
    local result = ask(start(), "call", "download_model", "--fields")
    assert.equal(0, result.status, result.stderr)
    assert.truthy(result.stdout:find("--source +string +required;"), result.stdout)
    assert.truthy(result.stdout:find("--max_workers +integer"), result.stdout)
  end)

  it("answers mistakes with the nearest name, and exits 2", function()
    local sidecar = start()
    local function refused(message, ...)
      local result = ask(sidecar, "call", ...)
      assert.equal(2, result.status, result.stdout .. result.stderr)
      assert.truthy(result.stderr:find(message, 1, true), result.stderr)
    end
    refused("unknown workflow 'download_modl'; did you mean 'download_model'?", "download_modl")
    refused("unknown field '--sorce'; did you mean '--source'?", "download_model", "--sorce", "x")
    refused("field '--output_dir' is missing", "download_model", "--source", "pvc:///x")
    refused("field '--max_workers': expected a number, got 'many'", "download_model", "--max_workers", "many")
    refused("field '--async_download': expected true or false", "download_model", "--async_download=maybe")
    refused("field '--source' needs a value", "download_model", "--source")
    refused("unexpected 'surplus'", "download_model", "surplus")
    refused("field '--config': not JSON at line 1", "download_model", "--config", "{")
  end)

  it("tells why a job has failed, and exits 1", function()
    local _, directory = model()
    local result = ask(start(), "call", "download_model", "--source", "pvc:///nowhere/at/all", "--output_dir",
      directory, "--progress", "none")
    assert.equal(1, result.status)
    assert.equal("", result.stdout)
    assert.truthy(result.stderr:find("/nowhere/at/all does not exist here", 1, true), result.stderr)
  end)

  it("is asked with its token", function()
    local token = files.write(files.temporary() .. "/token", "letmein-letmein\n")
    local sidecar = start({ "--auth-token-file", token })
    local refused = ask(sidecar, "status")
    assert.equal(1, refused.status)
    assert.truthy(refused.stderr:find("a token is needed", 1, true), refused.stderr)
    assert.equal(0, ask(sidecar, "status", "--token-file", token).status)
  end)

  it("is shown at a glance", function()
    local source, directory = model()
    local sidecar = start()
    ask(sidecar, "call", "download_model", "--source", source, "--output_dir", directory, "--progress", "none")
    local result = ask(sidecar, "status")
    assert.equal(0, result.status, result.stderr)
    assert.truthy(result.stdout:find(sidecar.url .. ": ready\n", 1, true), result.stdout)
    assert.truthy(result.stdout:find("engine vllm, rules generation 1", 1, true), result.stdout)
    assert.truthy(result.stdout:find("\nAdapters\n", 1, true), result.stdout)
    assert.truthy(result.stdout:find("download_model +succeeded +pvc"), result.stdout)
  end)

  it("that is not there is told of, with the URL", function()
    local result = runtime.run({ "status", "--url", "http://127.0.0.1:1" })
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find("http://127.0.0.1:1/", 1, true), result.stderr)
  end)
end)
