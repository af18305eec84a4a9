return setmetatable({}, { __index = function() error("no") end, __pairs = error, __len = error, __tostring = error })
