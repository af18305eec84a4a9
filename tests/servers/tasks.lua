-- Cooperative tasks over luasocket for the test servers: every connection is served by a coroutine that reads
-- like blocking code, one select loop resumes them all, and nothing is shared between threads because there is one.
local ffi = require("ffi")
local socket = require("socket")

ffi.cdef("ssize_t send(int socket, const void *bytes, size_t length, int flags);")
local MSG_NOSIGNAL, EAGAIN, EINTR = 0x4000, 11, 4

local tasks = {}

-- thread -> what it waits for: { read = sock } | { write = sock } | { until_ = time } | { condition = function }
local waiting = {}
local listeners = {}

local function resume(thread, ...)
  local ok, wish = coroutine.resume(thread, ...)
  if not ok then
    io.stderr:write(debug.traceback(thread, tostring(wish)), "\n")
  end
  waiting[thread] = coroutine.status(thread) ~= "dead" and wish or nil
end

--- Runs `body(...)` as a task.
function tasks.start(body, ...)
  resume(coroutine.create(body), ...)
end

--- Suspends the calling task for a number of seconds.
function tasks.pause(seconds)
  coroutine.yield({ until_ = socket.gettime() + seconds })
end

--- Suspends the calling task until `condition()` is true; it is asked whenever anything happens on any socket.
function tasks.wait(condition)
  if not condition() then
    coroutine.yield({ condition = condition })
  end
end

local Connection = {}
Connection.__index = Connection

--- Reads one line without its end; nil when the peer has closed or reset the connection.
function Connection:line()
  local text = ""
  while true do
    local line, problem, partial = self.socket:receive("*l")
    text = text .. (line or partial or "")
    if line then
      return text
    elseif problem ~= "timeout" then
      return nil
    end
    coroutine.yield({ read = self.socket })
  end
end

--- Sends all bytes; false when the peer is gone.
function Connection:send(bytes)
  local from = 1
  while from <= #bytes do
    local last, problem, partial = self.socket:send(bytes, from)
    if not last and problem ~= "timeout" then
      return false
    end
    from = (last or partial) + 1
    if not last then
      coroutine.yield({ write = self.socket })
    end
  end
  return true
end

--- Sends bytes of memory (a pointer), which have to stay there until then; false when the peer is gone.
function Connection:send_memory(pointer, length)
  local sent = 0
  while sent < length do
    local count = tonumber(ffi.C.send(self.socket:getfd(), pointer + sent, length - sent, MSG_NOSIGNAL))
    if count >= 0 then
      sent = sent + count
    elseif ffi.errno() == EAGAIN then
      coroutine.yield({ write = self.socket })
    elseif ffi.errno() ~= EINTR then
      return false
    end
  end
  return true
end

--- Closes the connection in the ordinary way.
function Connection:close()
  self.socket:close()
end

--- Closes the connection with a TCP reset, so that the peer gets ECONNRESET.
function Connection:reset()
  self.socket:setoption("linger", { on = true, timeout = 0 })
  self.socket:close()
end

--- Listens on host and port (0: any free one); each connection is served by a task running `serve(connection)`.
-- Returns the port.
function tasks.listen(host, port, serve)
  local listener = assert((host:find(":", 1, true) and socket.tcp6 or socket.tcp4)())
  assert(listener:setoption("reuseaddr", true))
  assert(listener:bind(host, port))
  assert(listener:listen(1024))
  listener:settimeout(0)
  listeners[listener] = serve
  local _, bound = listener:getsockname()
  return tonumber(bound)
end

--- Stops listening on a port; connections that are there live on. Others are refused, until somebody listens again.
function tasks.unlisten(port)
  for listener in pairs(listeners) do
    local _, bound = listener:getsockname()
    if tonumber(bound) == port then
      listeners[listener] = nil
      listener:close()
    end
  end
end

local function accept(listener)
  local serve = listeners[listener]
  local client = listener:accept()
  while client do
    client:settimeout(0)
    client:setoption("tcp-nodelay", true)
    local connection = setmetatable({ socket = client }, Connection)
    tasks.start(function()
      serve(connection)
      connection:close()
    end)
    client = listener:accept()
  end
end

-- What the loop waits for: sockets to read and write, who waits on each, and seconds until the next alarm.
local function interests()
  local read, write, owners, timeout = {}, {}, {}, 60
  for listener in pairs(listeners) do
    read[#read + 1] = listener
  end
  for thread, wish in pairs(waiting) do
    if wish.read then
      read[#read + 1], owners[wish.read] = wish.read, thread
    elseif wish.write then
      write[#write + 1], owners[wish.write] = wish.write, thread
    elseif wish.until_ then
      timeout = math.max(0, math.min(timeout, wish.until_ - socket.gettime()))
    end
  end
  return read, write, owners, timeout
end

local function resume_due()
  local now, due = socket.gettime(), {}
  for thread, wish in pairs(waiting) do
    if (wish.until_ and wish.until_ <= now) or (wish.condition and wish.condition()) then
      due[#due + 1] = thread
    end
  end
  for _, thread in ipairs(due) do
    resume(thread)
  end
end

--- Serves for ever.
function tasks.run()
  while true do
    local read, write, owners, timeout = interests()
    local readable, writable = socket.select(read, write, timeout)
    for _, ready in ipairs({ readable, writable }) do
      for _, sock in ipairs(ready) do
        if listeners[sock] then
          accept(sock)
        elseif owners[sock] then
          resume(owners[sock])
        end
      end
    end
    resume_due()
  end
end

return tasks
