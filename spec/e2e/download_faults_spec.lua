-- Downloads from a server that fails as told: what is tried again, what is given up, and that right bytes come of it.
local downloader = require("spec.support.downloader")
local files = require("spec.support.files")
local fileserver = require("spec.support.fileserver")
local wait = require("spec.support.wait")

local MB = 1000000

-- A source that lists the server's files with their digests: listed://host:port.
local LISTED = [[
return {
  api = 1,
  source = "listed",
  schemes = { "listed" },
  help = "listed://host:port",
  resolve = function(uri, ctx)
    local base = "http://" .. uri.rest
    local reply, message, kind = ctx.http.get(base .. "/index.json")
    if not reply then
      return nil, message, kind
    end
    local files = ctx.json(reply.body)
    for _, file in ipairs(files) do
      file.url = base .. ctx.url.encode(file.path, "/")
      file.path = file.path:sub(2)
    end
    return { files = files }
  end,
}
]]

describe("a download from a server", function()
  local rules

  setup(function()
    rules = downloader.rules({ listed = LISTED })
  end)

  -- Starts a server with these files, path -> size; with `more` fields. Returns it and the digests.
  local function serve(sizes, more)
    local fake, sums = fileserver.start(), {}
    fake.source = "listed://127.0.0.1:" .. fake.port
    for path, size in pairs(sizes) do
      local file = { path = "/" .. path, size = size, seed = size + #path }
      for key, value in pairs(more or {}) do
        file[key] = value
      end
      sums[path] = fake:file(file)
    end
    return fake, sums
  end

  -- Starts a download; returns the process and the directory.
  local function start(source, ...)
    local output = files.in_memory()
    return downloader.start(rules, source, output, "--progress", "json", ...), output
  end

  -- Waits for a download to succeed with just these files.
  local function succeeds(running, output, sums)
    assert.equal(0, running:wait(40), running:stderr())
    assert.same(sums, downloader.digests(output, downloader.found(output)))
    assert.is_false(files.exists(output .. "/.kthena/parts"))
  end

  -- Waits for one to fail with all of these patterns in its one sentence, and nothing under a file's name.
  local function fails(running, output, ...)
    assert.equal(1, running:wait(40), running:stdout() .. running:stderr())
    for _, pattern in ipairs({ ... }) do
      assert.truthy(running:stderr():find(pattern), ("no '%s' in: %s"):format(pattern, running:stderr()))
    end
    assert.same({}, downloader.found(output))
  end

  -- Plays each of the scripts on a file of its own, all at once: name -> { size, faults = {...}, flags = {...} }, with
  -- `flags` where a script has none. Calls check(name, script, process, directory, digest) for each.
  local function play(scripts, check, flags)
    local sizes, running, outputs = {}, {}, {}
    for name, script in pairs(scripts) do
      sizes[name] = script[1]
    end
    local fake, sums = serve(sizes)
    for name, script in pairs(scripts) do
      fake:fail("/" .. name, unpack(script.faults))
      running[name], outputs[name] = start(fake.source, "--include", name, unpack(script.flags or flags or {}))
    end
    for name, script in pairs(scripts) do
      check(name, script, running[name], outputs[name], sums[name])
    end
    return fake
  end

  it("that recovers is asked again, for what is missing", function()
    local scripts = {
      reset = { 18 * MB, faults = { { kind = "reset", after = 5 * MB, times = 2 }, { kind = "reset", after = 0 } } },
      cut = { 18 * MB, faults = { { kind = "cut", after = 5 * MB, times = 3 } } },
      stall = { 18 * MB, faults = { { kind = "stall", after = 2 * MB }, { kind = "silent" } },
        flags = { "--stall-seconds", "0.5" } },
      busy = { 1 * MB, faults = { { kind = "status", status = 500 }, { kind = "status", status = 503 } } },
      shifted = { 18 * MB, faults = { { kind = "shifted", ranged = true, times = 2 } } },
      total = { 18 * MB, faults = { { kind = "total", ranged = true } } },
      garbage = { 18 * MB, faults = { { kind = "garbage", ranged = true } } },
      whole = { 18 * MB, faults = { { kind = "whole", ranged = true } } },
      always_whole = { 18 * MB, faults = { { kind = "whole", times = -1 } } },
      wrong = { 18 * MB, faults = { { kind = "wrong" } } },
    }
    local fake = play(scripts, function(name, _, running, output, sum)
      succeeds(running, output, { [name] = sum })
    end)
    for name, file in pairs(fake:stats().files) do
      local size = scripts[name:sub(2)][1]
      local again = name:find("w[hr]o") ~= nil -- from the start, because nothing else helps
      assert.is_true(file.sent <= (again and 3 or 2) * size, ("%s: %d"):format(name, file.sent))
    end
  end)

  it("that does not recover is given up, with the reason", function()
    local flags = { "--max-attempts", "2", "--stall-seconds", "0.5" }
    local get = "could not download '%s' in 2 attempts: GET http://[%%d.:]+/%s: "
    play({
      reset = { 1 * MB, faults = { { kind = "reset", after = 0, times = -1 } }, "reset" },
      cut = { 1 * MB, faults = { { kind = "cut", after = 0, times = -1 } }, "the reply ended early" },
      silent = { 1 * MB, faults = { { kind = "silent", times = -1 } }, "no byte came for 0?%.?[15] s" },
      busy = { 1 * MB, faults = { { kind = "status", status = 503, times = -1, body = "the shard is gone" } },
        "status 503: the shard is gone" },
      shifted = { 18 * MB, faults = { { kind = "shifted", ranged = true, times = -1 } }, "it has 18000001 bytes and" },
      garbage = { 18 * MB, faults = { { kind = "garbage", ranged = true, times = -1 } }, "HTTP" },
    }, function(name, script, running, output)
      fails(running, output, get:format(name, name) .. ".*" .. script[2])
    end, flags)
  end)

  it("that has not what it listed is asked no more", function()
    local scripts = {}
    for _, status in ipairs({ 400, 401, 403, 404, 410 }) do
      scripts["s" .. status] = { 1000, faults = { { kind = "status", status = status, times = -1 } } }
    end
    local fake = play(scripts, function(name, _, running, output)
      fails(running, output, ("could not download '%s': GET .*: .* status %s: scripted"):format(name, name:sub(2)))
    end)
    for name, file in pairs(fake:stats().files) do
      assert.equal(1, #file.requests, name)
    end
  end)

  it("that refuses connections for a while", function()
    local fake, sums = serve({ ["a.bin"] = 3 * MB })
    local lists = fileserver.start() -- elsewhere, and always there
    local source = "tree://127.0.0.1:" .. lists.port
    lists:file({ path = "/list.json", text = ('{"files":[{"path":"a.bin","url":"%s/a.bin"}]}'):format(fake.url) })
    fake:order({ refuse = true })
    local running, output = start(source, "--max-attempts", "2")
    fails(running, output, "could not download 'a.bin' in 2 attempts: HEAD http://[%d.:]+/a.bin: .*refused")
    running, output = start(source, "--max-attempts", "100")
    wait.until_true("a connection to be refused", function()
      return running:stdout():find('"retries":[1-9]'), running:stdout()
    end)
    fake:order({ refuse = false })
    succeeds(running, output, sums)
  end)

  it("that asks for a pause gets it", function()
    local fake, sums = serve({ ["a.bin"] = 1000 })
    fake:fail("/a.bin", { kind = "status", status = 429, retry_after = 2 }) -- twice what it would be without
    local started = wait.now()
    local running, output = start(fake.source)
    succeeds(running, output, sums)
    assert.is_true(wait.now() - started >= 2)
  end)

  it("that gives up in the middle, and is gone on with by the next run", function()
    local fake, sums = serve({ ["a.bin"] = 20 * MB })
    fake:fail("/a.bin", { kind = "cut", after = 100, times = -1, from = 12 * MB })
    local running, output = start(fake.source, "--max-attempts", "1", "-w", "1") -- one range, then the other
    fails(running, output, "could not download 'a.bin': GET http://[%d.:]+/a.bin: ")
    fake:forget()
    succeeds(downloader.start(rules, fake.source, output), output, sums)
    assert.is_true(fake:stats().files["/a.bin"].sent <= 20 * MB - 16 * 1024 * 1024)
  end)

  it("whose bytes are wrong again and again names both digests", function()
    local fake, sums = serve({ ["a.bin"] = 10000 })
    fake:fail("/a.bin", { kind = "wrong", times = -1 })
    local running, output = start(fake.source)
    fails(running, output, "could not download 'a.bin': what http://[%d.:]+/a.bin sent has the sha256 digest %x+",
      "twice, and should have " .. sums["a.bin"])
    assert.equal(2, #fake:stats().files["/a.bin"].requests)
    fake:forget()
    succeeds(downloader.start(rules, fake.source, output), output, sums)
  end)

  it("that knows neither ranges nor lengths nor ETags", function()
    local fake, sums = serve({ ["a.bin"] = 3 * MB }, { etag = false })
    fake:fail("/a.bin", { kind = "chunked", times = -1 })
    local running, output = start(fake.url .. "/a.bin")
    succeeds(running, output, sums)
  end)

  it("whose file changes in the middle", function()
    local fake = serve({ ["a.bin"] = 20 * MB })
    local new = fake:file({ path = "/new", size = 20 * MB, seed = 9 })
    fake:change("/a.bin", 2, 9)
    local running, output = start(fake.url .. "/a.bin")
    succeeds(running, output, { ["a.bin"] = new }) -- no digest was promised: the new one is as good
    local again, old = serve({ ["a.bin"] = 20 * MB })
    again:change("/a.bin", 1, 9)
    running, output = start(again.source)
    fails(running, output, "could not download 'a.bin'", new, old["a.bin"])
  end)

  it("that redirects to URLs that expire, and gives away nothing", function()
    local fake, sums = serve({ ["a.bin"] = 54 * MB }, { redirect = { uses = 2 } })
    local running, output = start(fake.source, "-w", "2")
    succeeds(running, output, sums)
    local stats = fake:stats()
    assert.same({}, stats.leaks)
    assert.is_true(#stats.files["HOST/a.bin"].requests >= 2)
    fake = serve({ ["a.bin"] = 1000 }, { redirect = { uses = 0 } })
    running, output = start(fake.source)
    fails(running, output, "could not download 'a.bin'", "403: Request has expired")
  end)

  it("one slow file does not hold up the others", function()
    local fake = serve({ slow = 200000, large = 20 * MB })
    fake:fail("/slow", { kind = "slow", rate = 20000, times = -1 })
    fake:files({ path = "/many/%d.bin", count = 100, size = 20000 })
    local running, output = start(fake.source, "-w", "3")
    wait.until_true("all but the slow file to be there", function()
      return #downloader.found(output) == 101
    end)
    assert.is_nil(running:status())
    assert.is_false(files.exists(output .. "/slow"))
    running:stop()
  end)

  it("uses few connections for many files, and never more than it may", function()
    for _, workers in ipairs({ 1, 4 }) do
      local fake = serve({ large = 30 * MB })
      fake:files({ path = "/many/%d.bin", count = 400, size = 1500 })
      local running, output = start(fake.source, "-w", tostring(workers))
      assert.equal(0, running:wait(20), running:stderr())
      assert.equal(401, #downloader.found(output))
      local stats = fake:stats() -- the list's connection, which ends first, is there too
      assert.is_true(stats.peak <= workers + 1, stats.peak .. " at once")
      assert.is_true(stats.connections <= workers + 1, stats.connections .. " in all")
    end
  end)
end)
