-- ModelScope, as DOMAIN.md's facts have it on the wire.
local fake_ctx = require("spec.support.fake_ctx")
local support = require("spec.rules.sources.support")

local API = "https://www.modelscope.cn/api/v1/models/ns/repo/repo"

local function listing(revision, api)
  return (api or API) .. "/files?Revision=" .. revision .. "&Recursive=True"
end

local function answer(files)
  return { body = '{"Code":200,"Success":true,"Message":"","Data":{"Files":[' .. files .. "]}}" }
end

local FILE = '{"Name":"a","Path":"a","Type":"blob","Size":1,"Sha256":"","Revision":"r"}'

describe("the source ms", function()
  local ms = support.source("ms")

  it("lists blobs with their digests, and leaves git's own files out", function()
    local sha256 = ("ab"):rep(32)
    local plan = support.resolve(ms, "ms://ns/repo", { replies = { [listing("master")] = answer(
      '{"Name":".gitattributes","Path":".gitattributes","Type":"blob","Size":9,"Sha256":"x","Revision":"r"},'
      .. '{"Name":".gitignore","Path":"sub/.gitignore","Type":"blob","Size":9,"Sha256":"x","Revision":"r"},'
      .. '{"Name":"sub","Path":"sub","Type":"tree","Size":0,"Sha256":"","Revision":"r"},'
      .. '{"Name":"m &1.bin","Path":"sub/m &1.bin","Type":"blob","Size":5000000000,"Sha256":"' .. sha256 .. '"},'
      .. '{"Name":"empty","Path":"empty","Type":"blob","Size":0,"Sha256":null,"Revision":"r"}') } })
    assert.same({
      { path = "sub/m &1.bin", size = 5000000000, sha256 = sha256,
        url = API .. "?Revision=master&FilePath=sub%2Fm%20%261.bin" },
      { path = "empty", size = 0, url = API .. "?Revision=master&FilePath=empty" },
    }, plan.files)
    assert.equal("master", plan.revision)
    assert.is_false(plan.pinned)
    assert.same({}, plan.access.headers)
  end)

  it("takes the revision of the URI, then of the configuration, then of the environment", function()
    for _, case in ipairs({
      { "ms://ns/repo@v1/x", { ms_revision = "c" }, { MS_REVISION = "e" }, "v1%2Fx" },
      { "ms://ns/repo", { ms_revision = "c" }, { MS_REVISION = "e" }, "c" },
      { "ms://ns/repo", nil, { MS_REVISION = "e" }, "e" },
    }) do
      local plan = support.resolve(ms, case[1], { config = case[2], env = case[3],
        replies = { [listing(case[4])] = answer(FILE) } })
      assert.equal(API .. "?Revision=" .. case[4] .. "&FilePath=a", plan.files[1].url)
    end
  end)

  it("sends the token as a cookie, and asks the domain of the environment", function()
    local api = "https://www.modelscope.ai/api/v1/models/ns/repo/repo"
    for _, name in ipairs({ "MS_TOKEN", "MODELSCOPE_API_TOKEN" }) do
      local plan, ctx = support.resolve(ms, "ms://ns/repo", {
        env = { [name] = "tok", MODELSCOPE_DOMAIN = "www.modelscope.ai" },
        replies = { [listing("master", api)] = answer(FILE) },
      })
      assert.equal("m_session_id=<tok>", ctx.requests[1].headers.Cookie)
      assert.equal("origin", ctx.requests[1].follow)
      assert.equal("m_session_id=<tok>", fake_ctx.reveal(plan.access.headers.Cookie))
    end
    assert.equal("ms_endpoint", ms.config.ms_token.bound_to)
  end)

  it("refuses what is no name", function()
    for _, text in ipairs({ "ms://", "ms://repo", "ms://a/b/c", "ms://../x", "ms://a b/c" }) do
      support.refuses(ms, text, {}, "invalid", "names no model; expected ms://namespace/name[@revision]")
    end
  end)

  it("refuses a model without files", function()
    support.refuses(ms, "ms://ns/repo", { replies = { [listing("master")] = answer("") } }, "not_found",
      "ms://ns/repo holds no files")
  end)

  it("has a sentence of its own for each refusal, also for those with status 200", function()
    local function said(code, message)
      return ('{"Code":%d,"Success":false,"Message":"%s","Data":null}'):format(code, message)
    end
    for _, case in ipairs({
      { 404, said(10010205001, "no record"), "not_found", "there is no such model or revision", "(no record)" },
      { 403, said(10010203002, "no permission"), "denied", "the token is missing, or may not read", "no permission" },
      { 401, "", "unauthorized", "the token is not valid; check MS_TOKEN", "" },
      { 429, "", "overload", "limits how often", "" },
      { 200, said(404, "gone"), "not_found", "there is no such model or revision", "(gone)" },
      { 200, said(10010101, "internal"), "protocol", "ModelScope refuses: internal (code 10010101)", "" },
      { 200, '{"Code":10010101,"Message":"busy","Data":{"Files":[]}}', "protocol", "ModelScope refuses: busy", "" },
      { 200, '{"Code":200,"Data":{}}', "protocol", "the answer, with status 200, has no list of files", "" },
      { 200, "<html>", "protocol", "has no list of files", "" },
      { 500, "[1]", "protocol", "the answer, with status 500, has no list of files", "" },
    }) do
      support.refuses(ms, "ms://ns/repo", { replies = { [listing("master")] = { status = case[1], body = case[2] } } },
        case[3], "could not list ms://ns/repo at revision 'master': ", case[4], case[5])
    end
    support.refuses(ms, "ms://ns/repo", {
      replies = { [listing("master")] = { failure = "no route", kind = "timeout" } },
    }, "timeout", "no route")
    for _, entry in ipairs({ "1", '{"Name":"a","Size":1}', '{"Path":"a"}', '{"Path":"a","Size":"1"}' }) do
      support.refuses(ms, "ms://ns/repo", { replies = { [listing("master")] = answer(entry) } }, "protocol",
        "an entry has no path or size")
    end
  end)

  it("explains a file's refusal", function()
    local ctx = fake_ctx.new(ms)
    local sentence, kind = ms.explain({ status = 404, headers = {}, body = "" }, ctx)
    assert.equal("not_found", kind)
    assert.equal("there is no such model or revision; check both, and MS_TOKEN if the model is private", sentence)
    assert.is_nil(ms.explain({ status = 500, headers = {}, body = "" }, ctx))
  end)
end)
