-- The commands a rule author works with: metrics as a filter, rules check, rules explain.
local files = require("spec.support.files")
local json = require("dkjson")
local pages = require("spec.support.pages")
local process = require("spec.support.process")
local rules = require("spec.support.rules")
local runtime = require("spec.support.runtime")

describe("kthena-runtime metrics", function()
  local page

  setup(function()
    page = files.write(files.temporary() .. "/page.prom", pages.vllm)
  end)

  it("filters a file or its standard input", function()
    local expected = pages.without_help(pages.vllm) .. pages.vllm_families
    local result = runtime.run({ "metrics", "--engine", "vllm", page })
    assert.equal(0, result.status, result.stderr)
    assert.equal(pages.vllm, result.stdout:sub(1, #pages.vllm))
    assert.equal(expected, pages.without_help(result.stdout))
    local piped = runtime.run({ "metrics", "-E", "vllm" }, { stdin = page })
    assert.equal(result.stdout, piped.stdout)
    assert.equal(result.stdout, runtime.run({ "metrics", "-E", "vllm", "-" }, { stdin = page }).stdout)
  end)

  it("reads a pipe of any size", function()
    local result = process.run({ "sh", "-c", 'i=0; while [ $i -lt 500 ]; do cat "$2"; i=$((i+1)); done | "$1" metrics '
      .. "--engine vllm --only | wc -l", "sh", runtime.binary, page })
    assert.equal(0, result.status, result.stderr)
    assert.is_true(tonumber(result.stdout) > 500)
  end)

  it("prints the standard families alone with --only", function()
    local result = runtime.run({ "metrics", "--engine", "vllm", "--only", page })
    assert.equal(0, result.status)
    assert.equal(pages.vllm_families, pages.without_help(result.stdout))
  end)

  it("says with --why what each standard name is made of, or why there is none", function()
    local cut = pages.vllm:gsub("[^\n]*e2e_request_latency_seconds[^\n]*\n", "")
    local path = files.write(files.temporary() .. "/cut.prom", cut)
    local result = runtime.run({ "metrics", "--engine", "vllm", "--why", path })
    assert.equal(0, result.status, result.stderr)
    local said = {}
    for _, line in ipairs(pages.lines(result.stdout)) do
      local name = line:match("kthena:[%w_]+")
      if name then
        said[name] = line
      end
    end
    for _, name in ipairs(pages.standard) do
      assert.is_string(said[name], name)
    end
    assert.truthy(said["kthena:time_per_output_token_seconds"]:find("vllm:inter_token_latency_seconds", 1, true))
    assert.truthy(said["kthena:num_requests_waiting"]:find("vllm:num_requests_waiting", 1, true))
    assert.truthy(said["kthena:e2e_request_latency_seconds"]:find("vllm:e2e_request_latency_seconds", 1, true))
    assert.not_equal(said["kthena:e2e_request_latency_seconds"]:gsub("e2e_request_latency_seconds", ""),
      said["kthena:time_to_first_token_seconds"]:gsub("time_to_first_token_seconds", ""))
  end)

  it("takes rules of --rules, and works with a broken pipe", function()
    local directory = files.temporary()
    rules.write(directory, "acme", rules.text("acme", "vllm:num_requests_waiting", "kthena:mine"))
    local result = runtime.run({ "metrics", "--rules", directory, "--engine", "acme", "--only", page })
    assert.equal(0, result.status, result.stderr)
    assert.truthy(result.stdout:find('\nkthena:mine{engine="0",model_name="m"} 3.0\n', 1, true))
  end)

  it("names what it cannot read", function()
    local result = runtime.run({ "metrics", "--engine", "vllm", "/no/such/page" })
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find("/no/such/page", 1, true))
  end)
end)

describe("kthena-runtime rules check", function()
  it("is content with the built-in rules", function()
    local result = runtime.run({ "rules", "check" })
    assert.equal(0, result.status, result.stdout .. result.stderr)
  end)

  it("is content with a good directory", function()
    local directory = files.temporary()
    rules.write(directory, "acme", rules.text("acme", "acme_queue"))
    local result = runtime.run({ "rules", "check", directory })
    assert.equal(0, result.status, result.stdout .. result.stderr)
  end)

  it("prints every problem of every file and exits 1", function()
    local directory, other = files.temporary(), files.temporary()
    local first = rules.write(directory, "first", [[return { api = 1, engine = "first", metrics = {
      { name = "kthena:a", type = "guage", from = "a" }, { nmae = "b", type = "gauge", from = "b" } } }]])
    local second = rules.write(directory, "second", "return {\n  api = 1,\n  oops\n")
    local third = rules.write(other, "third", "return { api = 2, engine = 'third', metrics = {} }")
    local result = runtime.run({ "rules", "check", directory, other })
    assert.equal(1, result.status)
    local said = result.stdout .. result.stderr
    for _, sentence in ipairs({
      first .. ': metrics[1].type: expected counter, gauge, histogram or summary, got "guage"',
      first .. ': metrics[2].nmae: unknown key; did you mean "name"?',
      first .. ": metrics[2].name: ",
      second .. ":",
      third .. ": api: ",
    }) do
      assert.truthy(said:find(sentence, 1, true), sentence .. "\nis not in\n" .. said)
    end
  end)

  it("cuts off a file that never ends", function()
    local directory = files.temporary()
    local path = rules.write(directory, "loop", "while true do end")
    local result = runtime.run({ "rules", "check", directory })
    assert.equal(1, result.status)
    assert.truthy((result.stdout .. result.stderr):find(path, 1, true))
  end)
end)

describe("kthena-runtime rules explain", function()
  it("prints the effective rules as JSON with the file each came from", function()
    local result = runtime.run({ "rules", "explain", "--engine", "vllm" })
    assert.equal(0, result.status, result.stderr)
    local explained = assert(json.decode(result.stdout))
    assert.equal("vllm", explained.engine)
    local names = {}
    for _, metric in ipairs(explained.metrics) do
      names[metric.name] = true
    end
    for _, name in ipairs(pages.standard) do
      assert.is_true(names[name], name)
    end
    assert.truthy(result.stdout:find("rules/engines/vllm.lua", 1, true))
    assert.equal(result.stdout, runtime.run({ "rules", "explain", "--engine", "vllmdisaggregated" }).stdout)
  end)

  it("names the file of the layer that won", function()
    local directory = files.temporary()
    local path = rules.write(directory, "vllm", rules.text("vllm", "mine"))
    local result = runtime.run({ "rules", "explain", "--engine", "vllm", "--rules", directory })
    assert.equal(0, result.status, result.stderr)
    assert.truthy(result.stdout:find(path, 1, true), result.stdout)
  end)
end)
