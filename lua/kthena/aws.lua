--- What AWS' services have in common as a protocol: how credentials are found, what region an endpoint is in, and what
-- an error reply says. For rules, by require "kthena.aws".
--
-- Credentials are looked for on levels, each of which gives a whole set or nothing: a key of one level never meets a
-- secret of another.
--
--     1. access_key, secret_key, session_token of the configuration, or ACCESS_KEY and SECRET_KEY
--     2. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
--     3. the profile AWS_PROFILE of the shared credentials file
--     4. AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, exchanged at STS
--     5. the container's endpoint, AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI
--     6. the instance's metadata service, unless AWS_EC2_METADATA_DISABLED is true
local aws = {}

--- For a rule's `variables`: what the levels read of the environment.
aws.variables = {
  "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ENDPOINT_URL_STS",
  "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_EC2_METADATA_DISABLED",
  "AWS_EC2_METADATA_SERVICE_ENDPOINT",
}

local declared = {
  access_key = { secret = true, env = { "ACCESS_KEY" }, bound_to = "endpoint" },
  secret_key = { secret = true, env = { "SECRET_KEY" }, bound_to = "endpoint" },
  session_token = { secret = true, help = "goes with access_key and secret_key of the configuration" },
  aws_access_key_id = { secret = true, env = { "AWS_ACCESS_KEY_ID" }, bound_to = "endpoint" },
  aws_secret_access_key = { secret = true, env = { "AWS_SECRET_ACCESS_KEY" }, bound_to = "endpoint" },
  aws_session_token = { secret = true, env = { "AWS_SESSION_TOKEN" }, bound_to = "endpoint" },
  credentials_file = {
    file = true, env = { "AWS_SHARED_CREDENTIALS_FILE" }, default = "~/.aws/credentials", bound_to = "endpoint",
  },
  web_identity_token = { file = true, env = { "AWS_WEB_IDENTITY_TOKEN_FILE" }, bound_to = "endpoint" },
  container_token = { secret = true, env = { "AWS_CONTAINER_AUTHORIZATION_TOKEN" }, bound_to = "endpoint" },
  container_token_file = { file = true, env = { "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" }, bound_to = "endpoint" },
}

--- The keys the levels read, and those of the rule itself, for its `config`.
-- @usage config = aws.config { endpoint = { env = { "ENDPOINT" }, endpoint = true } }
function aws.config(own)
  for name, key in pairs(declared) do
    own[name] = own[name] or key
  end
  return own
end

local function variable(ctx, name)
  local value = ctx.env(name)
  return value ~= "" and value or nil
end

-- A pair of keys, and its token, from one place.
local function pair(ctx, id, secret, token)
  local config, origin = ctx.config, ctx.origin
  if not config[id] and not config[secret] then
    return nil
  elseif not config[id] or not config[secret] or origin[id] ~= origin[secret] then
    return nil, ("%s and %s belong together, but only one of them is given; give both"):format(id, secret), "invalid"
  end
  return {
    access_key = config[id],
    secret_key = config[secret],
    session_token = origin[token] == origin[id] and config[token] or nil,
  }
end

local levels = {}

function levels.given(ctx)
  return pair(ctx, "access_key", "secret_key", "session_token")
end

function levels.named(ctx)
  return pair(ctx, "aws_access_key_id", "aws_secret_access_key", "aws_session_token")
end

function levels.file(ctx)
  local file, profile = ctx.config.credentials_file, variable(ctx, "AWS_PROFILE")
  local section = file and ctx.ini(file, profile or "default")
  if section and section.aws_access_key_id and section.aws_secret_access_key then
    return {
      access_key = section.aws_access_key_id,
      secret_key = section.aws_secret_access_key,
      session_token = section.aws_session_token,
    }
  elseif profile and file then
    return nil, ("the shared credentials file has no keys for the profile '%s'; check AWS_PROFILE"):format(profile),
      "unauthorized"
  end
end

function levels.web_identity(ctx)
  local role = variable(ctx, "AWS_ROLE_ARN")
  if not role or not variable(ctx, "AWS_WEB_IDENTITY_TOKEN_FILE") then
    return nil
  elseif not ctx.config.web_identity_token then
    return nil, "AWS_WEB_IDENTITY_TOKEN_FILE names a file that is not there; mount the service account's token",
      "unauthorized"
  end
  local region = ctx.config.region or "us-east-1"
  local url = variable(ctx, "AWS_ENDPOINT_URL_STS") or aws.endpoint("sts", region)
  local form = ctx.url.query({
    { "Action", "AssumeRoleWithWebIdentity" },
    { "Version", "2011-06-15" },
    { "RoleArn", role },
    { "RoleSessionName", variable(ctx, "AWS_ROLE_SESSION_NAME") or "kthena-runtime" },
  })
  local reply, message, kind = ctx.http({
    method = "POST",
    url = url:gsub("/+$", "") .. "/",
    headers = { ["Content-Type"] = "application/x-www-form-urlencoded" },
    body = { form .. "&WebIdentityToken=", ctx.url.encode(ctx.config.web_identity_token) },
  })
  if not reply then
    return nil, ("could not assume %s: %s"):format(role, message), kind
  end
  local keys = reply.status == 200 and ctx.xml(reply.body)
  keys = keys and keys:child("AssumeRoleWithWebIdentityResult")
  keys = keys and keys:child("Credentials")
  if not keys then
    local problem = aws.problem(ctx, reply)
    return nil, ("could not assume %s with the web identity token: %s; check AWS_ROLE_ARN and the role's trust policy")
      :format(role, problem.text), "unauthorized"
  end
  return {
    access_key = ctx.secret(keys:value("AccessKeyId") or ""),
    secret_key = ctx.secret(keys:value("SecretAccessKey") or ""),
    session_token = ctx.secret(keys:value("SessionToken") or ""),
  }
