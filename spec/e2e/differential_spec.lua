-- The standard families as other programs read them: Python's parser, which also says what the engine's page holds, and
-- Prometheus itself.
local engine = require("spec.support.engine")
local files = require("spec.support.files")
local http = require("spec.support.http")
local pages = require("spec.support.pages")
local process = require("spec.support.process")
local runtime = require("spec.support.runtime")

local NOT_INSTALLED = 77
local PARSE_ERROR = 1
local fixtures = files.root .. "/tests/fixtures/engines"

local function installed(program)
  return process.run({ "sh", "-c", 'command -v "$1"', "sh", program }).status == 0
end

describe("the standard families", function()
  it("are what prometheus_client's parser makes of the page and the rules", function()
    local args = { "/usr/bin/python3", files.root .. "/tests/differential.py", runtime.binary }
    local names = files.list(fixtures)
    for _, name in ipairs(names) do
      args[#args + 1] = fixtures .. "/" .. name
    end
    local result = process.run(args, { seconds = 60 })
    if result.status == NOT_INSTALLED or result.status == 127 then
      pending("python3-prometheus-client is not installed")
    end
    assert.equal(0, result.status, result.stdout .. result.stderr)
    local _, compared = result.stdout:gsub("%.prom: %d+ families, %d+ samples\n", "")
    assert.equal(#names, compared)
  end)

  -- promtool reads the text format only. It also minds the colon in the names; that is another exit
  -- status.
  local function check(page)
    local result = process.run({ "promtool", "check", "metrics" },
      { stdin = files.write(files.temporary() .. "/page", page) })
    assert.not_equal(PARSE_ERROR, result.status, result.stdout .. result.stderr)
    return result.stdout .. result.stderr
  end

  it("are an exposition to Prometheus", function()
    if not installed("promtool") then
      pending("promtool is not installed")
    end
    for _, name in ipairs(files.list(fixtures)) do
      local result = runtime.run({ "metrics", "--only", "--engine", name:match("^%a+"), fixtures .. "/" .. name })
      if result.stdout:sub(-6) ~= "# EOF\n" then
        check(result.stdout)
      end
    end
    local sidecar = runtime.serve(engine.start({ page = pages.vllm:gsub("this line is no exposition\n", "") }))
    check(http.get(sidecar.url, "/metrics").body)
    assert.equal("", check(http.get(sidecar.url, "/metrics/runtime").body))
  end)
end)
