-- The real S3 server that other specs rely on, seen with the aws command line.
local files = require("spec.support.files")
local json = require("dkjson")
local swift = require("spec.support.swift")

describe("Swift's S3 API", function()
  local server

  setup(function()
    server = swift.start()
    server:bucket("models")
  end)

  it("lists what was stored, under any name", function()
    local objects = { ["a/"] = "", ["a/b c+d&e=f%2F#?.txt"] = "1", ["a/\195\169\1"] = "22", ["a\"b\\c'"] = "333" }
    server:put("models", objects)
    local expected = {}
    for key in pairs(objects) do
      expected[#expected + 1] = key
    end
    table.sort(expected)
    assert.same(expected, server:keys("models"))
    local listed = json.decode(server:aws("s3api", "list-objects-v2", "--bucket", "models", "--output", "json"))
    local keys = {}
    for i, object in ipairs(listed.Contents) do
      keys[i] = object.Key
      assert.equal(#objects[object.Key], object.Size)
    end
    assert.same(expected, keys)
    server:delete("models", "a/")
    assert.equal(3, #server:keys("models"))
  end)

  it("takes what aws uploads in parts, whose ETag is no MD5", function()
    local path = files.write(files.temporary() .. "/large", ("x"):rep(9 * 1024 * 1024))
    server:aws("s3", "cp", "--no-progress", path, "s3://models/large")
    local head = json.decode(server:aws("s3api", "head-object", "--bucket", "models", "--key", "large",
      "--output", "json"))
    assert.equal(9 * 1024 * 1024, head.ContentLength)
    assert.truthy(head.ETag:find('^"%x+%-2"$'))
  end)
end)
