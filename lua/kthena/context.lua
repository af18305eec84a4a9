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

-- How far a source may lead that may itself be a URL that a request brought; `reach` is what its configuration says.
local function reach_of(uri, options, reach)
  if not options.foreign or not host_url.parse(uri.text) then
    return reach
  end
  return not access.url(uri.text) and "guarded" or reach == "anywhere" and "named" or reach
end

--- Makes the ctx of a source for a URI (kthena.uri). `options` may hold config (as for kthena.config), foreign and env.
-- Returns it, and how far it may lead: "anywhere"; "named", where a request says and --allow-source allows, though not
-- from there by a redirect into the host's own network; "guarded", never there. Or nil, a message and a kind.
-- @usage local ctx, reach = context.source(rules, uri.parse("acme://x"), { config = '{"token": "t"}' })
function context.source(rules, uri, options)
  local opened, problem, problem_kind = config.open(options.config)
  if options.config ~= nil and not opened then
    return nil, problem, problem_kind
  end
  local own = { config = opened, foreign = options.foreign, env = options.env }
  local keys = rules.config or {}
  local values, origins, reach = config.resolve(keys, own)
  if not values then
    return nil, origins, reach
  end
  reach = reach_of(uri, options, reach)
  local ctx = common.new(rules.source, reach)
  ctx.config = common.strict("ctx.config", values, keys)
  ctx.origin = common.strict("ctx.origin", origins, keys)
  ctx.env = variables(rules, own)
  ctx.files = files.list
  return common.strict("ctx", ctx, common.names_of(ctx)), reach
end

return context
