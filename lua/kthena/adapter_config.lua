--- The declared set of adapters: what a file and a variable say has to be loaded. Two forms are read: a list `adapters`
-- as in ModelBooster's loraAdapters, and the vLLMLoRAConfig of the Gateway API inference extension. For
-- kthena.adapters.
local json = require "kthena.json"

local config = {}

local GOOD = "adapters/declared"
local MAX_NAME = 256
local MAX_ADAPTERS = 1000

--- Why a name is none, or nil.
function config.name_problem(name)
  if type(name) ~= "string" or name == "" then
    return "is missing"
  elseif #name > MAX_NAME then
    return ("has %d bytes; at most %d are allowed"):format(#name, MAX_NAME)
  elseif name:find("%c") then
    return "holds control characters"
  end
end

-- A value that is there: neither nil nor null.
local function given(value)
  if value ~= json.null then
    return value
  end
end

local function first(entry, ...)
  for _, key in ipairs({ ... }) do
    local value = given(entry[key])
    if value ~= nil then
      return value, key
    end
  end
end

-- A directory's name for an adapter.
local function directory_name(name)
  local safe = name:gsub("[^%w._-]", function(byte)
    return ("%%%02X"):format(byte:byte())
  end)
  return safe:gsub("^%.", "%%2E"):sub(1, 200)
end

-- The texts of an entry, each under the first of its names; nil and a message for what is no text.
local function texts(entry, at, names)
  local found = {}
  for key, spellings in pairs(names) do
    local value, spelt = first(entry, unpack(spellings))
    if value ~= nil and (type(value) ~= "string" or value == "") then
      return nil, ("%s.%s: expected text"):format(at, spelt)
    end
    found[key] = value
  end
  return found
end

-- What the engine is told as it is: what no name of `names` is for.
local function unknown_fields(entry, names)
  local known, fields = { pinned = true }, {}
  for _, spellings in pairs(names) do
    for _, spelt in ipairs(spellings) do
      known[spelt] = true
    end
  end
  for key, value in pairs(entry) do
    if not known[key] and given(value) ~= nil then
      fields[key] = value
    end
  end
  return next(fields) and fields or nil
end

-- An adapter to be. A path that stands for a source is where the files are already.
local function adapter(options, one)
  local source, output_dir = one.source, one.output_dir
  if source:sub(1, 1) == "/" then
    source, output_dir = nil, one.source
  end
  return {
    source = source, output_dir = output_dir or options.directory .. "/" .. directory_name(one.name),
    base_model = one.base_model, pinned = one.pinned, fields = one.fields, declared = true,
  }
end

local function check_name(set, name, at, model)
  local problem = config.name_problem(name)
  if not problem and name == model then
    problem = ("is %s, the name of the base model"):format(json.encode(name))
  elseif not problem and (set.adapters[name] or set.absent[name]) then
    problem = ("%s is there twice"):format(json.encode(name))
  end
  return problem and ("%s: %s"):format(at, problem)
end

local function is_list(value)
  return type(value) == "table" and (#value > 0 or next(value) == nil)
end

-- Reads a list of entries: each(entry, at) returns a problem or nil.
local function read_list(value, at, each)
  if value == nil then
    return
  elseif not is_list(value) then
    return at .. ": expected a list"
  elseif #value > MAX_ADAPTERS then
    return ("%s: has %d entries; at most %d are allowed"):format(at, #value, MAX_ADAPTERS)
  end
  for i, entry in ipairs(value) do
    local here = ("%s[%d]"):format(at, i)
    local problem = type(entry) ~= "table" and here .. ": expected an entry with a name and where it is" or
      each(entry, here)
    if problem then
      return problem
    end
  end
end

local LIST = { name = { "name", "lora_name" }, source = { "artifactURL", "source" },
  output_dir = { "output_dir", "outputDir" }, base_model = { "base_model", "baseModel" } }

-- { name, artifactURL, ... }
local function read_adapters(set, value, at, options)
  return read_list(value, at, function(entry, here)
    local one, problem = texts(entry, here, LIST)
    problem = problem or check_name(set, one.name, here .. ".name", options.model)
    if problem then
      return problem
    elseif not one.source then
      return here .. ".artifactURL: is missing"
    elseif type(given(entry.pinned) or false) ~= "boolean" then
      return here .. ".pinned: expected true or false"
    end
    one.pinned, one.fields = given(entry.pinned), unknown_fields(entry, LIST)
    set.adapters[one.name] = adapter(options, one)
  end)
end

local MODEL = { name = { "id" }, source = { "source" }, base_model = { "base-model", "baseModel" } }

local function models_of(value, key)
  local part = given(value[key])
  if part == nil then
    return nil
  end
  local at = "vLLMLoRAConfig." .. key
  if type(part) ~= "table" then
    return nil, at .. ": expected a table with models"
  end
  return given(part.models), nil, at .. ".models"
end

-- { defaultBaseModel, ensureExist = { models }, ensureNotExist = { models } }
local function read_lora_config(set, value, options)
  if type(value) ~= "table" or #value > 0 then
    return "vLLMLoRAConfig: expected a table with ensureExist and ensureNotExist"
  end
  local models, problem, at = models_of(value, "ensureExist")
  problem = problem or read_list(models, at, function(entry, here)
    local one, wrong = texts(entry, here, MODEL)
    wrong = wrong or check_name(set, one.name, here .. ".id", options.model)
    if wrong then
      return wrong
    elseif not one.source then
      return here .. ".source: is missing"
    end
    one.base_model = one.base_model or given(value.defaultBaseModel)
    set.adapters[one.name] = adapter(options, one)
  end)
  if problem then
    return problem
  end
  models, problem, at = models_of(value, "ensureNotExist")
  return problem or read_list(models, at, function(entry, here)
    local one, wrong = texts(entry, here, MODEL)
    wrong = wrong or check_name(set, one.name, here .. ".id", options.model)
    if not wrong then
      set.absent[one.name] = true
    end
    return wrong
  end)
end

--- Reads a configuration that is plain data. Returns { adapters = by name, absent = by name }; or nil and a message.
-- `options`: directory, for those that do not say where they go, and perhaps model, the base model's name.
-- @usage config.parse({ adapters = { { name = "a", artifactURL = "s3://b/a" } } }, { directory = "/adapters" })
function config.parse(data, options)
  local set = { adapters = {}, absent = {} }
  data = given(data)
  if type(data) ~= "table" then
    return nil, (data == nil and "is empty" or "holds no table") .. '; expected "adapters" or "vLLMLoRAConfig"'
  end
  local problem
  if #data > 0 then
    problem = read_adapters(set, data, "adapters", options)
  elseif data.adapters == nil and data.vLLMLoRAConfig == nil then
    problem = next(data) ~= nil and 'has neither "adapters" nor "vLLMLoRAConfig"' or nil
  else
    problem = read_adapters(set, given(data.adapters), "adapters", options)
    if not problem and given(data.vLLMLoRAConfig) ~= nil then
      problem = read_lora_config(set, data.vLLMLoRAConfig, options)
    end
  end
  if problem then
    return nil, problem
  end
  return set
end

local function options_of(ctx)
  return { directory = (ctx.settings.lora_dir:gsub("(.)/+$", "%1")), model = ctx.engine.model }
end

-- The set of the variable; nil and a message when it is none.
local function read_variable(ctx)
  local text = ctx.settings.lora_adapters
  if not text or text:find("^%s*$") then
    return { adapters = {}, absent = {} }
  end
  local data, problem = json.decode(text)
  if data == nil then
    return nil, ('LORA_ADAPTERS: not JSON: %s; expected [{"name": ..., "artifactURL": ...}]'):format(problem)
  end
  local set
  set, problem = config.parse(data, options_of(ctx))
  if not set then
    return nil, "LORA_ADAPTERS: " .. problem
  end
  return set
end

-- The set of the file: the last good one, and what is wrong with the file since. No set: there was never a good one.
local function read_file(ctx)
  local file = ctx.settings.lora_config
  if not file then
    return { adapters = {}, absent = {} }
  end
  local set, problem
  if file.data ~= nil then
    set, problem = config.parse(file.data, options_of(ctx))
  end
  problem = file.problem or problem and ("%s: %s"):format(file.path, problem)
  if not set then
    local good = ctx.memory.get(GOOD)
    return good and good.set, problem or file.path .. ": could not be read yet"
  end
  local version = ctx.memory.get(GOOD .. "/version")
  if version ~= file.version then
    ctx.memory.set(GOOD, { set = set })
    ctx.memory.set(GOOD .. "/version", file.version)
  end
  return set, problem
end

--- What the declared set is read from, as one text: equal for what is equal.
function config.fingerprint(ctx)
  local file = ctx.settings.lora_config or {}
  return ("%s %s %s"):format(tostring(file.version), tostring(file.problem), tostring(ctx.settings.lora_adapters))
end

--- The declared set: adapters and absent, by name; known, whether that is all, or some of it could never be read;
-- where, what it is read from; and problem, what is wrong with the newest content.
function config.read(ctx)
  local file, file_problem = read_file(ctx)
  local variable, variable_problem = read_variable(ctx)
  local set = {
    adapters = {}, absent = file and file.absent or {}, known = file ~= nil and variable ~= nil,
    where = ctx.settings.lora_config and ctx.settings.lora_config.path or "LORA_ADAPTERS",
    problem = file_problem or variable_problem,
  }
  for _, part in ipairs({ variable or {}, file or {} }) do
    for name, one in pairs(part.adapters or {}) do
      set.adapters[name] = not set.absent[name] and one or nil
    end
  end
  return set
end

return config
