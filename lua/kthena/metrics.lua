--- Expands an engine's checked rules: every source with every prefix becomes an alternative of its family, given to the
-- host's mapping builder and written down as the effective rules.
local describe = require "kthena.describe"
local host = require "host.json"
local json = require "kthena.json"
local mapping = require "host.mapping"

local metrics = {}

local MAX_ALTERNATIVES = 5000
local MAX_SELECTIONS = 20000

-- The samples of a source family, by what the standard family is: suffix and role.
local PARTS = {
  counter = { { "", "value" } },
  gauge = { { "", "value" } },
  histogram = { { "_bucket", "bucket" }, { "_sum", "sum" }, { "_count", "count" } },
  summary = { { "", "value" }, { "_sum", "sum" }, { "_count", "count" } },
}

local function as_list(value)
  if type(value) == "table" and #value > 0 then
    return value
  end
  return { value }
end

local function as_source(value)
  return type(value) == "table" and value or { name = value }
end

local function scale_text(scale)
  return type(scale) == "number" and host.number(scale) or scale
end

-- Returns { { label, { value, ... } }, ... } by label, so that two loads of a file are alike.
local function sorted_pairs(map)
  local pairs_of = {}
  for key, value in pairs(map or {}) do
    pairs_of[#pairs_of + 1] = { key, value }
  end
  table.sort(pairs_of, function(a, b) return a[1] < b[1] end)
  return pairs_of
end

local function add_where(context, where)
  local effective = {}
  for _, pair in ipairs(sorted_pairs(where)) do
    local label, values = pair[1], as_list(pair[2])
    for _, value in ipairs(values) do
      context.selections = context.selections + 1
      context.builder:where(label, value)
    end
    effective[label] = json.list(values)
  end
  return next(effective) and effective or nil
end

local function add_part(context, path, sample, role, scale)
  local ok, message = context.builder:part(sample, role, scale)
  if not ok then
    context.report(describe.key(path, "scale"), message)
  end
end

local function begin_alternative(context, name, needs_all)
  context.alternatives = context.alternatives + 1
  context.builder:alternative(name, needs_all)
end

local function add_source(context, metric, source, prefix, path)
  local name = prefix .. source.name
  local sample = source.sample or metric.sample
  local scale = scale_text(source.scale or metric.scale)
  begin_alternative(context, name, false)
  if sample then
    add_part(context, path, name .. "_" .. sample, "value", scale)
  else
    for _, part in ipairs(PARTS[metric.type]) do
      add_part(context, path, name .. part[1], part[2], scale)
    end
  end
  return { name = name, sample = sample, scale = scale, where = add_where(context, source.where or metric.where) }
end

local function add_pair(context, metric, prefix, path)
  local effective = {}
  begin_alternative(context, prefix .. as_source(metric.sum).name, true)
  for _, role in ipairs({ "sum", "count" }) do
    local source = as_source(metric[role])
    local scale = scale_text(source.scale or metric.scale)
    add_part(context, path, prefix .. source.name, role, scale)
    effective[role] = { name = prefix .. source.name, scale = scale }
  end
  effective.where = add_where(context, metric.where)
  return effective
end

-- Calls add(prefix) for each prefix, and returns what it returns as a list. Too many are reported once.
local function for_each(context, prefixes, sources, path, add)
  for _, prefix in ipairs(prefixes) do
    if context.alternatives >= MAX_ALTERNATIVES or context.selections >= MAX_SELECTIONS then
      if not context.full then
        context.report(path, ("the rules expand to more than %d sources or %d selections"):format(
          MAX_ALTERNATIVES, MAX_SELECTIONS))
      end
      context.full = true
      return
    end
    sources[#sources + 1] = add(prefix)
  end
end

local function expand_variables(value, variables)
  return (value:gsub("%$([%a_$]?[%a_]*)", function(name)
    if name:sub(1, 1) == "$" then
      return name
    end
    return variables[name]
  end))
end

local function add_labels(context, labels)
  local effective = { drop = json.list({}), rename = {}, add = {} }
  for i, name in ipairs(labels.drop or {}) do
    context.builder:drop_label(name)
    effective.drop[i] = name
  end
  for _, pair in ipairs(sorted_pairs(labels.rename)) do
    context.builder:rename_label(pair[1], pair[2])
    effective.rename[pair[1]] = pair[2]
  end
  for _, pair in ipairs(sorted_pairs(labels.add)) do
    local value = expand_variables(pair[2], context.variables)
    context.builder:add_label(pair[1], value)
    effective.add[pair[1]] = value
  end
  return effective
end

local function add_metric(context, rules, metric, path)
  local sources = json.list({})
  local prefixes = metric.prefixes or rules.prefixes or { "" }
  context.builder:family(metric.name, metric.type, metric.help)
  local labels = add_labels(context, metric.labels or rules.labels or {})
  if metric.merge then
    context.builder:merge(metric.merge)
  end
  if metric.from == nil then
    for_each(context, prefixes, sources, path, function(prefix)
      return add_pair(context, metric, prefix, path)
    end)
  end
  for _, value in ipairs(metric.from ~= nil and as_list(metric.from) or {}) do
    local source = as_source(value)
    for_each(context, source.prefixes or prefixes, sources, path, function(prefix)
      return add_source(context, metric, source, prefix, path)
    end)
  end
  return {
    name = metric.name, type = metric.type, help = metric.help, merge = metric.merge, file = context.file,
    labels = labels, sources = sources,
  }
end

--- Compiles the rules. Returns the host's mapping and the effective metrics, a list for kthena.json; what is wrong is
-- reported, and the results are then of no use. `variables` holds pod and model, `file` is named in every metric.
-- @usage local compiled, effective = metrics.compile(rules, { pod = "p" }, "rules/engines/x.lua", report)
function metrics.compile(rules, variables, file, report)
  local effective = json.list({})
  local context = {
    builder = mapping.builder(), variables = variables, file = file, report = report, alternatives = 0, selections = 0,
  }
  for i, metric in ipairs(rules.metrics) do
    effective[i] = add_metric(context, rules, metric, ("metrics[%d]"):format(i))
  end
  return context.builder:build(), effective
end

return metrics
