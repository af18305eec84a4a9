--- How a workflow is started and beside what it runs: serial, parallel, every, on, quiet and ready. For kthena.workflow
-- only.
local describe = require "kthena.describe"
local fields = require "kthena.fields"
local setting = require "kthena.setting"

local starts = {}

local MAX_PARALLEL = 64
local MAX_SECONDS = 7 * 24 * 3600
local MIN_SECONDS = 0.1

local EVENTS = { "start", "engine_up", "rules_changed", "file_changed" }

--- The node of the key `parallel`.
starts.parallel = {
  type = "number", expected = ("a whole number from 1 to %d"):format(MAX_PARALLEL),
  check = function(value, report, path)
    if not (value % 1 == 0 and value >= 1 and value <= MAX_PARALLEL) then
      report(path, ("expected a whole number from 1 to %d, got %s"):format(MAX_PARALLEL, describe.value(value)))
    end
  end,
}

--- The node of the key `every`.
starts.every = {
  type = "either", expected = "a number of seconds or the name of a setting",
  string = fields.key,
  number = {
    type = "number",
    check = function(value, report, path)
      if not (value >= MIN_SECONDS and value <= MAX_SECONDS) then
        report(path, ("expected from %s to %d seconds, got %s"):format(MIN_SECONDS, MAX_SECONDS, describe.value(value)))
      end
    end,
  },
}

--- The node of the key `on`.
starts.on = {
  type = "list", filled = true, max = #EVENTS, single = true, expected = "a list of events",
  of = { type = "string", choices = EVENTS },
}

local function each(list)
  return ipairs(type(list) == "table" and list or {})
end

local function check_every(rules, settings, names, report)
  if type(rules.every) ~= "string" then
    return
  end
  local one = settings[rules.every]
  if not one then
    report("every", ('"%s" is no setting of this file; %s'):format(rules.every, fields.hint(rules.every, names)))
  elseif setting.is_type(one.type) and not setting.is_number(one.type) then
    report("every", ('"%s" is of type %s; expected one of type seconds'):format(rules.every, one.type))
  end
end

--- The events that start a workflow, a list.
function starts.events(rules)
  return type(rules.on) == "string" and { rules.on } or rules.on or {}
end

--- Checks what the keys have to do with each other and with the rest, of rules that may be wrong otherwise.
function starts.check(rules, report)
  local settings, names = fields.by_name(rules, "settings", report)
  local starts_itself = rules.every ~= nil or rules.on ~= nil
  check_every(rules, settings, names, report)
  if rules.route == nil and not starts_itself then
    report("route", 'missing; expected a table with method and path, or "every" or "on" to start it')
  end
  for i, one in each(starts_itself and rules.params) do
    if type(one) == "table" and one.required == true then
      report(("params[%d].required"):format(i),
        'nobody gives it when the workflow starts by itself ("every", "on"); expected a default, or to do without')
    end
  end
  local has_file = false
  for _, one in pairs(settings) do
    has_file = has_file or one.type == "file"
  end
  for i, event in each(starts.events(rules)) do
    if event == "file_changed" and not has_file then
      report(("on[%d]"):format(i), '"file_changed" goes with a setting of type file; there is none')
    end
  end
end

--- Tells the host: serial(parameter), parallel(count), every(seconds), every_setting(name), event(name), quiet(),
-- ready(name) and status(title), each only if it is there.
function starts.deliver(rules, outcome)
  if rules.serial then
    outcome:serial(rules.serial)
  end
  if rules.parallel then
    outcome:parallel(rules.parallel)
  end
  if type(rules.every) == "string" then
    outcome:every_setting(rules.every)
  elseif rules.every then
    outcome:every(rules.every)
  end
  for _, event in ipairs(starts.events(rules)) do
    outcome:event(event)
  end
  if rules.quiet then
    outcome:quiet()
  end
  if rules.ready then
    outcome:ready(rules.ready)
  end
  if rules.status then
    outcome:status(rules.status)
  end
end

return starts
