-- ModelScope: ms://namespace/name[@revision]. Its replies carry a Code and a Message of their own, errors even with
-- status 200.
local LIMIT = 32 * 1024 * 1024 -- a listing has one page

local sentences = {
  [401] = { "unauthorized", "the token is not valid; check MS_TOKEN" },
  [403] = { "denied", "the token is missing, or may not read the model; check MS_TOKEN" },
  [404] = { "not_found", "there is no such model or revision; check both, and MS_TOKEN if the model is private" },
  [429] = { "overload", "ModelScope limits how often it is asked; wait a while" },
}

-- The sentence and the kind of a refusal, and what was said in a reply that is one.
local function explain(failure, ctx)
  local said = ctx.json(failure.body)
  local message = type(said) == "table" and type(said.Message) == "string" and said.Message ~= "" and said.Message
  local status = failure.status == 200 and type(said) == "table" and said.Code or failure.status
  local sentence = sentences[status]
  if sentence then
    return sentence[2] .. (message and (" (%s)"):format(message) or ""), sentence[1]
  elseif message then
    return ("ModelScope refuses: %s (code %s)"):format(message, tostring(said.Code)), "protocol"
  end
end

local function cookie(ctx)
  return ctx.config.ms_token and { Cookie = { "m_session_id=", ctx.config.ms_token } } or {}
end

local function list(ctx, api, revision)
  local url = ("%s/repo/files?%s"):format(api, ctx.url.query({ { "Revision", revision }, { "Recursive", "True" } }))
  local reply, message, kind = ctx.http.get(url, {
    headers = cookie(ctx), accept = "application/json", follow = "origin", limit = LIMIT,
  })
  if not reply then
    return nil, message, kind
  end
  local answer = ctx.json(reply.body)
  local is_good = reply.status == 200 and type(answer) == "table" and answer.Code == 200
  if is_good and type(answer.Data) == "table" and type(answer.Data.Files) == "table" then
    return answer.Data.Files
  end
  message, kind = explain(reply, ctx)
  return nil, message or ("the answer, with status %d, has no list of files"):format(reply.status), kind or "protocol"
end

local function resolve(uri, ctx)
  if not uri.name:find("^%w[%w._-]*/%w[%w._-]*$") then
    return nil, ("'%s' names no model; expected ms://namespace/name[@revision]"):format(uri.text), "invalid"
  end
  local endpoint = ctx.config.ms_endpoint:gsub("/+$", "")
  if not endpoint:find("://", 1, true) then
    endpoint = "https://" .. endpoint -- MODELSCOPE_DOMAIN is a host's name
  end
  local api = ("%s/api/v1/models/%s"):format(endpoint, uri.name)
  local revision = uri.revision or ctx.config.ms_revision or "master"
  local entries, message, kind = list(ctx, api, revision)
  if not entries then
    return nil, ("could not list %s at revision '%s': %s"):format(uri.text, revision, message), kind
  end
  local files = {}
  for _, entry in ipairs(entries) do
    if type(entry) ~= "table" or type(entry.Path) ~= "string" or type(entry.Size) ~= "number" then
      return nil, ("could not list %s: an entry has no path or size"):format(uri.text), "protocol"
    elseif entry.Type ~= "tree" and entry.Name ~= ".gitignore" and entry.Name ~= ".gitattributes" then
      files[#files + 1] = {
        path = entry.Path,
        size = entry.Size,
        sha256 = type(entry.Sha256) == "string" and entry.Sha256 ~= "" and entry.Sha256 or nil,
        url = ("%s/repo?%s"):format(api, ctx.url.query({ { "Revision", revision }, { "FilePath", entry.Path } })),
      }
    end
  end
  if #files == 0 then
    return nil, ("%s holds no files"):format(uri.text), "not_found"
  end
  return { revision = revision, pinned = false, access = { headers = cookie(ctx) }, files = files }
end

return {
  api = 1,
  source = "ms",
  schemes = { "ms" },
  help = "ms://namespace/name[@revision]",
  config = {
    ms_token = { secret = true, env = { "MS_TOKEN", "MODELSCOPE_API_TOKEN" }, bound_to = "ms_endpoint" },
    ms_endpoint = { env = { "MODELSCOPE_DOMAIN" }, endpoint = true, default = "https://www.modelscope.cn" },
    ms_revision = { env = { "MS_REVISION" } },
  },
  resolve = resolve,
  explain = explain,
}
