-- Downloads onto disks that are full, read-only or another's.
local downloader = require("spec.support.downloader")
local files = require("spec.support.files")
local nginx = require("spec.support.nginx")
local process = require("spec.support.process")
local runtime = require("spec.support.runtime")
local stat = require("posix.sys.stat")
local unistd = require("posix.unistd")
local wait = require("spec.support.wait")

local MB = 1000000

-- A source of local files whose revisions cannot change.
local HELD = [[
return {
  api = 1,
  source = "held",
  schemes = { "held" },
  help = "held://path@revision",
  resolve = function(uri, ctx)
    local list, message, kind = ctx.files(uri.name)
    return list and { revision = uri.revision, pinned = true, files = list }, message, kind
  end,
}
]]
local NOBODY = { "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups" }

describe("a disk", function()
  local root, plan, server, rules, source

  setup(function()
    if unistd.getuid() ~= 0 then
      return
    end
    root, plan = downloader.tree({ ["small/1"] = 1 * MB, ["small/2"] = 1 * MB, large = 24 * MB })
    server = nginx.start(root)
    rules = downloader.rules({ held = HELD })
    assert(stat.chmod(rules, 493)) -- rwxr-xr-x
    source = "tree://" .. server.authority
  end)

  local function run(output, ...)
    return downloader.run(rules, source, output, ...)
  end

  -- Runs as a user without rights.
  local function run_as_nobody(output)
    local words = { unpack(NOBODY) }
    for _, word in ipairs({ runtime.binary, unpack(downloader.arguments(rules, source, output)) }) do
      words[#words + 1] = word
    end
    return process.run(words, { seconds = 30 })
  end

  -- A test that needs to be root: mounts and other users.
  local function as_root(name, body)
    it(name, function()
      if unistd.getuid() ~= 0 then
        return pending("needs root")
      end
      body()
    end)
  end

  as_root("that is too small is refused before the first byte, with the numbers", function()
    local disk = downloader.disk("20m")
    local before = server:sent()
    local result = run(disk .. "/models")
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find("could not write to .*/models: 26%.0 MB are needed, 2%d%.%d MB are free; free "),
      result.stderr)
    assert.equal(before, server:sent())
    assert.same({}, downloader.found(disk .. "/models"))
    assert.equal(0, run(disk .. "/models", "--include", "small/*").status) -- what fits, fits
  end)

  as_root("that somebody else fills in the middle ends the run, and the next one goes on", function()
    local disk = downloader.disk("40m")
    local output = disk .. "/models"
    local running = downloader.start(rules, source, output, "--limit-rate", "20MB")
    wait.until_true("some of it to be there", function()
      return select(2, downloader.partial(output)) > 6 * MB
    end)
    process.run({ "dd", "if=/dev/zero", "of=" .. disk .. "/other", "bs=1M" }) -- until it is full
    assert.equal(1, running:wait(20))
    assert.truthy(running:stderr():find("No space left on device", 1, true), running:stderr())
    assert.equal(1, select(2, running:stderr():gsub("\n", "")), running:stderr())
    local result = run(output)
    assert.equal(1, result.status) -- still full, and says so
    assert.truthy(result.stderr:find("No space left on device", 1, true)
      or result.stderr:find("MB are needed, ", 1, true), result.stderr)
    files.remove(disk .. "/other")
    result = run(output, "--progress", "json")
    assert.equal(0, result.status, result.stderr)
    assert.is_true(tonumber(result.stdout:match('"fetched":(%d+)')) < 26 * MB - 5 * MB, result.stdout)
    downloader.check(output, plan)
  end)

  as_root("that is full from the start", function()
    local disk = downloader.disk("1m")
    process.run({ "dd", "if=/dev/zero", "of=" .. disk .. "/other", "bs=64k" })
    local result = run(disk)
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find(("could not write in %s: No space left on device"):format(disk), 1, true),
      result.stderr)
  end)

  as_root("that holds a revision needs no lock, nothing written, and no source", function()
    local disk, from = downloader.disk("60m"), files.temporary()
    files.write(from .. "/file", "bytes")
    local held = ("held://%s@1"):format(from)
    assert.equal(0, downloader.run(rules, held, disk).status)
    files.remove(from)
    local other = downloader.start(rules, source, disk, "--limit-rate", "1MB")
    wait.until_true("another to hold the lock", function()
      return downloader.partial(disk) > 0
    end)
    local result = downloader.run(rules, held, disk)
    assert.equal(0, result.status, result.stderr)
    other:stop()
    assert.equal(0, process.run({ "mount", "-o", "remount,ro", disk }).status)
    result = downloader.run(rules, held, disk)
    assert.equal(0, result.status, result.stderr)
    assert.equal(1, downloader.run(rules, held, disk, "--include", "*").status) -- another selection
  end)

  as_root("that has filled up since, and holds all of it", function()
    local disk = downloader.disk("40m")
    assert.equal(0, run(disk).status)
    process.run({ "dd", "if=/dev/zero", "of=" .. disk .. "/other", "bs=4k" })
    local result = run(disk)
    assert.equal(0, result.status, result.stderr)
    files.remove(disk .. "/small/1")
    process.run({ "dd", "if=/dev/zero", "of=" .. disk .. "/another", "bs=4k" })
    assert.equal(1, run(disk).status)
  end)

  as_root("that is too small while another file is replaced", function()
    local disk = downloader.disk("60m")
    assert.equal(0, run(disk).status)
    local bytes = files.read(disk .. "/large")
    files.write(disk .. "/large", bytes:sub(1, -2) .. "x") -- the old one stays until the new one is there
    assert.equal(0, run(disk).status)
    downloader.check(disk, plan)
  end)

  as_root("that is mounted read-only", function()
    local disk = downloader.disk("40m")
    assert.equal(0, run(disk).status)
    assert.equal(0, process.run({ "mount", "-o", "remount,ro", disk }).status)
    assert.equal(0, runtime.run({ "verify", disk }).status)
    local result = run(disk) -- all of it is there
    assert.equal(0, result.status, result.stderr)
    assert.truthy(result.stdout:find("all 3 files were there already", 1, true), result.stdout)
    assert.equal(0, process.run({ "mount", "-o", "remount,rw", disk }).status)
    files.remove(disk .. "/small/1")
    assert.equal(0, process.run({ "mount", "-o", "remount,ro", disk }).status)
    for _, output in ipairs({ disk, disk .. "/new/directory" }) do
      result = run(output)
      assert.equal(1, result.status)
      assert.truthy(result.stderr:find(disk, 1, true), result.stderr)
      assert.truthy(result.stderr:find("Read-only file system; mount the volume writable", 1, true), result.stderr)
    end
  end)

  as_root("that belongs to another user", function()
    local parent = files.temporary()
    assert(stat.chmod(parent, 511)) -- rwxrwxrwx
    files.make_directory(parent .. "/theirs")
    for _, output in ipairs({ parent .. "/theirs", parent .. "/theirs/new" }) do
      local result = run_as_nobody(output)
      assert.equal(1, result.status)
      assert.truthy(result.stderr:find(parent .. "/theirs", 1, true), result.stderr)
      assert.truthy(result.stderr:find("Permission denied", 1, true), result.stderr)
    end
    local result = run_as_nobody(parent .. "/own") -- below a directory all may write in
    assert.equal(0, result.status, result.stderr)
    downloader.check(parent .. "/own", plan)
    result = run(parent .. "/own")
    assert.equal(0, result.status, result.stderr)
  end)

  as_root("whose partial files another user has left is gone on with", function()
    local output = files.temporary()
    local running = downloader.start(rules, source, output, "--limit-rate", "20MB")
    wait.until_true("some of it to be there", function()
      return downloader.partial(output) > 6 * MB
    end)
    running:stop()
    process.run({ "chown", "-R", "65534:65534", output })
    local result = run_as_nobody(output)
    assert.equal(0, result.status, result.stderr)
    downloader.check(output, plan)
  end)

  as_root("that takes no file of this name says for which", function()
    local output = files.temporary()
    files.make_directory(output .. "/large/in-the-way")
    local result = run(output)
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find("large", 1, true), result.stderr)
    assert.is_true(files.exists(output .. "/large/in-the-way"))
    files.remove(output .. "/large")
    files.remove(output .. "/small")
    files.write(output .. "/small", "a file where a directory has to be")
    result = run(output)
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find("small", 1, true), result.stderr)
    files.remove(output .. "/small")
    assert.equal(0, run(output).status)
    downloader.check(output, plan)
  end)
end)
