-- Hugging Face, as DOMAIN.md's facts have it on the wire.
local fake_ctx = require("spec.support.fake_ctx")
local json = require("kthena.json")
local support = require("spec.rules.sources.support")
local testing = require("kthena.testing")

local COMMIT = ("0123456789"):rep(4)
local SHA256, OID, OTHER = ("ab"):rep(32), ("cd"):rep(20), ("ef"):rep(20)
local HUB = "https://huggingface.co"

local function tree(...)
  local entries = {}
  for i, path in ipairs({ ... }) do
    entries[i] = ('{"type":"file","oid":"%s","size":%d,"path":"%s"}'):format(OID, i, path)
  end
  return { body = "[" .. table.concat(entries, ",") .. "]" }
end

local function refused(status, code, message)
  return { status = status, headers = { ["x-error-code"] = code, ["x-error-message"] = message },
    body = '{"error":"x"}' }
end

describe("the source hf", function()
  local hf = support.source("hf")

  -- Replies for a repository at a revision, with these for its tree.
  local function hub(first, more)
    local api = (more and more.endpoint or HUB) .. (more and more.api or "/api/models/ns/repo")
    return {
      [api .. "/revision/" .. (more and more.revision or "main")] = { body = '{"sha":"' .. COMMIT .. '"}' },
      [api .. "/tree/" .. COMMIT .. "?recursive=True&expand=False"] = first,
    }
  end

  it("lists by the commit the revision is at, over all pages", function()
    local replies = hub({
      headers = { link = '<' .. HUB .. '/api/models/ns/repo/tree/x?cursor=ZX%3D>; rel="next"' },
      body = '[{"type":"directory","oid":"' .. OTHER .. '","size":0,"path":"sub"},'
        .. '{"type":"file","oid":"' .. OTHER .. '","size":135,"path":"model.safetensors","lfs":{"oid":"' .. SHA256
        .. '","size":9000000000,"pointerSize":135},"xetHash":"' .. SHA256 .. '"}]',
    })
    replies[HUB .. "/api/models/ns/repo/tree/x?cursor=ZX%3D"] = tree("sub/a b#?.json")
    local plan, ctx = support.resolve(hf, "hf://ns/repo", { replies = replies })
    local base = HUB .. "/ns/repo/resolve/" .. COMMIT
    assert.same({
      { path = "model.safetensors", size = 9000000000, url = base .. "/model.safetensors", etag = SHA256,
        sha256 = SHA256 },
      { path = "sub/a b#?.json", size = 1, url = base .. "/sub/a%20b%23%3F.json", etag = OID, git_sha1 = OID },
    }, plan.files)
    assert.equal(COMMIT, plan.revision)
    assert.is_false(plan.pinned)
    assert.same({ header = "x-repo-commit", value = COMMIT }, plan.access.pin)
    assert.same({ "x-error-code", "x-error-message" }, plan.access.reasons)
    assert.is_nil(plan.access.headers)
    assert.equal(3, #ctx.requests)
    assert.equal("any", ctx.requests[1].follow)
  end)

  it("takes the revision of the URI, then of the configuration, then of the environment", function()
    for _, case in ipairs({
      { "hf://ns/repo@refs/pr/1", { hf_revision = "c" }, { HF_REVISION = "e" }, "refs%2Fpr%2F1" },
      { "hf://ns/repo", { hf_revision = "c" }, { HF_REVISION = "e" }, "c" },
      { "ns/repo@", nil, { HF_REVISION = "e" }, "e" },
      { "ns/repo", nil, nil, "main" },
    }) do
      local plan = support.resolve(hf, case[1], { config = case[2], env = case[3],
        replies = hub(tree("a"), { revision = case[4] }) })
      assert.same({ "a" }, support.paths(plan))
      assert.is_false(plan.pinned)
    end
  end)

  it("does not look a commit up, and pins the plan when the URI names it", function()
    local plan, ctx = support.resolve(hf, "hf://ns/repo@" .. COMMIT, { replies = hub(tree("a")) })
    assert.is_true(plan.pinned)
    assert.equal(1, #ctx.requests)
    plan = support.resolve(hf, "hf://ns/repo", { env = { HF_REVISION = COMMIT }, replies = hub(tree("a")) })
    assert.equal(COMMIT, plan.revision)
    assert.is_false(plan.pinned)
  end)

  it("knows data sets, spaces and names without a namespace", function()
    for text, paths in pairs({
      ["hf://datasets/ns/repo"] = { "/api/datasets/ns/repo", "/datasets/ns/repo/resolve/" },
      ["hf://spaces/ns/repo"] = { "/api/spaces/ns/repo", "/spaces/ns/repo/resolve/" },
      ["gpt2"] = { "/api/models/gpt2", "/gpt2/resolve/" },
    }) do
      local plan = support.resolve(hf, text, { replies = hub(tree("a"), { api = paths[1] }) })
      assert.equal(HUB .. paths[2] .. COMMIT .. "/a", plan.files[1].url)
    end
  end)

  it("refuses what is no name", function()
    for _, text in ipairs({ "hf://", "hf://a/b/c", "./model", "../x", "/abs/path", "a b", "hf://ns/", "hf://x?/y" }) do
      support.refuses(hf, text, {}, "invalid", "names no repository; expected hf://namespace/name[@revision]")
    end
  end)

  it("sends the token to the endpoint and nowhere else", function()
    local replies = hub({ headers = { link = '<https://evil.example/next>; rel="next"' }, body = "[]" },
      { endpoint = "https://mirror.example" })
    replies["https://evil.example/next"] = tree("a")
    local plan, ctx = support.resolve(hf, "ns/repo", { replies = replies,
      config = { hf_token = "hf_x", hf_endpoint = "https://mirror.example/" } })
    assert.equal("Bearer <hf_x>", ctx.requests[1].headers.Authorization)
    assert.equal("Bearer <hf_x>", ctx.requests[2].headers.Authorization)
    assert.is_nil(ctx.requests[3].headers.Authorization)
    assert.equal("Bearer <hf_x>", fake_ctx.reveal(plan.access.headers.Authorization))
    assert.equal("https://mirror.example/ns/repo/resolve/" .. COMMIT .. "/a", plan.files[1].url)
    assert.is_nil(plan.access.pin)
  end)

  it("takes the token and the endpoint from the environment", function()
    local replies = hub(tree("a"), { endpoint = "http://127.0.0.1:1" })
    for _, name in ipairs({ "HF_AUTH_TOKEN", "HF_TOKEN" }) do
      local _, ctx = support.resolve(hf, "ns/repo", { replies = replies,
        env = { [name] = "hf_e", HF_ENDPOINT = "http://127.0.0.1:1" } })
      assert.equal("Bearer <hf_e>", ctx.requests[1].headers.Authorization)
    end
    assert.equal("hf_endpoint", hf.config.hf_token.bound_to)
  end)

  it("follows a link that has no host", function()
    local replies = hub({ headers = { link = '</other>; rel="prev", </more?c=1>; rel="next"' }, body = "[]" })
    replies[HUB .. "/more?c=1"] = tree("a")
    assert.same({ "a" }, support.paths(support.resolve(hf, "ns/repo", { replies = replies })))
  end)

  it("ends when pages repeat, are not JSON, or hold what is no file", function()
    local first = HUB .. "/api/models/ns/repo/tree/" .. COMMIT .. "?recursive=True&expand=False"
    local looping = hub({ headers = { link = "<" .. first .. '>; rel="next"' }, body = "[]" })
    support.refuses(hf, "ns/repo", { replies = looping }, "protocol", "could not list ns/repo: ", "pages repeat")
    for _, body in ipairs({ "<html>", '"text"', "[1]", "[null]", '[{"type":"file","oid":"x","size":1}]',
      '[{"type":"file","path":"x","oid":null,"size":1}]', '[{"type":"file","path":"x","oid":"x","size":"1"}]',
      '[{"type":"file","path":"x","oid":"x","size":1,"lfs":{"oid":1,"size":1}}]' }) do
      support.refuses(hf, "ns/repo", { replies = hub({ body = body }) }, "protocol", "could not list ns/repo: ")
    end
    for _, body in ipairs({ "{}", '{"sha":"main"}', '{"sha":null}' }) do
      support.refuses(hf, "ns/repo@x", { replies = { [HUB .. "/api/models/ns/repo/revision/x"] = { body = body } } },
        "protocol", "could not look up ns/repo@x: the hub names no commit")
    end
  end)

  it("refuses a repository without files", function()
    support.refuses(hf, "ns/repo", { replies = hub({ body = "[]" }) }, "not_found", "ns/repo holds no files")
  end)

  it("passes on why the hub cannot be reached", function()
    local replies = { [HUB .. "/api/models/ns/repo/revision/main"] = { failure = "no route", kind = "unreachable" } }
    support.refuses(hf, "ns/repo", { replies = replies }, "unreachable",
      "could not look up ns/repo at revision 'main': no route")
  end)

  it("has a sentence of its own for each refusal", function()
    for _, case in ipairs({
      { 401, "RepoNotFound", "Repository not found", "not_found", "does not exist or is private; check its name" },
      { 404, "RevisionNotFound", "Invalid rev id: x", "not_found", "no such revision; check the branch, tag or" },
      { 404, "EntryNotFound", "Entry not found", "not_found", "no such file at this revision" },
      { 403, "GatedRepo", "Access to model is restricted", "denied", "gated; accept its conditions on its page" },
      { 401, "GatedRepo", "Access to model is restricted", "denied", "gated; accept its conditions on its page" },
      { 403, nil, "Access to this resource is disabled.", "denied", "the hub has disabled the repository" },
      { 401, nil, "Invalid credentials in Authorization header", "unauthorized", "the token is not valid" },
      { 401, "RepoNotFound", "Invalid credentials in Authorization header", "unauthorized", "the token is not valid" },
      { 401, nil, nil, "not_found", "does not exist or is private" },
      { 403, nil, nil, "denied", "access is denied; check that the token in HF_AUTH_TOKEN may read" },
      { 404, nil, nil, "not_found", "the hub does not have it" },
      { 429, nil, nil, "overload", "the hub limits how often it is asked" },
      { 500, nil, nil, "protocol", "the hub answered with status 500" },
    }) do
      local replies = { [HUB .. "/api/models/ns/repo/revision/main"] = refused(case[1], case[2], case[3]) }
      support.refuses(hf, "ns/repo", { replies = replies }, case[4], "could not look up ns/repo at revision 'main': ",
        case[5], case[3] and "(" .. case[3] .. ")" or "")
    end
    local sentence, kind = hf.explain(refused(403, "GatedRepo", "m"))
    assert.truthy(sentence:find("set HF_AUTH_TOKEN", 1, true))
    assert.equal("denied", kind)
    assert.is_nil(hf.explain(refused(500)))
  end)

  describe("afterwards", function()
    local function finish(paths)
      local ctx = fake_ctx.new(hf, { replies = hub({ body = '[{"type":"file","oid":"' .. OTHER .. '","size":135,'
        .. '"path":"m.bin","lfs":{"oid":"' .. SHA256 .. '","size":7,"pointerSize":135},"xetHash":"x1"},'
        .. '{"type":"file","oid":"' .. OID .. '","size":1,"path":"sub/a.json"}]' }) })
      local plan = assert(hf.resolve(testing.uri("ns/repo"), ctx))
      local files = {}
      for _, file in ipairs(plan.files) do
        files[#files + 1] = paths[file.path] and file or nil
      end
      plan.files = files
      local written = {}
      for _, file in ipairs(hf.finish(plan, ctx)) do
        written[file.path] = file.text
      end
      return written
    end

    it("writes what huggingface_hub keeps in a local_dir", function()
      local cache = ".cache/huggingface/"
      local written = finish({ ["m.bin"] = true, ["sub/a.json"] = true })
      local listing = json.decode(written[cache .. "trees/" .. COMMIT .. ".json"])
      written[cache .. "trees/" .. COMMIT .. ".json"] = nil
      assert.same({
        [cache .. ".gitignore"] = "*",
        [cache .. "CACHEDIR.TAG"] = "Signature: 8a477f597d28d172789f06886806bc55\n",
        [cache .. "download/m.bin.metadata"] = COMMIT .. "\n" .. SHA256 .. "\n1790000000.250000\n",
        [cache .. "download/sub/a.json.metadata"] = COMMIT .. "\n" .. OID .. "\n1790000000.250000\n",
      }, written)
      assert.same({ format_version = 1, files = {
        ["m.bin"] = { size = 135, blob_id = OTHER, lfs_sha256 = SHA256, lfs_size = 7, xet_hash = "x1" },
        ["sub/a.json"] = { size = 1, blob_id = OID },
      } }, listing)
    end)

    it("writes no listing but that of the plan's commit", function()
      local ctx = fake_ctx.new(hf, { replies = hub(tree("a")) })
      local plan = assert(hf.resolve(testing.uri("ns/repo"), ctx))
      plan.revision = OTHER
      for _, file in ipairs(hf.finish(plan, ctx)) do
        assert.is_nil(file.path:find("trees/", 1, true))
      end
    end)

    it("lists the whole commit, but has metadata only of the files that were wanted", function()
      local written = finish({ ["sub/a.json"] = true })
      assert.is_nil(written[".cache/huggingface/download/m.bin.metadata"])
      assert.is_string(written[".cache/huggingface/download/sub/a.json.metadata"])
      assert.truthy(written[".cache/huggingface/trees/" .. COMMIT .. ".json"]:find("m.bin", 1, true))
    end)
  end)
end)
