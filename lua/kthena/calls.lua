--- The entry points for jobs and commands: what the host's runner calls. Each returns JSON; or nil, a message and a
-- kind.
local access = require "host.access"
local download = require "kthena.download"
local hooks = require "kthena.hooks"
local json = require "kthena.json"
local marked = require "kthena.marked"
local opened = require "kthena.opened"
local sandbox = require "kthena.sandbox"
local sources = require "host.sources"
local uri = require "kthena.uri"
local workflow_context = require "kthena.workflow_context"

local calls = {}

sandbox.seal()

-- The source that resolves a URI.
local function source_of(text)
  local source, chunk, path = sources.find(text)
  if not source then
    return nil, chunk, path
  end
  return opened({ text = source, chunk = chunk, path = path })
end

-- Checks what came with a request once more: a workflow may have made it up.
local function check_access(options)
  local ok, message, kind = access.source(options.source)
  if not ok then
    return nil, message, kind
  end
  return access.directory(options.directory)
end

-- Calls run(source, uri, options) with the source that the options name.
local function with_source(run, options)
  local source, message, kind = source_of(options.source)
  if not source then
    return nil, message, kind
  end
  if options.foreign then
    options.directory, message, kind = check_access(options)
    if not options.directory then
      return nil, message, kind
    end
  end
  return run(source, uri.parse(options.source), options)
end

--- Downloads: `options` holds source (a URI), and what kthena.download takes.
function calls.download(options)
  local result, message, kind = with_source(download.run, options)
  if not result then
    return nil, message, kind
  end
  return json.encode(result)
end

--- Resolves only, with the same options.
function calls.plan(options)
  return with_source(download.plan, options)
end

-- ctx.download of a workflow.
local function download_for_workflow(source, directory, options)
  options = options or {}
  if type(source) ~= "string" or type(directory) ~= "string" then
    error("ctx.download: expected a source and a directory", 2)
  end
  return with_source(download.run, {
    source = source, directory = directory, foreign = true, config = options.config, workers = options.max_workers,
    include = options.include, exclude = options.exclude,
  })
end

--- Runs a workflow: its file, its parameters as JSON, and its configurations, handles by name. Returns JSON and perhaps
-- a status; or nil, a message, a kind and perhaps a status.
function calls.workflow(file, params, configs)
  local workflow = opened(file)
  local values = json.decode(params)
  for name, value in pairs(values) do
    if value == json.null then
      values[name] = nil
    end
  end
  for name, handle in pairs(configs) do
    values[name] = handle
  end
  local ctx, problem, problem_kind = workflow_context.new(workflow.rules, download_for_workflow)
  if not ctx then
    return nil, problem, problem_kind
  end
  local reply, message, kind, status = hooks.run(workflow, values, ctx)
  if not reply then
    return nil, message, kind, status
  end
  local ok, text = pcall(json.encode, marked(reply))
  if not ok then
    return nil, ("%s: run: %s"):format(workflow.path, text), "policy"
  end
  return text, status
end

return calls
