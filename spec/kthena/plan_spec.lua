local host = require("host.plan")
local json = require("kthena.json")
local plan = require("kthena.plan")
local secret = require("host.secret")
local sign = require("host.sign")

local SHA = ("ab"):rep(32)

local function convert(value, globs)
  return plan.convert(value, "acme.lua: resolve", globs or {})
end

local function described(value, globs)
  return json.decode(assert(convert(value, globs)):describe("acme://x", "/nonexistent"))
end

local function refused(value, kind, ...)
  local handle, message, found = convert(value)
  assert.is_nil(handle)
  for _, expected in ipairs({ ... }) do
    assert.matches(expected, message, 1, true)
  end
  assert.equal(kind, found)
end

describe("a plan", function()
  it("becomes the host's: sorted, with sizes summed up and digests in one form", function()
    assert.same({
      source = "acme://x", revision = "r1", bytes = 12,
      files = {
        { path = "a/b", size = 5, digest = "sha256:" .. SHA, present = false },
        { path = "c", size = json.null, digest = json.null, present = false },
        { path = "d", size = 7, digest = "md5:d41d8cd98f00b204e9800998ecf8427e", present = false },
      },
    }, described({
      revision = "r1", pinned = true,
      access = {
        headers = { Authorization = { "Bearer ", secret.new("token") }, Accept = "*/*" },
        signer = sign.aws_sigv4("a", "b", nil, "r", "s3"),
        digests = { { header = "X-Sha", kind = "sha256" },
          { header = "ETag", kind = "md5", unless = { name = "X-Sse", value = "kms" } } },
        pin = { header = "X-Commit", value = "r1" }, reasons = { "X-Error" },
      },
      files = {
        { path = "d", size = 7, url = "http://h/d", md5 = "1B2M2Y8AsgTpgAmY7PhCfg==", etag = '"e"', head = true },
        { path = "a/b", size = 5, from = "/v/b", sha256 = SHA:upper(), md5 = "no matter", mtime = 1.5, mode = 420 },
        { path = "c", url = "https://h/c" },
      },
    }))
    assert.equal("", described({ files = {} }).revision)
  end)

  it("loses what the globs leave out", function()
    local value = { files = {} }
    for i, path in ipairs({ "a.json", "b/c.json", "d.bin", "e.txt" }) do
      value.files[i] = { path = path, size = 1, url = "http://h/" .. path }
    end
    local handle = assert(convert(value, { include = { "*.json", "*.bin" }, exclude = { "b/*" } }))
    assert.equal(2, handle:count())
    assert.is_true(handle:holds("a.json"))
    assert.is_false(handle:holds("b/c.json"))
    assert.is_false(handle:holds("e.txt"))
  end)

  it("is refused with file, hook and key when the rule breaks the contract", function()
    refused("x", "policy", 'acme.lua: resolve: expected a plan: a table with files, got "x"')
    refused({}, "policy", "acme.lua: resolve: files: missing; expected a list of files")
    refused({ files = {}, pinned = 1, revison = "x" }, "policy", "pinned: expected true or false, got 1",
      'revison: unknown key; did you mean "revision"?')
    refused({ files = { { path = "a", size = "7", url = "http://h" }, "b", { size = -1 } } }, "policy",
      'resolve: files[1].size: expected a whole number of bytes, got "7"',
      'files[2]: expected a file: a table with path, got "b"', "files[3].size: expected a whole number of bytes",
      "files[3].path: missing; expected text")
    for _, size in ipairs({ 0.5, -1, 2 ^ 60, 0 / 0, 1 / 0 }) do
      refused({ files = { { path = "a", url = "http://h", size = size } } }, "policy", "files[1].size: expected a")
    end
    refused({ files = { { path = "a", url = "http://h", mode = 9999 } } }, "policy", "mode: expected permission bits")
    refused({ files = { { path = "a", url = "http://h", mtime = -1 } } }, "policy", "mtime: expected seconds")
    refused({ files = { { path = "a", ulr = "http://h" } } }, "policy", 'ulr: unknown key; did you mean "url"?')
    refused({ files = { { path = "a", "b" } } }, "policy", "files[1]: expected a file: a table with path, got a list")
    refused({ files = {}, access = { headers = { A = 5 } } }, "policy", "access.headers.A: expected a text, a secret")
    refused({ files = {}, access = { digests = { { header = "x", kind = "sha3" } } } }, "policy",
      "access.digests[1].kind: expected sha256")
    local many = { files = {} }
    for i = 1, 100 do
      many.files[i] = { path = i }
    end
    local _, message = convert(many)
    assert.is_true(#message < 1000)
  end)

  it("is refused when the source lists what no plan may hold", function()
    local function file(fields)
      fields.size = fields.size or 1
      fields.url = fields.url or not fields.from and "http://h/" or nil
      return { files = { fields } }
    end
    for _, path in ipairs({ "../x", "/x", "a/../b", ".kthena/lock", "", "a//b" }) do
      refused(file({ path = path }), "protocol", "whose path")
    end
    for _, path in ipairs({ "a\\b", "a\nb", "c:/d" }) do
      assert(convert(file({ path = path })))
    end
    refused(file({ path = "a", sha256 = "abc" }), "protocol", "'a' is no sha256")
    refused(file({ path = "a", url = "http://h", from = "/x" }), "protocol", "either a URL or a local path")
    refused(file({ path = "a", url = "ftp://h" }), "protocol", "not http or https")
    refused({ files = { { path = "a", url = "http://h" }, { path = "a", url = "http://h" } } }, "protocol", "twice")
    refused({ files = { { path = "a", url = "http://h" }, { path = "a/b", url = "http://h" } } }, "protocol",
      "as a file and as the directory")
    refused({ files = {}, access = { headers = { ["A B"] = "x" } } }, "invalid", "'A B' is no header's name")
  end)

  it("cannot be changed once it is sealed, nor used before", function()
    local handle = host.new()
    assert.has_error(function() handle:count() end)
    assert(handle:file("a", 1, "http://h"))
    assert.has_error(function() handle:header("A", "b") end)
    local ok, message, kind = handle:file("a", 1, "http://h", nil, nil, "sha3", "x")
    assert.same({ nil, "unknown digest 'sha3'", "invalid" }, { ok, message, kind })
    assert(handle:seal())
    assert.has_error(function() handle:file("b", 1, "http://h") end)
    assert.has_error(function() handle:seal() end)
  end)
end)
