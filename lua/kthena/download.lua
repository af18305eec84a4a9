--- How a download runs: the directory is opened and locked, the source resolves, the host fetches, the source finishes.
local context = require "kthena.context"
local hooks = require "kthena.hooks"
local host = require "host.download"
local http = require "kthena.http"
local job = require "host.job"
local plan = require "kthena.plan"
local text = require "host.text"
local time = require "host.time"

local download = {}

-- A listing that has held for so long may have expired; one that fails earlier is asked for again once only.
local LISTING_SECONDS = 60

-- Which part of the source is asked for, in one line: a directory that holds one part does not hold another.
local function selection(options)
  local globs = {}
  for _, glob in ipairs(options.include or {}) do
    globs[#globs + 1] = glob
  end
  for _, glob in ipairs(options.exclude or {}) do
    globs[#globs + 1] = "!" .. glob
  end
  return table.concat(globs, " ")
end

-- The URI as it is recorded and shown: a query may hold a signature or a token, so its digest stands for it.
local function label(uri)
  local plain, query = uri.text:match("^([^?]*)%?(.*)$")
  return plain and plain .. "?sha256-" .. text.digest(query) or uri.text
end

-- The place in the directory where a local file lies already; nil when it is elsewhere.
local function place_of(file, directory)
  local from = type(file) == "table" and file.from
  return type(from) == "string" and from:sub(1, #directory + 1) == directory .. "/" and from:sub(#directory + 2) or nil
end

-- Nothing is copied from the output directory into itself: a source that lies in it stays where it is, and of one that
-- the directory lies in, what the directory holds is no part.
local function settle(value, directory)
  local listed, inside = type(value.files) == "table" and value.files or {}, 0
  for _, file in ipairs(listed) do
    inside = inside + (place_of(file, directory) and 1 or 0)
  end
  if inside == 0 then
    return
  end
  local elsewhere = {}
  for _, file in ipairs(listed) do
    local place = place_of(file, directory)
    if not place then
      elsewhere[#elsewhere + 1] = file
    elseif inside == #listed then
      file.path = place
    end
  end
  value.files = inside == #listed and listed or elsewhere
end

-- Asks the source what there is. Returns the host's plan and the rule's; or nil, a message and a kind.
local function list(source, uri, ctx, options)
  job.phase("listing")
  local value, message, kind = hooks.call(source, "resolve", uri, ctx)
  if value == nil then
    return nil, message, kind
  elseif options.directory then
    settle(value, options.directory)
  end
  local handle
  handle, message, kind = plan.convert(value, source.path .. ": resolve", options)
  if not handle then
    return nil, message, kind
  elseif handle:count() == 0 then
    local filtered = #value.files > 0 and " that the include and exclude patterns leave" or ""
    return nil, ("%s has no files%s"):format(label(uri), filtered), "not_found"
  end
  return handle, value
end

-- Puts a source's own words before what the host says of a refused file.
local function explain(source, ctx, message, kind, status, lines, body, url, path)
  if not status or not source.rules.explain then
    return message, kind
  end
  local failure = { status = status, headers = http.parse_headers(lines), body = body, url = url, path = path }
  local sentence, own_kind = hooks.explain(source, failure, ctx)
  if not sentence then
    return message, kind
  end
  return sentence .. ": " .. message, own_kind or kind
end

-- Whether it is worth asking the source again: its URLs or credentials have worked, and do no longer.
local function is_worth_asking(again, kind, fetched_before, fetched, since)
  if kind ~= "unauthorized" and kind ~= "denied" or fetched == fetched_before then
    return false
  end
  return not again or time.monotonic() - since >= LISTING_SECONDS
end

-- Resolves and fetches. Returns the host's plan and, if `keep`, the rule's, the files that were there before, and the
-- bytes fetched; or nil, a message and a kind.
local function fetch(session, source, uri, ctx, reach, options, keep)
  local present, again
  local _, _, _, start = session:numbers()
  while true do
    local handle, value, kind = list(source, uri, ctx, options)
    if not handle then
      return nil, value, kind
    end
    value = keep and value or nil
    job.phase("downloading")
    collectgarbage() -- a listing may be larger than all that is needed from now on
    local since = time.monotonic()
    local _, _, _, before = session:numbers()
    local result = { session:run(handle, label(uri), options.workers, reach) }
    local _, _, there, after = session:numbers()
    present = present or there
    if result[1] then
      return handle, value, present, after - start
    elseif not is_worth_asking(again, result[3], before, after, since) then
      return nil, explain(source, ctx, unpack(result, 2, 8))
    end
    again = true
  end
end

-- What the source has to tell of, of all that it listed.
local function downloaded(handle, value)
  local kept = {}
  for key, item in pairs(value) do
    kept[key] = item
  end
  kept.files = {}
  for _, file in ipairs(value.files) do
    if handle:holds(file.path) then
      kept.files[#kept.files + 1] = file
    end
  end
  return kept
end

-- Lets the source write its small files.
local function write_files(session, source, ctx, handle, value)
  if not source.rules.finish then
    return true
  end
  job.phase("finishing")
  local files, message, kind = hooks.finish(source, downloaded(handle, value), ctx)
  if not files then
    return nil, message, kind
  end
  for _, file in ipairs(files) do
    local ok
    if handle:holds(file.path) then
      return nil, ("%s: finish: %s is one of the source's files"):format(source.path, file.path), "policy"
    end
    ok, message, kind = session:write(file.path, file.text)
    if not ok and kind == "invalid" then
      return nil, ("%s: finish: %s"):format(source.path, message), "policy"
    elseif not ok then
      return nil, message, kind
    end
  end
  return true
end

-- What is left to do once all files are there, unless it was done for these files before.
local function finish(session, source, ctx, handle, value, options)
  if session:finished(selection(options)) then
    return true
  end
  local ok, message, kind = write_files(session, source, ctx, handle, value)
  if not ok then
    return nil, message, kind
  end
  return session:mark_finished(selection(options))
end

-- Whether the directory holds just what is asked for, without asking the source: a revision that cannot change, named
-- in full. Returns it and its files and bytes.
local function is_there(session, uri, options)
  local of, revision, pinned, complete, files, bytes = session:manifest()
  if of == label(uri) and pinned and complete and uri.revision == revision and session:finished(selection(options)) then
    return revision, files, bytes
  end
end

local function find_there(session, uri, options)
  local revision, files, bytes = is_there(session, uri, options)
  if revision then
    session:present(files, bytes)
    return {
      revision = revision, files = files, bytes = bytes, present = files, fetched = 0, digest = session:digest(),
    }
  end
end

-- The same without the lock, and so without waiting for anybody or writing anything.
local function look(uri, options)
  local session = uri.revision and host.look(options.directory)
  if session then
    local result = find_there(session, uri, options)
    session:close()
    return result
  end
end

local function download_into(session, source, uri, ctx, reach, options)
  local there = find_there(session, uri, options)
  if there then
    return there
  end
  local handle, value, present, fetched = fetch(session, source, uri, ctx, reach, options, source.rules.finish ~= nil)
  if not handle then
    return nil, value, present
  end
  local ok, message, kind = finish(session, source, ctx, handle, value, options)
  if not ok then
    return nil, message, kind
  end
  local all, size = session:numbers()
  return { revision = handle:revision(), files = all, bytes = size, present = present, fetched = fetched }
end

--- Downloads. `source` is { rules =, path = }, `uri` of kthena.uri; `options` holds directory, and perhaps config,
-- foreign, env (as for kthena.context), workers, include and exclude. Returns a table; or nil, a message and a kind.
function download.run(source, uri, options)
  local start = time.monotonic()
  local ctx, reach, kind = context.source(source.rules, uri, options)
  if not ctx then
    return nil, reach, kind
  end
  local result = look(uri, options)
  if not result then
    local session, message
    session, message, kind = host.open(options.directory)
    if not session then
      return nil, message, kind
    end
    result, message, kind = download_into(session, source, uri, ctx, reach, options)
    if result then
      result.digest = session:digest()
    end
    session:close()
    if not result then
      return nil, message, kind
    end
  end
  result.source, result.path = label(uri), options.directory
  result.seconds = time.monotonic() - start
  return result
end

--- Resolves only. Returns the plan as JSON; or nil, a message and a kind. Takes what run takes.
function download.plan(source, uri, options)
  local ctx, problem, kind = context.source(source.rules, uri, options)
  if not ctx then
    return nil, problem, kind
  end
  local handle, message
  handle, message, kind = list(source, uri, ctx, options)
  if not handle then
    return nil, message, kind
  end
  return handle:describe(label(uri), options.directory)
end

return download
