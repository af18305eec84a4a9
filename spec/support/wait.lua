--- Waiting with deadlines. A deadline is how long a healthy machine may need at the very most, never what a test
-- measures; KTHENA_TEST_SLOW multiplies it for sanitizer builds and loaded machines.
local system = require("system")

local wait = {}

--- The factor by which every deadline grows.
wait.factor = tonumber(os.getenv("KTHENA_TEST_SLOW") or "") or 1

--- Seconds on a clock that only goes forward.
wait.now = system.monotime

--- Stretches a number of seconds by the factor.
function wait.seconds(seconds)
  return seconds * wait.factor
end

--- Calls `condition` until it returns a true value, which is returned; raises an error after the deadline.
-- @param what names what is waited for, for the error
-- @param condition function; may return false or nil, and a second value that says why
-- @param seconds deadline, 10 by default, stretched by the factor
-- @usage wait.until_true("the rules to reload", function() return generation() > 1 end)
function wait.until_true(what, condition, seconds)
  local deadline = wait.now() + wait.seconds(seconds or 10)
  local step = 0.001
  while true do
    local value, why = condition()
    if value then
      return value
    elseif wait.now() > deadline then
      error(("waited %g s for %s%s"):format(wait.seconds(seconds or 10), what, why and ": " .. tostring(why) or ""), 2)
    end
    system.sleep(step)
    step = math.min(step * 1.5, 0.05)
  end
end

return wait
