-- The command line: help, refusals in one sentence, environment fallbacks, exit statuses.
local engine = require("spec.support.engine")
local files = require("spec.support.files")
local http = require("spec.support.http")
local json = require("dkjson")
local pages = require("spec.support.pages")
local process = require("spec.support.process")
local rules = require("spec.support.rules")
local runtime = require("spec.support.runtime")
local socket = require("socket")
local wait = require("spec.support.wait")

local commands = { "serve", "download", "verify", "metrics", "rules", "test", "demo-engine", "version" }

describe("help", function()
  local function help(args)
    local result = runtime.run(args)
    assert.equal(0, result.status, result.stderr)
    assert.equal("", result.stderr)
    local lines = 0
    for line in result.stdout:gmatch("([^\n]*)\n") do
      lines = lines + 1
      assert.is_true(#line <= 100, line)
    end
    assert.is_true(lines >= 3 and lines <= 80, lines .. " lines")
    return result.stdout
  end

  it("lists the commands on one screen", function()
    local text = help({ "--help" })
    for _, command in ipairs(commands) do
      assert.truthy(text:find("\n%s+" .. command:gsub("%-", "%%-")), command)
    end
    assert.equal(text, help({ "help" }))
  end)

  it("shows each command, with examples", function()
    for _, command in ipairs(commands) do
      local text = help({ command, "--help" })
      assert.truthy(text:find("kthena-runtime " .. command, 1, true), command)
      if command ~= "version" then
        assert.truthy(text:lower():find("example"), command)
      end
    end
  end)

  it("of serve names every flag, its short form and its variable", function()
    local text = help({ "serve", "--help" })
    for _, flag in ipairs({ "-E, --engine", "-H, --host", "-P, --port", "-B, --engine-base-url",
      "-M, --engine-metrics-path", "-I, --pod", "-N, --model", "--rules", "--request-timeout", "--log-level",
      "--log-format", "--auth-token-file", "--tls-cert", "--tls-key", "--max-page-bytes", "REQUEST_TIMEOUT",
      "KTHENA_ENGINE", "KTHENA_POD", "KTHENA_MODEL", "KTHENA_RULES_DIR" }) do
      assert.truthy(text:find(flag, 1, true), flag)
    end
    for _, default in ipairs({ "0.0.0.0", "9000", "http://localhost:8000", "/metrics" }) do
      assert.truthy(text:find(default, 1, true), default)
    end
  end)
end)

describe("version", function()
  it("is printed by the command and by the flag", function()
    local result = runtime.run({ "version" })
    assert.equal(0, result.status)
    assert.truthy(result.stdout:find("^kthena%-runtime %d+%.%d+%.%d+"))
    assert.equal(result.stdout, runtime.run({ "--version" }).stdout)
  end)
end)

describe("a mistake on the command line", function()
  -- Exit status 2 and one line that says all of these.
  local function refused(args, ...)
    local result = runtime.run(args)
    assert.equal(2, result.status, result.stdout .. result.stderr)
    assert.equal("", result.stdout)
    local _, lines = result.stderr:gsub("\n", "")
    assert.equal(1, lines, result.stderr)
    for _, part in ipairs({ ... }) do
      assert.truthy(result.stderr:find(part, 1, true), result.stderr)
    end
  end

  local function serve(extra)
    return runtime.arguments(nil, extra)
  end

  it("in a command or a flag is answered with the nearest one", function()
    refused({ "serv" }, "unknown command 'serv'; did you mean 'serve'? see")
    refused({ "metrcs", "--engine", "vllm" }, "did you mean 'metrics'")
    refused(serve({ "--prot", "9000" }), "unknown flag '--prot'", "did you mean '--port'")
    refused({ "--engne", "vllm" }, "did you mean '--engine'")
    refused({ "metrics", "--engine", "vllm", "--onyl" }, "did you mean '--only'")
  end)

  it("in a flag of rules that cannot be loaded is answered with what is wrong with them", function()
    local directory = files.temporary()
    files.write(directory .. "/bad.lua", "return { api = 1, engine = 'bad', metrics = 1 }")
    refused(serve({ "--rules", directory, "--lora-dir", "/tmp" }), "could not load the rules (" .. directory
      .. "/bad.lua: metrics: ",
      "so the flags they declare are not known: unknown flag '--lora-dir'")
  end)

  it("in the engine's name is answered with the nearest one and all that are known", function()
    refused(serve({ "--engine", "vlm" }), "unknown engine 'vlm'; did you mean 'vllm'?", "known: ", "sglang", "tgi",
      "vllmdisaggregated")
    refused({ "metrics", "--engine", "sglng", "/dev/null" }, "unknown engine 'sglng'", "'sglang'")
    refused({ "rules", "explain", "--engine", "tgo" }, "unknown engine 'tgo'", "'tgi'")
  end)

  it("in what to explain is answered with what is known", function()
    local directory = files.temporary()
    files.write(directory .. "/sources/acme.lua", rules.source("acme", "acme"))
    files.write(directory .. "/greet.lua", rules.workflow("greet", "/v1/greet"))
    local with = { "rules", "explain", "--rules", directory }
    local function explain(...)
      local arguments = { unpack(with) }
      for _, word in ipairs({ ... }) do
        arguments[#arguments + 1] = word
      end
      return arguments
    end
    refused(explain("--source", "acm"), "unknown source 'acm'; did you mean 'acme'?", "known: ")
    refused(explain("--workflow", "gret"), "unknown workflow 'gret'; did you mean 'greet'?", "known: ")
    refused(explain("--source", "acme", "--workflow", "greet"), "--source and --workflow cannot be explained at once")
    refused({ "rules", "explain" }, "needs --engine, --source or --workflow NAME")
    for option, name in pairs({ ["--source"] = "acme", ["--workflow"] = "greet", ["--engine"] = "vllm" }) do
      local result = runtime.run(explain(option, name), { env = { KTHENA_ENGINE = "nobody" } })
      assert.equal(0, result.status, result.stderr)
      assert.equal(name, assert(json.decode(result.stdout))[option:sub(3)])
    end
  end)

  it("that leaves out what is required names the flag and the variable", function()
    refused({}, "--engine")
    refused({ "serve", "--pod", "p", "--model", "m" }, "--engine", "KTHENA_ENGINE")
    refused({ "serve", "--engine", "vllm", "--model", "m" }, "--pod", "KTHENA_POD")
    refused({ "serve", "--engine", "vllm", "--pod", "p" }, "--model", "KTHENA_MODEL")
  end)

  it("in a URL says what is wrong with it", function()
    refused(serve({ "--engine-base-url", "ftp://engine" }), "--engine-base-url", "ftp://engine", "http")
    refused(serve({ "--engine-base-url", "http://engine:99999" }), "http://engine:99999", "port")
    refused(serve({ "--engine-base-url", "http://" }), "http://")
    refused(serve({ "--engine-base-url", "http://us er@x y" }), "--engine-base-url")
  end)

  it("in a value names the flag and what it takes", function()
    refused(serve({ "--port", "70000" }), "--port", "70000")
    refused(serve({ "--port", "http" }), "--port", "http")
    refused(serve({ "--request-timeout", "-1" }), "--request-timeout")
    refused(serve({ "--max-page-bytes", "0" }), "--max-page-bytes", "more than 0")
    refused(serve({ "--max-page-bytes", "lots" }), "--max-page-bytes", "lots")
    refused(serve({ "--log-level", "warn" }), "--log-level", "warning")
    refused(serve({ "--log-format", "xml" }), "--log-format", "text", "json")
    refused(serve({ "--engine" }), "--engine")
    refused(serve({ "--tls-cert", "/x" }), "--tls-key")
    refused(serve({ "surplus" }), "surplus")
  end)
end)

describe("a world that is not as asked", function()
  it("exits 1 and names the busy port", function()
    local holder = assert(socket.bind("127.0.0.1", 0))
    finally(function()
      holder:close()
    end)
    local _, port = holder:getsockname()
    local result = runtime.run(runtime.arguments(nil, { "--port", port }))
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find("127.0.0.1:" .. port, 1, true), result.stderr)
    assert.truthy(result.stderr:find("in use", 1, true), result.stderr)
  end)

  it("exits 1 and names the file that is missing", function()
    for _, extra in ipairs({ { "--tls-cert", "/no/cert.pem", "--tls-key", "/no/key.pem" },
      { "--auth-token-file", "/no/token" }, { "--rules", "/no/rules" } }) do
      local result = runtime.run(runtime.arguments(nil, extra))
      assert.equal(1, result.status, result.stderr)
      assert.truthy(result.stderr:find("/no/", 1, true), result.stderr)
    end
  end)
end)

describe("the environment", function()
  it("stands in for every flag of the reference", function()
    local fake = engine.start()
    local sidecar = runtime.listen({}, { env = {
      KTHENA_ENGINE = "vllm", KTHENA_HOST = "127.0.0.1", KTHENA_PORT = "0", KTHENA_ENGINE_BASE_URL = fake.url,
      KTHENA_ENGINE_METRICS_PATH = "/other", KTHENA_POD = "p.ns", KTHENA_MODEL = "m",
    } })
    local reply = http.get(sidecar.url, "/metrics")
    assert.equal(200, reply.status)
    assert.equal(pages.vllm, reply.body:sub(1, #pages.vllm))
    assert.equal("/other", fake:stats().seen[1].target)
  end)

  it("gives way to a flag", function()
    local fake = engine.start()
    local sidecar = runtime.serve(fake, { "-M", "/flag" }, { env = { KTHENA_ENGINE_METRICS_PATH = "/variable",
      KTHENA_ENGINE = "nonsense" } })
    assert.equal(200, http.get(sidecar.url, "/metrics").status)
    assert.equal("/flag", fake:stats().seen[1].target)
  end)

  it("is not needed when the short flags are used, and serve is the default command", function()
    local fake = engine.start()
    local sidecar = runtime.listen({ "-E", "vllm", "-H", "127.0.0.1", "-P", "0", "-B", fake.url, "-M", "/m", "-I", "p",
      "-N", "m" })
    assert.equal(200, http.get(sidecar.url, "/metrics").status)
    assert.equal("/m", fake:stats().seen[1].target)
  end)
end)

describe("an installed binary", function()
  it("finds the library and the rules beside it", function()
    local prefix = files.temporary()
    local share = files.make_directory(prefix .. "/share/kthena-runtime")
    files.make_directory(prefix .. "/bin")
    local copied = process.run({ "cp", "-r", files.root .. "/lua", files.root .. "/rules", share })
    assert.equal(0, copied.status, copied.stderr)
    assert.equal(0, process.run({ "cp", runtime.binary, prefix .. "/bin/kthena-runtime" }).status)
    local result = process.run({ prefix .. "/bin/kthena-runtime", "rules", "check" },
      { cwd = "/", env = { KTHENA_LUA_DIR = "", KTHENA_RULES_DIR = "" } })
    assert.equal(0, result.status, result.stdout .. result.stderr)
    assert.truthy(result.stdout:find("rule files, no problems", 1, true), result.stdout)
  end)
end)

describe("the log", function()
  it("is one JSON object a line with --log-format json", function()
    local sidecar = runtime.serve(engine.start(), { "--log-format", "json" })
    local lines = pages.lines(sidecar:log())
    assert.is_true(#lines > 0)
    for _, line in ipairs(lines) do
      local entry = json.decode(line)
      assert.is_table(entry, line)
      assert.truthy(entry.time:find("^%d%d%d%d%-%d%d%-%d%dT"))
      assert.is_string(entry.level)
      assert.is_string(entry.message)
    end
  end)

  it("has colours on a terminal", function()
    local command = { "timeout", tostring(wait.seconds(1)), runtime.binary }
    for _, arg in ipairs(runtime.arguments(engine.start())) do
      command[#command + 1] = arg
    end
    local result = process.run({ "script", "--quiet", "--command", table.concat(command, " "), "/dev/null" })
    assert.truthy(result.stdout:find("\27%[[%d;]+m[^\n]*listening on"), result.stdout)
  end)

  it("has a time, a level and no colours away from a terminal, and tells of requests when asked to", function()
    local quiet = runtime.serve(engine.start())
    local sidecar = runtime.serve(engine.start(), { "--log-level", "debug" })
    for _, one in ipairs({ quiet, sidecar }) do
      assert.equal(200, http.get(one.url, "/health").status)
    end
    sidecar:wait_for_log("\n%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ debug [^\n]*GET /health 200 ")
    assert.truthy(quiet:log():find("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ info "))
    assert.falsy(quiet:log():find("GET /health", 1, true))
    assert.falsy((quiet:log() .. sidecar:log()):find("\27", 1, true))
  end)
end)
