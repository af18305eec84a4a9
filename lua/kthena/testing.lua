--- For specs of rule files, run by `kthena-runtime test`: loads a rule file exactly as the server does, renames pages
-- with that of an engine, and hands out the functions of the others.
--
-- @usage
-- local testing = require "kthena.testing"
-- local page = 'acme_queue{model="m"} 3\n'
-- it("finds the queue", function()
--   local engine = testing.engine("engines/acme.lua", { pod = "p", model = "m" })
--   assert.equal("3", testing.samples(engine:families(page))['kthena:num_requests_waiting{model="m"}'])
-- end)
local binding = require "host.testing"
local context = require "kthena.context"
local download = require "kthena.download"
local json = require "kthena.json"
local metrics = require "host.metrics"
local rules = require "host.rules"
local sandbox = require "kthena.sandbox"
local store = require "kthena.store"
local uri = require "kthena.uri"
local workflow_context = require "kthena.workflow_context"

local testing = {}

local engine = {}
engine.__index = engine

--- Reads a whole file; an error when that is not possible.
-- @usage local page = testing.read("spec/fixtures/acme.prom")
function testing.read(path)
  local file, message = io.open(path, "rb")
  if not file then
    error("could not open " .. message, 2)
  end
  local content = file:read("*a")
  file:close()
  if not content then
    error("could not read " .. path, 2)
  end
  return content
end

--- Loads a rule file from its text. Returns an engine; or nil and every problem, one a line, the way `rules check` and
-- the server's log print them. `path` is its name in problems. `options` may hold pod and model, which $pod and $model
-- stand for, and memory_bytes and budget_seconds, which change the limits.
-- @usage local _, problems = testing.load("x.lua", "return { api = 1 }")
function testing.load(path, source, options)
  options = options or {}
  local mapping, result = rules.load(path, source, options.pod, options.model, options.memory_bytes,
    options.budget_seconds)
  if not mapping then
    return nil, result
  end
  return setmetatable({ mapping = mapping, effective = json.decode(result) }, engine)
end

-- Runs a file that is known to be good in this state, where its functions can be called.
local function run(path, source)
  return sandbox.run({ text = source, chunk = "=" .. path:match("[^/]*$"), path = path }, error)
end

--- Loads a rule file. Returns an engine; every problem is in the error when there are any. The field `effective` of it
-- holds the rules with every default filled in, `adapters` the file's hooks, to be called with an engine of one's own.
-- @usage local engine = testing.engine("engines/acme.lua", { pod = "p", model = "m" })
function testing.engine(path, options)
  local source = testing.read(path)
  local loaded, problems = testing.load(path, source, options)
  if not loaded then
    error(problems, 2)
  end
  loaded.adapters = run(path, source).adapters
  return loaded
end

-- Loads the file of another kind as the server does, in a state of its own, and then here, where its functions can be
-- called.
local function open(kind, path)
  local source = testing.read(path)
  local effective, problems = rules.check(kind, path, source)
  if not effective then
    error(problems, 3)
  end
  return run(path, source), json.decode(effective)
end

--- Loads the rule file of a source. Returns its table, whose functions can be called with a ctx of one's own; and its
-- rules with every default filled in. Every problem is in the error when there are any.
-- @usage
-- local source = testing.source("sources/acme.lua")
-- local plan = source.resolve(testing.uri("acme://bucket/model"), { http = function() return { status = 200 } end })
function testing.source(path)
  return open("source", path)
end

--- Loads the rule file of a workflow in the same way.
-- @usage local reply = testing.workflow("workflows/greet.lua").run({ name = "x" }, { job = { id = "1" } })
function testing.workflow(path)
  return open("workflow", path)
end

--- The URI a source gets for a text.
-- @usage assert.equal("bucket", testing.uri("acme://bucket/model").authority)
function testing.uri(text)
  return uri.parse(text)
end

-- Makes the namespaces that reach the world work, as in a job of a server with --allow-source for each of `allow`.
local function bind(options)
  return binding.bind(unpack(options.allow or {}))
end

