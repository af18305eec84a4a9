--- Makes ctx, what the hooks of sources are given: everything they can do to the world.
local access = require "host.access"
local common = require "kthena.common"
local config = require "kthena.config"
local describe = require "kthena.describe"
local files = require "host.files"
local host_url = require "host.url"

local context = {}

local function variables(rules, options)
  local known = {}
  for _, name in ipairs(rules.variables or {}) do
    known[name] = true
  end
  return function(name)
    if not known[name] then
      error(("ctx.env: %s is not declared; add it to the file's variables"):format(describe.value(name)), 2)
    end
    return config.variable(options, name)
  end
end

-- Whether a source is itself a URL that a request brought and nobody has allowed.
local function is_foreign_url(uri, options)
  return options.foreign and host_url.parse(uri.text) ~= nil and not access.url(uri.text)
end

--- Makes the ctx of a source for a URI (kthena.uri). `options` may hold config (as for kthena.config), foreign and env.
-- Returns it, and whether the source must be kept from the host's own network; or nil, a message and a kind.
-- @usage local ctx, guarded = context.source(rules, uri.parse("acme://x"), { config = '{"token": "t"}' })
function context.source(rules, uri, options)
  local opened, problem, problem_kind = config.open(options.config)
  if options.config ~= nil and not opened then
    return nil, problem, problem_kind
  end
  local own = { config = opened, foreign = options.foreign, env = options.env }
  local keys = rules.config or {}
  local values, origins, guarded = config.resolve(keys, own)
  if not values then
    return nil, origins, guarded
  end
  guarded = guarded or is_foreign_url(uri, options) or false
  local ctx = common.new(rules.source, guarded)
  ctx.config = common.strict("ctx.config", values, keys)
  ctx.origin = common.strict("ctx.origin", origins, keys)
  ctx.env = variables(rules, own)
  ctx.files = files.list
  return common.strict("ctx", ctx, common.names_of(ctx)), guarded
end

return context
