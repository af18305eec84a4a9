-- The Hugging Face Hub and its mirrors: hf://namespace/name[@revision], with datasets/ or spaces/ before the namespace
-- where it is one of those, or the bare name of a model. Everything is asked for by commit, so that nothing changes in
-- between. The output directory gets the metadata huggingface_hub keeps in a local_dir, and looks complete to it.
local json = require "kthena.json"

local HUB = "https://huggingface.co"
local COMMIT = "^" .. ("[%da-f]"):rep(40) .. "$"

-- What a refusal means: header (or "status"), what that begins with, kind, sentence. The first that fits counts.
local refusals = {
  { "x-error-message", "Invalid credentials", "unauthorized", "the token is not valid; check HF_AUTH_TOKEN" },
  { "x-error-message", "Access to this resource is disabled", "denied",
    "the hub has disabled the repository; use another" },
  { "x-error-code", "RevisionNotFound", "not_found",
    "the repository has no such revision; check the branch, tag or commit" },
  { "x-error-code", "EntryNotFound", "not_found", "the repository has no such file at this revision" },
  { "x-error-code", "GatedRepo", "denied",
    "the repository is gated; accept its conditions on its page and set HF_AUTH_TOKEN to a token of that account" },
  { "x-error-code", "RepoNotFound", "not_found",
    "the repository does not exist or is private; check its name, and set HF_AUTH_TOKEN if it is private" },
  { "status", "401", "not_found", -- the hub does not tell a private repository from none
    "the repository does not exist or is private; check its name, and set HF_AUTH_TOKEN if it is private" },
  { "status", "403", "denied", "access is denied; check that the token in HF_AUTH_TOKEN may read the repository" },
  { "status", "404", "not_found", "the hub does not have it; check the name and the revision" },
  { "status", "429", "overload", "the hub limits how often it is asked; wait a while, or set HF_AUTH_TOKEN" },
}

local function explain(failure)
  local said = failure.headers["x-error-message"]
  for _, refusal in ipairs(refusals) do
    local value = refusal[1] == "status" and tostring(failure.status) or failure.headers[refusal[1]] or ""
    if value:find(refusal[2], 1, true) == 1 then
      return refusal[4] .. (said and (" (%s)"):format(said) or ""), refusal[3]
    end
  end
end

local function origin(url)
  return url:match("^%a+://[^/?#]+")
end

-- The decoded JSON of a reply, and the reply. The token is for the endpoint alone, not for where its links may lead.
local function get(ctx, endpoint, url)
  local token = origin(url) == origin(endpoint) and ctx.config.hf_token
  local headers = token and { Authorization = { "Bearer ", token } } or nil
  local reply, message, kind = ctx.http.get(url, { headers = headers, accept = "application/json", follow = "any" })
  if not reply then
    return nil, message, kind
  elseif reply.status ~= 200 then
    message, kind = explain(reply)
    return nil, message or "the hub answered with status " .. reply.status, kind or "protocol"
  end
  local value, problem = ctx.json(reply.body)
  if type(value) ~= "table" then
    return nil, "the hub's answer is not as expected: " .. (problem or "neither object nor list"), "protocol"
  end
  return value, reply
end

local function next_page(reply, endpoint)
  for url, parameters in (reply.headers.link or ""):gmatch("<([^>]*)>([^,]*)") do
    if parameters:find('rel="?next"?') then
      return url:find("^/") and origin(endpoint) .. url or url
    end
  end
end

local function is_entry(entry)
  local lfs = type(entry) == "table" and type(entry.lfs) == "table" and entry.lfs or { oid = "", size = 0 }
  return type(entry) == "table" and type(entry.path) == "string"
    and type(entry.oid) == "string" and type(entry.size) == "number"
    and type(lfs.oid) == "string" and type(lfs.size) == "number"
end