--- Makes a real ctx for a source's rules, as it would get it for a URI: its requests are sent, its secrets are secrets.
-- `options` may hold config (a table, or JSON), foreign (true: it came with a request), allow (globs, as of
-- --allow-source), and env (the variables there are, in the place of this process's own). Returns it, and whether it is
-- kept from the host's own network; or nil, a message and a kind. The ctx made before ends.
-- @usage local ctx = testing.context(testing.source("sources/acme.lua"), "acme://x", { config = { token = "t" } })
function testing.context(rules_of, text, options)
  options = options or {}
  bind(options)
  return context.source(rules_of, uri.parse(text), options)
end

--- A table like ctx.state and ctx.memory, real and empty, which lives as long as the spec holds it: for the ctx that a
-- spec makes for a workflow.
-- @usage local ctx = { state = testing.state(), memory = testing.state() }
function testing.state()
  return store.new(binding.state(), "ctx.state")
end

--- Makes a real ctx for a workflow's rules, as in a job, but for what only a running sidecar has: the engine and other
-- workflows. Its tables, locks and metrics are real, empty and its own; settings have their defaults. `options` may
-- hold allow, as for testing.context, and download, its ctx.download. The ctx made before ends.
-- @usage local reply = workflow.run({ name = "x" }, testing.workflow_context(workflow))
function testing.workflow_context(rules_of, options)
  options = options or {}
  bind(options)
  return workflow_context.new(rules_of, options.download)
end

--- Resolves a URI with a real ctx and checks the plan. Returns what `download --dry-run --json` prints, as a table; or
-- nil, a message and a kind. `options` are those of testing.context, and include, exclude and directory.
-- @usage local plan = testing.plan(testing.source("sources/acme.lua"), "acme://x")
function testing.plan(rules_of, text, options)
  options = setmetatable({ directory = options and options.directory or "/nonexistent" }, { __index = options })
  bind(options)
  local source = { rules = rules_of, path = rules_of.source .. ".lua" }
  local plan, message, kind = download.plan(source, uri.parse(text), options)
  if not plan then
    return nil, message, kind
  end
  return json.decode(plan)
end

--- Downloads a URI into a directory. Returns what the job's result holds; or nil, a message and a kind. `options` are
-- those of testing.context, and include, exclude and workers.
-- @usage local result = testing.download(testing.source("sources/acme.lua"), "acme://x", directory)
function testing.download(rules_of, text, directory, options)
  options = setmetatable({ directory = directory }, { __index = options })
  bind(options)
  return download.run({ rules = rules_of, path = rules_of.source .. ".lua" }, uri.parse(text), options)
end

--- The whole text GET /metrics would answer for this page.
function engine:rename(page)
  return (metrics.rename(self.mapping, page, false))
end

--- The standard families alone.
function engine:families(page)
  return (metrics.rename(self.mapping, page, true))
end

local function reason(choice)
  if choice.outcome == "taken" then
    return choice.source
  elseif choice.outcome == "exposed" then
    return "the engine exposes it itself"
  end
  return "the page has no matching samples of " .. table.concat(choice.tried, ", ")
end

--- For each standard name the source it was taken from, or why there is none.
-- @usage assert.equal("acme_queue", engine:why(page)["kthena:num_requests_waiting"])
function engine:why(page)
  local _, choices = metrics.rename(self.mapping, page, true)
  local why = {}
  for _, choice in ipairs(choices) do
    why[choice.name] = reason(choice)
  end
  return why
end

-- The position behind the labels that open at `at`; quotes may hold braces.
local function after_labels(line, at)
  local quoted = false
  while at <= #line do
    local byte = line:sub(at, at)
    if quoted and byte == "\\" then
      at = at + 1
    elseif byte == '"' then
      quoted = not quoted
    elseif byte == "}" and not quoted then
      return at + 1
    end
    at = at + 1
  end
  return at
end

--- The samples of an exposition: a table from `name{labels}`, as written, to the text of the value; and a list of its
-- keys in the order of the page.
-- @usage local samples, keys = testing.samples(engine:families(page))
function testing.samples(page)
  local samples, keys = {}, {}
  for line in page:gmatch("[^\n]+") do
    local stop = line:match("^[^%s#{]+()")
    if stop then
      if line:sub(stop, stop) == "{" then
        stop = after_labels(line, stop)
      end
      local key = line:sub(1, stop - 1)
      keys[#keys + 1] = key
      samples[key] = line:match("^%s*(%S+)", stop)
    end
  end
  return samples, keys
end

return testing
