--- Where rule files run: an environment of its own for each file, made from an allow-list.
--
-- It guards against accidents, not against a hostile author: a rule file cannot reach files, processes, the network,
-- other rule files or this library's tables by mistake, and whatever loops or hoards memory is cut off by the host. Who
-- may write rule files may still make the process slow, for one call of string.find with a pathological pattern is
-- not interrupted.
local list = require "kthena.list"
local log = require "host.log"
local text = require "host.text"
local tree = require "kthena.tree"

local sandbox = {}

--- What a rule file can use, as data. Everything else does not exist for it.
sandbox.allowed = {
  globals = {
    "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget", "select",
    "setmetatable", "tonumber", "tostring", "type", "unpack", "xpcall",
  },
  libraries = {
    string = {
      "byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "rep", "reverse", "sub", "upper",
    },
    table = { "concat", "insert", "maxn", "remove", "sort" },
    math = {
      "abs", "acos", "asin", "atan", "atan2", "ceil", "cos", "cosh", "deg", "exp", "floor", "fmod", "frexp", "huge",
      "ldexp", "log", "log10", "max", "min", "modf", "pi", "pow", "rad", "random", "sin", "sinh", "sqrt", "tan", "tanh",
    },
  },
  modules = {
    "kthena.adapter_calls", "kthena.adapter_reconcile", "kthena.adapter_view", "kthena.adapters", "kthena.aws",
    "kthena.bucket", "kthena.json", "kthena.openai", "kthena.uri",
  },
}

local MAX_PRINTS = 100
local MAX_GSUB_DEPTH = 50

local gsub = string.gsub
local gsub_depth = 0

local function leave_gsub(ok, ...)
  gsub_depth = gsub_depth - 1
  if ok then
    return ...
  end
  local message = ...
  if type(message) == "string" and not message:find("^[^:]+:%d+: ") then
    error(message, 3)
  end
  error(message, 0)
end

-- Lua's gsub keeps 8 KiB on the C stack while it calls back. A function that calls itself through it must run into an
-- error, not into the end of that stack.
local function bounded_gsub(subject, pattern, replacement, count)
  if type(replacement) ~= "function" and type(replacement) ~= "table" then
    return gsub(subject, pattern, replacement, count)
  end
  if gsub_depth >= MAX_GSUB_DEPTH then
    error("string.gsub calls itself more than " .. MAX_GSUB_DEPTH .. " levels deep", 2)
  end
  gsub_depth = gsub_depth + 1
  return leave_gsub(pcall(gsub, subject, pattern, replacement, count))
end

-- Lua calls the handler of xpcall before it leaves the place of the error. When that is the hook that cuts a file off,
-- no hook fires in the handler, and a handler that loops would loop for ever. So it is called afterwards.
local function late_xpcall(run, handler, ...)
  local function finish(ok, ...)
    if ok then
      return true, ...
    end
    local _, result = pcall(handler, ...)
    return false, result
  end
  return finish(pcall(run, ...))
end

local function copy_library(name)
  local copy = {}
  for _, key in ipairs(sandbox.allowed.libraries[name]) do
    copy[key] = _G[name][key]
  end
  if name == "string" then
    copy.gsub = bounded_gsub
  end
  return copy
end

-- A copy of a module, made when it is first used: most rules need theirs only when they are called, and the sidecar
-- starts without them.
local function lazy_copy(name)
  local meta = { __metatable = false }
  local function fill(copy)
    meta.__index, meta.__newindex = nil, nil
    for key, value in pairs(require(name)) do
      copy[key] = value
    end
  end
  function meta.__index(copy, key)
    fill(copy)
    return copy[key]
  end
  function meta.__newindex(copy, key, value)
    fill(copy)
    copy[key] = value
  end
  return setmetatable({}, meta)
end

local function make_require()
  local loaded = {}
  return function(name)
    if not list.contains(sandbox.allowed.modules, name) then
      local known = table.concat(sandbox.allowed.modules, ", ")
      error(("a rule file cannot require '%s'; it can require %s"):format(tostring(name), known), 2)
    end
    loaded[name] = loaded[name] or lazy_copy(name)
    return loaded[name]
  end
end

local function make_print(file)
  local lines = 0
  return function(...)
    lines = lines + 1
    if lines > MAX_PRINTS then
      return
    end
    local words = {}
    for i = 1, select("#", ...) do
      words[i] = tostring((select(i, ...)))
    end
    log.info(file .. ": " .. table.concat(words, " "))
    if lines == MAX_PRINTS then
      log.warning(file .. ": printed " .. MAX_PRINTS .. " lines; the rest is dropped")
    end
  end
end

--- Makes an environment. `file` begins what print writes to the log.
function sandbox.environment(file)
  local environment = { require = make_require(), print = make_print(file) }
  for _, name in ipairs(sandbox.allowed.globals) do
    environment[name] = _G[name]
  end
  for name in pairs(sandbox.allowed.libraries) do
    environment[name] = copy_library(name)
  end
  environment.xpcall = late_xpcall
  environment._G = environment
  local names = {}
  for name in pairs(environment) do
    names[#names + 1] = name
  end
  table.sort(names)
  -- A misspelt variable would otherwise be nil, and a field that is nil is a field that is not there.
  return setmetatable(environment, {
    __metatable = false,
    __index = function(_, name)
      local near = text.nearest(tostring(name), unpack(names))
      local hint = near and ("did you mean '" .. near .. "'?") or ("a rule file can use " .. table.concat(names, ", "))
      error(("unknown name '%s'; %s"):format(tostring(name), hint), 2)
    end,
  })
end

--- Compiles a rule file; its function runs in an environment of its own. `chunk` is its name for Lua ("=vllm.lua").
-- Returns nil and a message with the line when the text is not Lua.
-- @usage local run, message = sandbox.load(file.text, file.chunk, file.path)
function sandbox.load(source, chunk, file)
  gsub_depth = 0
  return load(source, chunk, "t", sandbox.environment(file))
end

--- Runs a rule file and returns what it returned as plain data, with the functions in it; what is not plain data is
-- missing in it and reported: report(key, message). `file` holds text, chunk (its name for Lua) and path (its name for
-- people). An error of the file itself is raised: whoever runs it knows how to name the file in that.
-- @usage local rules = sandbox.run({ text = text, chunk = "=acme.lua", path = "rules/acme.lua" }, report)
function sandbox.run(file, report)
  local run, message = sandbox.load(file.text, file.chunk, file.path)
  if not run then
    error(message:find("wrong mode") and "holds compiled code; a rule file is text" or message, 0)
  end
  return tree.copy(run(), report)
end

--- Takes the way to Lua's own string table, ("").dump and all, out of this state. Called once, before any rule file.
function sandbox.seal()
  local strings = getmetatable("")
  strings.__index = copy_library("string")
  strings.__metatable = false
end

return sandbox
