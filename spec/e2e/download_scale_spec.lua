-- Many files: memory, descriptors and connections stay where they are.
local dirent = require("posix.dirent")
local downloader = require("spec.support.downloader")
local files = require("spec.support.files")
local nginx = require("spec.support.nginx")
local wait = require("spec.support.wait")

local COUNT = 10000
local PEAK_KB = 32 * 1024

describe("ten thousand files", function()
  local root, plan, server, rules

  setup(function()
    local sizes = {}
    for i = 1, COUNT do
      sizes[("layers/%d/part-%d"):format(i % 100, i)] = i % 997
    end
    root, plan = downloader.tree(sizes)
    server = nginx.start(root)
    rules = downloader.rules()
  end)

  -- How many descriptors the process has open, and the most memory it has used, in KB; nil when it has ended, or is
  -- still a copy of this one.
  local function measure(running)
    local command = files.read(("/proc/%d/cmdline"):format(running.pid)) or ""
    if not command:find("\0download\0", 1, true) then
      return nil
    end
    local status = files.read(("/proc/%d/status"):format(running.pid)) or ""
    local count = 0
    local ok = pcall(function()
      for _ in dirent.files(("/proc/%d/fd"):format(running.pid)) do
        count = count + 1
      end
    end)
    return ok and count, tonumber(status:match("VmHWM:%s*(%d+) kB"))
  end

  -- Runs the download to its end and returns the most descriptors and memory (KB) it was seen with.
  local function watch(output, ...)
    local running = downloader.start(rules, "tree://" .. server.authority, output, ...)
    local most, peak = 0, 0
    wait.until_true("the download to end", function()
      local descriptors, kilobytes = measure(running)
      most, peak = math.max(most, descriptors or 0), math.max(peak, kilobytes or 0)
      return running:status()
    end, 60)
    assert.equal(0, running:status(), running:stderr())
    return most, peak, running:stdout()
  end

  it("take no more memory, descriptors and connections than a few", function()
    local output = files.in_memory()
    local descriptors, peak = watch(output)
    downloader.check(output, plan)
    assert.is_true(descriptors > 10 and descriptors < 120, descriptors .. " descriptors")
    if wait.factor == 1 then -- a sanitizer's memory is another matter
      assert.is_true(peak > 1000 and peak <= PEAK_KB, peak .. " kB")
    end
    local _, connections = server:sent()
    assert.is_true(connections <= 8, connections .. " connections")
    local _, again, said = watch(output)
    assert.truthy(said:find("^nothing to do: all 10000 files were there already"), said)
    assert.is_true(wait.factor > 1 or again <= PEAK_KB, again .. " kB")
  end)

  it("are copied with no more than that", function()
    local output = files.in_memory()
    local descriptors, peak = watch(output, "-s", "pvc://" .. root .. "/layers")
    assert.equal(COUNT, #downloader.found(output))
    assert.is_true(descriptors < 120, descriptors .. " descriptors")
    assert.is_true(wait.factor > 1 or peak <= PEAK_KB, peak .. " kB")
  end)
end)
