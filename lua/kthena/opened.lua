--- Opens a rule file that was loaded before once in this state, which is made anew when rules change. `file` holds
-- text, chunk and path. Returns { rules = its table, plain data with its functions, path = its path }; what is wrong is
-- raised.
-- @usage local source = opened({ text = text, chunk = "=acme.lua", path = "rules/sources/acme.lua" })
local sandbox = require "kthena.sandbox"

local cache = {}

local function report(key, message)
  error(key == "" and message or key .. ": " .. message, 0)
end

return function(file)
  if not cache[file.path] then
    cache[file.path] = { rules = sandbox.run(file, report), path = file.path }
  end
  return cache[file.path]
end
