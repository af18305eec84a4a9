-- The downloader's command line: the reference's flags and exit statuses, what it prints, and what verify finds.
local downloader = require("spec.support.downloader")
local files = require("spec.support.files")
local json = require("dkjson")
local nginx = require("spec.support.nginx")
local process = require("spec.support.process")
local runtime = require("spec.support.runtime")
local unistd = require("posix.unistd")
local wait = require("spec.support.wait")

local SIZES = { ["config.json"] = 700, ["model-1.bin"] = 3000000, ["model-2.bin"] = 20000000, ["sub/dir/empty"] = 0,
  ["sub/tokenizer.json"] = 70000 }
local TOTAL = 23070700

describe("the downloader", function()
  local root, plan, server, rules, source, slow

  setup(function()
    root, plan = downloader.tree(SIZES, { revision = "r7" })
    server = nginx.start(root)
    rules = downloader.rules()
    source = "tree://" .. server.authority
    slow = downloader.start(rules, source, files.temporary(), "--progress", "lines", "--limit-rate", "4MB")
  end)

  local function run(output, ...)
    return downloader.run(rules, source, output, ...)
  end

  it("downloads, and says in one line how much that was", function()
    local output = files.temporary() .. "/new/directory"
    local result = run(output)
    assert.equal(0, result.status, result.stderr)
    downloader.check(output, plan)
    assert.truthy(result.stdout:find("^downloaded 5 files, 23%.1 MB in [%d.]+ s %([%d.]+ %aB/s%), to "
      .. output:gsub("%p", "%%%0") .. "; 0 were there already\n$"), result.stdout)
    result = run(output)
    assert.equal(0, result.status, result.stderr)
    assert.truthy(result.stdout:find("^nothing to do: all 5 files were there already, in .* %([%d.]+ s%)\n$"),
      result.stdout)
    assert.equal(0, json.decode(run(output, "--progress", "json").stdout).result.fetched)
  end)

  it("takes the reference's flags under the reference's name", function()
    local name, output = files.temporary() .. "/kthena-downloader", files.temporary()
    assert(unistd.link(runtime.binary, name, true))
    for _, args in ipairs({
      { "-s", "pvc://" .. root .. "/sub", "-o", output, "-w", "3", "-c", '{"endpoint":"http://x.example"}' },
      { "--source=pvc://" .. root .. "/sub", "--output-dir=" .. output, "--max-workers=3", "--config={}" },
    }) do
      local result = process.run({ name, unpack(args) })
      assert.equal(0, result.status, result.stderr)
      assert.same({ "dir/empty", "tokenizer.json" }, downloader.found(output))
    end
    local home = files.temporary()
    assert.equal(0, process.run({ name, "-s", "pvc://" .. root .. "/sub" }, { env = { HOME = home } }).status)
    assert.same({ "downloads/dir/empty", "downloads/tokenizer.json" }, (function()
      files.remove(home .. "/downloads/.kthena")
      return downloader.found(home)
    end)())
  end)

  it("ends with 2 and one sentence after a mistake", function()
    local output = files.temporary()
    for expected, args in pairs({
      ["missing required flag '--source'"] = { "-o", output },
      ["unknown scheme 'gopher://'; known: "] = { "-s", "gopher://x", "-o", output },
      ["--max-workers must be between 1 and 256"] = { "-s", source, "-w", "0" },
      ["--stall-seconds must be more than 0"] = { "-s", source, "--stall-seconds", "0" },
      ["--max-attempts must be between 1 and 1000"] = { "-s", source, "--max-attempts", "0" },
      ["flag '--config'"] = { "-s", source, "-c", "{" },
      ["expected a JSON object"] = { "-s", source, "-c", "[1]" },
      ["--limit-rate"] = { "-s", source, "--limit-rate", "fast" },
      ["--json"] = { "-s", source, "--json" },
      ["--progress"] = { "-s", source, "--progress", "loud" },
    }) do
      local result = runtime.run({ "download", "--rules", rules, unpack(args) })
      assert.equal(2, result.status, expected)
      assert.equal("", result.stdout)
      assert.truthy(result.stderr:find(expected, 1, true), result.stderr)
      assert.equal(1, select(2, result.stderr:gsub("\n", "")), result.stderr)
    end
    assert.same({}, downloader.found(output))
  end)

  it("ends with 1 when it cannot", function()
    local result = run(files.temporary(), "-s", "pvc:///no/such/volume")
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find("/no/such/volume does not exist here; mount the volume", 1, true), result.stderr)
    result = run(files.temporary(), "-s", "http://" .. server.authority .. "/absent?token=s3cr3t")
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find("could not download 'absent': GET http://127.0.0.1:%d+/absent: .* 404"),
      result.stderr)
    assert.is_nil(result.stderr:find("s3cr3t", 1, true))
    result = run(root .. "/config.json/below")
    assert.equal(2, result.status)
    assert.truthy(result.stderr:find("could not use the directory", 1, true), result.stderr)
  end)

  it("ends with 130 when it is interrupted, soon, and the next run goes on", function()
    local output = files.temporary()
    for _, signal in ipairs({ "SIGINT", "SIGTERM" }) do
      local there = downloader.partial(output)
      local running = downloader.start(rules, source, output, "--limit-rate", "4MB")
      wait.until_true("bytes to arrive", function()
        return downloader.partial(output) > there
      end)
      running:signal(signal)
      assert.equal(130, running:wait(2))
      assert.truthy(running:stderr():find(signal .. ": stopping; what is there is kept", 1, true), running:stderr())
      assert.is_true(files.exists(output .. "/.kthena/journal"))
    end
    local result = run(output, "--progress", "json")
    assert.equal(0, result.status, result.stderr)
    downloader.check(output, plan)
    assert.is_true(json.decode(result.stdout:match("[^\n]+\n$")).result.fetched < TOTAL)
  end)

  it("prints the plan and touches nothing", function()
    local output = files.temporary() .. "/not-made"
    local result = run(output, "--dry-run")
    assert.equal(0, result.status, result.stderr)
    assert.truthy(result.stdout:find("20%.0 MB +no +model%-2%.bin\n"), result.stdout)
    assert.truthy(result.stdout:find("23%.1 MB +5 files of tree://127%.0%.0%.1:%d+, revision r7\n$"), result.stdout)
    assert.is_false(files.exists(output))
    assert.equal(0, run(output, "--include", "*.json").status)
    result = run(output, "--dry-run", "--json")
    assert.equal(0, result.status, result.stderr)
    local described = json.decode(result.stdout)
    assert.same({ source, "r7", TOTAL, 5 },
      { described.source, described.revision, described.bytes, #described.files })
    for i, file in ipairs(described.files) do
      assert.equal(plan.files[i].path, file.path)
      assert.equal(plan.files[i].size, file.size)
      assert.equal("sha256:" .. plan.files[i].sha256, file.digest)
      assert.equal(file.path:find("%.json$") ~= nil, file.present)
    end
  end)

  it("takes what the globs leave", function()
    local function found(...)
      local output = files.temporary()
      local result = run(output, ...)
      assert.equal(0, result.status, result.stderr)
      return downloader.found(output)
    end
    assert.same({ "config.json", "sub/tokenizer.json" }, found("--include", "*.json"))
    assert.same({ "config.json" }, found("--include", "*.json", "--exclude", "sub/**"))
    assert.same({ "model-1.bin", "sub/dir/empty" }, found("--include", "model-1*", "--include", "sub/*/empty"))
    local result = run(files.temporary(), "--include", "*.safetensors")
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find("has no files that the include and exclude patterns leave", 1, true))
  end)

  it("tells machines what it does as JSON", function()
    local output = files.temporary()
    local result = run(output, "--progress", "json", "--limit-rate", "12MB")
    assert.equal(0, result.status, result.stderr)
    local events = {}
    for line in result.stdout:gmatch("[^\n]+") do
      events[#events + 1] = assert(json.decode(line), line)
    end
    local last = table.remove(events)
    assert.equal("done", last.event)
    assert.same({ source, output, 5, TOTAL, 0, TOTAL, "r7" }, { last.result.source, last.result.path,
      last.result.files, last.result.bytes, last.result.present, last.result.fetched, last.result.revision })
    assert.is_true(last.result.seconds > 0.8 * TOTAL / 12e6) -- the rate holds, however fast the server is
    assert.is_true(#events >= 1)
    for _, event in ipairs(events) do
      assert.equal("progress", event.event)
      assert.is_true(event.bytes_done >= 0 and event.bytes_done <= TOTAL)
      for _, key in ipairs({ "phase", "bytes_total", "files_done", "files_total", "bytes_per_second", "retries" }) do
        assert.is_not_nil(event[key], key)
      end
    end
    result = run(files.temporary(), "--progress", "json", "-s", "pvc:///no/such/volume")
    assert.equal(1, result.status)
    local failed = json.decode(result.stdout)
    assert.same({ "failed", "not_found" }, { failed.event, failed.kind })
  end)

  it("logs lines where there is no terminal", function()
    assert.equal(0, slow:wait(20)) -- it has had something to tell of for more than 5 s
    local log = slow:stderr()
    assert.truthy(log:find("%d/5 files, [%d.]+ %aB of 23%.1 MB, [%d.]+ %a?B/s, %S+ left"), log)
    assert.is_nil(log:find("\27", 1, true))
  end)

  it("draws bars on a terminal", function()
    local output = files.temporary()
    local words = { runtime.binary, unpack(downloader.arguments(rules, source, output, "--progress", "auto",
      "--limit-rate", "24MB")) }
    local result = process.run({ "script", "-q", "-e", "-c", table.concat(words, " "), "/dev/null" })
    assert.equal(0, result.status, result.stdout)
    assert.truthy(result.stdout:find("model%-2%.bin +%[=*>? *%] +%d+%% [%d.]+ %a?B / 20%.0 MB"), result.stdout)
    assert.truthy(result.stdout:find("%d/5 files, [%d.]+ %a?B of 23%.1 MB"), result.stdout)
    assert.truthy(result.stdout:find("\27[J\r", 1, true))
    assert.truthy(result.stdout:find("downloaded 5 files, 23.1 MB in ", 1, true), result.stdout)
    downloader.check(output, plan)
  end)

  it("holds to a rate", function()
    local output, started = files.temporary(), wait.now()
    assert.equal(0, run(output, "--include", "model-1.bin", "--limit-rate", "2MB").status)
    local seconds = wait.now() - started
    assert.is_true(seconds > 1.3, seconds .. " s") -- 1.5 s, less a tenth that may come early
  end)

  it("verifies what it has downloaded", function()
    local output = files.temporary()
    assert.equal(0, run(output).status)
    local result = runtime.run({ "verify", output })
    assert.equal(0, result.status, result.stderr)
    assert.truthy(result.stdout:find("^5 of 5 files are as tree://127%.0%.0%.1:%d+ left them"), result.stdout)
    local bytes = files.read(output .. "/model-1.bin")
    files.write(output .. "/model-1.bin", bytes:sub(1, 1999999) .. string.char((bytes:byte(2000000) + 1) % 256)
      .. bytes:sub(2000001))
    files.write(output .. "/config.json", "{}")
    files.remove(output .. "/sub/tokenizer.json")
    files.write(output .. "/mine.txt", "not the downloader's")
    result = runtime.run({ "verify", output })
    assert.equal(1, result.status)
    assert.truthy(result.stdout:find("model%-1%.bin: sha256 %x+, expected " .. plan.files[2].sha256), result.stdout)
    assert.truthy(result.stdout:find("config.json: size 2, expected 700", 1, true), result.stdout)
    assert.truthy(result.stdout:find("sub/tokenizer.json: missing", 1, true), result.stdout)
    assert.truthy(result.stdout:find("\n2 of 5 files are as", 1, true), result.stdout)
    result = runtime.run({ "verify", output, "--progress", "json" })
    assert.equal(1, result.status)
    local events = {}
    for line in result.stdout:gmatch("[^\n]+") do
      local event = assert(json.decode(line), line)
      events[event.event .. (event.path or "")] = event
    end
    assert.equal("size 2, expected 700", events["differsconfig.json"].what)
    assert.same({ 5, 2 }, { events.done.files, events.done.files_good })
    result = run(output) -- repairs what it can tell from outside
    assert.equal(0, result.status, result.stderr)
    files.remove(output .. "/mine.txt")
    downloader.check(output, plan)
    result = runtime.run({ "verify", files.temporary() })
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find("manifest", 1, true), result.stderr)
  end)
end)
