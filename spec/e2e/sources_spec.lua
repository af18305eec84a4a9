-- Downloads from every built-in source with the real binary: what comes, what is said when it cannot come, and that no
-- credential goes anywhere but where it belongs.
local content = require("tests.servers.content")
local fileserver = require("spec.support.fileserver")
local files = require("spec.support.files")
local hub = require("spec.support.hub")
local runtime = require("spec.support.runtime")
local stat = require("posix.sys.stat")
local swift = require("spec.support.swift")

-- Variables of whoever runs the specs that would find their way into a source.
local unset = {}
for name in ([[HF_AUTH_TOKEN HF_TOKEN HF_ENDPOINT HF_REVISION MS_TOKEN MODELSCOPE_API_TOKEN MODELSCOPE_DOMAIN
  MS_REVISION ACCESS_KEY SECRET_KEY ENDPOINT AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
  AWS_ENDPOINT_URL AWS_PROFILE AWS_ENDPOINT_URL_S3 AWS_REGION AWS_DEFAULT_REGION S3_ADDRESSING_STYLE AWS_ROLE_ARN
  AWS_WEB_IDENTITY_TOKEN_FILE AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_CREDENTIALS_RELATIVE_URI http_proxy
  https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY]]):gmatch("%S+") do
  unset[name] = ""
end
unset.AWS_EC2_METADATA_DISABLED = "true"
unset.AWS_SHARED_CREDENTIALS_FILE = "/dev/null"

-- Runs a download to its end; with the log at its most talkative.
local function download(source, directory, env, ...)
  local all = {}
  for _, variables in ipairs({ unset, env or {} }) do
    for name, value in pairs(variables) do
      all[name] = value
    end
  end
  return runtime.run({ "download", "--source", source, "--output-dir", directory, "--log-level", "debug", ... },
    { env = all, seconds = 120 })
end

local function succeeds(...)
  local result = download(...)
  assert.equal(0, result.status, result.stderr)
  return result.stdout .. result.stderr
end

-- Asserts that a download ends with this status and says each of the texts.
local function ends(status, source, env, ...)
  local result = download(source, files.temporary() .. "/out", env)
  assert.equal(status, result.status, result.stderr)
  for _, part in ipairs({ ... }) do
    assert.truthy(result.stderr:find(part, 1, true), ("expected %q in: %s"):format(part, result.stderr))
  end
  return result.stderr
end

local function fails(...)
  return ends(1, ...)
end

-- As fails, for what is wrong with the command itself.
local function is_misuse(...)
  return ends(2, ...)
end

local function sha256(path)
  return content.text(assert(files.read(path))):sha256()
end

-- Asserts that a directory holds a repository, byte for byte.
local function holds(directory, repo)
  for path, file in pairs(repo.files) do
    assert.equal(file.sha256, sha256(directory .. "/" .. path), path)
  end
end

-- The requests that a double has seen, by origin.
local function count(fake, origin)
  local number = 0
  for _, request in ipairs(fake:stats().seen) do
    number = number + (request.origin == origin and 1 or 0)
  end
  return number
end

local MODEL = {
  { path = "config.json", text = '{"a":1}' },
  { path = "empty", text = "" },
  { path = "weights/model 1+2#?.safetensors", size = 40000000, lfs = true },
  { path = "weights/small.bin", size = 1000, lfs = true },
}

-- The hubs with a model, ns/m. `more` are fields of the repository.
local function start_hub(more)
  local fake = hub.start()
  local repo = { name = "ns/m", files = MODEL }
  for name, value in pairs(more or {}) do
    repo[name] = value
  end
  return fake, fake:repo(repo)
end

