--- Brings one adapter to the engine: its files, then the engine's part, and back again when that fails. For
-- kthena.adapter_load, over a workflow's ctx.
local adapters = require "kthena.adapters"
local engine = require "kthena.adapter_engine"
local files = require "kthena.adapter_files"
local json = require "kthena.json"

local bring = {}

-- For so many seconds it holds what the engine said it has.
local FRESH = 0.2

-- How much longer than the engine's own time an adapter that was given up may still turn up.
local LATE = 60

-- After so many failures a declared adapter is not tried again in the place of one that works.
local MAX_FAILURES = 5

--- What to go by for an adapter that has no record but that the engine has: somebody else's, or ours from before.
function bring.found(ctx, here, name)
  local listed = here and here[name]
  if not listed or not listed.path then
    return nil
  end
  local manifest = ctx.manifest(listed.path) or {}
  return {
    source = manifest.source, revision = manifest.revision, output_dir = listed.path, path = listed.path,
    is_found = true,
  }
end

-- What the engine has under a name that is to be loaded: `known`, or something else; nil if nothing. One that does not
-- tell has what it had.
local function occupant(ctx, here, name, known, is_loaded)
  if here == false and is_loaded or here and adapters.is_here(ctx, here, name, known) then
    return known
  end
  return here and here[name] and { path = here[name].path, is_found = true } or nil
end

local function recorded(known)
  return known and not known.is_found and known or nil
end

-- Notes a failed attempt, of which `known` may be loaded all the same. Returns what a failed call returns.
local function fail(ctx, name, options, message, kind, status)
  local loaded = options.is_loaded and options.known or nil
  local again = options.again or recorded(options.known) and not loaded and "later" or nil
  local one = loaded or options.want
  local facts = { source = one.source, path = loaded and loaded.path or options.path, confirmed = loaded ~= nil }
  if kind == "unavailable" and not loaded then
    facts.error = message
    adapters.note(ctx, name, "missing", facts)
  else
    facts.state = loaded and "loaded" or "failed"
    adapters.note_failure(ctx, name, message, facts, again)
  end
  return nil, message, kind, status
end

-- The record of what was brought.
local function record_of(ctx, want, path, got)
  return {
    source = want.source, output_dir = want.output_dir, path = path, revision = got.revision, digest = got.digest,
    base_model = want.base_model, pinned = want.pinned, fields = want.fields, declared = want.declared,
    since = ctx.time(),
  }
end

-- Brings the files. Returns their directory and what kthena.adapter_files says; or nil, a message, a kind and a status.
local function fetch(ctx, name, want, options)
  local known = options.known
  local is_known = recorded(known) and adapters.is_same(known, want)
  local warnings = is_known and not options.asks and files.are_there(ctx, known)
  if warnings then
    return known.path, { revision = known.revision, digest = known.digest, fetched = 0, warnings = warnings }
  end
  local path, message, kind = is_known and not options.is_loaded and known.path, nil, nil
  if not path then
    path, message, kind = files.place(ctx, name, want, not options.in_place and known or nil)
  end
  if not path then
    return nil, message, kind
  end
  options.path = path
  adapters.note(ctx, name, "downloading", { source = want.source, path = path, confirmed = options.is_loaded })
  local got, problem, why, status = files.bring(ctx, want, path, options)
  if not got then
    return nil, problem, why, status
  end
  return path, got
end

-- Whether what was brought is what the engine has already.
local function is_unchanged(known, want, path, got)
  if not adapters.is_same(known, want) then
    return false
  elseif got.digest and known.digest then
    return got.digest == known.digest
  end
  return adapters.is_same_path(known.path, path) and got.fetched == 0
end

-- Records that the engine has an adapter as it is wanted.
local function keep(ctx, name, record)
  local ok, message, kind = adapters.set_record(ctx, name, record)
  if not ok then
    return nil, message, kind
  end
  adapters.note(ctx, name, "loaded", { source = record.source, path = record.path, confirmed = true })
  return true
end

--- The engine has `known` already, which is what is wanted; `path` and `got` are what was brought beside. Returns as
-- bring.run.
function bring.settle(ctx, name, want, known, path, got)
  if not adapters.is_same_path(path, known.path) then
    files.delete(ctx, path)
  end
  local record = record_of(ctx, want, known.path, got)
  record.since, record.output_dir = known.since or record.since, known.output_dir
  local ok, message, kind = keep(ctx, name, record)
  if not ok then
    return nil, message, kind
  end
  return { result = "already_loaded", record = record, warnings = got.warnings or {} }
