-- ModelScope's API and files, for hub.lua.
local json = require("dkjson")
local wire = require("wire")

local modelscope = {}

local array = { __jsontype = "array" }

local function answer(connection, request, status, code, message, data)
  return wire.reply(connection, request, status, { "Content-Type: application/json; charset=utf-8" }, json.encode({
    Code = code, Success = code == 200, Message = message, Data = data or json.null, RequestId = "r-1",
  }))
end

local function list(connection, request, repo)
  local files, seen = setmetatable({}, array), {}
  for _, file in ipairs(repo.files) do
    for at in file.path:gmatch("()/") do
      local path = file.path:sub(1, at - 1)
      if not seen[path] then
        seen[path] = true
        files[#files + 1] = { Name = path:match("[^/]*$"), Path = path, Type = "tree", Size = 0, Sha256 = "",
          Revision = repo.commit }
      end
    end
    files[#files + 1] = { Name = file.path:match("[^/]*$"), Path = file.path, Type = "blob",
      Size = file.content.size, Sha256 = file.sha256, Revision = repo.commit }
  end
  files[#files + 1] = { Name = ".gitattributes", Path = ".gitattributes", Type = "blob", Size = 1, Sha256 = "",
    Revision = repo.commit }
  return answer(connection, request, 200, 200, "", { Files = files })
end

local function send(hub, connection, request, repo)
  for _, file in ipairs(repo.files) do
    if file.path == request.query.FilePath then
      if file.content.size == 0 then
        return answer(connection, request, 500, 10010500, "an empty file cannot be asked for")
      elseif file.lfs then
        return hub.send(connection, request, file, "HOST/" .. file.path, nil, {}, function()
          return wire.reply(connection, request, 302, { "Location: " .. hub.sign(file) }) and 302
        end)
      end
      return hub.send(connection, request, file, file.path, nil, { "Content-Type: application/octet-stream" })
    end
  end
  return answer(connection, request, 404, 10010205001, "file not found")
end

local function revisions(connection, request, repo)
  local branches = setmetatable({}, array)
  for revision in pairs(repo.revisions) do
    branches[#branches + 1] = { Revision = revision, CreatedAt = 1760000000 }
  end
  return answer(connection, request, 200, 200, "", {
    RevisionMap = { Branches = branches, Tags = setmetatable({}, array) },
  })
end

--- Answers a request.
function modelscope.serve(hub, connection, request)
  if hub.limits(connection, request) then
    return true
  elseif hub.code then
    return answer(connection, request, 200, hub.code.Code, hub.code.Message)
  end
  local name, rest = request.path:match("^/api/v1/models/([^/]+/[^/]+)/(.*)$")
  local repo = name and hub.repos["models/" .. name]
  local token = (request.headers.cookie or ""):match("m_session_id=([^;]*)")
  if (token and token ~= hub.token) or (repo and repo.private and not token) then
    return answer(connection, request, 403, 10010203002, "no permission")
  elseif not repo then
    return answer(connection, request, 404, 10010205001, "record not found")
  elseif rest == "revisions" then
    return revisions(connection, request, repo)
  elseif not repo.revisions[request.query.Revision or ""] then
    return answer(connection, request, 404, 10010205002, "revision not found")
  elseif rest == "repo/files" then
    return list(connection, request, repo)
  elseif rest == "repo" then
    return send(hub, connection, request, repo)
  end
  return answer(connection, request, 404, 404, "no such page")
end

return modelscope