describe("hf://", function()
  it("brings a repository, verified, page by page, and asks the storage without the token", function()
    local fake, repo = start_hub({ private = true })
    fake:order({ token = "hf_planted", page = 2 })
    local directory = files.temporary() .. "/m"
    local env = { HF_ENDPOINT = fake.url, HF_AUTH_TOKEN = "hf_planted" }
    local said = succeeds("hf://ns/m", directory, env)
    holds(directory, repo)
    assert.is_nil(said:find("hf_planted", 1, true))
    local stats = fake:stats()
    assert.same({}, stats.leaks)
    for _, request in ipairs(stats.seen) do
      assert.equal(request.origin == "hub" and "Bearer hf_planted" or nil, request.headers.authorization)
    end
    local cache = directory .. "/.cache/huggingface/"
    assert.equal("*", files.read(cache .. ".gitignore"))
    local oid = repo.files["config.json"].git_sha1
    assert.truthy(files.read(cache .. "download/config.json.metadata"):find(
      ("^%s\n%s\n%%d+%%.%%d+\n$"):format(repo.commit, oid)))
    assert.truthy(files.read(cache .. "trees/" .. repo.commit .. ".json"):find('"format_version":1', 1, true))
    for _, name in ipairs({ "manifest", "lock" }) do
      assert.is_nil((files.read(directory .. "/.kthena/" .. name) or ""):find("hf_planted", 1, true))
    end
  end)

  it("does nothing the second time, and asks nothing for a commit", function()
    local fake, repo = start_hub()
    local directory, env = files.temporary() .. "/m", { HF_ENDPOINT = fake.url }
    succeeds("ns/m@" .. repo.commit, directory, env)
    fake:forget()
    succeeds("ns/m@" .. repo.commit, directory, env)
    assert.same({}, fake:stats().seen)
    local other = files.temporary() .. "/m"
    succeeds("hf://ns/m", other, env)
    fake:forget()
    succeeds("hf://ns/m", other, env)
    assert.same({}, fake:stats().sent)
  end)

  it("brings what include and exclude leave", function()
    local fake = start_hub()
    local directory = files.temporary() .. "/m"
    succeeds("ns/m", directory, { HF_ENDPOINT = fake.url }, "--include", "*.json", "--include", "weights/**",
      "--exclude", "*.safetensors")
    assert.same({ "config.json", "weights" }, files.list(directory))
    assert.same({ "small.bin" }, files.list(directory .. "/weights"))
    assert.same({ "config.json.metadata", "weights" }, files.list(directory .. "/.cache/huggingface/download"))
  end)

  it("goes through mirrors and renamed repositories", function()
    local fake, repo = start_hub()
    fake:order({ token = "hf_planted", moved = { ["old/name"] = "ns/m" } })
    local directory = files.temporary() .. "/m"
    succeeds("hf://ns/m", directory, { HF_ENDPOINT = fake.mirror, HF_AUTH_TOKEN = "hf_planted" })
    holds(directory, repo)
    for _, request in ipairs(fake:stats().seen) do
      assert.equal(request.origin == "mirror" and "Bearer hf_planted" or nil, request.headers.authorization)
    end
    directory = files.temporary() .. "/m"
    succeeds("hf://old/name", directory, { HF_ENDPOINT = fake.url, HF_AUTH_TOKEN = "hf_planted" })
    holds(directory, repo)
    assert.same({}, fake:stats().leaks)
  end)

  it("asks again when signed URLs have expired, and when the API is busy", function()
    local fake, repo = start_hub()
    fake:order({ uses = 1, limit = { count = 1, seconds = 0 } })
    local directory = files.temporary() .. "/m"
    succeeds("hf://ns/m", directory, { HF_ENDPOINT = fake.url })
    holds(directory, repo)
    assert.truthy(count(fake, "cdn") >= 3) -- parts of the large file
  end)

  it("fetches a file with wrong bytes once more, and fails when they stay wrong", function()
    local fake, repo = start_hub()
    local directory = files.temporary() .. "/m"
    fake:fail("config.json", { kind = "wrong" })
    fake:fail("weights/small.bin", { kind = "wrong" })
    succeeds("hf://ns/m", directory, { HF_ENDPOINT = fake.url })
    holds(directory, repo)
    fake:fail("weights/small.bin", { kind = "wrong", times = -1 })
    fails("hf://ns/m", { HF_ENDPOINT = fake.url }, "weights/small.bin", repo.files["weights/small.bin"].sha256)
  end)

  it("says what a refusal means", function()
    local fake = start_hub()
    fake:order({ token = "hf_good" })
    local env = { HF_ENDPOINT = fake.url }
    fails("hf://ns/none", env, "the repository does not exist or is private; check its name")
    fails("hf://ns/m@v9", env, "the repository has no such revision; check the branch, tag or commit", "v9")
    local said = fails("hf://ns/m", { HF_ENDPOINT = fake.url, HF_TOKEN = "hf_planted" }, "the token is not valid")
    assert.is_nil(said:find("hf_planted", 1, true))
    fake:repo({ name = "ns/m", gated = true, files = MODEL })
    fails("hf://ns/m", env, "the repository is gated; accept its conditions on its page", "GatedRepo")
    fake:repo({ name = "ns/m", disabled = true, files = MODEL })
    fails("hf://ns/m", env, "the hub has disabled the repository; use another")
    fails("hf://ns", { HF_ENDPOINT = "http://127.0.0.1:1" }, "could not look up hf://ns", "127.0.0.1")
    is_misuse("a/b/c", env, "'a/b/c' names no repository; expected hf://namespace/name[@revision]")
  end)
end)

