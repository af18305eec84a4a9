-- Downloads that end before their time: killed again and again, interrupted, and two at a time in one directory.
local downloader = require("spec.support.downloader")
local ffi = require("ffi")
local files = require("spec.support.files")
local json = require("dkjson")
local nginx = require("spec.support.nginx")
local process = require("spec.support.process")
local runtime = require("spec.support.runtime")
local system = require("system")
local unistd = require("posix.unistd")
local wait = require("spec.support.wait")

local MIB = 1024 * 1024

describe("a download that is killed", function()
  local KILLS, WORKERS = 30, 4
  local RATE = math.floor(45e6 / wait.factor) -- so that 30 short lives do not get to the end

  -- 200 files: some of several ranges, some of one, many small ones.
  local function many_sizes()
    local sizes = {}
    for i = 1, 200 do
      local size = i <= 10 and 40000000 + i or i <= 20 and 1500000 + i * 7777 or i * i * 3
      sizes[("%s/%s/file-%d"):format(i % 3, i % 7, i)] = size
    end
    return sizes
  end

  it("30 times at random moments ends with the right bytes, and has fetched few of them twice", function()
    local root, plan = downloader.tree(many_sizes())
    local server, rules, output = nginx.start(root), downloader.rules(), files.temporary()
    local total, source = 0, "tree://" .. server.authority
    for _, file in ipairs(plan.files) do
      total = total + file.size
    end
    local seed = os.time()
    math.randomseed(seed)
    for i = 1, KILLS do
      local running = downloader.start(rules, source, output, "-w", tostring(WORKERS), "--limit-rate", tostring(RATE))
      system.sleep(wait.seconds(0.02 + 0.4 * math.random()))
      assert.is_nil(running:status(), ("life %d of seed %d: %s"):format(i, seed, running:stderr()))
      running:stop()
    end
    local result = downloader.run(rules, source, output, "-w", tostring(WORKERS))
    assert.equal(0, result.status, result.stderr)
    downloader.check(output, plan)
    assert.equal(0, runtime.run({ "verify", output }).status)
    -- What a kill costs: for each connection the bytes since the last record in the journal, less than 1 MiB, and
    -- those on their way, in buffers of 64 KiB there and some more here. Were whole ranges lost, of 16 MiB, most of
    -- what a life brings would be in vain, which is more than this.
    local cost = KILLS * WORKERS * 1.5 * MIB
    local sent = server:sent()
    assert.is_true(sent >= total)
    assert.is_true(sent <= total + cost, ("%.1f MB sent for %.1f MB, more than %.1f MB in vain, seed %d"):format(
      sent / 1e6, total / 1e6, cost / 1e6, seed))
  end)
end)

