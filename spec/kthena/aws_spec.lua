-- Where credentials come from, level by level, as the source s3 uses them.
local fake_ctx = require("spec.support.fake_ctx")
local testing = require("kthena.testing")

local root = debug.getinfo(1, "S").source:match("^@(.*)spec/kthena/[^/]*$")
local aws = require("kthena.aws")
local rules = testing.source((root == "" and "./" or root) .. "rules/sources/s3.lua")

local TOKEN = "http://169.254.169.254/latest/api/token"
local ROLES = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"
local STS = [[<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><SubjectFromWebIdentityToken>system:serviceaccount:ns:sa</SubjectFromWebIdentityToken>
<Credentials><SessionToken>ST</SessionToken><SecretAccessKey>SS</SecretAccessKey>
<Expiration>2026-11-24T15:00:00Z</Expiration><AccessKeyId>ASIA</AccessKeyId></Credentials>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>]]
local KEYS = { body = '{"Code":"Success","AccessKeyId":"IK","SecretAccessKey":"IS","Token":"IT"}' }

-- Every level at once; specs take away what comes first.
local function everything()
  return {
    config = { access_key = "CK", secret_key = "CS", session_token = "CT" },
    env = {
      ACCESS_KEY = "EK", SECRET_KEY = "ES",
      AWS_ACCESS_KEY_ID = "AK", AWS_SECRET_ACCESS_KEY = "AS", AWS_SESSION_TOKEN = "AT",
      AWS_WEB_IDENTITY_TOKEN_FILE = "/token", AWS_ROLE_ARN = "arn:aws:iam::1:role/r",
      AWS_CONTAINER_CREDENTIALS_FULL_URI = "http://169.254.170.23/v1/credentials",
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE = "/pod-token",
    },
    files = {
      ["~/.aws/credentials"] = "[default]\naws_access_key_id = FK\naws_secret_access_key = FS\n"
        .. "[other]\naws_access_key_id = OK\naws_secret_access_key = OS\naws_session_token = OT\n",
      ["/token"] = "jwt+a", ["/pod-token"] = "pod",
    },
    replies = {
      ["POST https://sts.us-east-1.amazonaws.com/"] = { body = STS },
      ["http://169.254.170.23/v1/credentials"] = { body = '{"AccessKeyId":"PK","SecretAccessKey":"PS","Token":"PT"}' },
      ["PUT " .. TOKEN] = { body = "imds" },
      ["GET " .. ROLES] = { body = "node-role\n" },
      ["GET " .. ROLES .. "node-role"] = KEYS,
    },
  }
end

local function find(options, at_aws)
  local ctx = fake_ctx.new(rules, options)
  local found, message, kind = aws.credentials(ctx, at_aws ~= false)
  if not found then
    return nil, message, kind, ctx
  end
  local shown = {}
  for name, value in pairs(found) do
    shown[name] = fake_ctx.reveal(value)
  end
  return shown, ctx
end

local function keys(access, secret, session)
  return { access_key = access, secret_key = secret, session_token = session }
end

