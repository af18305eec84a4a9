--- A bucket of an object store that speaks S3's protocol: where it is, how requests to it are signed, what is in it.
-- For rules, by require "kthena.bucket"; their configuration has to have the keys endpoint, region and
-- addressing_style beside those of aws.config.
local aws = require "kthena.aws"

local bucket = {}

local Bucket = {}
Bucket.__index = Bucket

-- What the codes of refusals mean for who reads them.
local sentences = {
  NoSuchBucket = { "not_found", "the bucket does not exist; check its name, the endpoint and the region" },
  NoSuchKey = { "not_found", "the object does not exist; check the path" },
  InvalidObjectState = { "denied", "the object is archived; restore it first" },
  AccessDenied = { "denied", "access is denied; check that the credentials may list the bucket and read its objects" },
  InvalidAccessKeyId = { "unauthorized", "the access key is not known there; check the key and the endpoint" },
  SignatureDoesNotMatch = { "unauthorized", "the secret key is not that of the access key; check both" },
  ExpiredToken = { "unauthorized", "the session token has expired; get new credentials" },
  InvalidToken = { "unauthorized", "the session token is not valid; check that it belongs to the access key" },
  RequestTimeTooSkewed = { "unauthorized", "this machine's clock differs too much from the server's; set it" },
  PermanentRedirect = { "invalid", "the bucket is at another endpoint; set the endpoint or the region" },
  AuthorizationHeaderMalformed = { "invalid", "the region is not the bucket's; set the region" },
}
local codes = { [301] = "PermanentRedirect", [401] = "AccessDenied", [403] = "AccessDenied", [404] = "NoSuchKey" }

--- A rule's explain(): the sentence and the kind of a refused request, or nil.
function bucket.explain(failure, ctx)
  local problem = aws.problem(ctx, failure)
  local sentence = sentences[problem.code or codes[failure.status]]
  if sentence then
    return ("%s (%s)"):format(sentence[2], problem.text), sentence[1]
  end
end

-- Whether the bucket's name goes before the host's; or nil and a message.
local function is_virtual(self, host)
  local style = self.ctx.config.addressing_style
  if style == "path" or style == "virtual" then
    return style == "virtual"
  elseif style ~= "auto" then
    return nil, ("the addressing style is '%s'; it can be path, virtual or auto"):format(style)
  end
  for _, domain in ipairs(self.domains) do
    if host:sub(-#domain - 1) == "." .. domain then
      return not self.name:find("[^%l%d-]") -- a certificate for *.host covers no dot
    end
  end
  return false
end

-- Sets url, region and signer. The region is the server's word, the configuration's, or in the endpoint's name.
local function locate(self, region)
  local ctx = self.ctx
  region = region or ctx.config.region
  local endpoint = ctx.config.endpoint or self.default(region)
  if not endpoint then
    return nil, "there is no endpoint; set ENDPOINT or AWS_REGION"
  elseif not endpoint:find("://", 1, true) then
    endpoint = "https://" .. endpoint
  end
  local http, authority, path = endpoint:match("^(https?://)([^/?#]+)([^?#]*)$")
  if not http then
    return nil, ("the endpoint '%s' is not a URL such as https://minio.example:9000"):format(endpoint)
  end
  local host = authority:gsub(":%d+$", "")
  local virtual, problem = is_virtual(self, host)
  if problem then
    return nil, problem
  end
  path = path:gsub("/+$", "")
  self.url = virtual and http .. self.name .. "." .. authority .. path or http .. authority .. path .. "/" .. self.name
  self.region = region or aws.region_of(host) or "us-east-1"
  local keys = self.credentials
  self.signer = keys and ctx.aws_sigv4({
    access_key = keys.access_key, secret_key = keys.secret_key, session_token = keys.session_token,
    region = self.region, service = "s3", encode_once = true,
  })
  return true
end

--- Opens a bucket; nothing is asked of it yet. Nil, a message and a kind when it cannot be known where or how.
-- @param options name of the bucket; default(region), the endpoint where none is configured, region may be nil;
-- domains, in which auto means that the bucket's name goes before the host's; at_aws, see aws.credentials
function bucket.open(ctx, options)
  local self = setmetatable({
    ctx = ctx, name = options.name, default = options.default, domains = options.domains,
  }, Bucket)
  local message, kind
  self.credentials, message, kind = aws.credentials(ctx, options.at_aws)
  if message then
    return nil, message, kind
  end
  local located, problem = locate(self)
  if not located then
    return nil, problem, "invalid"
  end
  return self
end

--- The URL of an object.
function Bucket:url_of(key)
  return self.url .. "/" .. self.ctx.url.encode(key, "/")
end

-- Whether the reply tells of a region that was not known yet; the next request goes there.
local function moves(self, reply)
  local region = aws.problem(self.ctx, reply).region
  return region and region ~= self.region and region:find("^[%w-]+$") and locate(self, region)
end

-- Asks for one page of a listing.
local function ask(self, query)
  local ctx = self.ctx
  local function get()
    local url = self.url .. (self.url:find("^https?://[^/]+$") and "/?" or "?") .. ctx.url.query(query)
    return ctx.http.get(url, { signer = self.signer, follow = "none" })
  end
  local reply, message, kind = get()
  if reply and reply.status ~= 200 and moves(self, reply) then
    reply, message, kind = get()
  end
  if not reply then
    return nil, message, kind
  elseif reply.status == 200 then
    return ctx.xml(reply.body)
  end
  local sentence, why = bucket.explain(reply, ctx)
  sentence = sentence or "the server refuses: " .. aws.problem(ctx, reply).text
  if not self.signer and reply.status >= 400 and reply.status < 500 and why ~= "not_found" then
    sentence = sentence .. "; there are no credentials, so nothing was signed"
  end
  return nil, sentence, why or "protocol"
end

local function unescape(ctx, key)
  return ctx.url.decode((key:gsub("+", " ")))
end

--- Lists the objects whose keys begin with a prefix, the first of them or all: { key, size, etag }, in the order of
-- their keys. Nil, a message and a kind when that is not possible.
function Bucket:list(prefix, first)
  local objects, token = {}, nil
  repeat
    local query = {
      { "list-type", "2" }, { "prefix", prefix }, { "encoding-type", "url" }, { "max-keys", first and "1" or "1000" },
    }
    query[#query + 1] = token and { "continuation-token", token }
    local page, message, kind = ask(self, query)
    if not page then
      return nil, message, kind or "protocol"
    end
    local is_escaped = page:value("EncodingType") == "url"
    for object in page:each("Contents") do
      local key, size = object:value("Key"), tonumber(object:value("Size") or "")
      if not key or not size then
        return nil, "the listing has an object without key or size", "protocol"
      end
      objects[#objects + 1] = {
        key = is_escaped and unescape(self.ctx, key) or key,
        size = size,
        etag = (object:value("ETag") or ""):match('[^"]+'),
      }
    end
    local last = token
    token = not first and page:value("IsTruncated") == "true" and page:value("NextContinuationToken")
    if token and token == last then
      return nil, "the listing has no end: its pages repeat", "protocol"
    end
  until not token
  return objects
end

return bucket
