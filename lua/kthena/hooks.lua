--- Calls the functions of rules, and holds them to what they promise to return. A rule is { rules = its table, path =
-- its file }. What it breaks is an error of kind "policy", which names file and hook.
local describe = require "kthena.describe"
local fields = require "kthena.fields"

local hooks = {}

local MAX_MESSAGE = 2000

local KINDS = {
  invalid = true, not_found = true, denied = true, unauthorized = true, unreachable = true, timeout = true,
  protocol = true, limit = true, space = true, io = true, exists = true, overload = true, unsupported = true,
  unavailable = true, cancelled = true, policy = true,
}

local function broken(rule, hook, message)
  return nil, ("%s: %s: %s"):format(rule.path, hook, message), "policy"
end

local function is_status(value, from, to)
  return type(value) == "number" and value % 1 == 0 and value >= from and value <= to
end

-- A message, a kind and an HTTP status as a rule returned them. A peer's failure is what rules report without a kind.
local function failure(rule, hook, message, kind, status)
  if type(message) ~= "string" then
    return broken(rule, hook, "returned nothing; expected a table, or nil, a message and a kind")
  elseif kind ~= nil and not KINDS[kind] then
    return broken(rule, hook, ("returned the kind %s; %s"):format(describe.value(kind),
      fields.hint(tostring(kind), fields.names(KINDS))))
  elseif status ~= nil and not is_status(status, 400, 599) then
    return broken(rule, hook, ("returned the status %s; expected one from 400 to 599"):format(describe.value(status)))
  end
  return nil, message:sub(1, MAX_MESSAGE), kind or "protocol", status
end

--- Calls a hook that returns a table; or nil, a message and a kind, and returns the same.
-- @usage local value, message, kind = hooks.call(source, "resolve", uri, ctx)
function hooks.call(rule, hook, ...)
  local value, message, kind = rule.rules[hook](...)
  if value == nil or value == false then
    return failure(rule, hook, message, kind)
  elseif type(value) ~= "table" then
    return broken(rule, hook, ("expected it to return a table, got %s"):format(describe.value(value)))
  end
  return value
end

--- Calls run of a workflow. Returns its reply, a table, or nil; a message and a kind if it is nil; and fourth the
-- status it has chosen, or nil.
function hooks.run(rule, params, ctx)
  local reply, message, kind, status = rule.rules.run(params, ctx)
  if reply == nil or reply == false then
    return failure(rule, "run", message, kind, status)
  elseif type(reply) ~= "table" then
    return broken(rule, "run", ("expected it to return a table, got %s"):format(describe.value(reply)))
  elseif message ~= nil and not is_status(message, 200, 299) then
    return broken(rule, "run", ("returned the status %s; expected one from 200 to 299"):format(describe.value(message)))
  end
  return reply, nil, nil, message
end

--- Calls explain. Returns a sentence and perhaps a kind; or nil when the rule has no opinion.
function hooks.explain(rule, refused, ctx)
  local sentence, kind = rule.rules.explain(refused, ctx)
  if sentence == nil then
    return nil
  elseif type(sentence) ~= "string" or kind ~= nil and not KINDS[kind] then
    local _, message, policy = broken(rule, "explain", "expected it to return a sentence and a kind, or nothing")
    return message, policy
  end
  return sentence:sub(1, MAX_MESSAGE), kind
end

--- Calls finish. Returns the files to write, a list; or nil, a message and a kind.
function hooks.finish(rule, plan, ctx)
  local files, message, kind = rule.rules.finish(plan, ctx)
  if files == nil and message == nil then
    return {}
  elseif files == nil then
    return failure(rule, "finish", message, kind)
  elseif type(files) ~= "table" then
    return broken(rule, "finish", "expected it to return a list of files, got " .. describe.value(files))
  end
  for i, file in ipairs(files) do
    if type(file) ~= "table" or type(file.path) ~= "string" or type(file.text) ~= "string" then
      return broken(rule, "finish", ("files[%d]: expected a table with path and text"):format(i))
    end
  end
  return files
end

return hooks
