local config = require("kthena.config")
local engine = require("spec.support.engine")
local files = require("spec.support.files")
local secret = require("host.secret")
local testing = require("kthena.testing")

local RULES = {
  source = "acme",
  config = {
    endpoint = { env = { "ENDPOINT", "ACME_URL" }, endpoint = true, default = "https://acme.example" },
    region = { env = { "REGION" } },
    key = { secret = true, env = { "ACME_KEY" }, bound_to = "endpoint" },
    style = { default = "auto" },
    keys_file = { env = { "KEYS_FILE" }, default = "~/.acme/keys", file = true, bound_to = "endpoint" },
  },
}

local function context(options)
  options.env = options.env or {}
  return testing.context(RULES, "acme://x", options)
end

-- The text behind a secret, as a server sees it.
local function reveal(ctx, value)
  local fake = engine.start()
  assert(ctx.http.get(fake.url, { headers = { Reveal = value } }))
  return fake:order({}).seen[1].headers.reveal
end

describe("a source's configuration", function()
  it("is taken from what was given, then the variables in order, then the default", function()
    local ctx = assert(context({ env = { ACME_URL = "https://second", REGION = "" } }))
    assert.same({ "https://second", "environment" }, { ctx.config.endpoint, ctx.origin.endpoint })
    assert.same({ "auto", "default" }, { ctx.config.style, ctx.origin.style })
    assert.is_nil(ctx.config.region)
    assert.is_nil(ctx.origin.region)
    ctx = assert(context({ env = { ENDPOINT = "https://first", ACME_URL = "https://second" }, config = "{}" }))
    assert.equal("https://first", ctx.config.endpoint)
    ctx = assert(context({ env = { ENDPOINT = "https://first" }, config = '{"endpoint":"https://mine","other":[1]}' }))
    assert.same({ "https://mine", "request" }, { ctx.config.endpoint, ctx.origin.endpoint })
    ctx = assert(context({ env = { REGION = "r" }, config = '{"endpoint":"","region":null}' }))
    assert.same({ "default", "environment" }, { ctx.origin.endpoint, ctx.origin.region })
    ctx = assert(context({ config = '{"region":5,"style":true}' }))
    assert.same({ "5", "true" }, { ctx.config.region, ctx.config.style })
  end)

  it("holds secrets as handles, without white space at their ends", function()
    local ctx = assert(context({ config = '{"key":" planted-key\\n"}' }))
    assert.equal("userdata", type(ctx.config.key))
    assert.equal("***", tostring(ctx.config.key))
    assert.equal("planted-key", reveal(ctx, ctx.config.key))
    ctx = assert(context({ config = { key = secret.new("from-a-workflow") } }))
    assert.equal("from-a-workflow", reveal(ctx, ctx.config.key))
  end)

  it("says what is wrong with it, and quotes none of it", function()
    local function refused(given, expected)
      local ctx, message, kind = context({ config = given })
      assert.is_nil(ctx)
      assert.matches(expected, message)
      assert.is_nil(message:find("planted"))
      assert.equal("invalid", kind)
    end
    refused('{"key": "planted', "config: expected a JSON object; it is no JSON from byte")
    refused('["planted"]', "config: expected a JSON object")
    refused('{"key":{"a":"planted"}}', "config: key: expected a text")
    refused({ region = secret.new("planted") }, "config: region: expected a text")
    refused({ key = { "planted" } }, "config: key: expected a text")
  end)

  it("reads files that it names, but none that a request names", function()
    local home = files.temporary()
    files.write(home .. "/.acme/keys", "\n[a]\nk = planted-file\n")
    local ctx = assert(context({ env = { HOME = home } }))
    assert.equal("default", ctx.origin.keys_file)
    assert.equal("planted-file", reveal(ctx, ctx.ini(ctx.config.keys_file, "a").k))
    ctx = assert(context({ env = { HOME = home, KEYS_FILE = home .. "/none" } }))
    assert.is_nil(ctx.config.keys_file)
    assert.is_nil(ctx.origin.keys_file)
    assert.is_nil(assert(context({})).config.keys_file)
    assert.is_nil(assert(context({ env = { HOME = "/dev/null" } })).config.keys_file)
    files.write(home .. "/mine", "mine")
    ctx = assert(context({ config = { keys_file = home .. "/mine" } }))
    assert.equal("mine", reveal(ctx, ctx.config.keys_file))
    ctx = assert(context({ config = { keys_file = home .. "/mine" }, foreign = true }))
    assert.is_nil(ctx.config.keys_file)
    local _, message, kind = context({ env = { KEYS_FILE = "/dev/zero" } })
    assert.matches("config: keys_file: ", message)
    assert.equal("limit", kind)
  end)

  it("keeps the environment's secrets from a request's own endpoint, and that from the host's network", function()
    local env = { ACME_KEY = "planted-key" }
    local own = { endpoint = "http://127.0.0.1:1" }
    local ctx, reach = context({ env = env, config = own, foreign = true, allow = { "acme://*" } })
    assert.is_nil(ctx.config.key)
    assert.is_nil(ctx.origin.key)
    assert.equal("guarded", reach)
    local _, message, kind = ctx.http.get("http://127.0.0.1:1/", { attempts = 1 })
    assert.equal("denied", kind)
    assert.matches("127.0.0.1", message)

    ctx, reach = context({ env = env, config = own, foreign = true, allow = { "http://127.0.0.1:*" } })
    assert.equal("userdata", type(ctx.config.key))
    assert.equal("named", reach)
    ctx, reach = context({ env = env, config = own })
    assert.equal("userdata", type(ctx.config.key))
    assert.equal("anywhere", reach)
    ctx, reach = context({ env = env, foreign = true, allow = { "acme://*" } })
    assert.equal("userdata", type(ctx.config.key))
    assert.equal("anywhere", reach)
    ctx = context({ env = env, config = { endpoint = "http://127.0.0.1:1", key = "its own" }, foreign = true,
      allow = { "acme://*" } })
    assert.equal("request", ctx.origin.key)
  end)

  it("guards a source that is itself a URL", function()
    local rules = { source = "web" }
    local _, reach = testing.context(rules, "http://127.0.0.1/x", { foreign = true, allow = { "acme://*" } })
    assert.equal("guarded", reach)
    _, reach = testing.context(rules, "http://127.0.0.1/x", { foreign = true, allow = { "http://127.0.0.1/*" } })
    assert.equal("named", reach)
    _, reach = testing.context(rules, "http://127.0.0.1/x", {})
    assert.equal("anywhere", reach)
  end)

  it("opens texts and tables, and leaves handles as they are", function()
    local handle = assert(config.open('{"a":"b"}'))
    assert.equal(handle, config.open(handle))
    assert.is_true(handle:has("a"))
    assert.is_false(handle:has("A"))
    assert.equal("b", handle:text("a"))
    local opened = config.open({ a = "b" })
    assert.equal(opened, config.open(opened))
    assert.equal("b", opened:text("a"))
  end)
end)
