-- Sources that mean harm, or are broken: what they list stays in the directory, and costs little to refuse.
local downloader = require("spec.support.downloader")
local files = require("spec.support.files")
local fileserver = require("spec.support.fileserver")
local json = require("dkjson")
local runtime = require("spec.support.runtime")
local unistd = require("posix.unistd")

-- Parses what the server has at /body, as XML or JSON, and lists files as it says.
local PARSING = [[
return {
  api = 1,
  source = "parsing",
  schemes = { "xml", "json" },
  help = "xml://host:port",
  resolve = function(uri, ctx)
    local reply, message, kind = ctx.http.get("http://" .. uri.rest .. "/body", { attempts = 1 })
    if not reply then
      return nil, message, kind
    end
    local value, problem = ctx[uri.scheme](reply.body)
    if value == nil then
      return nil, "no list: " .. problem, "protocol"
    end
    local text = uri.scheme == "xml" and value:value("Key") or value.Key
    return { files = { { path = text, url = "http://" .. uri.rest .. "/a.bin" } } }
  end,
}
]]

-- Lists one file more than a plan may have.
local ENDLESS = [[
return {
  api = 1,
  source = "endless",
  schemes = { "endless" },
  help = "endless://",
  resolve = function()
    local file, files = { path = "a", from = "/etc/hostname" }, {}
    for i = 1, 1000001 do
      files[i] = file
    end
    return { files = files }
  end,
}
]]

