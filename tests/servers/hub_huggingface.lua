-- Hugging Face's API and files, for hub.lua.
local json = require("dkjson")
local wire = require("wire")

local huggingface = {}

local array = { __jsontype = "array" }
local SMALL = 65536 -- text below this is compressed for who does not ask for identity

local function refuse(connection, request, status, code, message)
  local lines = { "Content-Type: application/json" }
  lines[#lines + 1] = code and "X-Error-Code: " .. code or nil
  lines[#lines + 1] = message and "X-Error-Message: " .. message or nil
  return wire.reply(connection, request, status, lines, json.encode({ error = message }))
end

-- The repository of a request; nil when it has been refused.
local function open(hub, connection, request, kind, name)
  local repo = hub.repos[kind .. "/" .. name]
  local token = (request.headers.authorization or ""):match("^Bearer (.+)$")
  if token and token ~= hub.token then
    refuse(connection, request, 401, nil, "Invalid credentials in Authorization header")
  elseif not repo or (repo.private and not token) then
    refuse(connection, request, token and 404 or 401, "RepoNotFound", "Repository not found")
  elseif repo.disabled then
    refuse(connection, request, 403, nil, "Access to this resource is disabled.")
  else
    return repo, token
  end
end

local function has_revision(repo, revision)
  return repo.revisions[revision] or revision == repo.commit
end

local function describe(hub, connection, request, kind, name, revision)
  local repo = open(hub, connection, request, kind, name)
  if not repo then
    return true
  elseif not has_revision(repo, revision) then
    return refuse(connection, request, 404, "RevisionNotFound", "Invalid rev id: " .. revision)
  end
  local siblings = setmetatable({}, array)
  for i, file in ipairs(repo.files) do
    siblings[i] = { rfilename = file.path }
  end
  return wire.reply(connection, request, 200, { "Content-Type: application/json" }, json.encode({
    id = repo.name, sha = repo.commit, siblings = siblings, gated = repo.gated and "manual" or false,
    private = repo.private or false,
  }))
end

-- All entries of a repository: its directories, then its files.
local function entries_of(repo)
  local entries, seen = {}, {}
  for _, file in ipairs(repo.files) do
    for directory in file.path:gmatch("()/") do
      local path = file.path:sub(1, directory - 1)
      if not seen[path] then
        seen[path] = true
        entries[#entries + 1] = { type = "directory", path = path, size = 0, oid = repo.commit }
      end
    end
  end
  for _, file in ipairs(repo.files) do
    local size = file.content.size
    entries[#entries + 1] = not file.lfs and { type = "file", path = file.path, size = size, oid = file.oid } or {
      type = "file", path = file.path, size = size, oid = file.oid:reverse(), xetHash = file.sha256:reverse(),
      lfs = { oid = file.sha256, size = size, pointerSize = 134 },
    }
  end
  return entries
end

local function list(hub, connection, request, kind, name, revision)
  local repo = open(hub, connection, request, kind, name)
  if not repo then
    return true
  elseif not has_revision(repo, revision) then
    return refuse(connection, request, 404, "RevisionNotFound", "Invalid rev id: " .. revision)
  end
  local entries, page = entries_of(repo), setmetatable({}, array)
  local from = tonumber(request.query.cursor or "0")
  for i = from + 1, math.min(from + hub.page, #entries) do
    page[#page + 1] = entries[i]
  end
  local lines = { "Content-Type: application/json" }
  if from + hub.page < #entries then
    local url = ("http://%s/api/%s/%s/tree/%s"):format(request.headers.host, kind, name, revision)
    lines[2] = ('Link: <%s?recursive=True&expand=False&cursor=%d>; rel="next"'):format(url, from + hub.page)
  end
  return wire.reply(connection, request, 200, lines, json.encode(page))
end

-- Redirects to where a file's content is.
local function redirect(hub, connection, request, repo, file)
  local lines = {
    "X-Repo-Commit: " .. repo.commit, ('X-Linked-Etag: "%s"'):format(file.sha256),
    "X-Linked-Size: " .. file.content.size, "X-Xet-Hash: " .. file.sha256:reverse(),
  }
  return hub.send(connection, request, file, "HOST/" .. file.path, nil, lines, function()
    lines[#lines + 1] = "Location: " .. hub.sign(file)
    return wire.reply(connection, request, 302, lines, "Found. Redirecting\n") and 302
  end)
end

-- Sends a file that is kept in git: compressed when it is small, unless the request wants identity.
local function send_small(hub, connection, request, repo, file)
  local etag = ('"%s"'):format(file.oid)
  local lines = { "X-Repo-Commit: " .. repo.commit, "Content-Type: text/plain" }
  if request.headers["accept-encoding"] == "identity" or file.content.size >= SMALL then
    return hub.send(connection, request, file, file.path, etag, lines)
  end
  return hub.send(connection, request, file, file.path, etag, lines, function()
    local all = { "Content-Encoding: gzip", "ETag: W/" .. etag, unpack(lines) }
    return wire.reply_chunked(connection, request, 200, all, file.content:gzip()) and 200, file.content.size
  end)
end

local function send(hub, connection, request, kind, name, revision, path)
  local repo, token = open(hub, connection, request, kind, name)
  if not repo then
    return true
  elseif repo.gated and not (token and repo.granted) then
    return refuse(connection, request, token and 403 or 401, "GatedRepo", "Access to " .. name .. " is restricted")
  elseif not has_revision(repo, revision) then
    return refuse(connection, request, 404, "RevisionNotFound", "Invalid rev id: " .. revision)
  end
  for _, file in ipairs(repo.files) do
    if file.path == path then
      return (file.lfs and redirect or send_small)(hub, connection, request, repo, file)
    end
  end
  return refuse(connection, request, 404, "EntryNotFound", "Entry not found")
end

-- "kind", "ns/name", rest of a path below /api/ or the site; a name may have one part.
local function split(hub, path)
  local kind, rest = path:match("^(%l+)/(.*)$")
  if kind ~= "models" and kind ~= "datasets" and kind ~= "spaces" then
    kind, rest = "models", path
  end
  for _, names in ipairs({ hub.repos, hub.moved }) do
    for key in pairs(names) do
      local name = names == hub.moved and key or key:match("^" .. kind .. "/(.*)$")
      if name and (rest .. "/"):sub(1, #name + 1) == name .. "/" then
        return kind, name, rest:sub(#name + 2)
      end
    end
  end
  return kind, rest:match("^[^/]+/[^/]+") or rest, rest:match("^[^/]+/[^/]+/(.*)$") or ""
end

--- Answers a request.
function huggingface.serve(hub, connection, request)
  local is_api = request.path:find("^/api/") ~= nil
  if is_api and hub.limits(connection, request) then
    return true
  end
  local kind, name, rest = split(hub, request.path:gsub(is_api and "^/api/" or "^/", ""))
  if hub.moved[name] then
    local target = request.target:gsub(name:gsub("%p", "%%%0"), (hub.moved[name]:gsub("%%", "%%%%")), 1)
    return wire.reply(connection, request, 307, { "Location: " .. target })
  elseif is_api and rest:find("^tree/") then
    return list(hub, connection, request, kind, name, rest:sub(6))
  elseif is_api and (rest == "" or rest:find("^revision/")) then
    return describe(hub, connection, request, kind, name, rest == "" and "main" or rest:sub(10))
  end
  local revision, path = request.target:match("/resolve/([^/]+)/([^?]*)")
  if is_api or not revision then
    return refuse(connection, request, 404)
  end
  return send(hub, connection, request, kind, name, wire.decode(revision), wire.decode(path))
end

return huggingface
