--- Temporary directories and small files for specs.
local dirent = require("posix.dirent")
local scope = require("spec.support.scope")
local stat = require("posix.sys.stat")
local stdlib = require("posix.stdlib")
local unistd = require("posix.unistd")

local files = {}

--- The project's directory, absolute.
files.root = stdlib.realpath(debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$") .. "/../..")

local function remove(path)
  local found = stat.lstat(path)
  if found and stat.S_ISDIR(found.st_mode) ~= 0 then
    for name in dirent.files(path) do
      if name ~= "." and name ~= ".." then
        remove(path .. "/" .. name)
      end
    end
    unistd.rmdir(path)
  else
    unistd.unlink(path)
  end
end

--- Deletes a file, a symlink, or a directory with all it holds.
function files.remove(path)
  remove(path)
end

--- Makes a directory that is removed with the scope. Returns its path.
-- @param parent where; TMPDIR by default
function files.temporary(parent)
  local path = assert(stdlib.mkdtemp((parent or os.getenv("TMPDIR") or "/tmp") .. "/kthena-spec-XXXXXX"))
  scope.defer(function()
    remove(path)
  end)
  return path
end

--- The same on a file system that is in memory, if there is one: for what would wait for a busy disk.
function files.in_memory()
  return files.temporary(stat.stat("/dev/shm") and "/dev/shm" or nil)
end

--- Makes a directory and those above it.
function files.make_directory(path)
  local parent = path:match("^(.+)/[^/]+$")
  if parent and not stat.stat(parent) then
    files.make_directory(parent)
  end
  if not stat.stat(path) then
    assert(stat.mkdir(path))
  end
  return path
end

--- Writes a file in place, making its directory. Returns the path.
function files.write(path, text)
  files.make_directory(path:match("^(.*)/[^/]*$"))
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
  return path
end

--- Reads a whole file; nil and a message when it cannot.
function files.read(path)
  local file, problem = io.open(path, "rb")
  if not file then
    return nil, problem
  end
  local text = file:read("*a")
  file:close()
  return text
end

--- The sorted names in a directory, hidden ones left out.
function files.list(path)
  local names = {}
  for name in dirent.files(path) do
    if name:sub(1, 1) ~= "." then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

--- Whether the path exists.
function files.exists(path)
  return stat.stat(path) ~= nil
end

--- Where a symlink points to; nil when it is none.
function files.link_target(link)
  return (unistd.readlink(link))
end

--- Points a symlink at a target in one step, the way Kubernetes swaps a ConfigMap.
function files.swap_link(target, link)
  assert(unistd.link(target, link .. ".new", true))
  assert(os.rename(link .. ".new", link))
end

return files
