--- Downloads as specs see them: trees of files to fetch, a source that lists them, and the command that fetches.
--
-- The source `tree` reads its plan, as a rule's resolve would return it, from list.json of a web server, so that a spec
-- can say anything in it. A file without url and from lies beside the list.
local dirent = require("posix.dirent")
local files = require("spec.support.files")
local json = require("dkjson")
local process = require("spec.support.process")
local runtime = require("spec.support.runtime")
local scope = require("spec.support.scope")
local stat = require("posix.sys.stat")

local downloader = {}

local RULE = [[
return {
  api = 1,
  source = "tree",
  schemes = { "tree", "trees" },
  help = "tree://host:port",
  resolve = function(uri, ctx)
    local base = (uri.scheme == "trees" and "https://" or "http://") .. uri.rest .. "/"
    local reply, message, kind = ctx.http.get(base .. "list.json")
    if not reply then
      return nil, message, kind
    elseif reply.status ~= 200 then
      return nil, "no list: " .. reply.status, "not_found"
    end
    local plan, problem = ctx.json(reply.body)
    if plan == nil then
      return nil, "the list is no JSON: " .. problem, "protocol"
    end
    for _, file in ipairs(plan.files) do
      if not file.url and not file.from then
        file.url = base .. ctx.url.encode(file.path, "/")
      end
    end
    return plan
  end,
}
]]

local block

-- Bytes that no range of another file has.
local function content(path, size)
  block = block or assert(io.open("/dev/urandom", "rb")):read(1024 * 1024)
  local parts, length = { path .. "\n" }, #path + 1
  while length < size do
    local piece = ("%016d"):format(length) .. block:sub(1, size - length)
    parts[#parts + 1] = piece
    length = length + #piece
  end
  return table.concat(parts):sub(1, size)
end

local AT_ONCE = 2000 -- paths on a command line

--- The SHA-256 digests of files, in hex: path -> digest.
function downloader.digests(root, paths)
  local digests = {}
  for first = 1, #paths, AT_ONCE do
    local last = math.min(first + AT_ONCE - 1, #paths)
    local result = process.run({ "sha256sum", "--", unpack(paths, first, last) }, { cwd = root, seconds = 60 })
    assert(result.status == 0, result.stderr)
    for digest, path in result.stdout:gmatch("(%x+)  ([^\n]+)\n") do
      digests[path] = digest
    end
  end
  return digests
end

--- Makes files of these sizes below a new root, in memory, and a list of them.
-- @param sizes table: path -> bytes
-- @param more optional: fields of the plan, such as revision and pinned
-- @return root, the plan as in the list: change it and call downloader.list
-- @usage local root, plan = downloader.tree({ ["a/b"] = 1000 })
function downloader.tree(sizes, more)
  local root, plan, paths = files.in_memory(), { files = {} }, {}
  for path, size in pairs(sizes) do
    files.write(root .. "/" .. path, content(path, size))
    paths[#paths + 1] = path
  end
  table.sort(paths)
  local digests = downloader.digests(root, paths)
  for i, path in ipairs(paths) do
    plan.files[i] = { path = path, size = sizes[path], sha256 = digests[path] }
  end
  for key, value in pairs(more or {}) do
    plan[key] = value
  end
  downloader.list(root, plan)
  return root, plan
end

--- Writes the list of a tree.
function downloader.list(root, plan)
  files.write(root .. "/list.json", json.encode(plan))
end

--- A directory of rules with the source `tree`, and further sources: name -> text. Lives as long as the scope.
function downloader.rules(more)
  local directory = files.temporary()
  files.write(directory .. "/sources/tree.lua", RULE)
  for name, text in pairs(more or {}) do
    files.write(("%s/sources/%s.lua"):format(directory, name), text)
  end
  return directory
end

--- The arguments of a download.
-- @param source URI
-- @param output directory
function downloader.arguments(rules, source, output, ...)
  return { "download", "--rules", rules, "-s", source, "-o", output, "--progress", "none", ... }
end

--- Downloads to the end: { status, stdout, stderr }.
-- @usage local result = downloader.run(rules, "tree://" .. server.authority, output, "-w", "2")
function downloader.run(rules, source, output, ...)
  return runtime.run(downloader.arguments(rules, source, output, ...), { seconds = 60 })
end

--- Starts a download and returns the process.
function downloader.start(rules, source, output, ...)
  return process.start({ runtime.binary, unpack(downloader.arguments(rules, source, output, ...)) })
end

--- The paths below a directory, sorted, without those the downloader keeps to itself.
function downloader.found(root)
  local found = {}
  local function visit(prefix)
    for name in dirent.files(root .. prefix) do
      local path = prefix .. "/" .. name
      if name ~= "." and name ~= ".." and path ~= "/.kthena" then
        if stat.S_ISDIR(stat.lstat(root .. path).st_mode) ~= 0 then
          visit(path)
        else
          found[#found + 1] = path:sub(2)
        end
      end
    end
  end
  visit("")
  table.sort(found)
  return found
end

--- How many bytes long the files are that are being written, in all, and how much room they take.
function downloader.partial(output)
  local parts, bytes, room = output .. "/.kthena/parts", 0, 0
  if not stat.stat(parts) then
    return 0, 0
  end
  for name in dirent.files(parts) do
    local about = stat.stat(parts .. "/" .. name)
    if about and stat.S_ISREG(about.st_mode) ~= 0 then
      bytes, room = bytes + about.st_size, room + about.st_blocks * 512
    end
  end
  return bytes, room
end

--- Raises an error unless the directory holds just the files of the plan, with the digests it gives, and nothing of an
-- unfinished download.
function downloader.check(output, plan)
  local paths = {}
  for i, file in ipairs(plan.files) do
    paths[i] = file.path
  end
  table.sort(paths)
  local found = downloader.found(output)
  assert(table.concat(found, "\n") == table.concat(paths, "\n"), "found: " .. table.concat(found, " "))
  local digests = downloader.digests(output, paths)
  for _, file in ipairs(plan.files) do
    assert(digests[file.path] == file.sha256, file.path .. " has other bytes")
  end
  for _, name in ipairs({ "journal", "journal.new", "parts" }) do
    assert(not files.exists(output .. "/.kthena/" .. name), name .. " was left behind")
  end
  assert(files.exists(output .. "/.kthena/manifest"), "there is no manifest")
end

--- Mounts a small tmpfs, as root, for the scope. Returns its path.
-- @usage local disk = downloader.disk("20m")
function downloader.disk(size)
  local directory = files.temporary()
  local result = process.run({ "mount", "-t", "tmpfs", "-o", "mode=0777,size=" .. size, "tmpfs", directory })
  assert(result.status == 0, result.stderr)
  scope.defer(function()
    process.run({ "umount", "-l", directory })
  end)
  return directory
end

return downloader
