-- Cooperative tasks over luasocket for the test servers: every connection is served by a coroutine that reads
-- like blocking code, one select loop resumes them all, and nothing is shared between threads because there is one.
local ffi = require("ffi")
local socket = require("socket")

ffi.cdef("ssize_t send(int socket, const void *bytes, size_t length, int flags);")
local MSG_NOSIGNAL, EAGAIN, EINTR = 0x4000, 11, 4

local tasks = {}

-- thread -> what it waits for: { read = connection } | { write = connection } | { until_ = time }
-- | { condition = function }
local waiting = {}
local listeners = {} -- socket -> { serve = function, connections = { connection = true } }

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
    coroutine.yield({ read = self })
  end
end

--- Reads this many bytes; nil when the peer has closed or reset the connection.
function Connection:bytes(count)
  local parts = {}
  while count > 0 do
    local data, problem, partial = self.socket:receive(count)
    parts[#parts + 1] = data or partial
    count = count - #parts[#parts]
    if problem == "timeout" then
      coroutine.yield({ read = self })
    elseif problem then
      return nil
    end
  end
  return table.concat(parts)
end

--- Reads what has arrived, at least one byte; nil when the peer has closed or reset the connection.
function Connection:some()
  while true do
    local bytes, problem, partial = self.socket:receive(65536)
    bytes = bytes or partial
    if bytes and bytes ~= "" then
      return bytes
    elseif problem ~= "timeout" then
      return nil
    end
    coroutine.yield({ read = self })
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
      coroutine.yield({ write = self })
    end
  end
  return true
end

--- Says that nothing more will be sent.
function Connection:shutdown()
  self.socket:shutdown("send")
end

--- Sends bytes of memory (a pointer), which have to stay there until then; false when the peer is gone.
function Connection:send_memory(pointer, length)
  local sent = 0
  while sent < length do
    local count = tonumber(ffi.C.send(self.socket:getfd(), pointer + sent, length - sent, MSG_NOSIGNAL))
    if count >= 0 then
      sent = sent + count
    elseif ffi.errno() == EAGAIN then
      coroutine.yield({ write = self })
    elseif ffi.errno() ~= EINTR then
      return false
    end
  end
  return true
end

--- Closes the connection in the ordinary way. A task that waits for it is not resumed.
function Connection:close()
  self.closed = true
  self.socket:close()
end

--- Closes the connection with a TCP reset, so that the peer gets ECONNRESET.
function Connection:reset()
  if not self.closed then
    self.socket:setoption("linger", { on = true, timeout = 0 })
    self:close()
  end
end

--- Makes a connection of a connected socket that has no time-out.
function tasks.adopt(sock)
  return setmetatable({ socket = sock }, Connection)
end

local function bind(host, port)
  local listener = assert((host:find(":", 1, true) and socket.tcp6 or socket.tcp4)())
  assert(listener:setoption("reuseaddr", true))
  assert(listener:bind(host, port))
  return listener
end

local function listen(listener, serve)
  assert(listener:listen(1024))
  listener:settimeout(0)
  listeners[listener] = { serve = serve, connections = {} }
  return listener
end

--- Listens on host and port (0: any free one); each connection is served by a task running `serve(connection)`.
-- Returns the port, and the listener.
function tasks.listen(host, port, serve)
  local listener = listen(bind(host, port), serve)
  local _, bound = listener:getsockname()
  return tonumber(bound), listener
end

--- Stops listening and resets the connections there are. The port stays taken, and refuses. Returns a function that
-- listens again and returns the new listener.
function tasks.hang_up(listener)
  local host, port = listener:getsockname()
  local own = listeners[listener]
  listeners[listener] = nil
  listener:close()
  local placeholder = bind(host, tonumber(port))
  for connection in pairs(own.connections) do
    connection:reset()
  end
  return function()
    return listen(placeholder, own.serve)
  end
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
  local client = listener:accept()
  while client do
    client:settimeout(0)
    client:setoption("tcp-nodelay", true)
    local connection = tasks.adopt(client)
    local own = listeners[listener]
    own.connections[connection] = true
    tasks.start(function()
      own.serve(connection)
      own.connections[connection] = nil
      connection:close()
    end)
    client = listener:accept()
  end
end

-- What the loop waits for: sockets to read and write, who waits for each, and seconds until the next alarm.
local function interests()
  local read, write, readers, writers, timeout = {}, {}, {}, {}, 60
  for listener in pairs(listeners) do
    read[#read + 1] = listener
  end
  for thread, wish in pairs(waiting) do
    local connection = wish.read or wish.write
    if connection and connection.closed then
      waiting[thread] = nil
    elseif connection then
      local list, owners = wish.read and read or write, wish.read and readers or writers
      list[#list + 1], owners[connection.socket] = connection.socket, thread
    elseif wish.until_ then
      timeout = math.max(0, math.min(timeout, wish.until_ - socket.gettime()))
    end
  end
  return read, write, readers, writers, timeout
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
    local read, write, readers, writers, timeout = interests()
    local readable, writable = socket.select(read, write, timeout)
    for _, sock in ipairs(readable) do
      if listeners[sock] then
        accept(sock)
      elseif readers[sock] then
        resume(readers[sock])
      end
    end
    for _, sock in ipairs(writable) do
      if writers[sock] then
        resume(writers[sock])
      end
    end
    resume_due()
  end
end

return tasks
