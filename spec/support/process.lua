--- Runs the programs that specs need. Every program started is ended by its pid with the scope that started it, and
-- dies with the test run; what it wrote is kept in files and shown when a test fails.
local fcntl = require("posix.fcntl")
local ffi = require("ffi")
local files = require("spec.support.files")
local scope = require("spec.support.scope")
local signal = require("posix.signal")
local stdlib = require("posix.stdlib")
local system_wait = require("posix.sys.wait")
local unistd = require("posix.unistd")
local wait = require("spec.support.wait")

ffi.cdef([[
int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int close_range(unsigned int first, unsigned int last, int flags);
]])
local PR_SET_PDEATHSIG = 1
local APPEND = fcntl.O_WRONLY + fcntl.O_CREAT + fcntl.O_APPEND

-- What a sanitizer writes when it has found something, and what a crash leaves.
local alarms = { "ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer", ": runtime error: " }

-- Variables of the environment that programs under test do not get to see. Where the library and the built-in rules
-- are found is another matter: a build directory far from the sources needs those two.
local function hidden(name)
  return name == "REQUEST_TIMEOUT"
    or (name:find("^KTHENA_") and name ~= "KTHENA_LUA_DIR" and name ~= "KTHENA_RULES_DIR")
end

local process = {}
local Process = {}
Process.__index = Process

local function redirect(path, flags, descriptor)
  assert(unistd.dup2(assert(fcntl.open(path, flags, 384)), descriptor))
end

-- The child's part between fork and exec. Returns only when it fails.
local function become(argv, options, output)
  ffi.C.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
  signal.signal(signal.SIGPIPE, signal.SIG_DFL)
  redirect(options.stdin or "/dev/null", fcntl.O_RDONLY, 0)
  redirect(output .. "/stdout", APPEND, 1)
  redirect(output .. "/stderr", APPEND, 2)
  ffi.C.close_range(3, 0xffffffff, 0)
  for name in pairs(stdlib.getenv()) do
    if hidden(name) then
      stdlib.setenv(name, nil)
    end
  end
  for name, value in pairs(options.env or {}) do
    stdlib.setenv(name, value)
  end
  assert(unistd.chdir(options.cwd or "."))
  local arguments = { unpack(argv, 2) }
  assert(unistd.execp(argv[1], arguments))
end

--- Starts a program and returns at once.
-- @param argv list: the program (looked up in PATH unless it has a slash) and its arguments
-- @param options optional: env (added to an environment without the runtime's variables), cwd, stdin (path), and
-- clean = true: ended with SIGTERM, it has to exit with status 0
-- @usage local engine = process.start({ "luajit", "engine.lua" })
function process.start(argv, options)
  options = options or {}
  local self = setmetatable({ argv = argv, clean = options.clean, output = files.temporary() }, Process)
  io.stdout:flush()
  local pid = assert(unistd.fork())
  if pid == 0 then
    local _, problem = pcall(become, argv, options, self.output)
    unistd.write(2, ("could not run %s: %s\n"):format(argv[1], tostring(problem)))
    unistd._exit(127)
  end
  self.pid = pid
  scope.defer(function()
    self:finish()
  end, function()
    return self:report()
  end)
  return self
end

--- Runs a program to its end and returns { status, stdout, stderr }; a program killed by a signal has the status
-- "signal N". After the deadline (seconds, 20 by default) it is killed and an error raised.
-- @usage local result = process.run({ "openssl", "version" })
function process.run(argv, options)
  local self = process.start(argv, options)
  local status = self:wait(options and options.seconds or 20)
  return { status = status, stdout = self:stdout(), stderr = self:stderr() }
end

--- What the program has written so far.
function Process:stdout()
  return self.kept and self.kept.stdout or files.read(self.output .. "/stdout") or ""
end

--- What the program has written to its standard error so far.
function Process:stderr()
  return self.kept and self.kept.stderr or files.read(self.output .. "/stderr") or ""
end

--- The exit status, "signal N", or nil while the program runs.
function Process:status()
  if self.ended == nil then
    local pid, how, code = system_wait.wait(self.pid, system_wait.WNOHANG)
    if pid == self.pid and how ~= "running" then
      self.ended = how == "exited" and code or "signal " .. code
    end
  end
  return self.ended
end

--- Waits for the program to end and returns its status; raises an error after the deadline.
function Process:wait(seconds)
  wait.until_true(table.concat(self.argv, " ") .. " to end", function()
    return self:status() ~= nil
  end, seconds)
  return self.ended
end

--- Sends a signal, such as "SIGHUP".
function Process:signal(name)
  assert(self:status() == nil, "the program has ended")
  assert(signal.kill(self.pid, signal[name]))
end

--- Ends the program: SIGTERM for one that has to end cleanly, SIGKILL otherwise. Returns its status.
function Process:stop()
  if self:status() == nil then
    self:signal(self.clean and "SIGTERM" or "SIGKILL")
    if not pcall(self.wait, self, 15) then
      self:signal("SIGKILL")
      self:wait(5)
    end
  end
  return self.ended
end

--- Ends the program and raises an error when it did not end as it should, or a sanitizer has complained.
function Process:finish()
  local running = self:status() == nil
  local status = self:stop()
  self.kept = { stdout = self:stdout(), stderr = self:stderr() }
  for _, alarm in ipairs(alarms) do
    if self.kept.stderr:find(alarm, 1, true) then
      error(table.concat(self.argv, " ") .. ": " .. alarm .. ", see its log")
    end
  end
  if self.clean and running and status ~= 0 then
    error(("%s: after SIGTERM the exit status was %s"):format(table.concat(self.argv, " "), status))
  end
end

--- The command, its state and the end of what it wrote, for people who read a failure.
function Process:report()
  local text = { ("$ %s\n[status: %s]\n"):format(table.concat(self.argv, " "), self:status() or "running") }
  for _, name in ipairs({ "stdout", "stderr" }) do
    local output = self[name](self)
    if output ~= "" then
      text[#text + 1] = ("[%s]\n%s\n"):format(name, #output > 6000 and "..." .. output:sub(-6000) or output)
    end
  end
  return table.concat(text)
end

return process