end

-- Whether a declared adapter is given up, for the sake of the one that works in its place.
local function is_given_up(ctx, name, kind, status)
  local failures = adapters.facts(ctx, name).failures or 0
  return not adapters.is_passing(kind) and ((status or 500) < 500 or failures + 1 >= MAX_FAILURES)
end

-- What becomes of a record when the engine has not taken what was to replace it: it stays, and is loaded again if it is
-- not (`is_back`).
local function after_replacement(ctx, name, options, kind, status, is_back)
  local known, want = options.known, options.want
  if want.declared and is_given_up(ctx, name, kind, status) then
    known.refused = adapters.signature(want)
    return known, not is_back and "soon" or nil
  end
  return known, not is_back and "soon" or want.declared and "later" or nil
end

-- What the record is to be when the engine has not taken an adapter, and when it is to be tried again.
local function after_failure(ctx, name, options, record, kind, status, is_back)
  local known, want = recorded(options.known), options.want
  local is_known = known and adapters.is_same(known, want)
  if is_known and known.previous and not adapters.is_passing(kind) then
    return known.previous, "soon"
  elseif known and not is_known then
    return after_replacement(ctx, name, options, kind, status, is_back)
  elseif known or want.declared then
    return known, not is_back and "later" or nil
  elseif adapters.is_passing(kind) then -- the engine may take it still
    local late = ctx.time() + ctx.settings.adapter_timeout + LATE
    return { absent = true, source = record.source, path = record.path, keep_until = late }, "soon"
  end
end

-- Has the engine load what was brought, in the place of `old`.
local function hand_over(ctx, name, options, path, got, old)
  local want, known = options.want, recorded(options.known)
  local record = record_of(ctx, want, path, got)
  record.previous = old and old == known and not options.in_place and known or nil
  local ok, message, kind = adapters.set_record(ctx, name, record)
  if not ok then
    return fail(ctx, name, options, message, kind)
  end
  local swapped, problem, why, status, is_back = engine.swap(ctx, name, record, old, options.in_place)
  if not swapped then
    local after
    after, options.again = after_failure(ctx, name, options, record, why, status, is_back)
    options.is_loaded = is_back and old == options.known
    adapters.set_record(ctx, name, after)
    return fail(ctx, name, options, problem, why, status)
  end
  record.previous = nil
  ok, message, kind = keep(ctx, name, record)
  if not ok then
    return nil, message, kind
  end
  if known and known.path ~= path and known.output_dir == want.output_dir then
    files.delete(ctx, known.path)
  end
  for _, warning in ipairs(got.warnings) do
    table.insert(swapped.warnings, warning)
  end
  swapped.record, swapped.old = record, old
  return swapped
end

--- Why an adapter is not replaced.
function bring.conflict(name, old)
  return ("the adapter %s is loaded from %s already; unload it first, or leave out replace = false"):format(
    json.encode(name), old.source or old.path or "elsewhere")
end

--- Brings an adapter to the engine. `options`: known, a record or what bring.found made; is_loaded, whether the engine
-- has it; here, what adapters.look returned at the time `looked`; asks, whether the source is asked although the files
-- are there; in_place, config, max_workers, replace; deadline, until when the engine is waited for; and again, when one
-- that fails is tried again ("soon", "later", nil). Returns { result = "loaded" or "already_loaded", text, record,
-- replaced, old, warnings }; or nil, a message, a kind and a status.
function bring.run(ctx, name, want, options)
  options.want = want
  local path, got, kind, status = fetch(ctx, name, want, options)
  if not path then
    return fail(ctx, name, options, got, kind, status)
  end
  options.path = path
  local here, message, why, code = options.here, nil, nil, nil
  if here == nil or ctx.time() - options.looked > FRESH then
    here, message, why, code = engine.look(ctx, options.deadline)
  end
  if here == nil then
    return fail(ctx, name, options, message, why, code)
  end
  local known = options.known or bring.found(ctx, here, name)
  local old = occupant(ctx, here, name, known, options.is_loaded)
  options.known, options.is_loaded = known, old ~= nil and old == known
  if options.is_loaded and not options.in_place and is_unchanged(known, want, path, got) then
    return bring.settle(ctx, name, want, known, path, got)
  elseif old and options.replace == false then
    return fail(ctx, name, options, bring.conflict(name, old), "exists")
  end
  return hand_over(ctx, name, options, path, got, old)
end

return bring
