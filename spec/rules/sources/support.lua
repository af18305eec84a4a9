--- What the specs of the built-in sources share.
local assert = require("luassert")
local fake_ctx = require("spec.support.fake_ctx")
local testing = require("kthena.testing")

local support = {}

local root = debug.getinfo(1, "S").source:match("^@(.*)spec/rules/sources/[^/]*$")

--- The rules of a built-in source.
function support.source(name)
  return (testing.source((root == "" and "./" or root) .. "rules/sources/" .. name .. ".lua"))
end

--- Resolves a URI: the plan, or nil, a message and a kind; and the ctx it was done with. `options` as fake_ctx's.
-- @usage local plan, ctx = support.resolve(s3, "s3://models/m1", { replies = { ... } })
function support.resolve(source, text, options)
  local ctx = fake_ctx.new(source, options)
  local plan, message, kind = source.resolve(testing.uri(text), ctx)
  if plan then
    return plan, ctx
  end
  return nil, message, kind, ctx
end

--- Asserts that a URI is refused with this kind and a message that has every one of the texts in it.
function support.refuses(source, text, options, kind, ...)
  local plan, message, got = support.resolve(source, text, options)
  assert.is_nil(plan)
  for _, part in ipairs({ ... }) do
    assert.truthy(message:find(part, 1, true), ("expected %q in: %s"):format(part, message))
  end
  assert.equal(kind, got)
end

--- The paths of a plan's files.
function support.paths(plan)
  local paths = {}
  for i, file in ipairs(plan.files) do
    paths[i] = file.path
  end
  return paths
end

return support
