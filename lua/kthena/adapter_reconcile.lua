--- Holds the engine to what is wanted: what it lacks is restored, each adapter by a job of its own. For rules, over a
-- workflow's ctx.
local adapters = require "kthena.adapters"
local config = require "kthena.adapter_config"
local engine = require "kthena.adapter_engine"
local text = require "host.text"
local view = require "kthena.adapter_view"

local reconcile = {}

local PROBLEM = "adapters/problem"
local READY = "adapters/ready"
local SETTLED = "adapters/settled"
local RECOVERY = "adapters/recovery"
local MAX_SHOWN = 10
local RECOVERY_BUCKETS = { 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600 }

local function count(ctx, name, help)
  ctx.metrics.counter(name, help):add(1)
end

local function submit(ctx, name)
  local job, message = ctx.call("restore_lora", { lora_name = name }, { wait = false })
  if not job then
    ctx.log.warning(("could not begin to restore the adapter %s: %s"):format(name, message))
  end
end

-- Ends the time that is taken from the engine's return: it has all that is wanted.
local function recovered(ctx)
  local since
  if not ctx.memory.get(RECOVERY) then
    return
  end
  ctx.memory.update(RECOVERY, function(old)
    since = old
    return nil
  end)
  if since then
    ctx.metrics.histogram("kthena_runtime_lora_recovery_seconds",
      "Time from the engine's return until all adapters that are wanted are loaded.", RECOVERY_BUCKETS)
      :observe(ctx.time() - since, {})
  end
end

-- Notes whether nothing is missing, for reconcile.after.
local function note_ready(ctx, is_ready)
  if ctx.memory.get(READY) ~= is_ready then
    ctx.memory.set(READY, is_ready)
  end
end

--- Brings metrics up to date after something has been done with an adapter, by what is known without the engine. When
-- nothing is missing any more, that is compared at once: the readiness may hang on it.
function reconcile.after(ctx)
  local all = view.gather(ctx)
  view.publish(ctx, all)
  for name in pairs(all.wanted) do
    if (all.facts[name] or {}).state ~= "loaded" then
      return
    end
  end
  recovered(ctx)
  if ctx.memory.get(READY) == false then
    ctx.call("reconcile", {}, { wait = false })
  end
end

-- The engine has what it should: what is known of an adapter says so.
local function confirm(ctx, all, name)
  local facts = all.facts[name]
  if not facts or facts.state ~= "loaded" or not facts.confirmed then
    local record = all.records[name]
    adapters.note(ctx, name, "loaded", { source = record.source, path = record.path, confirmed = true })
  end
end

-- What has to be done about one adapter: true if it is to be restored.
local function examine(ctx, all, name)
  local record, want, facts = all.records[name], all.wanted[name], all.facts[name] or {}
  local is_waiting = facts.next_try and facts.next_try > ctx.time()
  if not want then
    local is_left = all.set.absent[name] and (all.here == false or all.here[name] ~= nil)
    return (record ~= nil or is_left) and not is_waiting
  elseif not adapters.is_here(ctx, all.here, name, record) then
    if facts.state == "loaded" then
      adapters.note(ctx, name, "missing", { source = want.source, path = record and record.path })
    end
    return not is_waiting
  elseif adapters.is_same(record, want) then
    confirm(ctx, all, name)
    return false
  end
  return record.refused ~= adapters.signature(want) and not is_waiting
end

-- The result of a comparison: not ready while it is not known what is declared.
local function result_of(ctx, all, result)
  if not all.set.known then
    result.ready, result.detail = false, all.set.problem
  end
  note_ready(ctx, result.ready)
  return result
end

-- The engine cannot be asked: what was loaded is not, if it is down.
local function without_engine(ctx, message, kind)
  local all = view.gather(ctx, nil, kind)
  for _, name in ipairs(all.names) do
    local facts = all.facts[name]
    if kind == "unavailable" and facts and facts.state == "loaded" then
      adapters.note(ctx, name, all.wanted[name] and "missing" or "unloading",
        { source = facts.source, path = facts.path })
    end
  end
  view.publish(ctx, all)
  if kind ~= "unavailable" and (kind ~= "unsupported" or next(all.wanted)) then
    count(ctx, "kthena_runtime_lora_reconcile_failures_total", "Comparisons that failed.")
    ctx.log.debug(("could not compare the engine's adapters: %s"):format(message))
  end
  return result_of(ctx, all, { status = "waiting", detail = message, ready = next(all.wanted) == nil })
end

