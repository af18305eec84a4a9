--- What there is to say of all adapters: for the API, for metrics, for readiness. For rules and
-- kthena.adapter_reconcile, over a workflow's ctx.
local adapters = require "kthena.adapters"
local json = require "kthena.json"

local view = {}

local PUBLISHED = "adapters/published"
local BUSY = { downloading = true, loading = true, unloading = true }
local SECONDS_PER_DAY = 86400
local MAX_LABEL = 1000

-- A time as jobs write it: 2026-11-24T14:40:46.123Z.
local function time_text(time)
  local ms = math.floor(time * 1000 + 0.5)
  local days, rest = math.floor(ms / 1000 / SECONDS_PER_DAY), math.floor(ms / 1000) % SECONDS_PER_DAY
  -- days to a date of the Gregorian calendar, in eras of 400 years that begin with March
  local shifted = days + 719468
  local era = math.floor(shifted / 146097)
  local day = shifted - era * 146097
  local year = math.floor((day - math.floor(day / 1460) + math.floor(day / 36524) - math.floor(day / 146096)) / 365)
  local of_year = day - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  local month = math.floor((5 * of_year + 2) / 153)
  local of_month = of_year - math.floor((153 * month + 2) / 5) + 1
  month = month < 10 and month + 3 or month - 9
  year = year + era * 400 + (month <= 2 and 1 or 0)
  return ("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ"):format(year, month, of_month, math.floor(rest / 3600),
    math.floor(rest / 60) % 60, rest % 60, ms % 1000)
end

-- Without what may sign a URL.
local function shown(source)
  return source and source:match("^[^?]*")
end

--- Everything that is known: records, facts, set (the declared one), here (what the engine has; nil: it cannot be
-- asked, and `kind` says why), names (of all adapters, sorted) and wanted, by name.
function view.gather(ctx, here, kind)
  local all = {
    records = adapters.records(ctx), facts = adapters.all_facts(ctx), set = adapters.declared(ctx), here = here,
    kind = kind, names = {}, wanted = {},
  }
  local seen = {}
  for _, part in ipairs({ all.records, all.facts, all.set.adapters, here or {} }) do
    for name in pairs(part) do
      if not seen[name] then
        seen[name] = true
        all.names[#all.names + 1] = name
        all.wanted[name] = adapters.wanted(all.records[name], name, all.set)
      end
    end
  end
  table.sort(all.names)
  return all
end

--- The state of an adapter, and whether the engine confirms that it has it.
function view.state(ctx, all, name)
  local facts, record, here = all.facts[name] or {}, all.records[name], all.here
  local is_here = here ~= nil and adapters.is_here(ctx, here, name, record)
  local confirmed = is_here and here ~= false
  if BUSY[facts.state] then
    return facts.state, confirmed
  elseif is_here or here == nil and facts.state == "loaded" and all.kind ~= "unavailable" then
    return "loaded", confirmed
  elseif all.wanted[name] then
    return facts.state == "failed" and "failed" or "missing", false
  elseif facts.state and facts.state ~= "loaded" then
    return facts.state, false
  end
  return record and "unloading" or "unmanaged", here ~= nil and here ~= false and here[name] ~= nil
end

-- Whether an entry of the engine's list is the file of an adapter of another name.
local function is_claimed(all, name)
  local one = all.here and all.here[name]
  if not one or not one.files or all.records[name] then
    return false
  end
  for other, record in pairs(all.records) do
    if adapters.entry(all.here, other, record) == one then
      return true
    end
  end
  return false
end

local function or_null(value)
  return value == nil and json.null or value
end

--- One adapter, for people.
function view.one(ctx, all, name)
  local facts, record, want = all.facts[name] or {}, all.records[name] or {}, all.wanted[name]
  local here = all.here and all.here[name] or {}
  local state, confirmed = view.state(ctx, all, name)
  local since = state == "loaded" and record.since or facts.since
  return {
    name = name, state = state, confirmed = confirmed, wanted = want ~= nil,
    declared = all.set.adapters[name] ~= nil,
    source = or_null(shown(record.source or facts.source or want and want.source)),
    path = or_null(record.path or facts.path or here.path),
    output_dir = or_null(record.output_dir or want and want.output_dir),
    base_model = or_null(record.base_model or want and want.base_model or here.base),
    revision = or_null(record.revision), digest = or_null(record.digest),
    since = since and time_text(since) or json.null, error = or_null(facts.error), failures = facts.failures or 0,
    next_try = facts.next_try and time_text(facts.next_try) or json.null,
  }
end

--- All of them, as GET /v1/lora_adapters answers.
function view.all(ctx)
  local here, message, kind = adapters.look(ctx)
  local all = view.gather(ctx, here, kind)
  local list = json.list({})
  for _, name in ipairs(all.names) do
    if not is_claimed(all, name) then
      list[#list + 1] = view.one(ctx, all, name)
    end
  end
  return {
    adapters = list,
    engine = { name = or_null(ctx.engine.name), answers = here ~= nil, error = or_null(message) },
    declared = { where = all.set.where, count = #view.declared_names(all.set), problem = or_null(all.set.problem) },
  }
end

--- One of them, as GET /v1/lora_adapters/{lora_name} answers; or nil, a message and a kind.
function view.find(ctx, name)
  local here, _, kind = adapters.look(ctx)
  local all = view.gather(ctx, here, kind)
  for _, known in ipairs(all.names) do
    if known == name then
      return view.one(ctx, all, name)
    end
  end
  return nil, ("there is no adapter %s"):format(json.encode(name)), "not_found"
end

--- The names of the declared adapters, sorted.
function view.declared_names(set)
  local names = {}
  for name in pairs(set.adapters) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

--- What is missing of what is wanted and declared, and of that much there is: a list of names, and a number.
function view.missing(ctx, all)
  local missing, count = {}, 0
  for _, name in ipairs(all.names) do
    if all.wanted[name] then
      count = count + 1
      if all.here == nil or not adapters.is_here(ctx, all.here, name, all.records[name]) then
        missing[#missing + 1] = name
      end
    end
  end
  return missing, count
end

-- Writes the gauges, if they say something new.
local function publish(ctx, all)
  local series, up, signature = {}, {}, {}
  for _, name in ipairs(all.names) do
    local state = view.state(ctx, all, name)
    local record, facts = all.records[name] or {}, all.facts[name] or {}
    local source = shown(record.source or facts.source or (all.wanted[name] or {}).source) or ""
    series[#series + 1] = { name = name, source = source:sub(1, MAX_LABEL), state = state }
    up[#series] = (state == "loaded" or state == "unmanaged" or BUSY[state] and facts.confirmed) and 1 or 0
    signature[#series] = ("%q %q %s %d"):format(name, source, state, up[#series])
  end
  local text = table.concat(signature, "\n")
  if ctx.memory.get(PUBLISHED) == text then
    return
  end
  local info = ctx.metrics.gauge("kthena_runtime_lora_adapter_info", "Adapters by name, source and state; always 1.")
  local is_up = ctx.metrics.gauge("kthena_runtime_lora_adapter_up", "Whether the engine has the adapter loaded.")
  info:clear()
  is_up:clear()
  for i, one in ipairs(series) do
    info:set(1, one)
    is_up:set(up[i], { name = one.name })
  end
  ctx.memory.set(PUBLISHED, text)
end

--- Brings the gauges up to date. One call at a time.
function view.publish(ctx, all)
  local lock = ctx.lock(PUBLISHED, 10)
  if lock then
    publish(ctx, all)
    lock:release()
  end
end

return view
