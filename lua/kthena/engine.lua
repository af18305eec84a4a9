--- What the file of an engine may hold: the schema of rules/engines/*.lua. rules/README.md says the same to people.
local describe = require "kthena.describe"
local fields = require "kthena.fields"
local list = require "kthena.list"

local engine = {}

local METRIC_TYPES = { "counter", "gauge", "histogram", "summary" }
local SAMPLES = { "sum", "count" }
local MAX_NAME = 200

-- The label that carries the boundaries of these types, which edits must leave alone.
local OWN_LABEL = { histogram = "le", summary = "quantile" }

local METRIC_NAME = {
  type = "string", matches = "^[%a_:][%w_:]*$", max = MAX_NAME, expected = 'a metric name (letters, digits, "_", ":")',
}
local SOURCE_NAME = {
  type = "string", matches = "^[%w_:]+$", max = MAX_NAME, expected = 'a metric name (letters, digits, "_", ":")',
}
local LABEL_NAME = {
  type = "string", matches = "^[%a_][%w_]*$", max = MAX_NAME, expected = 'a label name (letters, digits, "_")',
}
local ENGINE_NAME = {
  type = "string", matches = "^[a-z0-9_.-]+$", max = MAX_NAME,
  expected = 'an engine name (lower-case letters, digits, "_", ".", "-")',
  check = function(value, report, path)
    if value == "auto" then
      report(path, '"auto" means finding the engine out from its page; choose another name')
    end
  end,
}
local TEXT = { type = "string" }

local required = fields.required

local PREFIXES = {
  type = "list", filled = true, max = 32, expected = "a list of prefixes",
  of = {
    type = "string", matches = "^[%w_:]*$", max = MAX_NAME,
    expected = 'a prefix of metric names (letters, digits, "_", ":")',
  },
}

local function check_scale(value, report, path)
  local number = tonumber(value)
  local decimal = type(value) == "number" or value:find("^[+-]?%d*%.?%d*[eE]?[+-]?%d*$")
  if not number or not decimal or number == 0 or number - number ~= 0 then
    report(path, ('expected a number that is not 0, such as 0.001 or "1e-6", got %s'):format(describe.value(value)))
  end
end

local SCALE = {
  type = "either", expected = 'a number such as 0.001 or "1e-6"', check = check_scale,
  number = { type = "number" }, string = { type = "string", max = 100 },
}

local WHERE = {
  type = "map", keys = LABEL_NAME, max = 32, expected = "a table of labels and their values",
  values = {
    type = "list", of = TEXT, single = true, filled = true, max = 64, expected = "a label value or a list of them",
  },
}

-- $pod and $model stand for the command line's values, $$ for $.
local ADDED_TEXT = {
  type = "string",
  check = function(value, report, path)
    for name in value:gsub("%$%$", ""):gmatch("%$([%a_]*)") do
      if name ~= "pod" and name ~= "model" then
        report(path, ('unknown variable "$%s"; expected $pod or $model, or $$ for a $'):format(name))
      end
    end
  end,
}

local LABELS = {
  type = "record", expected = 'a table with "drop", "rename" or "add"',
  fields = {
    { "drop", { type = "list", of = LABEL_NAME, max = 64, expected = "a list of label names" } },
    { "rename", { type = "map", keys = LABEL_NAME, values = LABEL_NAME, max = 64 } },
    { "add", { type = "map", keys = LABEL_NAME, values = ADDED_TEXT, max = 64 } },
  },
}

local SOURCE = {
  type = "either", expected = "a metric name or a table",
  string = SOURCE_NAME,
  table = {
    type = "record",
    fields = {
      { "name", required(SOURCE_NAME) },
      { "sample", { type = "string", choices = SAMPLES } },
      { "scale", SCALE },
      { "where", WHERE },
      { "prefixes", PREFIXES },
    },
  },
}

local PART_SOURCE = {
  type = "either", expected = "a metric name or a table",
  string = SOURCE_NAME,
  table = {
    type = "record",
    fields = {
      { "name", required(SOURCE_NAME) },
      { "scale", SCALE },
    },
  },
}

-- The metric's type if it is one. These checks see records whose fields may be anything.
local function type_of(metric)
  return list.contains(METRIC_TYPES, metric.type) and metric.type or nil
end

-- A histogram or a summary: sum, count and the samples between.
local function takes_observations(metric)
  return type_of(metric) and OWN_LABEL[metric.type] ~= nil
end

local function check_pair(metric, report, path)
  local there = metric.sum ~= nil and "sum" or "count"
  if metric.from ~= nil then
    report(describe.key(path, "from"), 'cannot stand beside "sum" and "count"')
  end
  if metric.sum == nil or metric.count == nil then
    report(describe.key(path, metric.sum == nil and "sum" or "count"), 'missing; "sum" and "count" go together')
  end
  if type_of(metric) and not takes_observations(metric) then
    report(describe.key(path, there),
      ('goes with type summary or histogram, this is a %s; "sample" takes one of the two'):format(metric.type))
  end
end

local function check_single(metric, key, report, path)
  if takes_observations(metric) then
    report(describe.key(path, key), ("goes with type counter or gauge, this is a %s"):format(metric.type))
  end
end

local function check_samples(metric, report, path)
  local from = describe.key(path, "from")
  if metric.sample ~= nil then
    check_single(metric, "sample", report, path)
  end
  if type(metric.from) ~= "table" then
    return
  elseif metric.from.sample ~= nil then
    check_single(metric, "sample", report, from)
  end
  for i, source in ipairs(metric.from) do
    if type(source) == "table" and source.sample ~= nil then
      check_single(metric, "sample", report, describe.key(from, i))
    end
  end
end

local function check_metric(metric, report, path)
  if metric.sum ~= nil or metric.count ~= nil then
    check_pair(metric, report, path)
  elseif metric.from == nil then
    report(describe.key(path, "from"), "missing; expected a source or a list of sources")
  end
  check_samples(metric, report, path)
  if metric.merge ~= nil then
    check_single(metric, "merge", report, path)
  end
end

local METRIC = {
  type = "record", check = check_metric,
  fields = {
    { "name", required(METRIC_NAME) },
    { "type", { type = "string", choices = METRIC_TYPES, required = true } },
    { "help", TEXT },
    { "from", { type = "list", of = SOURCE, single = true, filled = true, max = 32,
      expected = "a source or a list of sources" } },
    { "prefixes", PREFIXES },
    { "sample", { type = "string", choices = SAMPLES } },
    { "scale", SCALE },
    { "where", WHERE },
    { "labels", LABELS },
    { "merge", { type = "string", choices = { "max", "min" } } },
    { "sum", PART_SOURCE },
    { "count", PART_SOURCE },
  },
}

local function check_names(metrics, report)
  local first = {}
  for i, metric in ipairs(metrics) do
    local name = type(metric) == "table" and metric.name
    if type(name) == "string" and first[name] then
      report(("metrics[%d].name"):format(i), ('"%s" is the name of metrics[%d] already'):format(name, first[name]))
    elseif type(name) == "string" then
      first[name] = i
    end
  end
end

-- Whether label edits of whatever shape touch a label.
local function touches(labels, wanted)
  local function each(key)
    return pairs(type(labels) == "table" and type(labels[key]) == "table" and labels[key] or {})
  end
  for _, name in each("drop") do
    if name == wanted then
      return true
    end
  end
  for from, to in each("rename") do
    if from == wanted or to == wanted then
      return true
    end
  end
  for name in each("add") do
    if name == wanted then
      return true
    end
  end
  return false
end

local function check_labels(rules, metrics, report)
  local said = {} -- the file's default edits are wrong once, not once for each metric
  for i, metric in ipairs(metrics) do
    local own = type(metric) == "table" and type_of(metric) and OWN_LABEL[metric.type]
    local labels = own and (metric.labels or rules.labels)
    if own and touches(labels, own) and not said[labels] then
      said[labels] = true
      report(metric.labels and ("metrics[%d].labels"):format(i) or "labels",
        ('"%s" holds the boundaries of a %s such as metrics[%d]; leave it alone'):format(own, metric.type, i))
    end
  end
end

-- Either the hooks, or why there are none.
local function check_adapters(adapters, report, path)
  for _, name in ipairs({ "load", "unload" }) do
    if adapters.cannot == nil and adapters[name] == nil then
      report(describe.key(path, name), 'missing; "load" and "unload" are there, or "cannot"')
    end
  end
  for _, name in ipairs({ "load", "unload", "list", "reset" }) do
    if adapters.cannot ~= nil and adapters[name] ~= nil then
      report(describe.key(path, name), 'cannot stand beside "cannot"')
    end
  end
end

local ADAPTERS = {
  type = "record", expected = 'a table with "load" and "unload", or with "cannot"', check = check_adapters,
  fields = {
    { "load", { type = "function" } },
    { "unload", { type = "function" } },
    { "list", { type = "function" } },
    { "reset", { type = "function" } },
    { "cannot", { type = "string", min = 1, max = 500, expected = "a sentence" } },
  },
}

--- The schema, for kthena.schema.
engine.schema = {
  type = "record",
  expected = fields.table,
  fields = {
    { "api", fields.api },
    { "engine", required(ENGINE_NAME) },
    { "aliases", { type = "list", of = ENGINE_NAME, max = 32, expected = "a list of engine names" } },
    { "detect", { type = "list", max = 64, expected = "a list of beginnings of page lines",
      of = { type = "string", min = 1, max = MAX_NAME, expected = "the beginning of a page line" } } },
    { "prefixes", PREFIXES },
    { "labels", LABELS },
    { "metrics", { type = "list", of = METRIC, max = 1000, required = true, expected = "a list of metrics" } },
    { "adapters", ADAPTERS },
  },
  check = function(rules, report)
    local metrics = type(rules.metrics) == "table" and rules.metrics or {}
    check_names(metrics, report)
    check_labels(rules, metrics, report)
  end,
}

return engine