describe("two downloads into one directory", function()
  local root, plan, server, rules, source
  local TOTAL = 8000000 + 20 * 1000

  setup(function()
    local sizes = { model = 8000000 }
    for i = 1, 20 do
      sizes["small/" .. i] = 1000
    end
    root, plan = downloader.tree(sizes)
    server = nginx.start(root)
    rules = downloader.rules()
    source = "tree://" .. server.authority
  end)

  -- Starts one that takes so many seconds, and waits until it has begun to write.
  local function start_slowly(output, seconds)
    local rate = math.floor(TOTAL / wait.seconds(seconds))
    local running = downloader.start(rules, source, output, "--limit-rate", tostring(rate))
    wait.until_true("bytes to arrive", function()
      return downloader.partial(output) > 0
    end)
    return running
  end

  -- Starts one that has to wait for the process with this pid.
  local function start_waiting(output, pid)
    local waiting = downloader.start(rules, source, output)
    local host = process.run({ "hostname" }).stdout:match("%S+")
    wait.until_true("the log to name the owner", function()
      local log = waiting:stderr()
      return log:find(("waiting for %s (pid %d, since 20"):format(host, pid), 1, true), log
    end)
    return waiting
  end

  -- Raises an error unless so much was sent since then: all of it once.
  local function check_sent_once(before)
    wait.until_true("the server to log all that it sent", function()
      return server:sent() - before >= TOTAL
    end)
    assert.equal(TOTAL, server:sent() - before)
  end

  it("take turns, and the second finds the work done", function()
    local output, before = files.in_memory(), server:sent()
    local first = start_slowly(output, 1.5)
    local second = start_waiting(output, first.pid)
    assert.equal(0, first:wait(20))
    assert.equal(0, second:wait(20))
    assert.truthy(first:stdout():find("^downloaded 21 files"), first:stdout())
    assert.truthy(second:stdout():find("^nothing to do: all 21 files were there already"), second:stdout())
    downloader.check(output, plan)
    check_sent_once(before)
  end)

  it("may be five that begin at once", function()
    local output, before, running = files.in_memory() .. "/new", server:sent(), {}
    for i = 1, 5 do
      running[i] = downloader.start(rules, source, output)
    end
    local idle = 0
    for i = 1, 5 do
      assert.equal(0, running[i]:wait(20), running[i]:stderr())
      idle = idle + (running[i]:stdout():find("^nothing to do") and 1 or 0)
    end
    assert.equal(4, idle)
    downloader.check(output, plan)
    check_sent_once(before)
  end)

  it("need not wait for the dead: the second goes on where the first was killed", function()
    local output = files.in_memory()
    local first = start_slowly(output, 5)
    local second = start_waiting(output, first.pid)
    first:stop()
    assert.equal(0, second:wait(15), second:stderr())
    downloader.check(output, plan)
  end)

  it("is interrupted while it waits", function()
    local output = files.in_memory()
    local first = start_slowly(output, 5)
    local second = start_waiting(output, first.pid)
    second:signal("SIGTERM")
    assert.equal(130, second:wait(2))
    assert.is_nil(first:status())
  end)

  it("are one when the first stands still", function()
    local output = files.in_memory()
    local first = start_slowly(output, 2)
    first:signal("SIGSTOP")
    local second = start_waiting(output, first.pid)
    first:signal("SIGCONT")
    assert.equal(0, first:wait(20))
    assert.equal(0, second:wait(20))
    downloader.check(output, plan)
  end)

  it("take over the lock of another host that has died", function()
    ffi.cdef("uint64_t XXH3_64bits(const void *input, size_t length);")
    local hash = ffi.load("libxxhash.so.0")
    local output = files.in_memory()
    local first = start_slowly(output, 5)
    local lock = assert(files.read(output .. "/.kthena/lock"))
    first:stop()
    local text = lock:match("^(.*\n)sum "):gsub("host %S+", "host gpu-node-7"):gsub("boot %S+",
      "boot 01234567-89ab-cdef-0123-456789abcdef")
    text = ("%ssum %s"):format(text, bit.tohex(hash.XXH3_64bits(text, #text)))
    files.write(output .. "/.kthena/lock", text .. (" "):rep(#lock - #text - 1) .. "\n")
    local result = runtime.run(downloader.arguments(rules, source, output), { seconds = 15 })
    assert.equal(0, result.status, result.stderr)
    downloader.check(output, plan)
  end)

  it("do not mind a damaged lock, and refuse one that is no file", function()
    local output = files.in_memory()
    files.write(output .. "/.kthena/lock", "\0\255 not a lock\n")
    assert.equal(0, downloader.run(rules, source, output).status)
    downloader.check(output, plan)
    files.remove(output .. "/.kthena/lock")
    assert(unistd.link("/etc/passwd", output .. "/.kthena/lock", true))
    local result = downloader.run(rules, source, output)
    assert.not_equal(0, result.status)
    assert.truthy(result.stderr:find("/.kthena/lock: it is not a regular file; remove it", 1, true), result.stderr)
  end)
end)

describe("what a killed download leaves", function()
  it("is of use to a download of other files, and out of the way of another source", function()
    local root, plan = downloader.tree({ a = 9000000, b = 5000000 })
    local server, rules, output = nginx.start(root), downloader.rules(), files.in_memory()
    local source = "tree://" .. server.authority
    local running = downloader.start(rules, source, output, "-w", "1", "--limit-rate", "8MB")
    wait.until_true("bytes to arrive", function()
      return downloader.partial(output) > 4000000
    end)
    running:stop()
    local result = downloader.run(rules, source, output, "--include", "b", "--progress", "json")
    assert.equal(0, result.status, result.stderr)
    assert.same({ "b" }, downloader.found(output))
    assert.equal(5000000, json.decode(result.stdout:match("[^\n]+\n$")).result.fetched)
    local other, files_of_other = downloader.tree({ c = 10 })
    local other_server = nginx.start(other)
    assert.equal(0, downloader.run(rules, "tree://" .. other_server.authority, output).status)
    files.remove(output .. "/b")
    downloader.check(output, files_of_other)
    assert.equal(0, downloader.run(rules, source, output).status)
    files.remove(output .. "/c")
    downloader.check(output, plan)
  end)
end)