-- An engine that cannot tell what it has and that has come back has nothing.
local function distrust(ctx, all)
  for name, facts in pairs(all.facts) do
    if facts.state == "loaded" then
      adapters.note(ctx, name, "missing", { source = facts.source, path = facts.path })
    end
  end
  all.facts = adapters.all_facts(ctx)
end

local function report_problem(ctx, problem)
  if problem == ctx.memory.get(PROBLEM) then
    return
  elseif problem then
    ctx.log.warning(("the declared adapters are as they were: %s"):format(problem))
  end
  ctx.memory.set(PROBLEM, problem)
end

-- What is missing, in words.
local function missing_text(missing, wanted)
  local shown = table.concat(missing, ", ", 1, math.min(#missing, MAX_SHOWN))
  return ("%d of %d adapters are not loaded: %s%s"):format(#missing, wanted, shown,
    #missing > MAX_SHOWN and ", ..." or "")
end

-- The last fingerprint: print, what it is of (rest and paths, by name), and how many paths.
local last = { count = 0, paths = {} }

local function is_last(here, rest)
  local found = 0
  for name, one in pairs(here) do
    if last.paths[name] ~= (one.path or "") then
      return false
    end
    found = found + 1
  end
  return found == last.count and rest == last.rest
end

-- A digest of what a comparison depends on, which is seldom another than the last; nil when it is not known what the
-- engine has.
local function fingerprint(ctx, here)
  if not here then
    return nil
  end
  local rest = config.fingerprint(ctx) .. "\n" .. adapters.changes(ctx)
  if is_last(here, rest) then
    return last.print
  end
  local names, lines, paths = {}, {}, {}
  for name, one in pairs(here) do
    names[#names + 1], paths[name] = name, one.path or ""
  end
  table.sort(names)
  for i, name in ipairs(names) do
    lines[2 * i - 1], lines[2 * i] = name, paths[name]
  end
  lines[#lines + 1] = rest
  last = { count = #names, paths = paths, rest = rest, print = text.digest(table.concat(lines, "\n")) }
  return last.print
end

-- Whether nothing will change by itself.
local function is_settled(all)
  for name in pairs(all.facts) do
    if not all.wanted[name] then
      return false
    end
  end
  for name, record in pairs(all.records) do
    if record.absent or not all.wanted[name] then
      return false
    end
  end
  return true
end

--- Compares what the engine has with what is wanted, and begins to restore what differs. Returns a table: status;
-- wanted and missing, numbers; restoring, a list; ready, whether nothing is missing; and detail, what is.
function reconcile.run(ctx)
  count(ctx, "kthena_runtime_lora_reconcile_runs_total", "Comparisons of the engine's adapters with what is wanted.")
  local is_back, began = ctx.trigger == "engine_up", ctx.time()
  local here, message, kind = engine.look(ctx, is_back and began + ctx.settings.reconcile_seconds or nil)
  if here == nil then
    return without_engine(ctx, message, kind)
  end
  local print = fingerprint(ctx, here)
  local settled = print and ctx.memory.get(SETTLED)
  if settled and settled.print == print then
    return settled.result
  end
  local all = view.gather(ctx, here)
  report_problem(ctx, all.set.problem)
  if is_back and here == false then
    distrust(ctx, all)
  end
  local restoring = {}
  for _, name in ipairs(all.names) do
    if examine(ctx, all, name) then
      restoring[#restoring + 1] = name
    end
  end
  local missing, wanted = view.missing(ctx, all)
  if is_back and #missing > 0 then
    ctx.memory.set(RECOVERY, began)
    ctx.log.info(("the engine is back; %d of %d adapters are to be loaded"):format(#missing, wanted))
  end
  for _, name in ipairs(restoring) do
    submit(ctx, name)
  end
  adapters.prune(ctx, all)
  view.publish(ctx, all)
  if #missing == 0 then
    recovered(ctx)
  end
  local result = result_of(ctx, all, {
    status = #restoring > 0 and "restoring" or "settled", wanted = wanted, missing = #missing, restoring = restoring,
    ready = #missing == 0, detail = #missing > 0 and missing_text(missing, wanted) or nil,
  })
  if #restoring == 0 and #missing == 0 and is_settled(all) then
    ctx.memory.set(SETTLED, { print = print, result = result })
  end
  return result
end

--- Begins to restore those whose next try is due.
function reconcile.retry(ctx)
  local due = adapters.due(ctx)
  for _, name in ipairs(due) do
    submit(ctx, name)
  end
  return { restoring = due }
end

return reconcile
