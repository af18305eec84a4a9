--- The files of adapters: which directory they go to, and whether what is in one is an adapter. For
-- kthena.adapter_load, over a workflow's ctx.
local adapters = require "kthena.adapters"
local json = require "kthena.json"

local files = {}

local CONFIG = "adapter_config.json"
local CONFIG_LIMIT = 1024 * 1024
local NEXT = ".next"

-- Another adapter, of another source, that has its files in a directory; nil if there is none.
local function tenant_of(ctx, name, source, path)
  for other, record in pairs(adapters.records(ctx)) do
    if other ~= name and record.source ~= source and adapters.is_same_path(record.path, path) then
      return other, record
    end
  end
end

--- The directory for an adapter's files: the one it asks for; but if `known`, which the engine may have in use, lives
-- there, one beside it, so that `known` can be loaded again should the new one fail. Two directories take turns.
-- Returns it; or nil, a message and a kind.
function files.place(ctx, name, want, known)
  local asked, message, kind = ctx.directory(want.output_dir)
  if not asked or not want.source then
    return asked, message, kind
  end
  local other, record = tenant_of(ctx, name, want.source, asked)
  if other then
    return nil, ("%s holds the adapter %s, from %s; give this one a directory of its own"):format(asked,
      json.encode(other), record.source or "elsewhere"), "exists"
  elseif not known or not adapters.is_same_path(known.path, asked) then
    return asked
  end
  local beside
  beside, message, kind = ctx.directory(asked .. NEXT)
  if not beside then
    return nil, ("%s holds the files of the adapter that is loaded, and %s%s cannot be used: %s; give the new one " ..
      "another directory"):format(asked, asked, NEXT, message), kind
  end
  return beside
end

local function basename(path)
  return path:gsub("/+$", ""):match("[^/]*$"):lower()
end

-- What is odd about the base model that an adapter names, if anything.
local function base_model_warning(ctx, config)
  local base, model = config.base_model_name_or_path, ctx.engine.model
  if type(base) ~= "string" or base == "" or not model or model == "" or basename(base) == basename(model) then
    return nil
  end
  return ("the adapter was made for %s, the engine runs %s"):format(base, model)
end

local function check_rank(path, config)
  local rank = config.r
  if type(rank) ~= "number" or rank < 1 or rank % 1 ~= 0 then
    local kind = type(config.peft_type) == "string" and config.peft_type ~= "LORA" and
      (" (its peft_type is %s)"):format(config.peft_type) or ""
    return ("%s/%s: r, the adapter's rank, is not known%s; this is no LoRA adapter"):format(path, CONFIG, kind)
  end
end

-- Which weights there are among the files of a directory.
local function weights(list)
  local found, other = false, false
  for _, file in ipairs(list) do
    local is_filled = file.size ~= 0
    found = found or is_filled and (file.path:find("^adapter_model%.") or file.path:find("^[^/]*%.safetensors$")) ~= nil
    other = other or is_filled and file.path:find("^[^/]*%.gguf$") ~= nil
  end
  return found, other
end

local function has(list, name)
  for _, file in ipairs(list) do
    if file.path == name then
      return true
    end
  end
  return false
end

-- Why a directory without adapter_config.json holds no adapter.
local function no_config(path, list)
  if #list == 0 then
    return ("%s is empty; an adapter's files were expected there"):format(path)
  elseif has(list, "config.json") then
    return ("%s holds a whole model, not an adapter: there is no %s"):format(path, CONFIG)
  end
  return ("%s holds no adapter: there is no %s in it; check the source"):format(path, CONFIG)
end

--- Whether a directory holds an adapter. Returns a list of warnings; or nil, a message and a kind.
function files.check(ctx, path)
  if path:find("%.gguf$") and ctx.files.exists(path) then
    return {}
  end
  local list, message, kind = ctx.files.list(path)
  if not list then
    return nil, ("could not look for the adapter in %s: %s"):format(path, message), kind
  end
  local has_weights, is_converted = weights(list)
  if is_converted then
    return {} -- one file that holds all, which only the engine can read
  elseif not has(list, CONFIG) then
    return nil, no_config(path, list), "invalid"
  end
  local text
  text, message, kind = ctx.files.read(path .. "/" .. CONFIG, CONFIG_LIMIT)
  if not text then
    return nil, ("could not read %s/%s: %s"):format(path, CONFIG, message), kind
  end
  local config, problem = json.decode(text)
  if type(config) ~= "table" then
    return nil, ("%s/%s: %s"):format(path, CONFIG, problem and "not JSON: " .. problem or "no JSON object"), "invalid"
  end
  problem = check_rank(path, config)
  if not problem and not has_weights then
    problem = ("%s holds no weights: expected adapter_model.safetensors or adapter_model.bin"):format(path)
  end
  if problem then
    return nil, problem, "invalid"
  end
  return { base_model_warning(ctx, config) }
end

--- Whether the files of a record are all where it says, as they were when it was made. Returns a list of warnings.
function files.are_there(ctx, record)
  if not record.path then
    return nil
  elseif record.source then
    local manifest = ctx.manifest(record.path)
    if not manifest or manifest.source ~= record.source or manifest.revision ~= record.revision then
      return nil
    end
  end
  return (files.check(ctx, record.path))
end

--- Brings the files of `want` to `path` and checks them. `options`: config, max_workers. Returns { revision, digest,
-- fetched, warnings }; or nil, a message, a kind and a status.
function files.bring(ctx, want, path, options)
  local got = { fetched = 0 }
  if want.source then
    local done, message, kind, status = ctx.download(want.source, path,
      { config = options.config, max_workers = options.max_workers })
    if not done then
      return nil, message, kind, status
    end
    got.revision, got.digest, got.fetched = done.revision, done.digest, done.fetched
  else
    local manifest = ctx.manifest(path)
    got.revision = manifest and manifest.revision
  end
  local warnings, message, kind = files.check(ctx, path)
  if not warnings then
    return nil, message, kind
  end
  got.warnings = warnings
  return got
end

--- Deletes the files of a directory that its manifest lists, unless an adapter has them still. Returns how many; or nil
-- and why not.
function files.delete(ctx, path)
  for name, record in pairs(adapters.records(ctx)) do
    if not record.absent and adapters.is_same_path(record.path, path) then
      return nil, ("%s is kept: the adapter %s uses it"):format(path, json.encode(name))
    end
  end
  local count, message = ctx.delete(path)
  if not count then
    return nil, ("could not delete the files in %s: %s"):format(path, message)
  end
  return count
end

return files
