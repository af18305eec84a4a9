-- Where a bucket is: style of addressing, endpoint and region, as the source s3 uses them.
local fake_ctx = require("spec.support.fake_ctx")
local testing = require("kthena.testing")

local root = debug.getinfo(1, "S").source:match("^@(.*)spec/kthena/[^/]*$")
local rules = testing.source((root == "" and "./" or root) .. "rules/sources/s3.lua")

local ONE = "<L><IsTruncated>false</IsTruncated><Contents><Key>m/a</Key><Size>1</Size></Contents></L>"
local QUERY = "?list-type=2&prefix=m%2F&encoding-type=url&max-keys=1000"

-- Resolves URI with these variables (and keys); every request is answered by `answer`, or with one object. Returns the
-- URL of that, its region, and the URLs asked; or nil, message, kind.
local function resolve(uri, env, answer)
  local all = { ACCESS_KEY = "AK", SECRET_KEY = "SK" }
  for name, value in pairs(env or {}) do
    all[name] = value
  end
  local replies = setmetatable({}, { __index = function()
    return answer or { body = ONE }
  end })
  local ctx = fake_ctx.new(rules, { env = all, replies = replies })
  local plan, message, kind = rules.resolve(testing.uri(uri), ctx)
  if not plan then
    return nil, message, kind
  end
  local asked = {}
  for i, request in ipairs(ctx.requests) do
    asked[i] = request.url
  end
  return plan.files[1].url, fake_ctx.reveal(plan.access.signer).region, asked
end

