-- Amazon S3, what speaks its protocol (MinIO, Ceph, Swift), and Huawei's OBS. s3://bucket/model is every object under
-- "model/", or the one object "model". Keys are taken as they stand in the URI: nothing is decoded.
local aws = require "kthena.aws"
local bucket = require "kthena.bucket"

local PARTS_FROM = 16 * 1024 * 1024 -- larger objects come in parts, whose replies tell no digest

local COMPOSITE = { name = "x-amz-checksum-type", value = "COMPOSITE" } -- of the parts' checksums
local KMS = { name = "x-amz-server-side-encryption", value = "aws:kms" } -- then the ETag is no MD5

local defaults = {}

function defaults.s3(region)
  return aws.endpoint("s3", region or "us-east-1")
end

function defaults.obs(region)
  return region and ("https://obs.%s.myhuaweicloud.com"):format(region)
end

-- The objects to download, and the part of their keys that their paths leave out.
local function find(place, prefix)
  local start = (prefix == "" or prefix:find("/$")) and prefix or prefix .. "/"
  local objects, message, kind = place:list(start)
  if not objects then
    return nil, message, kind
  end
  local found = {}
  for _, object in ipairs(objects) do
    if object.key:sub(1, #start) == start and not object.key:find("/$") then -- a marker of a directory
      found[#found + 1] = object
    end
  end
  if #found > 0 or start == prefix then
    return found, start
  end
  objects, message, kind = place:list(prefix, true) -- the key itself is the first that begins with it
  if not objects then
    return nil, message, kind
  end
  return (objects[1] and objects[1].key == prefix) and objects or {}, prefix:match("^.*/") or ""
end

return {
  api = 1,
  source = "s3",
  schemes = { "s3", "obs" },
  help = "s3://bucket/prefix or obs://bucket/prefix",
  variables = aws.variables,
  config = aws.config({
    endpoint = { env = { "ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL" }, endpoint = true },
    region = { env = { "AWS_REGION", "AWS_DEFAULT_REGION" } },
    addressing_style = { env = { "S3_ADDRESSING_STYLE" }, default = "auto" },
  }),
  explain = bucket.explain,
  resolve = function(uri, ctx)
    local name, prefix = uri.rest:match("^([^/]*)/?(.*)$")
    if not name:find("^%w[%w._-]+$") then
      return nil, ("'%s' names no bucket; expected %s://bucket/prefix"):format(uri.text, uri.scheme), "invalid"
    end
    local place, problem, why = bucket.open(ctx, {
      name = name,
      default = defaults[uri.scheme],
      domains = { "amazonaws.com", "amazonaws.com.cn", "myhuaweicloud.com" },
      at_aws = uri.scheme == "s3",
    })
    if not place then
      return nil, ("could not open %s: %s"):format(uri.text, problem), why
    end
    local objects, start, kind = find(place, prefix)
    if not objects then
      return nil, ("could not list %s: %s"):format(uri.text, start), kind
    elseif #objects == 0 then
      return nil, ("nothing is stored under %s; check the bucket and the prefix"):format(uri.text), "not_found"
    end
    local files = {}
    for i, object in ipairs(objects) do
      files[i] = {
        path = object.key:sub(#start + 1),
        size = object.size,
        etag = object.etag,
        url = place:url_of(object.key),
        head = object.size > PARTS_FROM or nil,
      }
    end
    return {
      revision = "",
      pinned = false,
      access = {
        headers = { ["x-amz-checksum-mode"] = "ENABLED" },
        signer = place.signer,
        digests = {
          { header = "x-amz-checksum-sha256", kind = "sha256", unless = COMPOSITE },
          { header = "x-amz-checksum-crc64nvme", kind = "crc64nvme", unless = COMPOSITE },
          { header = "x-amz-checksum-crc32c", kind = "crc32c", unless = COMPOSITE },
          { header = "x-amz-checksum-crc32", kind = "crc32", unless = COMPOSITE },
          { header = "x-amz-checksum-sha1", kind = "sha1", unless = COMPOSITE },
          { header = "etag", kind = "md5", unless = KMS },
        },
      },
      files = files,
    }
  end,
}
