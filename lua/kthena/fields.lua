--- What the schemas of all kinds of rule files share. For kthena.engine, kthena.source and kthena.workflow.
local describe = require "kthena.describe"
local text = require "host.text"

local fields = {}

--- The node of the key `api`.
fields.api = {
  type = "number", required = true, expected = "1",
  check = function(value, report, path)
    if value ~= 1 then
      report(path, "expected 1, the only version there is, got " .. describe.value(value))
    end
  end,
}

--- The name of a source or a workflow: it stands in metrics and in paths.
fields.name = {
  type = "string", matches = "^[a-z][a-z0-9_-]*$", max = 60,
  expected = 'a name (lower-case letters, digits, "_", "-")',
}

--- The name of a key of a configuration or of a parameter.
fields.key = {
  type = "string", matches = "^[a-z_][a-z0-9_]*$", max = 60,
  expected = 'a name (lower-case letters, digits, "_")',
}

--- The name of an environment variable.
fields.variable = {
  type = "string", matches = "^[%a_][%w_]*$", max = 200,
  expected = 'the name of an environment variable (letters, digits, "_")',
}

--- What the schema expects of a rule file as a whole.
fields.table = "a table; a rule file ends with return { ... }"

--- The same node, required in its record.
-- @usage { "name", fields.required(fields.name) }
function fields.required(node)
  local copy = {}
  for key, value in pairs(node) do
    copy[key] = value
  end
  copy.required = true
  return copy
end

--- The records of rules[key] by their name, and the names in order, of rules that may be wrong otherwise. A name that
-- stands twice is reported.
-- @usage local params, names = fields.by_name(rules, "params", report)
function fields.by_name(rules, key, report)
  local by_name, names, first = {}, {}, {}
  for i, one in ipairs(type(rules[key]) == "table" and rules[key] or {}) do
    local name = type(one) == "table" and one.name
    if type(name) == "string" and by_name[name] then
      report(("%s[%d].name"):format(key, i), ('"%s" is the name of %s[%d] already'):format(name, key, first[name]))
    elseif type(name) == "string" then
      by_name[name], first[name] = one, i
      names[#names + 1] = name
    end
  end
  return by_name, names
end

--- The keys of a table that are text, in order.
function fields.names(value)
  local names = {}
  for name in pairs(value) do
    if type(name) == "string" then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

--- The end of a message about a name that is none of the known ones: which was meant, or which there are.
-- @usage report(path, "is no parameter; " .. fields.hint("sorce", { "source", "dir" }))
function fields.hint(word, known)
  if #known == 0 then
    return "there is none"
  end
  local near = text.nearest(word, unpack(known))
  return near and ('did you mean "%s"?'):format(near) or "expected " .. describe.choice(known)
end

return fields