describe("credentials", function()
  it("are taken from the first level that has some", function()
    local options = everything()
    assert.same(keys("CK", "CS", "CT"), find(options))
    options.config = {}
    assert.same(keys("EK", "ES"), find(options))
    options.env.ACCESS_KEY, options.env.SECRET_KEY = nil, nil
    assert.same(keys("AK", "AS", "AT"), find(options))
    options.env.AWS_ACCESS_KEY_ID, options.env.AWS_SECRET_ACCESS_KEY = nil, nil
    assert.same(keys("FK", "FS"), find(options))
    options.files["~/.aws/credentials"] = nil
    assert.same(keys("ASIA", "SS", "ST"), find(options))
    options.env.AWS_ROLE_ARN = nil
    assert.same(keys("PK", "PS", "PT"), find(options))
    options.env.AWS_CONTAINER_CREDENTIALS_FULL_URI = nil
    assert.same(keys("IK", "IS", "IT"), find(options))
    options.env.AWS_EC2_METADATA_DISABLED = "TRUE"
    local found, message = find(options)
    assert.is_nil(found)
    assert.is_nil(message)
  end)

  it("never mix a key of one level with a secret of another", function()
    for _, change in ipairs({
      function(options) options.config.secret_key = nil end,
      function(options) options.config.access_key = nil end,
      function(options) options.config, options.env.SECRET_KEY = {}, nil end,
      function(options) options.config, options.env.ACCESS_KEY = {}, nil end,
    }) do
      local options = everything()
      change(options)
      local found, message, kind = find(options)
      assert.is_nil(found)
      assert.equal("access_key and secret_key belong together, but only one of them is given; give both", message)
      assert.equal("invalid", kind)
    end
    local options = everything()
    options.config, options.env = {}, { AWS_ACCESS_KEY_ID = "AK" }
    local _, message = find(options)
    assert.truthy(message:find("aws_access_key_id and aws_secret_access_key belong together", 1, true))
  end)

  it("leave the session token of one level out of another", function()
    local options = everything()
    options.config = { session_token = "CT" }
    assert.same(keys("EK", "ES"), find(options))
  end)

  it("come from the profile AWS_PROFILE, which has to be there", function()
    local options = everything()
    options.config, options.env = {}, { AWS_PROFILE = "other" }
    assert.same(keys("OK", "OS", "OT"), find(options))
    options.env.AWS_PROFILE = "third"
    local _, message, kind = find(options)
    assert.equal("the shared credentials file has no keys for the profile 'third'; check AWS_PROFILE", message)
    assert.equal("unauthorized", kind)
  end)

  describe("of a web identity", function()
    local function options()
      local all = everything()
      all.config, all.files["~/.aws/credentials"] = {}, nil
      for _, name in ipairs({ "ACCESS_KEY", "SECRET_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY" }) do
        all.env[name] = nil
      end
      return all
    end

    it("are asked of STS in the region, unsigned, with the token as a secret", function()
      local all = options()
      all.env.AWS_REGION, all.env.AWS_ROLE_SESSION_NAME = "cn-north-1", "me"
      all.replies["POST https://sts.cn-north-1.amazonaws.com.cn/"] = { body = STS }
      local _, ctx = find(all)
      local request = ctx.requests[1]
      assert.equal("Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr"
        .. "&RoleSessionName=me&WebIdentityToken=<jwt%2Ba>", request.body)
      assert.is_nil(request.signer)
      all.env.AWS_ENDPOINT_URL_STS = "http://127.0.0.1:1/"
      all.replies["POST http://127.0.0.1:1/"] = { body = STS }
      assert.same(keys("ASIA", "SS", "ST"), find(all))
    end)

    it("fail with what STS says", function()
      local all = options()
      all.replies["POST https://sts.us-east-1.amazonaws.com/"] = { status = 403, body = "<ErrorResponse><Error>"
        .. "<Type>Sender</Type><Code>AccessDenied</Code><Message>Not authorized to perform "
        .. "sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>" }
      local _, message, kind = find(all)
      assert.equal("could not assume arn:aws:iam::1:role/r with the web identity token: AccessDenied: Not authorized "
        .. "to perform sts:AssumeRoleWithWebIdentity; check AWS_ROLE_ARN and the role's trust policy", message)
      assert.equal("unauthorized", kind)
      all.replies["POST https://sts.us-east-1.amazonaws.com/"] = { failure = "timed out", kind = "timeout" }
      _, message, kind = find(all)
      assert.equal("could not assume arn:aws:iam::1:role/r: timed out", message)
      assert.equal("timeout", kind)
    end)

    it("fail when the token is not there", function()
      local all = options()
      all.files["/token"] = nil
      local _, message, kind = find(all)
      assert.truthy(message:find("AWS_WEB_IDENTITY_TOKEN_FILE names a file that is not there", 1, true))
      assert.equal("unauthorized", kind)
    end)
  end)

  describe("of a container", function()
    it("are asked for with the token of the variable or the file", function()
      local options = {
        env = { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI = "/v2/x", AWS_CONTAINER_AUTHORIZATION_TOKEN = "t" },
        replies = { ["http://169.254.170.2/v2/x"] = KEYS },
      }
      local found, ctx = find(options)
      assert.same(keys("IK", "IS", "IT"), found)
      assert.equal("<t>", ctx.requests[1].headers.Authorization)
      options.env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, options.files = "/t", { ["/t"] = "u" }
      found, ctx = find(options)
      assert.same(keys("IK", "IS", "IT"), found)
      assert.equal("<u>", ctx.requests[1].headers.Authorization)
    end)

    it("fail with the reason", function()
      local options = { env = { AWS_CONTAINER_CREDENTIALS_FULL_URI = "http://c/" },
        replies = { ["http://c/"] = { status = 500 } } }
      local _, message, kind = find(options)
      assert.equal("could not get the container's credentials: http://c/ answered 500 without keys", message)
      assert.equal("unauthorized", kind)
      options.replies["http://c/"] = { failure = "no route", kind = "unreachable" }
      _, message, kind = find(options)
      assert.equal("could not get the container's credentials: no route", message)
      assert.equal("unreachable", kind)
    end)
  end)

  describe("of an instance", function()
    it("take a session of the metadata service, and one short try", function()
      local options = everything()
      local found, ctx = find({ replies = options.replies })
      assert.same(keys("IK", "IS", "IT"), found)
      assert.equal("PUT", ctx.requests[1].method)
      assert.equal("21600", ctx.requests[1].headers["X-aws-ec2-metadata-token-ttl-seconds"])
      for _, request in ipairs(ctx.requests) do
        assert.equal(1, request.attempts)
        assert.equal(1, request.timeout)
      end
      assert.equal("<imds>", ctx.requests[3].headers["X-aws-ec2-metadata-token"])
    end)

    it("are none where there is no such service, role or key", function()
      for _, replies in ipairs({
        { ["PUT " .. TOKEN] = { failure = "timed out", kind = "timeout" } },
        { ["PUT " .. TOKEN] = { status = 405 } },
        { ["PUT " .. TOKEN] = { body = "t" }, ["GET " .. ROLES] = { status = 404 } },
        { ["PUT " .. TOKEN] = { body = "t" }, ["GET " .. ROLES] = { body = "r" },
          ["GET " .. ROLES .. "r"] = { body = "[" } },
      }) do
        local found, message = find({ replies = replies })
        assert.is_nil(found)
        assert.is_nil(message)
      end
    end)

    it("are asked for at AWS_EC2_METADATA_SERVICE_ENDPOINT", function()
      local found = find({ env = { AWS_EC2_METADATA_SERVICE_ENDPOINT = "http://m/" }, replies = {
        ["PUT http://m/latest/api/token"] = { body = "t" },
        ["GET http://m/latest/meta-data/iam/security-credentials/"] = { body = "a b" },
        ["GET http://m/latest/meta-data/iam/security-credentials/a%20b"] = KEYS,
      } })
      assert.same(keys("IK", "IS", "IT"), found)
    end)
  end)

  it("of this machine's identity are for AWS only, and not for an endpoint of a request's own", function()
    local options = everything()
    options.env.ACCESS_KEY, options.env.SECRET_KEY, options.env.AWS_ACCESS_KEY_ID = nil, nil, nil
    options.env.AWS_SECRET_ACCESS_KEY, options.files["~/.aws/credentials"] = nil, nil
    options.config = {}
    assert.is_nil((find(options, false)))
    options.config = { endpoint = "http://minio:9000" }
    local found, message, _, ctx = find(options)
    assert.is_nil(found)
    assert.is_nil(message)
    assert.equal(0, #ctx.requests)
  end)

  it("of the environment are bound to its endpoint", function()
    for name, key in pairs(rules.config) do
      local is_credential = key.secret or key.file
      assert.equal(is_credential and name ~= "session_token" and "endpoint" or nil, key.bound_to, name)
    end
  end)
end)

describe("region_of", function()
  it("reads the region in a host's name", function()
    for host, region in pairs({
      ["s3.eu-west-1.amazonaws.com"] = "eu-west-1",
      ["s3-us-west-2.amazonaws.com"] = "us-west-2",
      ["s3.dualstack.ap-southeast-2.amazonaws.com"] = "ap-southeast-2",
      ["s3-fips.us-gov-west-1.amazonaws.com"] = "us-gov-west-1",
      ["bucket.s3.cn-north-1.amazonaws.com.cn"] = "cn-north-1",
      ["obs.cn-north-4.myhuaweicloud.com"] = "cn-north-4",
      ["s3.eu-central-003.backblazeb2.com"] = "eu-central-003",
      ["s3.amazonaws.com"] = "us-east-1",
    }) do
      assert.equal(region, aws.region_of(host), host)
    end
    for _, host in ipairs({ "127.0.0.1", "localhost", "minio", "my-host-1.example.com", "s3.example.com" }) do
      assert.is_nil(aws.region_of(host), host)
    end
  end)
end)
