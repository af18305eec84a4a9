--- Cleans up after specs. What a spec starts or opens inside `it` ends with that test, what it starts in `setup` ends
-- with the file; both also when the test fails. Work started in `before_each` would live as long as the file, so specs
-- start things in a local function called from `it` instead.
--
-- When a test fails, or when cleaning up finds a fault (a program that crashed, a sanitizer report), everything that
-- gave a report function shows what it has to tell, such as the end of its log.
local busted = require("busted")

local scope = {}

local file, test = {}, {}
local current = file

--- Registers a thing to be cleaned up at the end of the running test, or of the file outside tests.
-- @param cleanup function without arguments; an error it raises fails the test
-- @param report optional function that returns a text worth showing on failure
-- @usage scope.defer(function() socket:close() end)
function scope.defer(cleanup, report)
  table.insert(current, { cleanup = cleanup, report = report })
end

-- How many things may report, the latest of the file's and of the test's.
local REPORTS = 5

local function show(title, ...)
  local lines = {}
  for _, things in ipairs({ ... }) do
    local reports = {}
    for _, thing in ipairs(things) do
      reports[#reports + 1] = thing.report
    end
    for i = math.max(1, #reports - REPORTS + 1), #reports do
      lines[#lines + 1] = reports[i]()
    end
  end
  if #lines > 0 then
    io.stderr:write("\n--- ", title, "\n", table.concat(lines))
  end
end

local function clean(things)
  local problems = {}
  for i = #things, 1, -1 do
    local ok, problem = pcall(things[i].cleanup)
    if not ok then
      table.insert(problems, 1, tostring(problem))
    end
  end
  return #problems > 0 and table.concat(problems, "\n") or nil
end

local function on(event, handler)
  busted.subscribe(event, function(...)
    handler(...)
    return nil, true
  end)
end

on({ "test", "start" }, function()
  current = test
end)

on({ "test", "end" }, function(element, _, status)
  local things = test
  test, current = {}, file
  local problem = clean(things)
  if problem or status == "failure" or status == "error" then
    show("logs of: " .. tostring(element.name), file, things)
  end
  if problem then
    error(problem, 0)
  end
end)

on({ "file", "end" }, function(element)
  local things = file
  file = {}
  current = file
  local problem = clean(things)
  if problem then
    show("logs of: " .. tostring(element.name), things)
    error(problem, 0)
  end
end)

return scope
