-- S3 and OBS. The replies are those of Swift's S3 API, recorded, but for what it does not do.
local fake_ctx = require("spec.support.fake_ctx")
local support = require("spec.rules.sources.support")

local HEAD = "<?xml version='1.0' encoding='UTF-8'?>\n"
local EMPTY = HEAD .. '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>models</Name><Prefix>'
  .. "nope/</Prefix><KeyCount>0</KeyCount><MaxKeys>3</MaxKeys><EncodingType>url</EncodingType><IsTruncated>false"
  .. "</IsTruncated></ListBucketResult>"
local FIRST = HEAD .. '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>models</Name><Prefix>'
  .. "model/</Prefix><NextContinuationToken>bW9kZWwvY29uZmlnLmpzb24=</NextContinuationToken><KeyCount>3</KeyCount>"
  .. "<MaxKeys>3</MaxKeys><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><Contents><Key>model/</Key>"
  .. "<LastModified>2026-11-24T13:52:53.000Z</LastModified><ETag>\"d41d8cd98f00b204e9800998ecf8427e\"</ETag><Size>0"
  .. "</Size><StorageClass>STANDARD</StorageClass></Contents><Contents><Key>"
  .. "model/a%20b%2Bc%26d%3D%C3%A9%252F%23%3F.txt</Key><LastModified>2026-11-24T13:52:48.000Z</LastModified><ETag>\""
  .. "5d41402abc4b2a76b9719d911017c592\"</ETag><Size>5</Size><StorageClass>STANDARD</StorageClass></Contents><Contents>"
  .. "<Key>model/config.json</Key><LastModified>2026-11-24T13:52:48.000Z</LastModified><ETag>\""
  .. "5d41402abc4b2a76b9719d911017c592\"</ETag><Size>5</Size><StorageClass>STANDARD</StorageClass></Contents>"
  .. "</ListBucketResult>"
local SECOND = HEAD .. '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>models</Name><Prefix>'
  .. "model/</Prefix><ContinuationToken>bW9kZWwvY29uZmlnLmpzb24=</ContinuationToken><KeyCount>3</KeyCount><MaxKeys>3"
  .. "</MaxKeys><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated><Contents><Key>model/ctl%01key</Key>"
  .. "<LastModified>2026-11-24T13:52:55.000Z</LastModified><ETag>\"6f7f0b434651658d5d07ec3764180020\"</ETag><Size>3"
  .. "</Size><StorageClass>STANDARD</StorageClass></Contents><Contents><Key>model/sub/</Key><ETag>\"x\"</ETag><Size>0"
  .. "</Size></Contents><Contents><Key>model/sub/y</Key><LastModified>2026-11-24T13:52:52.000Z</LastModified><ETag>\""
  .. "60d3ab9726316e801408b23b47e40262-2\"</ETag><Size>16777217</Size><StorageClass>STANDARD</StorageClass></Contents>"
  .. "</ListBucketResult>"

local URL = "http://127.0.0.1:8080/models"

local function query(prefix, max, token)
  return ("%s?list-type=2&prefix=%s&encoding-type=url&max-keys=%s%s"):format(URL, prefix, max or "1000",
    token and "&continuation-token=" .. token or "")
end

local function page(...)
  local parts = {}
  for i, key in ipairs({ ... }) do
    parts[i] = ('<Contents><Key>%s</Key><ETag>"e%d"</ETag><Size>%d</Size></Contents>'):format(key, i, i)
  end
  return { body = "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>"
    .. table.concat(parts) .. "</ListBucketResult>" }
end

local function refusal(status, code, message, headers)
  return { status = status, headers = headers, body = HEAD .. ("<Error><Code>%s</Code><Message>%s</Message><RequestId>"
    .. "tx2e4f</RequestId></Error>"):format(code, message or "m") }
end