describe("a hostile source", function()
  local fake, rules, parent, output

  setup(function()
    fake = fileserver.start()
    fake:file({ path = "/a.bin", size = 1000 })
    rules = downloader.rules({ parsing = PARSING, endless = ENDLESS })
  end)

  -- Downloads into a new directory inside of another, which gets nothing else.
  local function run(source, ...)
    parent = files.temporary()
    output = files.make_directory(parent .. "/output")
    return downloader.run(rules, source .. "://127.0.0.1:" .. fake.port, output, "--max-attempts", "1", ...)
  end

  -- Asserts that it was refused in one sentence that has these parts, and that there is nothing but empty hands.
  local function check_refused(result, ...)
    assert.equal(1, result.status, result.stdout .. result.stderr:sub(1, 1000))
    assert.is_true(#result.stderr < 2500, #result.stderr .. " bytes of error")
    assert.equal(1, select(2, result.stderr:gsub("\n", "")), result.stderr)
    assert.is_nil(result.stderr:find("[%z\1-\9\11-\31\127]"), result.stderr)
    for _, part in ipairs({ ... }) do
      assert.truthy(result.stderr:find(part, 1, true), ("no '%s' in: %s"):format(part, result.stderr))
    end
    assert.same({}, downloader.found(output))
    files.remove(output)
    assert.same({}, downloader.found(parent))
  end

  -- Lists these files, all of which are /a.bin unless they say otherwise.
  local function list(plan)
    for _, file in ipairs(plan) do
      file.url = file.url or fake.url .. "/a.bin"
    end
    fake:file({ path = "/list.json", text = json.encode({ files = plan }) })
  end

  it("lists no file outside of the directory, or in the downloader's own", function()
    for reason, paths in pairs({
      ["'..' part"] = { "../x", "a/../../x", "a/..", "./a", "a/./b" },
      ["is absolute"] = { "/etc/x", "//x" },
      ["is empty"] = { "" },
      ["an empty part"] = { "a//b", "a/" },
      ["lies in .kthena"] = { ".kthena/manifest", ".KTHENA/journal", ".kthena" },
      ["more than 255 bytes"] = { ("x"):rep(256) },
      ["longer than 1024 bytes"] = { ("x/"):rep(600) .. "x", ("y"):rep(10000000) },
    }) do
      for _, path in ipairs(paths) do
        list({ { path = "good" }, { path = path } })
        check_refused(run("tree"), "the source lists a file '", reason)
      end
    end
  end)

  it("drives no terminal by the names it lists, which may hold any byte", function()
    local paths = { "C:/x", "a\\..\\b", "a\nkthena-runtime: forged", "a\27[2Jb", "a\127", "a\194\155b" }
    local plan = {}
    for i, path in ipairs(paths) do
      plan[i] = { path = path }
    end
    table.sort(paths)
    list(plan)
    local dry, result = run("tree", "--dry-run"), run("tree")
    assert.equal(0, result.status, result.stderr)
    assert.same(paths, downloader.found(output))
    assert.equal(0, runtime.run({ "verify", output }).status)
    files.write(output .. "/a\27[2Jb", "other bytes")
    local verified = runtime.run({ "verify", output })
    assert.equal(1, verified.status)
    list({ { path = "a\27[2J\nb", size = 1 } })
    local failed = run("tree")
    for _, text in ipairs({ dry.stdout, verified.stdout, failed.stderr }) do
      assert.truthy(text:find("a\\x1b[2J", 1, true), text)
      assert.is_nil(text:find("[%z\1-\9\11-\31\127]"), text)
      assert.is_nil(text:find("\194\155", 1, true), text)
      assert.is_nil(("\n" .. text):find("\nkthena-runtime: forged"), text)
    end
  end)

  it("lists no file twice, and none that is another's directory", function()
    list({ { path = "a/b" }, { path = "c" }, { path = "a/b" } })
    check_refused(run("tree"), "a/b")
    list({ { path = "a" }, { path = "a.b" }, { path = "a/b" } })
    check_refused(run("tree"), "'a'", "a/b")
  end)

  it("lists only what there can be", function()
    list({ { path = "a", url = "file:///etc/passwd" } })
    check_refused(run("tree"), "not http or https")
    list({ { path = "a", size = -1 } })
    check_refused(run("tree"), "files[1].size: expected a whole number of bytes")
    list({ { path = "a", size = 9e15 } })
    check_refused(run("tree"), "9.00 PB are needed")
    list({ { path = "a", sha256 = "0123" } })
    check_refused(run("tree"), "the digest of file 'a' is no sha256")
    list({ { path = "a", size = 999 } })
    check_refused(run("tree"), "could not download 'a'", "1000")
    list({ { path = "a", size = 1001 } })
    check_refused(run("tree"), "could not download 'a'", "1000")
    list({})
    check_refused(run("tree"), "has no files")
  end)

  it("lists no more than a million files", function()
    check_refused(run("endless"), "the source lists more than 1000000 files")
  end)

  -- Makes a link at path in a new output directory, and downloads there what is listed.
  local function run_with_link(path, target)
    output = files.temporary()
    files.make_directory(output .. "/" .. (path:match("^(.*)/") or ""))
    assert(unistd.link(target, output .. "/" .. path, true))
    return downloader.run(rules, "tree://127.0.0.1:" .. fake.port, output)
  end

  it("does not get out over links that are there", function()
    list({ { path = "link/a" }, { path = "b" } })
    local outside = files.temporary()
    local result = run_with_link("link", outside)
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find("/link/a in place: a file or symbolic link stands where", 1, true), result.stderr)
    assert.same({}, downloader.found(outside))
    files.write(outside .. "/precious", "mine")
    assert.equal(0, run_with_link("b", outside .. "/precious").status) -- the link is replaced, not what it points to
    assert.equal("mine", files.read(outside .. "/precious"))
    assert.equal(1000, #files.read(output .. "/b"))
    assert.is_nil(files.link_target(output .. "/b"))
    for path, target in pairs({ [".kthena"] = "", [".kthena/parts"] = "", [".kthena/journal"] = "/precious",
      [".kthena/manifest"] = "/precious", [".kthena/finished"] = "/precious", [".kthena/lock"] = "/precious" }) do
      run_with_link(path, outside .. target)
      assert.same({ "precious" }, downloader.found(outside), path)
      assert.equal("mine", files.read(outside .. "/precious"), path)
    end
  end)

  it("redirects to nowhere else", function()
    list({ { path = "a", size = 1000 } })
    for location, reason in pairs({
      ["file:///etc/passwd"] = "redirects to file:///etc/passwd, which is neither http nor https",
      ["gopher://127.0.0.1/"] = "neither http nor https", ["/a.bin"] = "more than 10 redirects",
    }) do
      fake:fail("/a.bin", { kind = "status", status = 302, headers = { "Location: " .. location }, times = -1 })
      check_refused(run("tree"), "could not download 'a'", reason)
    end
    fake:fail("/a.bin")
  end)

  -- Serves a body and says what comes of it.
  local function parse(scheme, text)
    fake:file({ path = "/body", text = text })
    return run(scheme)
  end

  it("sends XML that explodes, nests, or asks for files", function()
    local bomb = { '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "lol">' }
    for i = 1, 30 do
      bomb[#bomb + 1] = ('<!ENTITY e%d "&e%d;&e%d;&e%d;&e%d;">'):format(i, i - 1, i - 1, i - 1, i - 1)
    end
    check_refused(parse("xml", table.concat(bomb) .. "]><x><Key>&e30;</Key></x>"), "no list: ")
    local file = files.write(files.temporary() .. "/secret", "s3cr3t")
    check_refused(parse("xml", ('<!DOCTYPE x [<!ENTITY e SYSTEM "file://%s">]><x><Key>&e;</Key></x>'):format(file)))
    check_refused(parse("xml", ("<x>"):rep(300000)), "no list: ")
    check_refused(parse("xml", ("<x>"):rep(50000) .. ("</x>"):rep(50000)), "no list: ")
    check_refused(parse("xml", "<x " .. ("a"):rep(5000000) .. "='1'/>"))
    check_refused(parse("xml", "\0\255\254<x"), "no list: ")
    check_refused(parse("xml", ""), "no list: ")
    check_refused(parse("xml", "<x><Key>" .. ("../"):rep(100) .. "etc/passwd</Key></x>"), "'..'")
    assert.equal(0, parse("xml", "<x><Key>a</Key></x>").status)
  end)

  it("sends JSON that nests, is cut off, or is too much", function()
    check_refused(parse("json", ("["):rep(500000)), "no list: ")
    check_refused(parse("json", ("["):rep(50000) .. ("]"):rep(50000)), "no list: ")
    check_refused(parse("json", ('{"Key":'):rep(100000)), "no list: ")
    check_refused(parse("json", '{"Key":"a'), "no list: ")
    check_refused(parse("json", '{"Key":"a"} trailing'), "no list: ")
    check_refused(parse("json", ""), "no list: ")
    check_refused(parse("json", '{"Key":"\\u0000/x"}'))
    check_refused(parse("json", '{"Key":1e999}'), "path: expected text")
    check_refused(parse("json", "[" .. ("0,"):rep(12000000) .. "0]")) -- more than a rule's memory holds
    assert.equal(0, parse("json", '{"Key":"a"}').status)
    assert.equal(0, parse("json", '{"Key":"\255\254"}').status)
    assert.equal(0, runtime.run({ "verify", output }).status)
  end)
end)
