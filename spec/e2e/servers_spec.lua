-- The doubles that other specs rely on, seen with a raw client.
local content = require("tests.servers.content")
local fileserver = require("spec.support.fileserver")
local http = require("spec.support.http")
local hub = require("spec.support.hub")
local json = require("dkjson")

local function target_of(url)
  return url:match("^http://[^/]+(/.*)$")
end

local function sha256(text)
  return content.text(text):sha256()
end

describe("the double of Hugging Face", function()
  -- A hub with one repository, ns/m.
  local function start(more)
    local repo = { name = "ns/m", files = {
      { path = "a.json", text = "{}" }, { path = "w/b.bin", size = 100000, lfs = true },
    } }
    for name, value in pairs(more or {}) do
      repo[name] = value
    end
    local fake = hub.start()
    return fake, fake:repo(repo)
  end

  local function refusal(reply)
    return { reply.status, reply.headers["x-error-code"], reply.headers["x-error-message"] }
  end

  it("tells the commit and lists by pages", function()
    local fake, repo = start()
    fake:order({ page = 2 })
    assert.equal(repo.commit, json.decode(http.get(fake.url, "/api/models/ns/m/revision/main").body).sha)
    local reply = http.get(fake.url, "/api/models/ns/m/tree/" .. repo.commit .. "?recursive=True&expand=False")
    local first = json.decode(reply.body)
    local last = http.get(fake.url, target_of(reply.headers.link:match('^<(.-)>; rel="next"$')))
    local entry = json.decode(last.body)[1]
    assert.same({ "directory", "file" }, { first[1].type, first[2].type })
    assert.equal(repo.files["a.json"].git_sha1, first[2].oid)
    assert.same({ "w/b.bin", 100000, repo.files["w/b.bin"].sha256 }, { entry.path, entry.size, entry.lfs.oid })
    assert.is_nil(last.headers.link)
  end)

  it("names a blob as git does", function()
    assert.equal("9e26dfeeb6e641a33dae4961196235bdb965b21b", content.text("{}"):git_sha1())
  end)

  it("compresses small texts unless identity is asked for", function()
    local fake, repo = start()
    local plain = http.get(fake.url, "/ns/m/resolve/main/a.json", { "Accept-Encoding: identity" })
    assert.same({ "{}", repo.commit, "2" },
      { plain.body, plain.headers["x-repo-commit"], plain.headers["content-length"] })
    local packed = http.get(fake.url, "/ns/m/resolve/main/a.json")
    assert.same({ "gzip", "chunked" }, { packed.headers["content-encoding"], packed.headers["transfer-encoding"] })
    assert.equal("\31\139", packed.body:sub(1, 2))
  end)

  it("redirects large files to a storage that must not see a credential", function()
    local fake, repo = start()
    local head = http.request(fake.url, "HEAD", "/ns/m/resolve/main/w/b.bin")
    assert.equal(302, head.status)
    assert.equal(repo.commit, head.headers["x-repo-commit"])
    assert.equal('"' .. repo.files["w/b.bin"].sha256 .. '"', head.headers["x-linked-etag"])
    assert.equal("100000", head.headers["x-linked-size"])
    local location = target_of(head.headers.location)
    assert.equal(repo.files["w/b.bin"].sha256, sha256(http.get(fake.cdn, location).body))
    local part = http.get(fake.cdn, location, { "Range: bytes=99998-" })
    assert.same({ 206, "bytes 99998-99999/100000", 2 }, { part.status, part.headers["content-range"], #part.body })
    assert.equal(416, http.get(fake.cdn, location, { "Range: bytes=100000-" }).status)
    assert.same({}, fake:stats().leaks)
    for _, header in ipairs({ "Authorization: Bearer x", "Cookie: m=1", "X-Amz-Date: 1" }) do
      assert.equal(500, http.get(fake.cdn, location, { header }).status)
    end
    assert.same({ "authorization", "cookie", "x-amz-date" }, fake:stats().leaks)
  end)

  it("lets signed URLs expire", function()
    local fake = start()
    fake:order({ uses = 1 })
    local head = http.request(fake.url, "HEAD", "/ns/m/resolve/main/w/b.bin")
    assert.equal(200, http.get(fake.cdn, target_of(head.headers.location)).status)
    assert.equal(403, http.get(fake.cdn, target_of(head.headers.location)).status)
  end)

  it("refuses with the codes and the words of the real one", function()
    local fake = start({ gated = true })
    local file, good = "/ns/m/resolve/main/a.json", { "Authorization: Bearer hf_good" }
    fake:order({ token = "hf_good" })
    assert.same({ 401, nil, "Invalid credentials in Authorization header" },
      refusal(http.get(fake.url, file, { "Authorization: Bearer hf_bad" })))
    assert.same({ 401, "GatedRepo", "Access to ns/m is restricted" }, refusal(http.get(fake.url, file)))
    assert.same({ 403, "GatedRepo", "Access to ns/m is restricted" }, refusal(http.get(fake.url, file, good)))
    assert.same({ 401, "RepoNotFound", "Repository not found" }, refusal(http.get(fake.url, "/api/models/ns/x")))
    assert.same({ 404, "RepoNotFound", "Repository not found" }, refusal(http.get(fake.url, "/api/models/ns/x", good)))
    fake:repo({ name = "ns/m", private = true, files = { { path = "a.json", text = "{}" } } })
    assert.same({ 401, "RepoNotFound", "Repository not found" }, refusal(http.get(fake.url, file)))
    assert.equal(200, http.get(fake.url, file, good).status)
    assert.same({ 404, "EntryNotFound", "Entry not found" },
      refusal(http.get(fake.url, "/ns/m/resolve/main/b.json", good)))
    assert.same({ 404, "RevisionNotFound", "Invalid rev id: v9" },
      refusal(http.get(fake.url, "/api/models/ns/m/revision/v9", good)))
    assert.same({ 404, "RevisionNotFound", "Invalid rev id: v9" },
      refusal(http.get(fake.url, "/ns/m/resolve/v9/a.json", good)))
    fake:repo({ name = "ns/m", disabled = true, files = {} })
    assert.same({ 403, nil, "Access to this resource is disabled." }, refusal(http.get(fake.url, "/api/models/ns/m")))
  end)

  it("limits the rate of its API", function()
    local fake = start()
    fake:order({ limit = { count = 1, seconds = 3 } })
    local reply = http.get(fake.url, "/api/models/ns/m")
    assert.same({ 429, '"api";r=0;t=3' }, { reply.status, reply.headers.ratelimit })
    assert.equal(200, http.get(fake.url, "/api/models/ns/m").status)
  end)

  it("sends a renamed repository's callers on, relatively, and a mirror's to the hub", function()
    local fake = start()
    fake:order({ moved = { ["old/name"] = "ns/m" } })
    for _, target in ipairs({ "/api/models/%s/revision/main", "/%s/resolve/main/a.json" }) do
      local reply = http.get(fake.url, target:format("old/name"))
      assert.same({ 307, target:format("ns/m") }, { reply.status, reply.headers.location })
    end
    local reply = http.get(fake.mirror, "/ns/m/resolve/main/a.json")
    assert.same({ 308, fake.url .. "/ns/m/resolve/main/a.json" }, { reply.status, reply.headers.location })
    assert.equal(200, http.get(fake.mirror, "/api/models/ns/m").status)
    assert.equal("mirror", fake:stats().seen[3].origin)
  end)

  it("knows data sets", function()
    local fake = start({ kind = "datasets" })
    assert.equal(200, http.get(fake.url, "/api/datasets/ns/m/revision/main").status)
    assert.equal(200, http.get(fake.url, "/datasets/ns/m/resolve/main/a.json").status)
    assert.equal(401, http.get(fake.url, "/api/models/ns/m/revision/main").status)
  end)
end)

describe("the double of ModelScope", function()
  local LIST = "/api/v1/models/ns/m/repo/files?Revision=master&Recursive=True"

  local function start(more)
    local repo = { name = "ns/m", files = {
      { path = "d/a b.json", text = "{}" }, { path = "b.bin", size = 9, lfs = true }, { path = "empty", text = "" },
    } }
    for name, value in pairs(more or {}) do
      repo[name] = value
    end
    local fake = hub.start()
    return fake, fake:repo(repo)
  end

  local function ask(fake, target, ...)
    local reply = http.get(fake.url, target, { ... })
    return reply.status, json.decode(reply.body)
  end

  it("lists blobs and trees, and sends files itself or from the storage", function()
    local fake, repo = start()
    local _, listing = ask(fake, LIST)
    local types = {}
    for _, file in ipairs(listing.Data.Files) do
      types[file.Path] = file.Type .. " " .. file.Size .. " " .. file.Sha256
    end
    assert.equal("tree 0 ", types.d)
    assert.equal("blob 2 " .. repo.files["d/a b.json"].sha256, types["d/a b.json"])
    assert.equal("blob 1 ", types[".gitattributes"])
    local file = "/api/v1/models/ns/m/repo?Revision=master&FilePath="
    assert.equal("{}", http.get(fake.url, file .. "d%2Fa+b.json").body)
    assert.equal("}", http.get(fake.url, file .. "d%2Fa%20b.json", { "Range: bytes=1-1" }).body)
    local reply = http.get(fake.url, file .. "b.bin")
    assert.equal(302, reply.status)
    assert.equal(repo.files["b.bin"].sha256, sha256(http.get(fake.cdn, target_of(reply.headers.location)).body))
    assert.equal(500, (ask(fake, file .. "empty")))
    assert.equal(404, (ask(fake, file .. "none")))
  end)

  it("refuses with codes and messages", function()
    local fake = start({ private = true })
    fake:order({ token = "good" })
    assert.equal(403, (ask(fake, LIST)))
    assert.equal(403, (ask(fake, LIST, "Cookie: m_session_id=bad")))
    assert.equal(200, (ask(fake, LIST, "Cookie: m_session_id=good")))
    local status, reply = ask(fake, LIST:gsub("ns/m", "ns/x"))
    assert.same({ 404, "record not found", false }, { status, reply.Message, reply.Success })
    assert.equal(404, (ask(fake, (LIST:gsub("master", "v9")), "Cookie: m_session_id=good")))
    fake:order({ code = { Code = 10010101, Message = "busy" } })
    status, reply = ask(fake, LIST)
    assert.same({ 200, 10010101, "busy" }, { status, reply.Code, reply.Message })
  end)
end)

describe("the file server", function()
  -- A server with one file, and its bytes.
  local function start(more)
    local file = { path = "/a.bin", size = 100000 }
    for name, value in pairs(more or {}) do
      file[name] = value
    end
    local fake = fileserver.start()
    return fake, fake:file(file)
  end

  -- The body of a request that may break off: what came of it.
  local function partial(fake, ...)
    local connection = http.connect(fake.url)
    connection:ask("GET", "/a.bin", { "Connection: close", ... })
    local bytes, _, rest = connection.socket:receive("*a")
    return (bytes or rest):match("\r\n\r\n(.*)$") or ""
  end

  it("serves files, their heads and ranges of them, and tells of it", function()
    local fake, sum = start()
    local reply = http.get(fake.url, "/a.bin")
    assert.equal(sum, sha256(reply.body))
    assert.equal('"' .. content.text(reply.body):md5() .. '"', reply.headers.etag)
    assert.equal(reply.body:sub(11, 20), http.get(fake.url, "/a.bin", { "Range: bytes=10-19" }).body)
    assert.equal("", http.request(fake.url, "HEAD", "/a.bin").body)
    assert.equal(412, http.get(fake.url, "/a.bin", { 'If-Match: "other"' }).status)
    assert.equal(200, http.get(fake.url, "/a.bin", { "Range: bytes=10-19", 'If-Range: "other"' }).status)
    assert.equal(404, http.get(fake.url, "/none").status)
    local seen = fake:stats().files["/a.bin"]
    assert.same({ method = "GET", range = "bytes=10-19", status = 206, sent = 10 }, seen.requests[2])
    assert.equal(200010, seen.sent)
    local index = json.decode(http.get(fake.url, "/index.json").body)
    assert.same({ { path = "/a.bin", size = 100000, sha256 = sum } }, index)
  end)

  it("breaks off by reset, by closing, and by falling silent", function()
    local fake = start()
    fake:fail("/a.bin", { kind = "reset", after = 10 }, { kind = "cut", after = 20 })
    assert.equal(10, #partial(fake))
    assert.equal(20, #partial(fake))
    assert.equal(100000, #partial(fake))
    fake:fail("/a.bin", { kind = "stall", after = 30 })
    local connection = http.connect(fake.url, 0.2)
    connection:ask("GET", "/a.bin")
    local _, problem, got = connection.socket:receive("*a")
    assert.equal("timeout", problem)
    assert.equal(30, #got:match("\r\n\r\n(.*)$"))
  end)

  it("answers with statuses for a while", function()
    local fake = start()
    fake:fail("/a.bin", { kind = "status", status = 503, times = 2, retry_after = 7 },
      { kind = "status", status = 429 })
    for _, status in ipairs({ 503, 503, 429, 200 }) do
      local reply = http.get(fake.url, "/a.bin")
      assert.same({ status, status == 503 and "7" or nil }, { reply.status, reply.headers["retry-after"] })
    end
  end)

  it("lies about ranges, lengths and bytes", function()
    local fake, sum = start()
    fake:fail("/a.bin", { kind = "shifted" }, { kind = "total", by = 5 }, { kind = "whole" }, { kind = "chunked" },
      { kind = "wrong" }, { kind = "slow", rate = 1000000 })
    local function part()
      return http.get(fake.url, "/a.bin", { "Range: bytes=10-19" })
    end
    assert.equal("bytes 11-20/100001", part().headers["content-range"])
    assert.equal("bytes 10-19/100005", part().headers["content-range"])
    local whole = part()
    assert.same({ 200, 100000 }, { whole.status, #whole.body })
    local chunked = http.get(fake.url, "/a.bin")
    assert.same({ "chunked", nil }, { chunked.headers["transfer-encoding"], chunked.headers["content-length"] })
    assert.equal(sum, sha256(chunked.body))
    local wrong = http.get(fake.url, "/a.bin")
    assert.equal(100000, #wrong.body)
    assert.are_not.equal(sum, sha256(wrong.body))
    assert.equal(sum, sha256(http.get(fake.url, "/a.bin").body))
    assert.equal(sum, sha256(http.get(fake.url, "/a.bin").body))
  end)

  it("keeps faults for the requests they are meant for", function()
    local fake = start()
    fake:fail("/a.bin", { kind = "status", status = 500, method = "HEAD" },
      { kind = "status", status = 502, ranged = true, from = 50 }, { kind = "status", status = 503, times = -1 })
    assert.equal(500, http.request(fake.url, "HEAD", "/a.bin").status)
    assert.equal(503, http.get(fake.url, "/a.bin", { "Range: bytes=49-" }).status)
    assert.equal(502, http.get(fake.url, "/a.bin", { "Range: bytes=50-" }).status)
    assert.equal(503, http.get(fake.url, "/a.bin").status)
    fake:forget()
    assert.equal(200, http.get(fake.url, "/a.bin").status)
  end)

  it("changes a file after some requests", function()
    local fake, sum = start()
    fake:change("/a.bin", 1, 2)
    local before, after = http.get(fake.url, "/a.bin"), http.get(fake.url, "/a.bin")
    assert.equal(sum, sha256(before.body))
    assert.are_not.equal(sum, sha256(after.body))
    assert.are_not.equal(before.headers.etag, after.headers.etag)
  end)

  it("refuses connections, and accepts them again", function()
    local fake = start()
    fake:order({ refuse = true })
    assert.is_false((pcall(http.get, fake.url, "/a.bin")))
    fake:order({ refuse = false })
    assert.equal(200, http.get(fake.url, "/a.bin").status)
  end)

  it("redirects to URLs that expire, at an origin that must not see a credential", function()
    local fake, sum = start({ redirect = { uses = 1 } })
    local location = http.get(fake.url, "/a.bin").headers.location
    local origin, target = location:match("^(http://[^/]+)(/.*)$")
    assert.equal(sum, sha256(http.get(origin, target).body))
    assert.equal(403, http.get(origin, target).status)
    assert.equal(500, http.get(origin, target, { "Cookie: x=y" }).status)
    assert.same({ "cookie" }, fake:stats().leaks)
  end)
end)
