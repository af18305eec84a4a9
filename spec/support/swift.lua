--- A real server that speaks S3 (tests/servers/swift.sh: OpenStack Swift) as specs see it.
local files = require("spec.support.files")
local process = require("spec.support.process")
local wait = require("spec.support.wait")

local swift = {}
local Swift = {}
Swift.__index = Swift

-- Runs curl and returns what it prints; an error when it fails or the server answers 4xx or 5xx.
local function curl(arguments)
  local result = process.run({ "curl", "--silent", "--show-error", "--fail", "--noproxy", "*", unpack(arguments) },
    { seconds = 120 })
  assert(result.status == 0, result.stderr)
  return result.stdout
end

--- Starts a server without buckets, which takes about 6 seconds: do it once for a file, in `setup`. It has endpoint,
-- access_key, secret_key, region, and env: the variables with which a runtime finds it.
-- @usage setup(function() server = swift.start() server:bucket("models") end)
function swift.start()
  local self = setmetatable({}, Swift)
  self.process = process.start({ files.root .. "/tests/servers/swift.sh" }, { clean = true })
  local line = wait.until_true("Swift to start", function()
    return self.process:stdout():match("^([^\n]+)\n") or (self.process:status() and error("Swift has ended"))
  end, 70)
  self.endpoint, self.access_key, self.secret_key, self.region = line:match("^(%S+) (%S+) (%S+) (%S+)$")
  self.env = { ENDPOINT = self.endpoint, ACCESS_KEY = self.access_key, SECRET_KEY = self.secret_key,
    AWS_REGION = self.region }
  local head = curl({ "-D", "-", "-o", "/dev/null", self.endpoint .. "/auth/v1.0",
    "-H", "X-Auth-User: " .. self.access_key, "-H", "X-Auth-Key: " .. self.secret_key })
  self.token = assert(head:match("[Xx]%-[Aa]uth%-[Tt]oken: (%S+)"), "Swift gave no token")
  return self
end

-- Swift's own API stores what its S3 API serves, and needs no signature.
local function url_of(self, bucket, key)
  local path = (bucket .. (key and "/" .. key or "")):gsub("[^%w._~/-]", function(byte)
    return ("%%%02X"):format(byte:byte())
  end)
  return self.endpoint .. "/v1/AUTH_test/" .. path
end

--- Makes a bucket. Its name has at least three letters.
function Swift:bucket(name)
  curl({ "-X", "PUT", "-H", "X-Auth-Token: " .. self.token, url_of(self, name) })
end

--- Stores objects: key (any bytes but NUL) -> text. Many at once: 2,500 small ones take about 10 seconds.
-- @usage server:put("models", { ["m1/config.json"] = "{}", ["m1/dir/"] = "" })
function Swift:put(bucket, objects)
  local directory, entries = files.temporary(), {}
  for key, text in pairs(objects) do
    local path = files.write(("%s/%d"):format(directory, #entries), text)
    entries[#entries + 1] = table.concat({
      ('url = "%s"'):format(url_of(self, bucket, key)), 'request = "PUT"', ('data-binary = "@%s"'):format(path),
      ('header = "X-Auth-Token: %s"'):format(self.token), 'noproxy = "*"', "fail", "silent", "show-error",
      'output = "/dev/null"',
    }, "\n")
  end
  local list = files.write(directory .. "/curl", table.concat(entries, "\nnext\n") .. "\n")
  local result = process.run({ "curl", "--no-progress-meter", "--parallel", "--parallel-max", "16", "--config", list },
    { seconds = 300 })
  assert(result.status == 0, result.stderr)
end

--- Deletes an object.
function Swift:delete(bucket, key)
  curl({ "-X", "DELETE", "-H", "X-Auth-Token: " .. self.token, url_of(self, bucket, key) })
end

--- The keys of a bucket, in order, as Swift's own API lists them (10,000 at most).
function Swift:keys(bucket)
  local keys = {}
  for key in curl({ "-H", "X-Auth-Token: " .. self.token, url_of(self, bucket) }):gmatch("[^\n]+") do
    keys[#keys + 1] = key
  end
  return keys
end

--- Runs the aws command line and returns what it prints; an error when it fails.
-- @usage server:aws("s3", "cp", path, "s3://models/large.bin")
function Swift:aws(...)
  local result = process.run({ "/usr/bin/aws", "--endpoint-url", self.endpoint, ... }, { seconds = 120, env = {
    AWS_ACCESS_KEY_ID = self.access_key, AWS_SECRET_ACCESS_KEY = self.secret_key, AWS_DEFAULT_REGION = self.region,
    AWS_CONFIG_FILE = "/dev/null", AWS_SHARED_CREDENTIALS_FILE = "/dev/null", PATH = "/usr/bin:/bin",
  } })
  assert(result.status == 0, result.stderr)
  return result.stdout
end

return swift
