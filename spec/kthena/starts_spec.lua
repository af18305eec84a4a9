-- What the file of a workflow says of how it is started, and of the settings it declares.
local json = require("kthena.json")
local rules = require("host.rules")

local PATH = "rules/workflows/x.lua"

local function check(lua)
  return rules.check("workflow", PATH, "return { api = 1, workflow = 'x', run = function() end, " .. lua .. " }")
end

-- The problems of a workflow with these fields, as a list, without the file's name.
local function problems(lua)
  local effective, found = check(lua)
  local list = {}
  for line in (effective and "" or found):gmatch("[^\n]+") do
    list[#list + 1] = assert(line:match("^rules/workflows/x%.lua: (.*)$"), line)
  end
  return list
end

local ROUTE = "route = { method = 'POST', path = '/v1/x' }, "

-- The problems of one setting of the name "s".
local function setting(lua)
  local list = problems(ROUTE .. "settings = { { name = 's', " .. lua .. " } }")
  for i, line in ipairs(list) do
    list[i] = line:gsub("^settings%[1%]%.?", "")
  end
  return list
end

describe("a workflow's start", function()
  it("is by a request, a timer, an event or all of them", function()
    assert.same({}, problems("every = 15"))
    assert.same({}, problems("every = 0.5, quiet = true"))
    assert.same({}, problems("on = { 'start', 'engine_up', 'rules_changed' }"))
    assert.same({}, problems("on = 'start'"))
    assert.same({}, problems(ROUTE .. "every = 15, on = { 'start' }"))
    assert.same({ 'route: missing; expected a table with method and path, or "every" or "on" to start it' },
      problems("quiet = true"))
  end)

  it("is checked", function()
    assert.same({ "every: expected from 0.1 to 604800 seconds, got 0" }, problems("every = 0"))
    assert.same({ "every: expected from 0.1 to 604800 seconds, got inf" }, problems("every = 1 / 0"))
    assert.same({ "every: expected a number of seconds or the name of a setting, got true" }, problems("every = true"))
    assert.same({ 'every: "often" is no setting of this file; there is none' }, problems("every = 'often'"))
    assert.same({ 'every: "ofen" is no setting of this file; did you mean "often"?' },
      problems("every = 'ofen', settings = { { name = 'often', env = 'OFTEN', type = 'seconds' } }"))
    assert.same({ 'every: "often" is of type file; expected one of type seconds' },
      problems("every = 'often', settings = { { name = 'often', env = 'OFTEN', type = 'file' } }"))
    assert.same({}, problems("every = 'often', settings = { { name = 'often', env = 'OFTEN', type = 'seconds' } }"))
    assert.same({ 'on[2]: expected start, engine_up, rules_changed or file_changed, got "engine_down"' },
      problems("on = { 'start', 'engine_down' }"))
    assert.same({ "on: is empty; expected at least one item" }, problems("on = {}"))
    assert.same({ 'on[1]: "file_changed" goes with a setting of type file; there is none' },
      problems("on = { 'file_changed' }"))
    assert.same({ 'params[2].required: nobody gives it when the workflow starts by itself ("every", "on"); ' ..
      "expected a default, or to do without" }, problems([[on = { "start" }, params = {
        { name = "a", type = "string" }, { name = "b", type = "string", required = true } }]]))
  end)

  it("is beside or behind others", function()
    assert.same({}, problems(ROUTE .. "parallel = 16, serial = 'n', params = { { name = 'n', type = 'string' } }"))
    assert.same({ 'serial: "m" is no parameter; expected n' },
      problems(ROUTE .. "serial = 'm', params = { { name = 'n', type = 'string' } }"))
    assert.same({ 'serial: "n" is of type config; expected one that is a single value' },
      problems(ROUTE .. "serial = 'n', params = { { name = 'n', type = 'config' } }"))
    for _, bad in ipairs({ "0", "65", "1.5", "0/0" }) do
      local found = problems(ROUTE .. "parallel = " .. bad)
      assert.matches("^parallel: expected a whole number from 1 to 64, got ", found[1])
    end
    assert.same({ "quiet: expected true or false, got 1" }, problems(ROUTE .. "quiet = 1"))
  end)
end)

describe("a workflow with GET", function()
  local function get(kind)
    return problems("route = { method = 'GET', path = '/v1/x' }, params = { { name = 'p', type = '" .. kind .. "' } }")
  end

  it("takes what an address can hold", function()
    for _, kind in ipairs({ "string", "integer", "number", "boolean", "list", "source", "directory" }) do
      assert.same({}, get(kind), kind)
    end
    assert.same({ 'params[1].type: "p" is of type object; the address of a GET cannot hold one' }, get("object"))
    assert.same({ 'params[1].type: "p" is of type config; it may hold secrets, which do not belong in the address ' ..
      "of a GET" }, get("config"))
  end)
end)

describe("a workflow's settings", function()
  it("are flags and variables of every type", function()
    assert.same({}, problems(ROUTE .. [[settings = {
      { name = "a", flag = "a-b", env = "A", type = "string", default = "x", help = "A." },
      { name = "b", env = "B", type = "integer", default = -3 },
      { name = "c", env = "C", type = "number", default = 0.5 },
      { name = "d", env = "D", type = "seconds", default = 300 }, { name = "e", flag = "ee", type = "boolean",
        default = false }, { name = "f", env = "F", type = "list", default = { "x", "y" } },
      { name = "g", flag = "gg", type = "file", default = "/etc/x" }, { name = "h", env = "H", type = "secret" } }]]))
  end)

  it("are checked", function()
    assert.same({ 'nothing gives it a value; expected "flag", "env" or both' },
      { (setting("type = 'string'")[1]:gsub("^: ", "")) })
    assert.same({ 'flag: expected a flag without its dashes (lower-case letters, digits, "-"), got "--x"' },
      setting("flag = '--x', type = 'string'"))
    assert.same({ 'env: expected the name of an environment variable (letters, digits, "_"), got "A-B"' },
      setting("env = 'A-B', type = 'string'"))
    assert.same({ "flag: a secret comes from the environment; everybody can read a process's flags" },
      setting("flag = 'xy', type = 'secret'"))
    assert.same({ "default: a rule file holds no secrets" }, setting("env = 'A', type = 'secret', default = 'x'"))
    assert.same({ 'type: expected string, integer, number, seconds, boolean, list, file or secret, got "int"' },
      setting("env = 'A', type = 'int'"))
    for kind, case in pairs({
      string = { "1", "text, got 1" }, integer = { "1.5", "a whole number, got 1.5" },
      number = { "1/0", "a number, got inf" }, seconds = { "-1", "a number of seconds, got -1" },
      boolean = { "'true'", 'true or false, got "true"' },
      list = { "{ 'a,b' }", "a list of texts without commas, got a list" }, file = { "''", 'a path, got ""' },
    }) do
      assert.same({ "default: expected " .. case[2] },
        setting(("env = 'A', type = '%s', default = %s"):format(kind, case[1])), kind)
    end
    assert.same({ 'settings[2].name: "s" is the name of settings[1] already' },
      problems(ROUTE .. [[settings = {
        { name = "s", env = "A", type = "file" }, { name = "s", env = "B", type = "file" } }]]))
  end)

  it("are told to people", function()
    local told = json.decode(assert(check([[every = "often", on = { "file_changed" }, quiet = true, ready = "things",
      settings = { { name = "often", flag = "often", env = "OFTEN", type = "seconds", default = 15, help = "H." },
        { name = "f", env = "F", type = "file" } } ]])))
    assert.equal("often", told.every)
    assert.same({ "file_changed" }, told.on)
    assert.is_true(told.quiet)
    assert.equal("things", told.ready)
    assert.same({ { name = "often", flag = "often", env = "OFTEN", type = "seconds", default = 15, help = "H." },
      { name = "f", env = "F", type = "file" } }, told.settings)
    assert.is_nil(told.route)
  end)
end)
