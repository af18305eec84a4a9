--- What the file of an engine may hold: the schema of rules/engines/*.lua. rules/README.md says the same to people.
local describe = require "kthena.describe"

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

-- The same node, required in its record.
local function required(node)
  local copy = { required = true }
  for key, value in pairs(node) do
    copy[key] = value
  end
  return copy
end

local PREFIXES = {
  type = "list", min = 1, max = 32, expected = "a list of prefixes",
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
  values = { type = "list", of = TEXT, single = true, min = 1, max = 64, expected = "a label value or a list of them" },
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

local function takes_observations(metric)
  return OWN_LABEL[metric.type] ~= nil
end

local function check_sources(metric, report, path)
  local paired = metric.sum ~= nil or metric.count ~= nil
  if not paired and metric.from == nil then
    report(describe.key(path, "from"), "missing; expected a source or a list of sources")
  elseif paired and metric.from ~= nil then
    report(describe.key(path, "from"), 'cannot stand beside "sum" and "count"')
  elseif paired and not takes_observations(metric) then
    report(describe.key(path, metric.sum ~= nil and "sum" or "count"),
      ('goes with type summary or histogram, this is a %s; "sample" takes one of the two'):format(metric.type))
  elseif paired and (metric.sum == nil or metric.count == nil) then
    report(describe.key(path, metric.sum == nil and "sum" or "count"), 'missing; "sum" and "count" go together')
  end
end

local function check_sample(metric, owner, report, path)
  if owner.sample and takes_observations(metric) then
    report(describe.key(path, "sample"), "goes with type counter or gauge, this is a " .. metric.type)
  end
end

local function check_metric(metric, report, path)
  check_sources(metric, report, path)
  check_sample(metric, metric, report, path)
  if type(metric.from) == "table" then
    local from = describe.key(path, "from")
    check_sample(metric, metric.from, report, from)
    for i, source in ipairs(metric.from) do
      if type(source) == "table" then
        check_sample(metric, source, report, describe.key(from, i))
      end
    end
  end
  if metric.merge and takes_observations(metric) then
    report(describe.key(path, "merge"), "goes with type counter or gauge, this is a " .. metric.type)
  end
end

local METRIC = {
  type = "record", check = check_metric,
  fields = {
    { "name", required(METRIC_NAME) },
    { "type", { type = "string", choices = METRIC_TYPES, required = true } },
    { "help", TEXT },
    { "from", { type = "list", of = SOURCE, single = true, min = 1, max = 32,
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
    if first[metric.name] then
      report(("metrics[%d].name"):format(i),
        ('"%s" is the name of metrics[%d] already'):format(metric.name, first[metric.name]))
    else
      first[metric.name] = i
    end
  end
end

local function touched(labels, wanted)
  for _, name in ipairs(labels.drop or {}) do
    if name == wanted then
      return true
    end
  end
  for from, to in pairs(labels.rename or {}) do
    if from == wanted or to == wanted then
      return true
    end
  end
  return labels.add ~= nil and labels.add[wanted] ~= nil
end

local function check_labels(rules, report)
  for i, metric in ipairs(rules.metrics) do
    local labels = metric.labels or rules.labels or {}
    local own = OWN_LABEL[metric.type]
    if own and touched(labels, own) then
      report(metric.labels and ("metrics[%d].labels"):format(i) or "labels",
        ('"%s" holds the boundaries of %s, a %s; leave it alone'):format(own, metric.name, metric.type))
    end
  end
end

--- The schema, for kthena.schema.
engine.schema = {
  type = "record",
  expected = "a table; a rule file ends with return { ... }",
  fields = {
    { "api", { type = "number", required = true, expected = "1",
      check = function(value, report, path)
        if value ~= 1 then
          report(path, "expected 1, the only version there is, got " .. describe.value(value))
        end
      end } },
    { "engine", required(ENGINE_NAME) },
    { "aliases", { type = "list", of = ENGINE_NAME, max = 32, expected = "a list of engine names" } },
    { "detect", { type = "list", max = 64, expected = "a list of beginnings of page lines",
      of = { type = "string", min = 1, max = MAX_NAME, expected = "the beginning of a page line" } } },
    { "prefixes", PREFIXES },
    { "labels", LABELS },
    { "metrics", { type = "list", of = METRIC, max = 1000, required = true, expected = "a list of metrics" } },
    { "adapters", { type = "record",
      fields = {
        { "load", { type = "function" } },
        { "unload", { type = "function" } },
        { "list", { type = "function" } },
      } } },
  },
  check = function(rules, report)
    check_names(rules.metrics, report)
    check_labels(rules, report)
  end,
}

return engine