describe("the source s3", function()
  local s3 = support.source("s3")

  -- An endpoint on loopback and keys for it, unless the options have their own.
  local function options(replies, more)
    local all = {
      replies = replies,
      config = { endpoint = "http://127.0.0.1:8080", access_key = "AK", secret_key = "SK" },
      env = { AWS_EC2_METADATA_DISABLED = "true" },
    }
    for name, value in pairs(more or {}) do
      all[name] = value
    end
    return all
  end

  it("lists every page under the prefix, decodes keys and leaves out directory markers", function()
    local plan, ctx = support.resolve(s3, "s3://models/model", options({
      [query("model%2F")] = { body = FIRST },
      [query("model%2F", nil, "bW9kZWwvY29uZmlnLmpzb24%3D")] = { body = SECOND },
    }))
    assert.same({
      { path = "a b+c&d=é%2F#?.txt", size = 5, etag = "5d41402abc4b2a76b9719d911017c592",
        url = URL .. "/model/a%20b%2Bc%26d%3D%C3%A9%252F%23%3F.txt" },
      { path = "config.json", size = 5, etag = "5d41402abc4b2a76b9719d911017c592", url = URL .. "/model/config.json" },
      { path = "ctl\1key", size = 3, etag = "6f7f0b434651658d5d07ec3764180020", url = URL .. "/model/ctl%01key" },
      { path = "sub/y", size = 16777217, etag = "60d3ab9726316e801408b23b47e40262-2", url = URL .. "/model/sub/y",
        head = true },
    }, plan.files)
    assert.equal("", plan.revision)
    assert.is_false(plan.pinned)
    assert.equal(2, #ctx.requests)
    assert.equal("none", ctx.requests[1].follow)
  end)

  it("signs what it lists and what is downloaded, for the region", function()
    local plan, ctx = support.resolve(s3, "s3://models/m/", options({ [query("m%2F")] = page("m/a") }))
    local signer = { access_key = "AK", secret_key = "SK", region = "us-east-1", service = "s3", encode_once = true }
    assert.same(signer, ctx.requests[1].signer)
    assert.same(signer, fake_ctx.reveal(plan.access.signer))
    assert.same({ ["x-amz-checksum-mode"] = "ENABLED" }, plan.access.headers)
  end)

  it("takes checksums of whole objects, then an ETag that is an MD5, for digests", function()
    local plan = support.resolve(s3, "s3://models/m/", options({ [query("m%2F")] = page("m/a") }))
    local kinds = {}
    for i, digest in ipairs(plan.access.digests) do
      kinds[i] = digest.header .. " " .. digest.kind .. " " .. digest.unless.name .. "=" .. digest.unless.value
    end
    assert.same({
      "x-amz-checksum-sha256 sha256 x-amz-checksum-type=COMPOSITE",
      "x-amz-checksum-crc64nvme crc64nvme x-amz-checksum-type=COMPOSITE",
      "x-amz-checksum-crc32c crc32c x-amz-checksum-type=COMPOSITE",
      "x-amz-checksum-crc32 crc32 x-amz-checksum-type=COMPOSITE",
      "x-amz-checksum-sha1 sha1 x-amz-checksum-type=COMPOSITE",
      "etag md5 x-amz-server-side-encryption=aws:kms",
    }, kinds)
  end)

  it("lists a whole bucket", function()
    for _, uri in ipairs({ "s3://models", "s3://models/" }) do
      local plan = support.resolve(s3, uri, options({ [query("")] = page("a", "d/b", "d/") }))
      assert.same({ "a", "d/b" }, support.paths(plan))
    end
  end)

  it("takes the one object of that name where there is nothing below it, under its last part", function()
    local plan = support.resolve(s3, "s3://models/dir/model", options({
      [query("dir%2Fmodel%2F")] = page(),
      [query("dir%2Fmodel", "1")] = page("dir/model"),
    }))
    assert.same({ "model" }, support.paths(plan))
    assert.equal(URL .. "/dir/model", plan.files[1].url)
    plan = support.resolve(s3, "s3://models/single", options({
      [query("single%2F")] = page("single/"), -- a marker alone is nothing
      [query("single", "1")] = page("single"),
    }))
    assert.same({ "single" }, support.paths(plan))
  end)

  it("never takes model-2 for model", function()
    support.refuses(s3, "s3://models/model", options({
      [query("model%2F")] = { body = EMPTY },
      [query("model", "1")] = page("model-2/x"),
    }), "not_found", "nothing is stored under s3://models/model;")
  end)

  it("takes a prefix with a final slash for a directory only", function()
    support.refuses(s3, "s3://models/nope/", options({ [query("nope%2F")] = { body = EMPTY } }), "not_found",
      "nothing is stored under s3://models/nope/; check the bucket and the prefix")
  end)

  it("takes keys as they are when the server does not encode them", function()
    local plan = support.resolve(s3, "s3://models/m/", options({ [query("m%2F")] = {
      body = "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>m/100%25 + &amp;</Key><Size>1</Size>"
        .. "</Contents></ListBucketResult>" } }))
    assert.same({ "100%25 + &" }, support.paths(plan))
    assert.is_nil(plan.files[1].etag)
  end)

  it("decodes the plus sign Amazon writes for a space", function()
    local plan = support.resolve(s3, "s3://models/m/", options({ [query("m%2F")] = page("m/a+b%2Bc") }))
    assert.same({ "a b+c" }, support.paths(plan))
    assert.equal(URL .. "/m/a%20b%2Bc", plan.files[1].url)
  end)

  it("takes ? and # and % in the URI for parts of the key", function()
    local plan = support.resolve(s3, "s3://models/a?b#c%20/", options({
      [query("a%3Fb%23c%2520%2F")] = page("a%3Fb%23c%2520/x") }))
    assert.same({ "x" }, support.paths(plan))
  end)

  it("ends when pages repeat or are no listing", function()
    support.refuses(s3, "s3://models/model", options({
      [query("model%2F")] = { body = FIRST },
      [query("model%2F", nil, "bW9kZWwvY29uZmlnLmpzb24%3D")] = { body = FIRST },
    }), "protocol", "could not list s3://models/model: ", "pages repeat")
    support.refuses(s3, "s3://models/m/", options({ [query("m%2F")] = { body = "<html><p>" } }), "protocol",
      "could not list s3://models/m/: ")
    support.refuses(s3, "s3://models/m/", options({ [query("m%2F")] = {
      body = "<ListBucketResult><Contents><Key>m/a</Key></Contents></ListBucketResult>" } }), "protocol", "without key")
  end)

  it("passes on why a server cannot be reached", function()
    support.refuses(s3, "s3://models/m/", options({ [query("m%2F")] = { failure = "no route", kind = "unreachable" } }),
      "unreachable", "could not list s3://models/m/: no route")
  end)

  it("refuses a URI without a bucket", function()
    for _, uri in ipairs({ "s3://", "s3:///model", "s3://a", "s3://-x/y", "s3://a b/c", "s3://b?x/c" }) do
      support.refuses(s3, uri, options({}), "invalid", "names no bucket; expected s3://bucket/prefix")
    end
  end)

  describe("on a refusal", function()
    local function refuses(reply, kind, ...)
      support.refuses(s3, "s3://models/m/", options({ [query("m%2F")] = reply }), kind,
        "could not list s3://models/m/: ", ...)
    end

    it("says what it means and what to do", function()
      refuses(refusal(404, "NoSuchBucket", "The specified bucket does not exist."), "not_found",
        "the bucket does not exist; check its name", "(NoSuchBucket: The specified bucket does not exist.)")
      refuses(refusal(403, "AccessDenied", "Access Denied."), "denied", "access is denied; check that the credentials")
      refuses(refusal(403, "InvalidAccessKeyId"), "unauthorized", "the access key is not known there")
      refuses(refusal(403, "SignatureDoesNotMatch"), "unauthorized", "the secret key is not that of the access key")
      refuses(refusal(400, "ExpiredToken"), "unauthorized", "the session token has expired; get new credentials")
      refuses(refusal(400, "InvalidToken"), "unauthorized", "the session token is not valid")
      refuses(refusal(403, "RequestTimeTooSkewed"), "unauthorized", "clock")
      refuses(refusal(301, "PermanentRedirect"), "invalid", "the bucket is at another endpoint")
    end)

    it("goes by the status when there is no body", function()
      refuses({ status = 403 }, "denied", "access is denied", "(status 403)")
      refuses({ status = 404 }, "not_found", "(status 404)")
      refuses({ status = 500 }, "protocol", "the server refuses: status 500")
      refuses({ status = 400, body = "<oops" }, "protocol", "the server refuses: status 400")
    end)

    it("quotes codes it does not know", function()
      refuses(refusal(409, "OperationAborted", "A conflicting operation"), "protocol",
        "the server refuses: OperationAborted: A conflicting operation")
    end)

    it("says that nothing was signed when there were no credentials", function()
      for reply, kind in pairs({ [refusal(403, "AccessDenied")] = "denied", [{ status = 412 }] = "protocol" }) do
        support.refuses(s3, "s3://models/m/", options({ [query("m%2F")] = reply },
          { config = { endpoint = "http://127.0.0.1:8080" } }), kind, "there are no credentials, so nothing was signed")
      end
    end)

    it("explains a file's", function()
      local ctx = fake_ctx.new(s3, options({}))
      local reply = refusal(404, "NoSuchKey", "The specified key does not exist.")
      reply.headers = {}
      local sentence = "the object does not exist; check the path (NoSuchKey: The specified key does not exist.)"
      assert.same({ sentence, "not_found" }, { s3.explain(reply, ctx) })
      assert.is_nil(s3.explain({ status = 500, headers = {}, body = "" }, ctx))
    end)
  end)
end)
