--- From the plan a source's resolve returned, a plain table, to the host's plan. Every file of it is looked at, and
-- there may be a hundred thousand: what is good passes a few comparisons, and only what is not is looked at closely.
local describe = require "kthena.describe"
local fields = require "kthena.fields"
local host = require "host.plan"
local http = require "kthena.http"
local schema = require "kthena.schema"

local plan = {}

local MAX_PROBLEMS = 5
local MAX_SIZE = 2 ^ 53
local MAX_SECONDS = 9e9

-- The keys for digests, best first, and the host's names for them.
local DIGESTS = {
  { "sha256", "sha256" }, { "sha1", "sha1" }, { "git_sha1", "git-sha1" }, { "crc64nvme", "crc64nvme" },
  { "md5", "md5" }, { "crc32c", "crc32c" }, { "crc32", "crc32" },
}

local FILE = {
  path = "string", size = "number", url = "string", from = "string", etag = "string", head = "boolean",
  mtime = "number", mode = "number",
}
for _, digest in ipairs(DIGESTS) do
  FILE[digest[1]] = "string"
end

local ANY = { type = "any" }
local TEXT = { type = "string" }

local HEADER = {
  type = "any",
  check = function(value, report, path)
    if not http.parts(value) then
      report(path, "expected a text, a secret or a list of them, got " .. describe.value(value))
    end
  end,
}

local function digest_kinds()
  local kinds = {}
  for i, digest in ipairs(DIGESTS) do
    kinds[i] = digest[1]
  end
  return kinds
end

local DIGEST_HEADER = {
  type = "record",
  fields = {
    { "header", fields.required(TEXT) },
    { "kind", { type = "string", choices = digest_kinds(), required = true } },
    { "unless", { type = "record", fields = { { "name", fields.required(TEXT) }, { "value", TEXT } } } },
  },
}

local ACCESS = {
  type = "record",
  fields = {
    { "headers", { type = "map", keys = TEXT, values = HEADER, max = 64 } },
    { "signer", ANY },
    { "digests", { type = "list", of = DIGEST_HEADER, max = 16 } },
    { "pin", { type = "record",
      fields = { { "header", fields.required(TEXT) }, { "value", fields.required(TEXT) } } } },
    { "reasons", { type = "list", of = TEXT, max = 16 } },
  },
}

local PLAN = {
  type = "record", expected = "a plan: a table with files",
  fields = {
    { "revision", { type = "string", max = 500 } },
    { "pinned", { type = "boolean" } },
    { "access", ACCESS },
    { "files", { type = "list", required = true, of = ANY, expected = "a list of files" } },
  },
}

local function is_whole(value, most)
  return value >= 0 and value <= most and value % 1 == 0
end

-- Whether nothing is wrong with the file, as far as Lua can tell; the host checks paths, URLs and digests.
local function is_good(file)
  if type(file) ~= "table" then
    return false
  end
  for key, value in next, file do
    if type(value) ~= FILE[key] then
      return false
    end
  end
  return file.path ~= nil and (file.size == nil or is_whole(file.size, MAX_SIZE))
    and (file.mode == nil or is_whole(file.mode, 4095))
    and (file.mtime == nil or file.mtime >= 0 and file.mtime <= MAX_SECONDS)
end

-- What a key's value has to be, for messages; nil for a key there is not.
local EXPECTED = {
  size = "a whole number of bytes", mode = "permission bits", mtime = "seconds since the epoch",
}
local ARTICLES = { string = "text", number = "a number", boolean = "true or false" }

local function report_file(file, path, report)
  if type(file) ~= "table" then
    return report(path, "expected a file: a table with path, got " .. describe.value(file))
  end
  for _, key in ipairs(fields.names(file)) do
    local value = file[key]
    if not FILE[key] then
      report(describe.key(path, key), "unknown key; " .. fields.hint(key, fields.names(FILE)))
    elseif type(value) ~= FILE[key] or EXPECTED[key] and not is_good({ path = "", [key] = value }) then
      report(describe.key(path, key),
        ("expected %s, got %s"):format(EXPECTED[key] or ARTICLES[FILE[key]], describe.value(value)))
    end
  end
  if file.path == nil then
    report(describe.key(path, "path"), "missing; expected text")
  elseif #file > 0 then
    report(path, "expected a file: a table with path, got a list")
  end
end

-- Returns everything that is wrong, in one text; nil if nothing is.
local function problems_of(value)
  local problems = {}
  local function report(key, message)
    problems[#problems + 1] = (key == "" and "" or key .. ": ") .. message
  end
  schema.check(PLAN, value, report)
  for i, file in ipairs(#problems == 0 and value.files or {}) do
    if not is_good(file) then
      report_file(file, ("files[%d]"):format(i), report)
    end
    if #problems >= MAX_PROBLEMS then
      break
    end
  end
  return #problems > 0 and table.concat(problems, "; ", 1, math.min(#problems, MAX_PROBLEMS)) or nil
end

-- Says how files are asked for.
local function add_access(handle, access)
  local ok, message, kind = http.add_headers(handle, access.headers or {})
  if not ok then
    return nil, message, kind
  end
  if access.signer then
    handle:signer(access.signer)
  end
  if access.pin then
    handle:pin(access.pin.header:lower(), access.pin.value)
  end
  if access.reasons then
    handle:reasons(table.concat(access.reasons, ","):lower())
  end
  for _, digest in ipairs(access.digests or {}) do
    local unless = digest.unless or {}
    for _, one in ipairs(DIGESTS) do
      if one[1] == digest.kind then
        handle:digest_header(digest.header:lower(), one[2], unless.name and unless.name:lower(), unless.value)
      end
    end
  end
  return true
end

local function add_file(handle, file)
  local kind, digest
  for _, one in ipairs(DIGESTS) do
    if file[one[1]] then
      kind, digest = one[2], file[one[1]]
      break
    end
  end
  return handle:file(file.path, file.size, file.url, file.from, file.etag, kind, digest, file.head, file.mtime,
    file.mode)
end

-- What the source told is not what a plan can hold.
local function refuse(message, kind)
  return nil, message, kind == "invalid" and "protocol" or kind
end

--- Makes the host's plan of a rule's, less what the globs leave out. `place` begins the messages about rules that break
-- the contract. Returns the sealed plan; or nil, a message and a kind.
-- @usage local handle, message = plan.convert(value, "rules/sources/acme.lua: resolve", { include = { "*.json" } })
function plan.convert(value, place, globs)
  local problems = problems_of(value)
  if problems then
    return nil, place .. ": " .. problems, "policy"
  end
  local handle = host.new()
  handle:set_revision(value.revision or "", value.pinned or false)
  local ok, message, kind = add_access(handle, value.access or {})
  if not ok then
    return nil, message, kind
  end
  for _, file in ipairs(value.files) do
    ok, message, kind = add_file(handle, file)
    if not ok then
      return refuse(message, kind)
    end
  end
  for _, name in ipairs({ "include", "exclude" }) do
    for _, glob in ipairs(globs[name] or {}) do
      handle[name](handle, glob)
    end
  end
  ok, message, kind = handle:seal()
  if not ok then
    return refuse(message, kind)
  end
  return handle
end

return plan
