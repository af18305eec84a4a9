--- Adapters as the workflows know them: which are wanted, which of them the engine has, and what to say of each. Pure
-- functions over a workflow's ctx, for rules and for kthena.adapter_load.
--
-- ctx.state "adapter/NAME" holds a record of each adapter that is to be there, across restarts:
--
--     source, output_dir      as asked for; no source: the files were there already
--     path                    the directory the engine loads
--     revision, digest        of what was downloaded
--     base_model, pinned, fields   what the engine is told beside
--     since                   when it was loaded
--     declared                true: it is there because it is declared
--     previous                while it replaces another: that one's record
--     refused                 the declaration that the engine has refused in its place
--     absent, keep_until      true: it is to be gone, whatever the engine still does with it
--
-- ctx.memory "adapter/NAME" holds facts that a restart may forget: state (downloading, loading, loaded, failed,
-- unloading, missing), since, error, failures, next_try, confirmed (by the engine), and source and path.
local declared = require "kthena.adapter_config"

local adapters = {}

local CHANGES = "adapters/changes"
local PREFIX = "adapter/"
local NEXT_TRY = "adapters/next_try"
local FIRST_DELAY = 1
local LAST_DELAY = 300
local KEEP_FACTS = 24 * 3600

--- The settings that all workflows of adapters read.
adapters.settings = {
  { name = "lora_config", flag = "lora-config", env = "KTHENA_LORA_CONFIG", type = "file",
    help = "adapters to keep loaded: a list `adapters` or a vLLMLoRAConfig, YAML or JSON" },
  { name = "lora_adapters", env = "LORA_ADAPTERS", type = "string",
    help = 'adapters to keep loaded: [{"name": ..., "artifactURL": ...}] as JSON' },
  { name = "lora_dir", flag = "lora-dir", env = "KTHENA_LORA_DIR", type = "string", default = "~/downloads/adapters",
    help = "where declared adapters are downloaded to; the engine has to see it under the same path" },
  { name = "adapter_timeout", flag = "adapter-timeout", env = "KTHENA_ADAPTER_TIMEOUT", type = "seconds", default = 300,
    help = "time the engine gets to load or unload an adapter" },
  { name = "reconcile_seconds", flag = "reconcile-seconds", env = "KTHENA_RECONCILE_SECONDS", type = "seconds",
    default = 15, help = "how often the engine's adapters are compared with what is wanted" },
}

--- Checks a name. Returns true; or nil, a message and a kind.
function adapters.check_name(ctx, name)
  local problem = declared.name_problem(name)
  if not problem and name == ctx.engine.model then
    problem = "is the name of the base model; give the adapter another"
  end
  if problem then
    return nil, ("lora_name %s"):format(problem), "invalid"
  end
  return true
end

