--- Loading, unloading and restoring one adapter: what the workflows of the same names do. Each is called by one job at
-- a time for a name, over a workflow's ctx.
local adapters = require "kthena.adapters"
local bring = require "kthena.adapter_bring"
local engine = require "kthena.adapter_engine"
local files = require "kthena.adapter_files"
local json = require "kthena.json"

local load = {}

local function known_of(ctx, here, name)
  local record = adapters.record(ctx, name)
  if record and not record.absent then
    return record
  end
  return bring.found(ctx, here, name)
end

-- Whether a declaration stands in the way of a call.
local function declaration_problem(ctx, name, want)
  local set = adapters.declared(ctx)
  if set.absent[name] then
    return ("the adapter %s is not to be loaded, says %s; change that first"):format(json.encode(name), set.where)
  elseif set.adapters[name] and not adapters.is_same(want, set.adapters[name]) then
    return ("the adapter %s is declared in another way in %s; change that"):format(json.encode(name), set.where)
  end
end

-- What has to be right before anything is done. Returns true; or nil, a message, a kind and a status.
local function check(ctx, name, want)
  local ok, message, kind = adapters.check_name(ctx, name)
  if not ok then
    return nil, message, kind
  elseif not ctx.engine.supports("load") then -- asked, it says why not
    local _, why_not, why, status = ctx.engine.load({ name = name, path = want.output_dir, fields = {} })
    return nil, why_not, why, status
  end
  local problem = declaration_problem(ctx, name, want)
  if problem then
    return nil, problem, "exists"
  end
  return true
end

--- Loads an adapter for a caller. `want` is a table like a record; `options`: config, max_workers, in_place, replace,
-- refresh, deadline. Returns as kthena.adapter_bring's run.
function load.load(ctx, name, want, options)
  local ok, problem, why, code = check(ctx, name, want)
  if not ok then
    return nil, problem, why, code
  end
  local here, message, kind, status = adapters.look(ctx)
  if here == nil and not (options.deadline and adapters.is_passing(kind) and kind ~= "cancelled") then
    return nil, message, kind, status
  end
  local known = known_of(ctx, here, name)
  if known and not want.source and adapters.is_same_path(known.path, want.output_dir) then
    want.source = known.source
  end
  options.here, options.looked = here, ctx.time()
  options.known, options.is_loaded = known, here ~= nil and adapters.is_here(ctx, here, name, known)
  options.asks = options.config ~= nil or options.refresh == true
  local is_same = options.is_loaded and adapters.is_same(known, want)
  if is_same and not options.asks and not options.in_place then
    return bring.settle(ctx, name, want, known, known.path, { revision = known.revision, digest = known.digest })
  elseif options.is_loaded and not is_same and options.replace == false then
    return nil, bring.conflict(name, known), "exists"
  end
  return bring.run(ctx, name, want, options)
end

-- From now on an adapter is not wanted, whatever the engine does with it.
local function unwant(ctx, name, record)
  adapters.note(ctx, name, "unloading", { source = record and record.source, path = record and record.path })
  if record then
    return adapters.set_record(ctx, name, { absent = true, source = record.source, path = record.path })
  end
  return true
end

-- An adapter of ours that the engine has not let go of is tried again; the rest is the caller's business.
local function unload_failed(ctx, name, record, message, kind, status)
  if record and kind ~= "unsupported" then
    adapters.note_failure(ctx, name, message, { source = record.source, path = record.path }, "later")
  else
    adapters.set_record(ctx, name, nil)
    adapters.forget(ctx, name)
  end
  return nil, message, kind, status
end

-- Waits for the engine if the caller likes to. Returns true and where the adapter's files are, if that is known.
local function look_for_unload(ctx, name, record, options)
  local path = record and record.path
  if options.deadline or options.delete_files and not path then
    local here, message, kind, status = engine.look(ctx, options.deadline)
    if here == nil then
      return nil, message, kind, status
    end
    path = path or here and here[name] and here[name].path
  end
  return true, path
