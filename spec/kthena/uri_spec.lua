local testing = require("kthena.testing")

-- The parts of a URI, without its text.
local function parts(text)
  local uri = testing.uri(text)
  assert.equal(text, uri.text)
  uri.text = nil
  return uri
end

describe("kthena.uri", function()
  it("takes a URI apart", function()
    assert.same({
      scheme = "acme", rest = "host/a/b@v1?x=y#z", authority = "host", path = "/a/b@v1", query = "x=y",
      name = "host/a/b", revision = "v1?x=y#z",
    }, parts("ACME://host/a/b@v1?x=y#z"))
    assert.same({
      scheme = "https", rest = "user@host:8443/f.bin", authority = "user@host:8443", path = "/f.bin",
      name = "user", revision = "host:8443/f.bin",
    }, parts("https://user@host:8443/f.bin"))
    assert.same({ scheme = "a+b.c-1", rest = "", authority = "", path = "", name = "" }, parts("a+b.c-1://"))
  end)

  it("leaves the rest as it was given", function()
    assert.same({
      scheme = "st", rest = "b/a%20b//c?d#e/", authority = "b", path = "/a%20b//c", query = "d",
      name = "b/a%20b//c?d#e/",
    }, parts("st://b/a%20b//c?d#e/"))
    assert.equal("a://b", parts("st://a://b").rest)
    assert.equal("b/k\nl", parts("st://b/k\nl").rest)
  end)

  it("knows absolute paths and queries without one", function()
    assert.same({ scheme = "local", rest = "/x/y", authority = "", path = "/x/y", name = "/x/y" },
      parts("local:///x/y"))
    assert.same({ scheme = "h", rest = "host?q", authority = "host", path = "", query = "q", name = "host?q" },
      parts("h://host?q"))
    assert.same({ scheme = "h", rest = "host/#q?x", authority = "host", path = "/", name = "host/#q?x" },
      parts("h://host/#q?x"))
  end)

  it("takes names without a scheme", function()
    assert.same({ scheme = "", rest = "ns/repo", authority = "ns", path = "/repo", name = "ns/repo" }, parts("ns/repo"))
    assert.same({
      scheme = "", rest = "ns/repo@refs/pr/1", authority = "ns", path = "/repo@refs/pr/1", name = "ns/repo",
      revision = "refs/pr/1",
    }, parts("ns/repo@refs/pr/1"))
    assert.same({ scheme = "", rest = "", authority = "", path = "", name = "" }, parts(""))
    assert.equal("", parts("1st://x").scheme)
    assert.equal("", parts("://x").scheme)
  end)

  it("splits at the last @, and takes nothing for no revision", function()
    assert.equal("a@b", parts("st://a@b@c").name)
    assert.equal("c", parts("st://a@b@c").revision)
    assert.equal("ns/repo", parts("ns/repo@").name)
    assert.is_nil(parts("ns/repo@").revision)
  end)
end)