-- Plain data as one text, the same for equal data.
local function text_of(value)
  if type(value) ~= "table" then
    return type(value) == "string" and ("%q"):format(value) or tostring(value)
  end
  local parts = {}
  for key, item in pairs(value) do
    parts[#parts + 1] = text_of(key) .. "=" .. text_of(item)
  end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

--- The record of an adapter, or nil.
function adapters.record(ctx, name)
  return ctx.state.get(PREFIX .. name)
end

-- Counts a change of records or facts.
local function count_change(ctx)
  ctx.memory.update(CHANGES, function(old)
    return (old or 0) + 1
  end)
end

--- How often records and facts have changed, a number that only grows.
function adapters.changes(ctx)
  return ctx.memory.get(CHANGES) or 0
end

--- Sets the record of an adapter; nil takes it away. Returns true; or nil, a message and a kind.
function adapters.set_record(ctx, name, record)
  if text_of(adapters.record(ctx, name)) == text_of(record) then
    return true -- without a write to the disk
  end
  local ok, message, kind = ctx.state.set(PREFIX .. name, record)
  count_change(ctx)
  return ok, message, kind
end

local function by_name(table_of)
  local found = {}
  for key, value in pairs(table_of) do
    found[key:sub(#PREFIX + 1)] = value
  end
  return found
end

--- All records, by name.
function adapters.records(ctx)
  return by_name(ctx.state.all(PREFIX))
end

--- What is known of an adapter at the moment, a table that may be empty.
function adapters.facts(ctx, name)
  return ctx.memory.get(PREFIX .. name) or {}
end

--- All facts, by name.
function adapters.all_facts(ctx)
  return by_name(ctx.memory.all(PREFIX))
end

--- Notes that an adapter has come into a state. `more` holds what else is known now; what it does not hold is
-- forgotten, but for the last error and the count of failures while nothing has gone well.
-- @usage adapters.note(ctx, "a", "loading", { source = "s3://b/a", path = "/adapters/a" })
function adapters.note(ctx, name, state, more)
  ctx.memory.update(PREFIX .. name, function(old)
    local facts = { state = state, since = ctx.time() }
    for key, value in pairs(more or {}) do
      facts[key] = value
    end
    if old and old.state == state and not facts.error then
      facts.since = old.since
    end
    if old and state ~= "loaded" then
      facts.failures = facts.failures or old.failures
      facts.error = facts.error or old.error
    end
    return facts
  end)
  count_change(ctx)
end

--- Forgets what is known of an adapter.
function adapters.forget(ctx, name)
  ctx.memory.set(PREFIX .. name, nil)
  count_change(ctx)
end

--- Seconds to wait after so many failures: 1 doubled up to 300, less up to a quarter, so that not all try at once.
function adapters.delay(failures)
  local delay = math.min(FIRST_DELAY * 2 ^ math.min(failures - 1, 20), LAST_DELAY)
  return delay * (1 - math.random() / 4)
end

-- Has adapters.due look at that time, if not before.
local function wake_at(ctx, time)
  ctx.memory.update(NEXT_TRY, function(old)
    return old and math.min(old, time) or time
  end)
end

--- Notes that something could not be done with an adapter; `more` as adapters.note's, and state if it is not "failed".
-- It is tried again at once (`again` is "soon"), after a time that grows with each failure ("later"), or not (nil).
function adapters.note_failure(ctx, name, message, more, again)
  local failures = (adapters.facts(ctx, name).failures or 0) + 1
  local facts = { error = message, failures = failures }
  for key, value in pairs(more or {}) do
    facts[key] = value
  end
  if again then
    facts.next_try = ctx.time() + (again == "soon" and 0 or adapters.delay(failures))
    wake_at(ctx, facts.next_try)
  end
  adapters.note(ctx, name, facts.state or "failed", facts)
end

--- The names of those whose next try is due, in order.
function adapters.due(ctx)
  local at = ctx.memory.get(NEXT_TRY)
  local now = ctx.time()
  if not at or at > now then
    return {}
  end
  ctx.memory.set(NEXT_TRY, nil)
  local due = {}
  for name, facts in pairs(adapters.all_facts(ctx)) do
    if facts.next_try and facts.next_try <= now then
      due[#due + 1] = name
    elseif facts.next_try then
      wake_at(ctx, facts.next_try)
    end
  end
  table.sort(due)
  return due
end

--- The declared set (kthena.adapter_config).
function adapters.declared(ctx)
  return declared.read(ctx)
end

--- What one adapter should be, by its record and the declared set: a table like a record, or nil when it should not be
-- there, or is nobody's business here. `set` is adapters.declared(ctx).
function adapters.wanted(record, name, set)
  if set.absent[name] then
    return nil
  elseif set.adapters[name] then
    return set.adapters[name]
  elseif not record or record.absent or record.declared and set.known then
    return nil
  end
  return record
end

--- Whether an adapter that is not wanted must go, rather than be left to whoever loaded it.
function adapters.is_unwanted(record, name, set)
  return set.absent[name] ~= nil or record ~= nil
end

--- What two adapters have to have in common to be the same for the engine, as one text.
function adapters.signature(one)
  local fields = next(one.fields or {}) and one.fields or nil
  return text_of({ source = one.source, output_dir = not one.source and one.output_dir or nil,
    base_model = one.base_model, pinned = one.pinned, fields = fields })
end

--- Whether two adapters are the same for the engine.
function adapters.is_same(one, other)
  return one == other or one ~= nil and other ~= nil and adapters.signature(one) == adapters.signature(other)
end

local function trimmed(path)
  return #path > 1 and path:gsub("/+$", "") or path
end

--- Whether two paths are one.
function adapters.is_same_path(one, other)
  return one ~= nil and other ~= nil and trimmed(one) == trimmed(other)
end

--- What the engine has loaded, by name: { name =, path = }. False when the engine cannot tell; or nil, a message, a
-- kind and a status.
function adapters.look(ctx)
  local list, message, kind, status = ctx.engine.list()
  if list then
    local here = {}
    for _, one in ipairs(list) do
      here[one.name] = one
    end
    return here
  elseif kind == "unsupported" and ctx.engine.supports("load") then
    return false
  end
  return nil, message, kind, status
end

-- Whether a file that the engine has loaded is that of a record: it is, or lies in, the record's path.
local function is_file_of(one, record)
  local path = record and record.path and trimmed(record.path)
  return path ~= nil and (one.path == path or one.path:sub(1, #path + 1) == path .. "/")
end

--- What the engine has for an adapter: what adapters.look found under its name; where the engine goes by files (`files`
-- of an entry), under any name. nil when there is nothing.
function adapters.entry(here, name, record)
  if not here or here[name] then
    return here and here[name] or nil
  end
  for _, one in pairs(here) do
    if one.files and is_file_of(one, record) then
      return one
    end
  end
end

--- Whether the engine has the adapter of a record. `here` is what adapters.look returned.
function adapters.is_here(ctx, here, name, record)
  if not record or not record.path or record.absent then
    return false
  elseif here == false then
    local facts = adapters.facts(ctx, name)
    return facts.state == "loaded" and adapters.is_same_path(facts.path, record.path)
  end
  local one = adapters.entry(here, name, record)
  return one ~= nil and (one.path == nil or one.files == true or adapters.is_same_path(one.path, record.path))
end

--- Whether somebody who failed so may try again: nothing is wrong with what was asked.
function adapters.is_passing(kind)
  return kind == "unavailable" or kind == "unreachable" or kind == "timeout" or kind == "cancelled"
end

--- Drops facts of adapters that nobody wants and with which nothing has happened for a day. `all` is
-- kthena.adapter_view's.
function adapters.prune(ctx, all)
  for name, facts in pairs(all.facts) do
    if not all.wanted[name] and not all.records[name] and ctx.time() - facts.since > KEEP_FACTS then
      adapters.forget(ctx, name)
    end
  end
end

return adapters