end

--- Unloads an adapter for a caller. `options`: fields, which the engine is told as they are; delete_files, deadline.
-- Returns { text, deleted, warning }; or nil, a message, a kind and a status.
function load.unload(ctx, name, options)
  local set, record = adapters.declared(ctx), adapters.record(ctx, name)
  if set.adapters[name] then
    return nil, ("the adapter %s is declared in %s, which would bring it back; take it out there"):format(
      json.encode(name), set.where), "exists"
  end
  local ok, message, kind = unwant(ctx, name, record)
  if not ok then
    return nil, message, kind
  end
  local looked, path, why, code = look_for_unload(ctx, name, record, options)
  if not looked then
    return unload_failed(ctx, name, record, path, why, code)
  end
  local result, text, unloaded_kind, status = engine.unload(ctx, name, record, options.fields)
  if not result then
    return unload_failed(ctx, name, record, text, unloaded_kind, status)
  elseif result == "not_found" and not record then
    return unload_failed(ctx, name, nil, ("HTTP %d: %s"):format(status or 404, text), "not_found", status)
  end
  ok, message, kind = adapters.set_record(ctx, name, nil)
  if not ok then
    return nil, message, kind
  end
  adapters.forget(ctx, name)
  local done = { text = text }
  if options.delete_files and path then
    done.deleted, done.warning = files.delete(ctx, path)
  end
  return done
end

-- Whether the engine has an adapter that it is not to have.
local function is_to_go(set, record, here, name)
  local one = adapters.entry(here, name, record)
  return one ~= nil and (set.absent[name] or not one.path or one.files or adapters.is_same_path(one.path, record.path))
end

-- Lets go of an adapter that is not wanted any more.
local function let_go(ctx, name, record, set, here)
  local goes = here == false or is_to_go(set, record, here, name)
  if goes then
    adapters.note(ctx, name, "unloading", { source = record and record.source, path = record and record.path })
    local result, text, kind, status = engine.unload(ctx, name, record)
    if not result then
      adapters.note_failure(ctx, name, text, { path = record and record.path }, "later")
      return nil, text, kind, status
    end
  elseif record and record.keep_until and record.keep_until > ctx.time() then
    return { status = "waiting" }
  end
  local ok, message, kind = adapters.set_record(ctx, name, nil)
  if not ok then
    return nil, message, kind
  end
  adapters.forget(ctx, name)
  return { status = goes and "unloaded" or "gone" }
end

-- Brings an adapter to what `want` says.
local function bring_back(ctx, name, record, want, here)
  local is_loaded = adapters.is_here(ctx, here, name, record)
  if is_loaded and adapters.is_same(record, want) then
    adapters.note(ctx, name, "loaded", { source = record.source, path = record.path, confirmed = true })
    return { status = "loaded" }
  elseif is_loaded and record.refused == adapters.signature(want) then
    return { status = "refused" }
  end
  local known = record and not record.absent and record or nil
  local done, message, kind, status = bring.run(ctx, name, want,
    { known = known, is_loaded = is_loaded, here = here, looked = ctx.time(), again = "later" })
  if not done and kind == "unavailable" then
    return { status = "waiting", message = message }
  elseif not done then
    return nil, message, kind, status
  end
  return { status = "loaded" }
end

--- Brings one adapter to what is wanted of it. Returns a table with its status; or nil, a message, a kind and a status.
function load.restore(ctx, name)
  local set, record = adapters.declared(ctx), adapters.record(ctx, name)
  local want = adapters.wanted(record, name, set)
  local here, message, kind, status = adapters.look(ctx)
  if here == nil and adapters.is_passing(kind) then
    return { status = "waiting", message = message }
  elseif here == nil then
    return nil, message, kind, status
  elseif want then
    return bring_back(ctx, name, record, want, here)
  elseif not adapters.is_unwanted(record, name, set) then
    return { status = here and here[name] and "unmanaged" or "gone" }
  end
  return let_go(ctx, name, record, set, here)
end

return load
