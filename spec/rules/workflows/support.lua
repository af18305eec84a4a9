--- What the specs of the built-in workflows share.
local testing = require("kthena.testing")

local support = {}

local root = debug.getinfo(1, "S").source:match("^@(.*)spec/rules/workflows/[^/]*$")

--- The rules of a built-in workflow, and all that they come to.
function support.workflow(name)
  return testing.workflow((root == "" and "./" or root) .. "rules/workflows/" .. name .. ".lua")
end

return support
