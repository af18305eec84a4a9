--- ctx.settings: the values of the settings that a workflow's file declares, as their types say.
local describe = require "kthena.describe"
local host = require "host.settings"
local json = require "kthena.json"

local settings = {}

local UNITS = { [""] = 1, s = 1, ms = 0.001, m = 60, h = 3600 }
local MAX_SECONDS = 1e9

local TRUTH = {
  ["true"] = true, ["1"] = true, yes = true, on = true, ["false"] = false, ["0"] = false, no = false, off = false,
}

-- Readers of texts: the value; or nil and what was expected.
local readers = {}

function readers.string(text)
  return text
end

function readers.integer(text)
  return text:find("^[+-]?%d+$") and tonumber((text:gsub("^%+", ""))) or nil, "a whole number"
end

function readers.number(text)
  local number = text:find("^[+-]?%d*%.?%d*[eE]?[+-]?%d*$") and tonumber((text:gsub("^%+", "")))
  return number or nil, "a number"
end

function readers.seconds(text)
  local digits, unit = text:match("^(%d*%.?%d*)(%l*)$")
  local number = digits and tonumber(digits)
  local seconds = number and UNITS[unit] and number * UNITS[unit]
  return seconds and seconds <= MAX_SECONDS and seconds or nil, "a duration such as 30, 0.5, 500ms or 2m"
end

function readers.boolean(text)
  return TRUTH[text:lower()], "true or false"
end

function readers.list(text)
  local items = {}
  for item in text:gmatch("[^,]+") do
    items[#items + 1] = item:match("^%s*(.-)%s*$")
  end
  return items
end

-- What the host follows; a file that was declared after the start, or is not followed, has its path alone.
local function file_of(one, text)
  local path, data, problem, version = host.file(one.name)
  if not path then
    return { path = text, version = 0, problem = "it is not followed; start the sidecar again" }
  end
  local value = data and json.decode(data)
  if value == json.null then
    value = nil
  end
  return { path = path, data = value, problem = problem, version = version }
end

-- The value of a setting; nil when there is none; or nil, a message and a kind.
local function value_of(one)
  local text = host.text(one.name)
  if one.type == "secret" then
    return host.secret(one.name)
  elseif one.type == "file" then
    text = text or one.default
    return text and file_of(one, text) or nil
  elseif text == nil then
    return one.default
  end
  local value, expected = readers[one.type](text)
  if value == nil then
    return nil, ("the setting %s (%s): expected %s, got %s"):format(one.name,
      one.flag and "--" .. one.flag or one.env, expected, describe.value(text)), "invalid"
  end
  return value
end

--- The values of the settings that a file's rules declare, by name; or nil, a message and a kind.
-- @usage local values = settings.values(rules)
function settings.values(rules)
  local values = {}
  for _, one in ipairs(rules.settings or {}) do
    local value, message, kind = value_of(one)
    if kind then
      return nil, message, kind
    end
    values[one.name] = value
  end
  return values
end

return settings
