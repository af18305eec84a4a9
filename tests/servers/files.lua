-- A scripted server of plain files, for what goes wrong while one is fetched.
--
--   luajit files.lua
--
-- It prints "PORT CONTROL-PORT" and serves until it is killed. A line of JSON sent to the control port is answered with
-- a line of JSON. An order may have
--
--   "file": {"path": "/a.bin", "size": 1000, "seed": 1, "text": "instead of both", "etag": "\"x\"" or false,
--            "headers": ["X-Checksum: ..."], "redirect": {"uses": 3, "status": 302}}
--       a file from now on. Its ETag is its quoted MD5 unless told otherwise. With redirect it is served by another
--       origin, under a signed URL that is refused with 403 after so many uses (-1 or none: never)
--   "files": {"path": "/many/%d.bin", "count": 100, "size": 10, "seed": 1}   many of them
--   "faults": {"/a.bin": [{"kind": "reset", "after": 100, "times": 2}]}      what goes wrong (faults.lua); also
--       "HOST/a.bin" for the redirect itself, when the file has one
--   "change": {"path": "/a.bin", "after": 3, "seed": 2}   another content and ETag after so many more requests
--   "refuse": true or false      connections are refused, or accepted again
--   "forget": true               sets the statistics and the faults back
--
-- and the answer is always {"port", "stats": {"requests", "connections", "peak", "leaks": ["authorization"],
-- "files": {"/a.bin": {"requests": [{"method", "range", "status", "sent"}], "sent": 1000}}},
-- "sha256": {"/a.bin": "..."} of the files that the order brought}. GET /index.json lists the files.
package.path = (arg[0]:match("^(.*)/[^/]*$") or ".") .. "/?.lua;" .. package.path

local content = require("content")
local faults = require("faults")
local json = require("dkjson")
local tasks = require("tasks")
local wire = require("wire")

local array = { __jsontype = "array" }
local object = { __jsontype = "object" }

local server = { files = {}, faults = {}, changes = {}, signed = {}, open = 0 }

local function forget()
  server.stats = { requests = 0, connections = 0, peak = server.open, leaks = setmetatable({}, array),
    files = setmetatable({}, object) }
  server.faults = {}
end

local function record(path, request, status, sent)
  local entry = server.stats.files[path] or { requests = setmetatable({}, array), sent = 0 }
  server.stats.files[path] = entry
  table.insert(entry.requests, { method = request.method, range = request.headers.range, status = status, sent = sent })
  entry.sent = entry.sent + sent
end

-- Makes a change that is due, and counts down to the one that is not.
local function change(path)
  local due = server.changes[path]
  if due and due.after <= 0 then
    local file = server.files[path]
    file.content = content.random(due.seed, due.size or file.content.size)
    file.etag = file.etag and '"' .. file.content:md5() .. '"'
    server.changes[path] = nil
  elseif due then
    due.after = due.after - 1
  end
end

local function answer(connection, request, path)
  change(path)
  local file = server.files[path]
  local kept, status, sent = faults.answer({ connection = connection, request = request, file = file.content,
    etag = file.etag or nil, lines = file.headers }, server.faults[path])
  record(path, request, status, sent)
  return kept
end

local function sign(path, redirect)
  local id = tostring(#server.signed + 1)
  server.signed[#server.signed + 1] = { path = path, uses = redirect.uses or -1 }
  return ("%s/signed/%s%s?Signature=s%s"):format(server.other, id, wire.encode(path), id)
end

local function index(connection, request)
  local list = setmetatable({}, array)
  for path, file in pairs(server.files) do
    list[#list + 1] = { path = path, size = file.content.size, sha256 = file.sha256 }
  end
  table.sort(list, function(a, b)
    return a.path < b.path
  end)
  return wire.reply(connection, request, 200, { "Content-Type: application/json" }, json.encode(list))
end

local function serve(connection, request)
  server.stats.requests = server.stats.requests + 1
  local file = server.files[request.path]
  if request.path == "/index.json" then
    return index(connection, request)
  elseif not file then
    return wire.reply(connection, request, 404, {}, "no such file\n")
  elseif not file.redirect then
    return answer(connection, request, request.path)
  end
  local exchange = { connection = connection, request = request, file = file.content, etag = file.etag or nil }
  local kept, status = faults.answer(exchange, server.faults["HOST" .. request.path], function()
    local location = "Location: " .. sign(request.path, file.redirect)
    return wire.reply(connection, request, file.redirect.status or 302, { location }) and 302
  end)
  record("HOST" .. request.path, request, status, 0)
  return kept
end

-- The other origin, which must not see a credential.
local function serve_signed(connection, request)
  for name in pairs(request.headers) do
    if name == "authorization" or name == "cookie" or name:find("^x%-amz%-") then
      table.insert(server.stats.leaks, name)
      return wire.reply(connection, request, 500, {}, "a credential came here\n")
    end
  end
  local signed = server.signed[tonumber(request.path:match("^/signed/(%d+)/"))]
  if not signed then
    return wire.reply(connection, request, 404, {}, "no such file\n")
  elseif signed.uses == 0 then
    record(signed.path, request, 403, 0)
    return wire.reply(connection, request, 403, {}, "Request has expired\n")
  end
  signed.uses = signed.uses - 1
  return answer(connection, request, signed.path)
end

-- Serves a connection, counting those that are open.
local function counted(handle)
  local serve_all = wire.serve(handle)
  return function(connection)
    server.open = server.open + 1
    server.stats.connections = server.stats.connections + 1
    server.stats.peak = math.max(server.stats.peak, server.open)
    serve_all(connection)
    server.open = server.open - 1
  end
end

local orders = {}

function orders.file(order, sums)
  local made = order.text and content.text(order.text) or content.random(order.seed or 1, order.size)
  local etag = order.etag
  if etag == nil then
    etag = '"' .. made:md5() .. '"'
  end
  server.files[order.path] = { content = made, etag = etag, headers = order.headers or {}, redirect = order.redirect,
    sha256 = made:sha256() }
  sums[order.path] = server.files[order.path].sha256
end

function orders.files(order, sums)
  for i = 1, order.count do
    orders.file({ path = order.path:format(i), size = order.size, seed = (order.seed or 1) * 1000003 + i,
      redirect = order.redirect }, sums)
  end
end

function orders.faults(order)
  for path, script in pairs(order) do
    server.faults[path] = script
  end
end

function orders.change(order)
  server.changes[order.path] = order
end

function orders.refuse(order)
  tasks.unlisten(server.port)
  if not order then
    tasks.listen("127.0.0.1", server.port, counted(serve))
  end
end

local function control(connection)
  local line = connection:line()
  while line do
    local order = assert(json.decode(line))
    local sums = setmetatable({}, object)
    if order.forget then
      forget()
    end
    for _, name in ipairs({ "file", "files", "faults", "change", "refuse" }) do
      if order[name] ~= nil then
        orders[name](order[name], sums)
      end
    end
    connection:send(json.encode({ port = server.port, stats = server.stats, sha256 = sums }) .. "\n")
    line = connection:line()
  end
end

forget()
server.other = ("http://127.0.0.1:%d"):format(tasks.listen("127.0.0.1", 0, counted(serve_signed)))
server.port = tasks.listen("127.0.0.1", 0, counted(serve))
io.stdout:write(server.port, " ", tasks.listen("127.0.0.1", 0, control), "\n")
io.stdout:flush()
tasks.run()