describe("ms://", function()
  it("brings a model, verified, and asks the storage without the token", function()
    local fake, repo = start_hub({ private = true })
    fake:order({ token = "ms-planted" })
    local directory = files.temporary() .. "/m"
    local env = { MODELSCOPE_DOMAIN = fake.url, MS_TOKEN = "ms-planted" }
    local said = succeeds("ms://ns/m", directory, env)
    holds(directory, repo)
    assert.is_nil(said:find("ms-planted", 1, true))
    assert.same({ "config.json", "empty", "weights" }, files.list(directory))
    local stats = fake:stats()
    assert.same({}, stats.leaks)
    for _, request in ipairs(stats.seen) do
      assert.is_nil(request.target:find("FilePath=empty", 1, true))
      assert.equal(request.origin == "hub" and "m_session_id=ms-planted" or nil, request.headers.cookie)
    end
    fake:forget()
    succeeds("ms://ns/m", directory, env)
    assert.same({}, fake:stats().sent)
  end)

  it("notices wrong bytes by the listing's digest", function()
    local fake, repo = start_hub()
    fake:fail("config.json", { kind = "wrong", times = -1 })
    fails("ms://ns/m", { MODELSCOPE_DOMAIN = fake.url }, "config.json", repo.files["config.json"].sha256)
  end)

  it("says what a refusal means", function()
    local fake = start_hub()
    fake:order({ token = "good" })
    local env = { MODELSCOPE_DOMAIN = fake.url }
    fails("ms://ns/none", env, "there is no such model or revision; check both", "(record not found)")
    fails("ms://ns/m@v9", env, "there is no such model or revision", "(revision not found)")
    fails("ms://ns/m", { MODELSCOPE_DOMAIN = fake.url, MS_TOKEN = "bad" }, "may not read the model; check MS_TOKEN")
    fake:order({ code = { Code = 10010101, Message = "under repair" } })
    fails("ms://ns/m", env, "ModelScope refuses: under repair (code 10010101)")
  end)
end)