end

-- Keys in the JSON that both metadata services answer with; nil when there are none.
local function keys_of(ctx, reply)
  local keys = reply and reply.status == 200 and ctx.json(reply.body)
  if type(keys) ~= "table" or type(keys.AccessKeyId) ~= "string" or type(keys.SecretAccessKey) ~= "string" then
    return nil
  end
  return {
    access_key = ctx.secret(keys.AccessKeyId),
    secret_key = ctx.secret(keys.SecretAccessKey),
    session_token = type(keys.Token) == "string" and ctx.secret(keys.Token) or nil,
  }
end

function levels.container(ctx)
  local relative = variable(ctx, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
  local url = relative and "http://169.254.170.2" .. relative or variable(ctx, "AWS_CONTAINER_CREDENTIALS_FULL_URI")
  if not url then
    return nil
  end
  local token = ctx.config.container_token_file or ctx.config.container_token
  local reply, message, kind = ctx.http.get(url, { headers = { Authorization = token }, timeout = 10, follow = "none" })
  local keys = keys_of(ctx, reply)
  if not keys then
    return nil, ("could not get the container's credentials: %s"):format(
      message or ("%s answered %d without keys"):format(url, reply.status)), kind or "unauthorized"
  end
  return keys
end

-- Most machines are no EC2 instances: what goes wrong here means that there are no credentials.
function levels.instance(ctx)
  if (variable(ctx, "AWS_EC2_METADATA_DISABLED") or ""):lower() == "true" then
    return nil
  end
  local service = variable(ctx, "AWS_EC2_METADATA_SERVICE_ENDPOINT") or "http://169.254.169.254"
  local latest = service:gsub("/+$", "") .. "/latest/"
  local function ask(path, method, headers)
    return ctx.http({
      method = method, url = latest .. path, headers = headers, timeout = 1, attempts = 1, follow = "none",
    })
  end
  local reply = ask("api/token", "PUT", { ["X-aws-ec2-metadata-token-ttl-seconds"] = "21600" })
  if not reply or reply.status ~= 200 then
    return nil
  end
  local headers = { ["X-aws-ec2-metadata-token"] = ctx.secret(reply.body) }
  reply = ask("meta-data/iam/security-credentials/", "GET", headers)
  local role = reply and reply.status == 200 and reply.body:match("^[^\r\n]+")
  return role and keys_of(ctx, ask("meta-data/iam/security-credentials/" .. ctx.url.encode(role), "GET", headers))
end

local static = { "given", "named", "file" }
local all = { "given", "named", "file", "web_identity", "container", "instance" }

--- The credentials of the first level that has some: { access_key, secret_key, session_token }, of texts and secrets.
-- Nil when no level has; nil, a message and a kind when a level is set up but does not work.
-- @param at_aws whether the service belongs to AWS, whose identities (levels 4 to 6) mean nothing elsewhere
function aws.credentials(ctx, at_aws)
  -- This machine's identity is for the endpoint of its environment, not for one that a request names.
  local names = at_aws and ctx.origin.endpoint ~= "request" and all or static
  for _, name in ipairs(names) do
    local found, message, kind = levels[name](ctx)
    if found or message then
      return found, message, kind
    end
  end
end

--- The region in the name of an endpoint's host, or nil.
-- @usage aws.region_of("s3.eu-west-1.amazonaws.com") --> "eu-west-1"
function aws.region_of(host)
  for _, before in ipairs({ "s3[.-]", "obs[.]", "dualstack[.]", "s3%-fips[.]", "sts[.]" }) do
    local region = ("." .. host):match("[.]" .. before .. "(%l%l%-[%l-]+%d+)[.]")
    if region then
      return region
    end
  end
  return host == "s3.amazonaws.com" and "us-east-1" or nil
end

--- The endpoint of a service in a region.
function aws.endpoint(service, region)
  return ("https://%s.%s.amazonaws.com%s"):format(service, region, region:find("^cn%-") and ".cn" or "")
end

--- What an error reply says: { code, message, region, text }, each nil when it does not, but text, for people.
function aws.problem(ctx, reply)
  local element = reply.body ~= "" and ctx.xml(reply.body) or nil
  element = element and (element:child("Error") or element)
  local problem = {
    code = element and element:value("Code"),
    message = element and element:value("Message"),
    region = element and element:value("Region") or reply.headers["x-amz-bucket-region"],
  }
  problem.text = problem.code and ("%s: %s"):format(problem.code, problem.message or "") or "status " .. reply.status
  return problem
end

return aws
