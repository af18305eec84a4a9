-- The sources without a listing of their own: mounted volumes, files of this machine, and single URLs.
local support = require("spec.rules.sources.support")

local FILES = { { path = "a", from = "/mnt/models/m 1/a", size = 1, mtime = 1.5, mode = 420 } }

describe("the source pvc", function()
  local pvc = support.source("pvc")

  it("takes the path with any number of slashes, as it is", function()
    for _, uri in ipairs({ "pvc:///mnt/models/m%201", "pvc://mnt/models/m%201", "pvc:////mnt/models/m%201//" }) do
      local plan = support.resolve(pvc, uri, { tree = { ["/mnt/models/m%201"] = FILES } })
      assert.same({ revision = "", pinned = false, files = FILES }, plan)
    end
  end)

  it("says that the volume has to be mounted when there is no such path", function()
    support.refuses(pvc, "pvc://mnt/x", {}, "not_found",
      "/mnt/x does not exist here; mount the volume that holds it in this container")
  end)

  it("refuses no path, and a directory without files", function()
    for _, uri in ipairs({ "pvc://", "pvc:///", "pvc:////" }) do
      support.refuses(pvc, uri, {}, "invalid", "names no path; expected one such as pvc:///mnt/models/m1")
    end
    support.refuses(pvc, "pvc:///mnt/x", { tree = { ["/mnt/x"] = {} } }, "not_found", "/mnt/x holds no files")
  end)

  it("passes on what else goes wrong", function()
    local ctx = { files = function()
      return nil, "could not open /mnt/x: permission denied", "io"
    end }
    local plan, message, kind = pvc.resolve({ text = "pvc:///mnt/x", rest = "/mnt/x" }, ctx)
    assert.same({ nil, "could not open /mnt/x: permission denied", "io" }, { plan, message, kind })
  end)
end)

describe("the source file", function()
  local file = support.source("file")

  it("takes a path of this machine, decoded", function()
    for _, uri in ipairs({ "file:///mnt/models/m%201", "file://localhost/mnt/models/m%201" }) do
      local plan = support.resolve(file, uri, { tree = { ["/mnt/models/m 1"] = FILES } })
      assert.same({ revision = "", pinned = false, files = FILES }, plan)
    end
  end)

  it("refuses another machine and no path", function()
    for _, uri in ipairs({ "file://host/x", "file://", "file:///", "file://x" }) do
      support.refuses(file, uri, {}, "invalid", "names no path of this machine; expected one such as file:///srv/")
    end
  end)

  it("refuses a path that is not there, and a directory without files", function()
    support.refuses(file, "file:///x", {}, "not_found", "/x does not exist; check the path")
    support.refuses(file, "file:///x", { tree = { ["/x"] = {} } }, "not_found", "/x holds no files")
  end)
end)

describe("the source http", function()
  local http = support.source("http")

  -- Resolves a URL whose HEAD gets this reply.
  local function resolve(url, reply)
    return support.resolve(http, url, { replies = { ["HEAD " .. url:match("^[^#]*")] = reply } })
  end

  it("takes the one file, under the last part of the path, with the size and ETag that HEAD tells", function()
    local plan, ctx = resolve("https://h.example:8443/d/m%20a.bin?sig=a/b&x=%2F#part",
      { headers = { ["content-length"] = "12", etag = '"e"' } })
    assert.same({ { path = "m a.bin", url = "https://h.example:8443/d/m%20a.bin?sig=a/b&x=%2F", size = 12,
      etag = '"e"' } }, plan.files)
    assert.equal("", plan.revision)
    assert.is_false(plan.pinned)
    assert.same({}, plan.access)
    assert.equal("any", ctx.requests[1].follow)
    assert.same({ "x" }, support.paths(resolve("http://[::1]:80/x", {})))
  end)

  it("leaves it to the download to find out what HEAD does not tell", function()
    local unknown = { { path = "x", url = "http://h/x" } }
    for _, reply in ipairs({ {}, { status = 405 }, { status = 403, headers = { ["content-length"] = "5" } },
      { headers = { ["content-length"] = "-5" } },
      { headers = { ["content-length"] = "5", ["content-encoding"] = "gzip", etag = '"g"' } } }) do
      assert.same(unknown, resolve("http://h/x", reply).files)
    end
    local plan, message, kind = resolve("http://h/x", { failure = "nobody is there", kind = "unreachable" })
    assert.same({ nil, "nobody is there", "unreachable" }, { plan, message, kind })
  end)

  it("refuses a URL that ends in no name", function()
    for _, uri in ipairs({ "http://h", "http://h/", "http://h/d/", "http://h/..", "http://h/%2e%2e", "http://h/a%2Fb",
      "http://h/a%00b", "http://h/a%5Cb", "http:///x", "http://h?x=/y" }) do
      support.refuses(http, uri, {}, "invalid", "does not end in the name of a file")
    end
  end)

  it("refuses a URL with a password, without repeating it", function()
    local _, message, kind = support.resolve(http, "https://me:pass@h/x", {})
    assert.equal("invalid", kind)
    assert.truthy(message:find("user name or a password", 1, true))
    assert.is_nil(message:find("pass@", 1, true))
  end)
end)
