-- Scripted doubles of Hugging Face, one of its mirrors, ModelScope, and the storage behind them.
--
--   luajit hub.lua
--
-- It prints "HUB-PORT MIRROR-PORT CDN-PORT CONTROL-PORT" and serves until it is killed: the APIs of both hubs on the
-- first port, a mirror that sends everything but the API to the hub with 308 on the second, and on the third what large
-- files are redirected to, under signed URLs. That one answers 500 to a request with a credential, and tells of it in
-- the statistics. A line of JSON sent to the control port is answered with a line of JSON. An order may have
--
--   "repo": {"name": "ns/repo", "kind": "models", "revisions": ["main"], "seed": 1,
--            "files": [{"path": "a.json", "text": "{}"}, {"path": "b.bin", "size": 1000, "lfs": true}],
--            "private": true, "gated": true, "granted": true, "disabled": true}
--       a repository from now on, on both hubs; its commit depends on its content. Gated: whoever has the token and is
--       granted gets the files
--   "token": "hf_x"             the only token that is one
--   "moved": {"old/name": "ns/repo"}   relative redirects of a renamed repository
--   "page": 2                   entries on a page of a listing
--   "uses": 3                   requests that a signed URL is good for, -1: any number
--   "limit": {"count": 2, "seconds": 1}   answers so many API requests with 429
--   "code": {"Code": 10010101, "Message": "busy"}   what ModelScope's API answers, with status 200; false: nothing of
--       that kind
--   "faults": {"a.json": [...]}   what goes wrong with a file (faults.lua); "HOST/b.bin": with its redirect
--   "forget": true              sets the statistics and the faults back
--
-- and the answer is always {"stats": {"seen": [{"origin", "method", "target", "headers"}], "leaks": [...],
-- "sent": {"b.bin": 1000}}, "repos": {"ns/repo": {"commit", "files": {"b.bin": {"sha256", "git_sha1", "size"}}}}}.
package.path = (arg[0]:match("^(.*)/[^/]*$") or ".") .. "/?.lua;" .. package.path

local content = require("content")
local faults = require("faults")
local huggingface = require("hub_huggingface")
local json = require("dkjson")
local modelscope = require("hub_modelscope")
local tasks = require("tasks")
local wire = require("wire")

local array = { __jsontype = "array" }
local object = { __jsontype = "object" }

-- What both hubs share: repositories, knobs, statistics, and how files are sent.
local hub = { repos = {}, moved = {}, page = 1000, uses = -1, limit = { count = 0 }, signed = {}, faults = {} }

local function forget()
  hub.stats = { seen = setmetatable({}, array), leaks = setmetatable({}, array), sent = setmetatable({}, object) }
  hub.faults = {}
end

--- Whether the API is to be left alone for a while; then it has been said.
function hub.limits(connection, request)
  if hub.limit.count <= 0 then
    return false
  end
  hub.limit.count = hub.limit.count - 1
  wire.reply(connection, request, 429, {
    ('RateLimit: "api";r=0;t=%d'):format(hub.limit.seconds or 0), 'RateLimit-Policy: "fixed window";"api";q=500;w=300',
  }, '{"error":"Too many requests"}')
  return true
end

--- Sends a file itself. `reply`, if there is one, answers in its place when no fault is scripted.
function hub.send(connection, request, file, key, etag, lines, reply)
  local exchange = { connection = connection, request = request, file = file.content, etag = etag, lines = lines }
  local kept, _, sent = faults.answer(exchange, hub.faults[key], reply)
  hub.stats.sent[key] = (hub.stats.sent[key] or 0) + sent
  return kept
end

--- A URL of the storage under which a file can be had.
function hub.sign(file)
  hub.signed[#hub.signed + 1] = { file = file, uses = hub.uses }
  return ("%s/store/%s?X-Expires=1&id=%d"):format(hub.cdn, file.sha256, #hub.signed)
end

local function serve_cdn(connection, request)
  for name in pairs(request.headers) do
    if name == "authorization" or name == "cookie" or name:find("^x%-amz%-") then
      table.insert(hub.stats.leaks, name)
      return wire.reply(connection, request, 500, {}, "a credential came here\n")
    end
  end
  local signed = hub.signed[tonumber(request.query.id or "")]
  if not signed or request.path ~= "/store/" .. signed.file.sha256 then
    return wire.reply(connection, request, 404, {}, "no such file\n")
  elseif signed.uses == 0 then
    return wire.reply(connection, request, 403, { "Content-Type: application/xml" },
      "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>")
  end
  signed.uses = signed.uses - 1
  return hub.send(connection, request, signed.file, signed.file.path, '"' .. signed.file.sha256 .. '"',
    { "Content-Type: binary/octet-stream" })
end

local function serve_hub(connection, request)
  return (request.path:find("^/api/v1/") and modelscope or huggingface).serve(hub, connection, request)
end

local function serve_mirror(connection, request)
  if request.path:find("^/api/") then
    return serve_hub(connection, request)
  end
  return wire.reply(connection, request, 308, { "Location: " .. hub.url .. request.target })
end

-- A handler that notes each request with the name of its origin.
local function noting(origin, serve)
  return function(connection, request)
    table.insert(hub.stats.seen, {
      origin = origin, method = request.method, target = request.target, headers = request.headers,
    })
    return serve(connection, request)
  end
end

local orders = {}

function orders.repo(order)
  local repo = { name = order.name, kind = order.kind or "models", files = {}, private = order.private,
    gated = order.gated, granted = order.granted, disabled = order.disabled, revisions = {} }
  local names = {}
  for i, file in ipairs(order.files) do
    local made = file.text and content.text(file.text) or content.random((order.seed or 1) * 1000003 + i, file.size)
    repo.files[i] = { path = file.path, lfs = file.lfs, content = made, sha256 = made:sha256(), oid = made:git_sha1() }
    names[i] = file.path .. " " .. repo.files[i].sha256
  end
  repo.commit = content.sha1(order.name .. "\n" .. table.concat(names, "\n"))
  for _, revision in ipairs(order.revisions or { "main", "master" }) do
    repo.revisions[revision] = true
  end
  hub.repos[repo.kind .. "/" .. repo.name] = repo
end

local function told()
  local repos = setmetatable({}, object)
  for _, repo in pairs(hub.repos) do
    local all = setmetatable({}, object)
    for _, file in ipairs(repo.files) do
      all[file.path] = { sha256 = file.sha256, git_sha1 = file.oid, size = file.content.size }
    end
    repos[repo.name] = { commit = repo.commit, files = all }
  end
  return repos
end

local function control(connection)
  local line = connection:line()
  while line do
    local order = assert(json.decode(line))
    if order.forget then
      forget()
    end
    if order.repo then
      orders.repo(order.repo)
    end
    for _, name in ipairs({ "token", "moved", "page", "uses", "limit", "code" }) do
      if order[name] ~= nil then
        hub[name] = order[name]
      end
    end
    for path, script in pairs(order.faults or {}) do
      hub.faults[path] = script
    end
    connection:send(json.encode({ stats = hub.stats, repos = told() }) .. "\n")
    line = connection:line()
  end
end

forget()
hub.cdn = wire.listen(noting("cdn", serve_cdn))
hub.url = wire.listen(noting("hub", serve_hub))
local mirror = wire.listen(noting("mirror", serve_mirror))
local ports = { hub.url:match("%d+$"), mirror:match("%d+$"), hub.cdn:match("%d+$"),
  (tasks.listen("127.0.0.1", 0, control)) }
io.stdout:write(table.concat(ports, " "), "\n")
io.stdout:flush()
tasks.run()
