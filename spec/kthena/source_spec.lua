-- The words an author of a source reads, as `rules check` and the log print them.
local rules = require("host.rules")
local testing = require("kthena.testing")
local json = require("kthena.json")

local PATH = "rules/sources/x.lua"

-- Loads the text of a source; returns its problems as a list, without the file's name.
local function problems(text)
  local effective, found = rules.check("source", PATH, text)
  local list = {}
  for line in (effective and "" or found):gmatch("[^\n]+") do
    list[#list + 1] = assert(line:match("^rules/sources/x%.lua: (.*)$"), line)
  end
  return list
end

-- A source with these fields, which are Lua, besides the ones every file needs.
local function text_of(lua)
  return "return { api = 1, source = 'x', schemes = { 'x' }, help = 'x://', resolve = function() end, " .. lua .. " }"
end

local function fields(lua)
  return problems(text_of(lua))
end

-- The problems of one key of the configuration; they begin with "config.k", which is left out.
local function key(lua)
  local list = fields("config = { k = { " .. lua .. " } }")
  for i, line in ipairs(list) do
    list[i] = line:gsub("^config%.k%.?", "")
  end
  return list
end

local NAME = 'a name (lower-case letters, digits, "_", "-")'
local KEY = 'a name (lower-case letters, digits, "_")'
local SCHEME = 'a scheme (lower-case letters, digits, "+", ".", "-"), or "" for a name without one'
local VARIABLE = 'the name of an environment variable (letters, digits, "_")'

describe("the schema of source files", function()
  it("accepts a file with everything in it", function()
    assert.same({}, problems([[local function nothing() end
      return {
        api = 1, source = "acme-2_x", schemes = { "acme", "a+b.c-d", "" }, help = "acme://bucket/prefix",
        config = {
          access_key = { secret = true, env = { "ACCESS_KEY", "A_2" }, help = "The key." },
          endpoint = { env = { "ENDPOINT" }, endpoint = true, default = "https://acme.test" },
          credentials = { env = { "FILE" }, default = "~/.acme", file = true, secret = true },
          token = { secret = true, bound_to = "endpoint" },
          plain = {},
        },
        variables = { "HOME" },
        resolve = nothing, explain = nothing, finish = nothing,
      }]]))
  end)

  it("says what is missing, and what is not known", function()
    assert.same({
      "api: missing; expected 1",
      "source: missing; expected " .. NAME,
      'schemes: missing; expected a list of schemes ("" for a name without one)',
      "resolve: missing; expected a function",
      'sorce: unknown key; did you mean "source"?',
    }, problems("return { sorce = 'x' }"))
    assert.same({ 'reslove: unknown key; did you mean "resolve"?' }, fields("reslove = print"))
    assert.same({ "resolve: expected a function, got true" },
      problems("return { api = 1, source = 'x', schemes = { 'x' }, resolve = true }"))
    assert.same({ "help: expected a line that shows a URI, got \"\"" },
      problems("return { api = 1, source = 'x', schemes = { 'x' }, help = '', resolve = print }"))
  end)

  it("allows functions at its hooks only", function()
    assert.same({ "config.k.default: expected text, got a function", "variables[1]: expected " .. VARIABLE ..
      ", got a function" }, fields("config = { k = { default = print } }, variables = { print }"))
  end)

  it("checks names and schemes", function()
    local function schemes(lua)
      return problems("return { api = 1, source = 'X', schemes = " .. lua .. ", resolve = print }")
    end
    local name = "source: expected " .. NAME .. ', got "X"'
    assert.same({ name, "schemes: is empty; expected at least one item" }, schemes("{}"))
    assert.same({ name, 'schemes: expected a list of schemes ("" for a name without one), got "x"' }, schemes("'x'"))
    assert.same({ name, "schemes[1]: expected " .. SCHEME .. ', got "X"',
      "schemes[2]: expected " .. SCHEME .. ', got "x://"',
      'schemes[3]: expected a scheme that begins with a letter, got "1x"', }, schemes("{ 'X', 'x://', '1x', 'x1' }"))
    assert.same({ 'schemes[2]: "a" is there twice' },
      problems("return { api = 1, source = 'x', schemes = { 'a', 'a' }, resolve = print }"))
  end)

  it("checks the keys of the configuration", function()
    assert.same({ 'config["a-b"]: expected ' .. KEY .. ', got "a-b"', "config.c: expected a table that describes " ..
      "the key, got true" }, fields("config = { ['a-b'] = {}, c = true }"))
    assert.same({ "env[2]: expected " .. VARIABLE .. ', got "A B"' }, key("env = { 'A', 'A B' }"))
    assert.same({ "env: expected a list of environment variables, got \"A\"" }, key("env = 'A'"))
    assert.same({ "secret: expected true or false, got 1" }, key("secret = 1"))
    assert.same({ 'secrt: unknown key; did you mean "secret"?' }, key("secrt = true"))
    assert.same({ 'file: cannot stand beside "endpoint"; a value is the one or the other' },
      key("file = true, endpoint = true"))
    assert.same({ 'secret: cannot stand beside "endpoint"; a URL is shown in messages' },
      key("secret = true, endpoint = true"))
    assert.same({ 'default: a rule file holds no secrets; name a variable in "env"' },
      key("secret = true, default = 'x'"))
    assert.same({}, key("secret = true, file = true, default = '~/x'"))
  end)

  it("checks what a key is bound to", function()
    assert.same({ 'bound_to: "e" is no key with endpoint = true; there is none' }, key("bound_to = 'e'"))
    assert.same({ 'config.k.bound_to: "endpont" is no key with endpoint = true; did you mean "endpoint"?' },
      fields("config = { k = { bound_to = 'endpont' }, endpoint = { endpoint = true } }"))
    assert.same({ 'config.k.bound_to: "k" is no key with endpoint = true; expected e' },
      fields("config = { k = { bound_to = 'k' }, e = { endpoint = true } }"))
  end)

  it("keeps secrets out of the plain variables", function()
    assert.same({ 'variables[2]: "TOKEN" holds a secret; read it as ctx.config.token' },
      fields("config = { token = { secret = true, env = { 'TOKEN' } } }, variables = { 'HOME', 'TOKEN' }"))
    assert.same({ "variables[1]: expected " .. VARIABLE .. ", got nan" }, (function()
      local found = fields("variables = { 0/0 }")
      found[1] = found[1]:gsub("%-nan", "nan")
      return found
    end)())
  end)

  it("reports every problem of a file in which everything is wrong", function()
    assert.same({
      "api: expected 1, the only version there is, got 2",
      "source: expected " .. NAME .. ", got a list",
      "schemes: expected a list of schemes (\"\" for a name without one), got a function",
      "config: expected a table, got 5",
      'variables: expected a list of environment variables, got "x"',
      "resolve: missing; expected a function",
    }, problems("return { api = 2, source = { 1 }, schemes = print, config = 5, variables = 'x' }"))
    assert.same({ "config.k.secret: expected true or false, got a list",
      "config.k.env[1]: expected " .. VARIABLE .. ", got nan", "config.k.bound_to: expected " .. KEY .. ", got 1" }, (function()
      local found = fields("config = { k = { secret = { 1 }, env = { 0/0 }, bound_to = 1 } }")
      found[2] = found[2]:gsub("%-nan", "nan")
      return found
    end)())
  end)

  it("is told with every default filled in", function()
    assert.same({
      source = "x", schemes = { "x" }, help = "x://", hooks = { "resolve", "finish" }, file = PATH,
      variables = { "H" },
      config = { k = { secret = true, endpoint = false, file = false, env = { "K" }, help = "K." } },
    }, json.decode(assert(rules.check("source", PATH, text_of([[
      config = { k = { secret = true, env = { "K" }, help = "K." } }, variables = { "H" },
      finish = function() end]])))))
    assert.equal("x://...", json.decode(assert(rules.check("source", PATH,
      "return { api = 1, source = 'x', schemes = { '', 'x' }, resolve = print }"))).help)
    assert.equal("NAME", json.decode(assert(rules.check("source", PATH,
      "return { api = 1, source = 'x', schemes = { '' }, resolve = print }"))).help)
  end)
end)

describe("testing.source", function()
  local path

  before_each(function()
    path = os.tmpname()
  end)

  after_each(function()
    os.remove(path)
  end)

  local function write(text)
    local file = assert(io.open(path, "wb"))
    file:write(text)
    file:close()
  end

  it("hands out the functions of a source", function()
    write([[local uri = require "kthena.uri"
      return { api = 1, source = "acme", schemes = { "acme" }, resolve = function(given, ctx)
        local reply, message, kind = ctx.http({ url = "https://" .. given.authority .. uri.parse("a://b/c").path })
        if not reply then
          return nil, message, kind
        end
        return { revision = reply.body, files = {} }
      end }]])
    local source, effective = testing.source(path)
    assert.equal("acme", source.source)
    assert.equal("acme", effective.source)
    local asked
    local plan = source.resolve(testing.uri("acme://host/x"), { http = function(request)
      asked = request.url
      return { status = 200, body = "r1" }
    end })
    assert.equal("https://host/c", asked)
    assert.same({ revision = "r1", files = {} }, plan)
    assert.same({ nil, "gone", "not_found" }, { source.resolve(testing.uri("acme://host"), { http = function()
      return nil, "gone", "not_found"
    end }) })
  end)

  it("raises every problem of a bad file", function()
    write("return { api = 1, source = 'x', schemes = {}, resolv = print }")
    local ok, message = pcall(testing.source, path)
    assert.is_false(ok)
    assert.truthy(message:find(path .. ": schemes: is empty; expected at least one item\n", 1, true), message)
    assert.truthy(message:find(path .. ': resolv: unknown key; did you mean "resolve"?\n', 1, true), message)
    write("return { api = 1, engine = 'x', metrics = {} }")
    ok, message = pcall(testing.source, path)
    assert.is_false(ok)
    assert.truthy(message:find(path .. ": holds an engine; expected a source\n", 1, true), message)
  end)

  it("keeps the functions in the sandbox", function()
    write([[return { api = 1, source = "x", schemes = { "x" }, resolve = function() return os.time() end }]])
    assert.has_error(function() testing.source(path).resolve() end)
  end)
end)