describe("s3:// and obs://", function()
  local server

  setup(function()
    server = swift.start()
    server:bucket("models")
    server:put("models", {
      ["m/"] = "", ["m/sub/"] = "", ["m/config.json"] = "{}", ["m/sub/a"] = ("a"):rep(1000),
      ["m/a b+c&d=e%2F#?\195\169'(x)!*~\".txt"] = "odd", ["m-2/x"] = "x", ["single"] = "one",
    })
  end)

  it("bring what is under a prefix and nothing else", function()
    for _, scheme in ipairs({ "s3", "obs" }) do
      local directory = files.temporary() .. "/m"
      local said = succeeds(scheme .. "://models/m", directory, server.env)
      assert.same({ "a b+c&d=e%2F#?\195\169'(x)!*~\".txt", "config.json", "sub" }, files.list(directory))
      assert.equal("odd", files.read(directory .. "/a b+c&d=e%2F#?\195\169'(x)!*~\".txt"))
      assert.equal(("a"):rep(1000), files.read(directory .. "/sub/a"))
      assert.is_nil(said:find(server.secret_key, 1, true))
      assert.truthy(succeeds(scheme .. "://models/m", directory, server.env):find("nothing to do", 1, true))
    end
  end)

  it("bring a single object under its last part", function()
    local directory = files.temporary() .. "/m"
    succeeds("s3://models/single", directory, server.env)
    succeeds("s3://models/m/sub/a", directory, server.env)
    assert.same({ "a", "single" }, files.list(directory))
  end)

  it("bring what was uploaded in parts", function()
    local path = files.write(files.temporary() .. "/large", ("0123456789abcdef"):rep(1300000))
    server:aws("s3", "cp", "--no-progress", path, "s3://models/large")
    local directory = files.temporary() .. "/m"
    succeeds("s3://models/large", directory, server.env)
    assert.equal(sha256(path), sha256(directory .. "/large"))
  end)

  it("list 2,500 objects over pages", function()
    local objects = {}
    for i = 1, 2500 do
      objects[("many/%04d"):format(i)] = tostring(i)
    end
    server:put("models", objects)
    local directory = files.temporary() .. "/m"
    succeeds("s3://models/many/", directory, server.env)
    assert.equal(2500, #files.list(directory))
    assert.equal("1", files.read(directory .. "/0001"))
    assert.equal("2500", files.read(directory .. "/2500"))
  end)

  it("take the credentials of the configuration and of the file, and learn the region", function()
    local config = ('{"endpoint":"%s","access_key":"%s","secret_key":"%s"}'):format(server.endpoint, server.access_key,
      server.secret_key)
    succeeds("s3://models/single", files.temporary() .. "/m", { AWS_REGION = "eu-west-1" }, "--config", config)
    local path = files.write(files.temporary() .. "/credentials", ("[other]\naws_access_key_id = %s\n"
      .. "aws_secret_access_key = %s\n"):format(server.access_key, server.secret_key))
    succeeds("s3://models/single", files.temporary() .. "/m", { AWS_ENDPOINT_URL = server.endpoint,
      AWS_SHARED_CREDENTIALS_FILE = path, AWS_PROFILE = "other" })
  end)

  it("say what a refusal means", function()
    local function env(name, value)
      local changed = {}
      for key, own in pairs(server.env) do
        changed[key] = own
      end
      changed[name] = value
      return changed
    end
    local said = fails("s3://models/m", env("SECRET_KEY", "planted-wrong"),
      "the secret key is not that of the access key")
    assert.is_nil(said:find("planted-wrong", 1, true))
    fails("s3://models/m", env("ACCESS_KEY", "test:nobody"), "could not list s3://models/m: ")
    is_misuse("s3://models/m", env("SECRET_KEY", ""), "access_key and secret_key belong together")
    fails("s3://none/m", server.env, "the bucket does not exist; check its name", "NoSuchBucket")
    fails("s3://models/no", server.env, "nothing is stored under s3://models/no; check the bucket and the prefix")
    fails("s3://models/m", { ENDPOINT = server.endpoint }, "there are no credentials, so nothing was signed")
    is_misuse("s3:///m", server.env, "names no bucket; expected s3://bucket/prefix")
  end)
end)

describe("pvc:// and file://", function()
  it("bring a directory or a file", function()
    local volume = files.temporary()
    files.write(volume .. "/m/config.json", "{}")
    files.write(volume .. "/m/sub/a b", "x")
    for _, start in ipairs({ "pvc://" .. volume, "pvc://" .. volume:sub(2), "file://" .. volume }) do
      local directory = files.temporary() .. "/m"
      succeeds(start .. "/m", directory)
      assert.equal("{}", files.read(directory .. "/config.json"))
      assert.equal("x", files.read(directory .. "/sub/a b"))
    end
    local directory = files.temporary() .. "/m"
    succeeds("pvc://" .. volume .. "/m/sub/a b", directory)
    succeeds("file://" .. volume .. "/m/config%2Ejson", directory)
    assert.same({ "a b", "config.json" }, files.list(directory))
  end)

  it("keep the holes of a sparse file", function()
    local volume = files.temporary()
    local path = files.write(volume .. "/sparse", "head")
    local file = assert(io.open(path, "r+b"))
    file:seek("set", 40000000)
    file:write("tail")
    file:close()
    local directory = files.temporary() .. "/m"
    succeeds("pvc://" .. path, directory)
    local about = stat.stat(directory .. "/sparse")
    assert.same({ 40000004, true }, { about.st_size, about.st_blocks * 512 < 1000000 })
    assert.equal(sha256(path), sha256(directory .. "/sparse"))
  end)

  it("say what is wrong", function()
    local volume = files.temporary()
    fails("pvc://" .. volume .. "/none", {}, "does not exist here; mount the volume that holds it in this container")
    fails("pvc://" .. volume, {}, "holds no files")
    fails("file://" .. volume .. "/none", {}, "does not exist; check the path")
    is_misuse("file://host/x", {}, "names no path of this machine")
  end)
end)

describe("http://", function()
  it("brings a file, through redirects to URLs that expire", function()
    local fake = fileserver.start()
    local sum = fake:file({ path = "/d/a b.bin", size = 40000000, redirect = { uses = 2 } })
    local directory = files.temporary() .. "/m"
    succeeds(fake.url .. "/d/a%20b.bin?x=1#y", directory)
    assert.equal(sum, sha256(directory .. "/a b.bin"))
    assert.same({}, fake:stats().leaks)
  end)

  it("says what is wrong", function()
    local fake = fileserver.start()
    fails(fake.url .. "/none.bin", {}, "/none.bin", "404")
    is_misuse(fake.url .. "/d/", {}, "does not end in the name of a file")
    local said = is_misuse("http://me:planted@127.0.0.1/x", {}, "user name or a password")
    assert.is_nil(said:find("planted", 1, true))
  end)
end)

describe("an unknown scheme", function()
  it("is answered with those that are known", function()
    is_misuse("gopher://x/y", {}, "gopher", "s3://bucket/prefix", "hf://", "ms://", "pvc://", "file://", "https://")
  end)
end)