describe("a bucket", function()
  it("is part of the host's name at Amazon and Huawei, and of the path elsewhere", function()
    for _, case in ipairs({
      { "s3://b-1/m/", {}, "https://b-1.s3.us-east-1.amazonaws.com/m/a", "us-east-1" },
      { "s3://b-1/m/", { AWS_REGION = "eu-west-3" }, "https://b-1.s3.eu-west-3.amazonaws.com/m/a", "eu-west-3" },
      { "s3://b-1/m/", { AWS_DEFAULT_REGION = "cn-north-1" }, "https://b-1.s3.cn-north-1.amazonaws.com.cn/m/a",
        "cn-north-1" },
      { "s3://b.1/m/", {}, "https://s3.us-east-1.amazonaws.com/b.1/m/a", "us-east-1" },
      { "s3://B_1/m/", {}, "https://s3.us-east-1.amazonaws.com/B_1/m/a", "us-east-1" },
      { "s3://b-1/m/", { ENDPOINT = "https://s3.eu-west-1.amazonaws.com/" },
        "https://b-1.s3.eu-west-1.amazonaws.com/m/a", "eu-west-1" },
      { "s3://b-1/m/", { ENDPOINT = "https://notamazonaws.com" }, "https://notamazonaws.com/b-1/m/a", "us-east-1" },
      { "s3://b-1/m/", { AWS_ENDPOINT_URL = "http://minio:9000" }, "http://minio:9000/b-1/m/a", "us-east-1" },
      { "s3://b-1/m/", { AWS_ENDPOINT_URL = "http://x", AWS_ENDPOINT_URL_S3 = "http://y/s3/" }, "http://y/s3/b-1/m/a",
        "us-east-1" },
      { "s3://b-1/m/", { ENDPOINT = "http://127.0.0.1:9000", AWS_ENDPOINT_URL_S3 = "http://y" },
        "http://127.0.0.1:9000/b-1/m/a", "us-east-1" },
      { "s3://b-1/m/", { ENDPOINT = "http://[::1]:9000" }, "http://[::1]:9000/b-1/m/a", "us-east-1" },
      { "s3://b-1/m/", { ENDPOINT = "minio.example:9000" }, "https://minio.example:9000/b-1/m/a", "us-east-1" },
      { "obs://b-1/m/", { ENDPOINT = "https://obs.cn-north-4.myhuaweicloud.com" },
        "https://b-1.obs.cn-north-4.myhuaweicloud.com/m/a", "cn-north-4" },
      { "obs://b-1/m/", { AWS_REGION = "la-south-2" }, "https://b-1.obs.la-south-2.myhuaweicloud.com/m/a",
        "la-south-2" },
    }) do
      local url, region = resolve(case[1], case[2])
      assert.equal(case[3], url)
      assert.equal(case[4], region)
    end
  end)

  it("is addressed as S3_ADDRESSING_STYLE says", function()
    assert.equal("https://s3.us-east-1.amazonaws.com/b-1/m/a", resolve("s3://b-1/m/", { S3_ADDRESSING_STYLE = "path" }))
    assert.equal("http://b-1.minio:9000/m/a",
      resolve("s3://b-1/m/", { S3_ADDRESSING_STYLE = "virtual", ENDPOINT = "http://minio:9000" }))
    local _, message, kind = resolve("s3://b-1/m/", { S3_ADDRESSING_STYLE = "vhost" })
    assert.equal("could not open s3://b-1/m/: the addressing style is 'vhost'; it can be path, virtual or auto",
      message)
    assert.equal("invalid", kind)
  end)

  it("is asked at the root of its host, or at its path", function()
    local _, _, asked = resolve("s3://b-1/m/")
    assert.same({ "https://b-1.s3.us-east-1.amazonaws.com/" .. QUERY }, asked)
    _, _, asked = resolve("s3://b-1/m/", { ENDPOINT = "http://minio:9000" })
    assert.same({ "http://minio:9000/b-1" .. QUERY }, asked)
  end)

  it("needs an endpoint that is a URL, and at Huawei an endpoint or a region", function()
    for _, endpoint in ipairs({ "ftp://x", "http://", "http:///x", "http://x/?y=1" }) do
      local url, message, kind = resolve("s3://b-1/m/", { ENDPOINT = endpoint })
      assert.is_nil(url)
      assert.equal(("could not open s3://b-1/m/: the endpoint '%s' is not a URL such as https://minio.example:9000")
        :format(endpoint), message)
      assert.equal("invalid", kind)
    end
    local _, message = resolve("obs://b-1/m/")
    assert.equal("could not open obs://b-1/m/: there is no endpoint; set ENDPOINT or AWS_REGION", message)
  end)

  describe("in another region", function()
    local function answer(reply, right)
      return function(request)
        return request.signer.region == right and { body = ONE } or reply
      end
    end
    local malformed = { status = 400, body = "<?xml version='1.0' encoding='UTF-8'?>\n<Error><Code>"
      .. "AuthorizationHeaderMalformed</Code><Message>The authorization header is malformed; the region 'us-east-1' is "
      .. "wrong; expecting 'eu-west-1'</Message><RequestId>tx2e</RequestId><Region>eu-west-1</Region></Error>" }

    it("is found by what the server says of it", function()
      local url, region, asked = resolve("s3://b-1/m/", {}, answer(malformed, "eu-west-1"))
      assert.equal("https://b-1.s3.eu-west-1.amazonaws.com/m/a", url)
      assert.equal("eu-west-1", region)
      assert.equal(2, #asked)
      url, region = resolve("s3://b-1/m/", { ENDPOINT = "http://minio:9000" }, answer(malformed, "eu-west-1"))
      assert.equal("http://minio:9000/b-1/m/a", url)
      assert.equal("eu-west-1", region)
    end)

    it("is found by the header of a redirect", function()
      local moved = { status = 301, headers = { ["x-amz-bucket-region"] = "ap-south-1" },
        body = "<Error><Code>PermanentRedirect</Code><Message>m</Message></Error>" }
      local url = resolve("s3://b-1/m/", { AWS_REGION = "eu-west-1" }, answer(moved, "ap-south-1"))
      assert.equal("https://b-1.s3.ap-south-1.amazonaws.com/m/a", url)
    end)

    it("is not looked for when the server names the one that was asked", function()
      local asked = 0
      local url = resolve("s3://b-1/m/", { AWS_REGION = "eu-west-1" }, function()
        asked = asked + 1
        return malformed
      end)
      assert.is_nil(url)
      assert.equal(1, asked)
    end)

    it("is looked for once", function()
      local _, message, kind = resolve("s3://b-1/m/", {}, answer(malformed, "never"))
      assert.truthy(message:find("the region is not the bucket's; set the region", 1, true))
      assert.equal("invalid", kind)
    end)

    it("is not followed to a name that is no region", function()
      local evil = { status = 400, body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>x.evil.com/</Region>"
        .. "</Error>" }
      local url, message = resolve("s3://b-1/m/", {}, answer(evil, "x.evil.com/"))
      assert.is_nil(url)
      assert.truthy(message:find("set the region", 1, true))
    end)
  end)

  it("of strangers is read without credentials", function()
    local ctx = fake_ctx.new(rules, { env = { AWS_EC2_METADATA_DISABLED = "true" }, replies = {
      ["https://b-1.s3.us-east-1.amazonaws.com/" .. QUERY] = { body = ONE } } })
    local plan = rules.resolve(testing.uri("s3://b-1/m/"), ctx)
    assert.is_nil(plan.access.signer)
    assert.is_nil(ctx.requests[1].signer)
  end)

  it("is not opened with credentials that are half there", function()
    local ctx = fake_ctx.new(rules, { env = { ACCESS_KEY = "AK" } })
    local plan, message, kind = rules.resolve(testing.uri("s3://b-1/m/"), ctx)
    assert.is_nil(plan)
    assert.truthy(message:find("^could not open s3://b%-1/m/: access_key and secret_key belong together"))
    assert.equal("invalid", kind)
  end)
end)
