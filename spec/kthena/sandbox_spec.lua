-- What a rule file can and cannot do while it runs, in the state the server loads it in.
local sandbox = require("kthena.sandbox")
local testing = require("kthena.testing")

-- Runs code as a rule file; returns the one problem it has, without the file's name.
local function fails(code, options)
  local engine, problems = testing.load("/etc/kthena/rules/x.lua", code, options)
  assert.is_nil(engine)
  return (problems:gsub("^/etc/kthena/rules/x%.lua:%s?", ""):gsub("\n$", ""))
end

-- Runs code that returns the values to look at; they come back in the text of an error.
local function gives(code)
  return fails(([[local function run() %s end
    local function show(...)
      local words = { ... }
      for i = 1, select("#", ...) do words[i] = tostring(words[i]) end
      error(table.concat(words, " "), 0)
    end
    show(run())]]):format(code))
end

describe("the sandbox", function()
  it("has nothing but what its list names", function()
    for _, name in ipairs({
      "io", "os", "ffi", "jit", "debug", "package", "coroutine", "bit", "load", "loadstring", "loadfile", "dofile",
      "collectgarbage", "getfenv", "setfenv", "rawset", "module", "newproxy", "gcinfo",
    }) do
      assert.truthy(fails("local x = " .. name):find("^1: unknown name '" .. name .. "'; "), name)
    end
    assert.equal("1: attempt to call field 'dump' (a nil value)", fails("string.dump(function() end)"))
    assert.equal("1: attempt to call field 'dump' (a nil value)", fails("local s = ('').dump(print)"))
    assert.equal("1: attempt to call field 'randomseed' (a nil value)", fails("math.randomseed(1)"))
  end)

  it("has all of it", function()
    local names = {}
    for _, name in ipairs(sandbox.allowed.globals) do
      names[#names + 1] = name
    end
    for library, keys in pairs(sandbox.allowed.libraries) do
      for _, key in ipairs(keys) do
        names[#names + 1] = library .. "." .. key
      end
    end
    for _, name in ipairs(names) do
      assert.equal("true", gives("return " .. name .. " ~= nil"), name)
    end
  end)

  it("has an xpcall that hands errors on", function()
    assert.equal("true 1 2", gives("return xpcall(function(...) return ... end, error, 1, 2)"))
    assert.equal("false [x]", gives("return xpcall(error, function(e) return '[' .. e .. ']' end, 'x', 0)"))
    assert.equal("false y", gives("return xpcall(error, function() error('y', 0) end)"))
  end)

  it("suggests a name", function()
    assert.equal("1: unknown name 'tostrin'; did you mean 'tostring'?", fails("return tostrin(1)"))
    assert.truthy(fails("return { name = hlep }"):find("^1: unknown name 'hlep'; a rule file can use _G, assert, "))
  end)

  it("lets a file keep names of its own", function()
    assert.equal("3", gives("x = 1 y = 2 return x + y"))
  end)

  it("gives each file tables of its own", function()
    for _ = 1, 2 do
      assert.equal("nil number", gives("local a = string.mark string.mark = 1 table.mark = 1 _G.mark = 1 "
        .. "return a, type(string.mark)"))
    end
    assert.equal("false false", gives("return getmetatable(''), getmetatable(_G)"))
    assert.equal("0 nil", gives("string.mark = 1 return (''):len(), (' ').mark"))
  end)

  it("lets rules require what is meant for them, as copies", function()
    local encode = "return require('kthena.json').encode({ a = 1 })"
    assert.equal('{"a":1}', gives(encode))
    assert.truthy(fails("require('kthena.json').encode = nil " .. encode):find("attempt to call field 'encode'"))
    assert.equal('{"a":1}', gives(encode))
    assert.equal("acme b", gives("local u = require('kthena.uri').parse('acme://b') return u.scheme, u.authority"))
    local known = "; it can require kthena.adapter_calls, kthena.adapter_reconcile, kthena.adapter_view, "
      .. "kthena.adapters, kthena.aws, kthena.bucket, kthena.json, kthena.openai, kthena.uri"
    assert.equal("1: a rule file cannot require 'kthena.sandbox'" .. known, fails("require('kthena.sandbox')"))
    assert.equal("1: a rule file cannot require 'host.rules'" .. known, fails("require('host.rules')"))
    assert.equal("1: a rule file cannot require 'nil'" .. known, fails("require()"))
  end)

  it("loads a module when a rule first looks into it", function()
    local openai = sandbox.environment("x.lua").require("kthena.openai")
    assert.is_nil(next(openai))
    assert.equal("function", type(openai.load_body))
    assert.truthy(next(openai))
  end)

  it("takes text, not compiled code", function()
    assert.equal("holds compiled code; a rule file is text", fails(string.dump(function() end)))
  end)

  it("names the file and line of an error", function()
    assert.equal("2: unexpected symbol near ','", fails("return {\n  ,\n}"))
    assert.equal("3: on purpose", fails("\n\nerror('on purpose')"))
    assert.equal("on purpose", fails("error('on purpose', 0)"))
    assert.equal("two\\nlines", fails("error('two\\nlines', 0)"))
    assert.equal("raised an error that is no message but a table", fails("error({})"))
    assert.equal("raised an error that is no message but a nil", fails("error()"))
    assert.equal("raised an error that is no message but a table",
      fails("error(setmetatable({}, { __tostring = function() error('called') end }))"))
  end)

  it("names a file with a long path in full", function()
    local path = "/" .. ("long/"):rep(40) .. ("name"):rep(30) .. ".lua"
    local _, problems = testing.load(path, "error('x')")
    assert.equal(path .. ":1: x\n", problems)
  end)
end)

describe("a file that does not end", function()
  local limits = { budget_seconds = 0.05 }

  it("is cut off", function()
    assert.equal("2: used more than 0.05 s", fails("\nwhile true do end", limits))
  end)

  it("is cut off inside pcall and xpcall", function()
    assert.equal("1: used more than 0.05 s", fails("while true do pcall(function() while true do end end) end", limits))
    assert.equal("1: used more than 0.05 s",
      fails("while true do xpcall(function() while true do end end, function() return 'innocent' end) end", limits))
    assert.equal("1: used more than 0.05 s",
      fails("xpcall(function() while true do end end, function() while true do end end)", limits))
  end)

  it("is cut off inside callbacks and metamethods", function()
    assert.equal("1: used more than 0.05 s", fails("('x'):gsub('x', function() while true do end end)", limits))
    assert.equal("1: used more than 0.05 s", fails("table.sort({ 1, 2 }, function() while true do end end)", limits))
    assert.equal("1: used more than 0.05 s",
      fails("local t = setmetatable({}, { __index = function() while true do end end }) return t.x", limits))
  end)

  it("is cut off when it recurses for ever by tail calls", function()
    assert.equal("1: used more than 0.05 s", fails("local function f() return f() end f()", limits))
  end)

  it("leaves a good one alone", function()
    assert.truthy(testing.load("x.lua", "return { api = 1, engine = 'x', metrics = {} }", { budget_seconds = 10 }))
  end)
end)

describe("a file that recurses without end", function()
  it("runs into an error", function()
    for _, code in ipairs({
      "local function f() return f() + 1 end f()",
      "local function f(s) return (s:gsub('.', f)) end f('x')",
      "local function f(s) return (string.gsub(s, '.', f)) end f('x')",
      "local m = {} local t = setmetatable({}, m) m.__index = function() return ('x'):gsub('x', t) end return t.x",
      "local function f() table.sort({ 1, 2, 3 }, f) end f()",
      "local m = {} local t = setmetatable({}, m) m.__tostring = function() return ('%s'):format(t) end tostring(t)",
      "local m = { __concat = function(a, b) return a .. b end } local t = setmetatable({}, m) return t .. t",
      "return " .. ("("):rep(10000),
      "return " .. ("{"):rep(10000),
      "local x = " .. ("-"):rep(100000) .. "1",
    }) do
      assert.truthy(#fails(code) > 0, code)
    end
  end)
end)

describe("a file that hoards memory", function()
  local limits = { memory_bytes = 4 * 1024 * 1024 }

  it("is cut off", function()
    for _, code in ipairs({
      "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end",
      "local s = 'x' while true do s = s .. s end",
      "local s = ('x'):rep(1e9)",
      "local t = {} pcall(function() while true do t[#t + 1] = {} end end) while true do t[#t + 1] = {} end",
    }) do
      assert.equal("used more than 4 MiB of memory", fails(code, limits))
    end
    assert.equal("used more than 64 MiB of memory",
      fails("local t = {} while true do t[#t + 1] = ('x'):rep(1e6) .. #t end"))
  end)

  it("may make garbage", function()
    assert.equal("done", fails("for i = 1, 1e5 do local t = { i, ('x'):rep(100) .. i } end error('done', 0)", limits))
  end)
end)
