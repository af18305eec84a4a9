-- What goes wrong when a file is served, scripted. A script is a list of faults for a path; each is used `times` times
-- (1 by default, -1: always), then the next; behind the last one all is well. A fault may have
--
--     method = "HEAD" or "GET"   for such requests only; others pass it by and use nothing up
--     ranged = true              for requests with a range only
--     from = 1000000             for requests that want this byte or a later one first
--
-- and a kind:
--
--     status    status, retry_after, headers (lines), body: instead of the file
--     reset     a TCP reset after `after` bytes of the body
--     cut       the connection closes after `after` bytes
--     stall     nothing more after `after` bytes, for ever
--     silent    no answer at all, for ever
--     slow      `rate` bytes a second
--     chunked   no Content-Length
--     whole     200 and the whole file, whatever the range
--     shifted   a Content-Range that is `by` bytes off
--     total     a Content-Range whose total is `by` bytes off
--     wrong     one byte of what is sent is another
--     garbage   no HTTP
local ffi = require("ffi")
local tasks = require("tasks")
local wire = require("wire")

local faults = {}

local function fits(fault, request)
  local first = tonumber((request.headers.range or ""):match("^bytes=(%d+)") or "0")
  return (not fault.method or fault.method == request.method)
    and (not fault.ranged or request.headers.range)
    and first >= (fault.from or 0)
end

--- The fault for a request, taken off the script; nil when there is none (any more).
function faults.take(script, request)
  for i, fault in ipairs(script or {}) do
    if fits(fault, request) then
      fault.times = (fault.times or 1) - 1
      if fault.times == 0 then
        table.remove(script, i)
      end
      return fault
    end
  end
end

local function never()
  return false
end

local kinds = {}

function kinds.status(exchange, fault)
  local lines = { "Content-Type: text/plain" }
  lines[#lines + 1] = fault.retry_after and "Retry-After: " .. fault.retry_after
  for _, line in ipairs(fault.headers or {}) do
    lines[#lines + 1] = line
  end
  return wire.reply(exchange.connection, exchange.request, fault.status, lines, fault.body or "scripted\n")
end

function kinds.silent()
  tasks.wait(never)
end

function kinds.garbage(exchange)
  exchange.connection:send("SSH-2.0-OpenSSH_9.2p1\r\n")
  return false
end

-- Sends the head a request gets, with a Content-Range that is as far off as the fault wants. Returns the first byte to
-- send and how many; nil when there is nothing more to send, and whether the connection lives on.
local function send_head(exchange, shift, more)
  shift, more = shift or 0, more or 0
  local file, etag = exchange.file, exchange.etag
  local first, last, is_range = wire.wanted(exchange.request, file.size, etag)
  if not first then
    local status = wire.send_content(exchange.connection, exchange.request, file, etag, exchange.lines)
    return nil, status and true or false
  end
  local lines = { "Content-Length: " .. last - first + 1, etag and "ETag: " .. etag or nil }
  lines[#lines + 1] = is_range
    and ("Content-Range: bytes %d-%d/%d"):format(first + shift, last + shift, file.size + more) or nil
  local ok = exchange.connection:send(wire.head(is_range and 206 or 200, exchange.lines, lines))
  if not ok or exchange.request.method == "HEAD" then
    return nil, ok
  end
  return first, last - first + 1
end

local function send_body(exchange, first, count)
  exchange.sent = (exchange.sent or 0) + count
  return exchange.connection:send_memory(exchange.file.bytes + first, count)
end

-- Sends the answer up to the byte `after` of its body. Returns whether that is all of it.
local function send_part(exchange, after)
  local first, length = send_head(exchange)
  if not first then
    return length
  end
  send_body(exchange, first, math.min(after, length))
  return after >= length
end

function kinds.reset(exchange, fault)
  if not send_part(exchange, fault.after or 0) then
    tasks.pause(0.02)
    exchange.connection:reset()
    return false
  end
end

function kinds.cut(exchange, fault)
  return send_part(exchange, fault.after or 0)
end

function kinds.stall(exchange, fault)
  if not send_part(exchange, fault.after or 0) then
    tasks.wait(never)
  end
end

function kinds.slow(exchange, fault)
  local first, length = send_head(exchange)
  local ok = first ~= nil or length
  local piece = math.max(1, math.floor(fault.rate / 20))
  while ok and first and length > 0 do
    local count = math.min(piece, length)
    ok = send_body(exchange, first, count)
    first, length = first + count, length - count
    tasks.pause(0.05)
  end
  return ok
end

function kinds.chunked(exchange)
  local text = ffi.string(exchange.file.bytes, exchange.file.size)
  exchange.sent = #text
  local lines = { exchange.etag and "ETag: " .. exchange.etag or nil, unpack(exchange.lines) }
  return wire.reply_chunked(exchange.connection, exchange.request, 200, lines, text)
end

function kinds.whole(exchange)
  local request = { method = exchange.request.method, headers = {} }
  local _, sent = wire.send_content(exchange.connection, request, exchange.file, exchange.etag, exchange.lines)
  exchange.sent = sent or 0
  return sent
end

local function send_all(exchange, shift, more)
  local first, length = send_head(exchange, shift, more)
  if not first then
    return length
  end
  return send_body(exchange, first, length)
end

function kinds.shifted(exchange, fault)
  return send_all(exchange, fault.by or 1, fault.by or 1)
end

function kinds.total(exchange, fault)
  return send_all(exchange, 0, fault.by or 1)
end

function kinds.wrong(exchange)
  local original = exchange.file
  local first, last = wire.wanted(exchange.request, original.size, exchange.etag)
  local file = { bytes = ffi.new("unsigned char[?]", original.size), size = original.size }
  ffi.copy(file.bytes, original.bytes, original.size)
  local at = math.floor((first + last) / 2)
  file.bytes[at] = bit.bxor(file.bytes[at], 1)
  local _, sent = wire.send_content(exchange.connection, exchange.request, file, exchange.etag, exchange.lines)
  exchange.sent = sent or 0
  return sent
end

--- Answers a request for a file, with the next fault of the script if there is one that fits. Returns whether the
-- connection lives on, the status or the fault's kind, and the bytes of the body that were sent.
-- @param exchange connection, request, file (content.lua), etag (as in the header; nil: none), lines (of the head)
-- @param reply optional: what answers instead of the file when there is no fault; returns a status, or false
function faults.answer(exchange, script, reply)
  exchange.lines = exchange.lines or {}
  local fault = faults.take(script, exchange.request)
  if fault then
    local kept = assert(kinds[fault.kind], "no such fault: " .. tostring(fault.kind))(exchange, fault)
    return kept and true or false, fault.kind, exchange.sent or 0
  end
  local send = reply or function()
    return wire.send_content(exchange.connection, exchange.request, exchange.file, exchange.etag, exchange.lines)
  end
  local status, sent = send()
  return status and true or false, status, sent or 0
end

return faults