-- The entries of all files at a commit, over all pages.
local function list(ctx, endpoint, api, commit)
  local files, seen = {}, {}
  local url = ("%s/tree/%s?recursive=True&expand=False"):format(api, commit)
  while url do
    if seen[url] then
      return nil, "the hub's listing has no end: its pages repeat", "protocol"
    end
    seen[url] = true
    local entries, reply, kind = get(ctx, endpoint, url)
    if not entries then
      return nil, reply, kind
    end
    for _, entry in ipairs(entries) do
      if not is_entry(entry) then
        return nil, "the hub's listing has an entry without path, size or oid", "protocol"
      elseif entry.path:find("\\", 1, true) or entry.path:find("^%a:") then
        return nil, ("the hub lists '%s', which huggingface_hub takes for no path"):format(entry.path), "protocol"
      elseif entry.type == "file" then
        files[#files + 1] = entry
      end
    end
    url = next_page(reply, endpoint)
  end
  return files
end

-- The part of the API a name is in ("models"), and the name there; nil when it is no name.
local function repository(text)
  local part, name = text:match("^(%l+)/(.+)$")
  if part ~= "datasets" and part ~= "spaces" then
    part, name = "models", text
  end
  local valid = name:find("^%w[%w._-]*$") or name:find("^%w[%w._-]*/%w[%w._-]*$")
  return valid and part, name
end

-- The listing of the latest resolve(), for the finish() that follows it.
local listed = {}

local function resolve(uri, ctx)
  local part, name = repository(uri.name)
  if not part then
    return nil, ("'%s' names no repository; expected hf://namespace/name[@revision]"):format(uri.text), "invalid"
  end
  local endpoint = ctx.config.hf_endpoint:gsub("/+$", "")
  local api = ("%s/api/%s/%s"):format(endpoint, part, name)
  local commit = uri.revision or ctx.config.hf_revision or "main"
  if not commit:find(COMMIT) then
    local info, message, kind = get(ctx, endpoint, api .. "/revision/" .. ctx.url.encode(commit))
    if not info then
      return nil, ("could not look up %s at revision '%s': %s"):format(uri.text, commit, message), kind
    elseif type(info.sha) ~= "string" or not info.sha:find(COMMIT) then
      return nil, ("could not look up %s: the hub names no commit"):format(uri.text), "protocol"
    end
    commit = info.sha
  end
  local entries, message, kind = list(ctx, endpoint, api, commit)
  if not entries then
    return nil, ("could not list %s: %s"):format(uri.text, message), kind
  elseif #entries == 0 then
    return nil, ("%s holds no files"):format(uri.text), "not_found"
  end
  local base = ("%s/%s%s/resolve/%s/"):format(endpoint, part == "models" and "" or part .. "/", name, commit)
  local files, tree = {}, {}
  for i, entry in ipairs(entries) do
    local lfs = type(entry.lfs) == "table" and entry.lfs or {}
    files[i] = {
      path = entry.path,
      size = lfs.size or entry.size,
      url = base .. ctx.url.encode(entry.path, "/"),
      etag = lfs.oid or entry.oid,
      sha256 = lfs.oid,
      git_sha1 = not lfs.oid and entry.oid or nil,
    }
    tree[entry.path] = {
      size = entry.size, blob_id = entry.oid, lfs_sha256 = lfs.oid, lfs_size = lfs.size,
      xet_hash = type(entry.xetHash) == "string" and entry.xetHash or nil,
    }
  end
  listed = { commit = commit, tree = tree }
  local token = ctx.config.hf_token
  return {
    revision = commit,
    pinned = uri.revision == commit,
    access = {
      headers = token and { Authorization = { "Bearer ", token } } or nil,
      -- A mirror may redirect to the hub in an answer that names no commit.
      pin = endpoint == HUB and { header = "x-repo-commit", value = commit } or nil,
      reasons = { "x-error-code", "x-error-message" },
    },
    files = files,
  }
end

local function finish(plan, ctx)
  local cache = ".cache/huggingface/"
  local texts = {
    { path = cache .. ".gitignore", text = "*" },
    { path = cache .. "CACHEDIR.TAG", text = "Signature: 8a477f597d28d172789f06886806bc55\n" },
  }
  for _, file in ipairs(plan.files) do
    local text = ("%s\n%s\n%.6f\n"):format(plan.revision, file.etag, ctx.time())
    texts[#texts + 1] = { path = ("%sdownload/%s.metadata"):format(cache, file.path), text = text }
  end
  if listed.commit == plan.revision then
    local text = json.encode({ format_version = 1, files = listed.tree })
    texts[#texts + 1] = { path = ("%strees/%s.json"):format(cache, plan.revision), text = text }
  end
  return texts
end

return {
  api = 1,
  source = "hf",
  schemes = { "hf", "" },
  help = "hf://namespace/name[@revision] or namespace/name",
  config = {
    hf_token = { secret = true, env = { "HF_AUTH_TOKEN", "HF_TOKEN" }, bound_to = "hf_endpoint" },
    hf_endpoint = { env = { "HF_ENDPOINT" }, endpoint = true, default = HUB },
    hf_revision = { env = { "HF_REVISION" } },
  },
  resolve = resolve,
  explain = explain,
  finish = finish,
}
