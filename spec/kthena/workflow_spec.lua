-- The words an author of a workflow reads, as `rules check` and the log print them.
local json = require("kthena.json")
local rules = require("host.rules")
local testing = require("kthena.testing")

local PATH = "rules/workflows/x.lua"

-- Loads the text of a workflow; returns its problems as a list, without the file's name.
local function problems(text)
  local effective, found = rules.check("workflow", PATH, text)
  local list = {}
  for line in (effective and "" or found):gmatch("[^\n]+") do
    list[#list + 1] = assert(line:match("^rules/workflows/x%.lua: (.*)$"), line)
  end
  return list
end

-- A workflow with these fields, which are Lua, besides the ones every file needs.
local function text_of(lua)
  return "return { api = 1, workflow = 'x', route = { method = 'POST', path = '/v1/x' }, run = function() end, " ..
    lua .. " }"
end

local function fields(lua)
  return problems(text_of(lua))
end

local PARAMS = [[params = {
  { name = "dir", type = "directory" }, { name = "src", type = "source" }, { name = "cfg", type = "config" },
  { name = "bg", type = "boolean" }, { name = "list", type = "list" }, { name = "status", type = "string" },
}, ]]

local function with_params(lua)
  return fields(PARAMS .. lua)
end

-- The problems of one parameter "p"; they begin with "params[1]", which is left out.
local function param(lua)
  local list = fields("params = { { name = 'p', " .. lua .. " } }")
  for i, line in ipairs(list) do
    list[i] = line:gsub("^params%[1%]%.?", "")
  end
  return list
end

local function route(method, path)
  return problems(("return { api = 1, workflow = 'x', run = print, route = { method = %s, path = %s }, params = {" ..
    "{ name = 'id', type = 'string' }, { name = 'n', type = 'integer' }, { name = 'o', type = 'object' } } }")
    :format(method, path))
end

local NAME = 'a name (lower-case letters, digits, "_", "-")'
local KEY = 'a name (lower-case letters, digits, "_")'
local TYPES = "string, integer, number, boolean, list, object, config, source or directory"
local SEGMENT = 'route.path: expected names of letters, digits, "-", ".", "_", "~" or "{parameter}" between the ' ..
  "slashes, got "

describe("the schema of workflow files", function()
  it("accepts a file with everything in it", function()
    assert.same({}, problems([[return {
      api = 1, workflow = "do_it-2", summary = "Does it",
      route = { method = "DELETE", path = "/v1/things/{id}/~a.b_c-d" },
      params = {
        { name = "id", type = "string", required = true, help = "Which.", min = 1, max = 10 },
        { name = "mode", type = "string", choices = { "fast", "slow" }, default = "fast" },
        { name = "n", type = "integer", default = 8, min = 1, max = 256 },
        { name = "f", type = "number", default = 0.5, min = 0.1, max = 1.5 },
        { name = "b", type = "boolean", default = false },
        { name = "l", type = "list", default = { "a" }, max = 3 },
        { name = "o", type = "object", default = { a = { 1, true, { b = "c" } } } },
        { name = "c", type = "config" },
        { name = "s", type = "source", default = "acme://x" },
        { name = "d", type = "directory", default = "~/x" },
      },
      async = "b", started = { message = "Started", echo = { "id", "s" } }, same = { "id", "c" }, exclusive = "d",
      serial = "id", parallel = 16, quiet = true, ready = "things",
      run = function() end,
    }]]))
    assert.same({}, fields(""))
  end)

  it("says what is missing, and what is not known", function()
    assert.same({
      "api: missing; expected 1",
      "workflow: missing; expected " .. NAME,
      "run: missing; expected a function",
      'workflo: unknown key; did you mean "workflow"?',
      'route: missing; expected a table with method and path, or "every" or "on" to start it',
    }, problems("return { workflo = 'x' }"))
    assert.same({ 'parms: unknown key; did you mean "params"?' }, fields("parms = {}"))
    assert.same({ "run: expected a function, got a table" },
      problems("return { api = 1, workflow = 'x', route = { method = 'GET', path = '/x' }, run = {} }"))
  end)

  it("allows functions at its hook only", function()
    assert.same({ "default: expected a table of plain data, got a table" },
      param("type = 'object', default = { f = print }"))
    assert.same({ "default: expected text, got a function" }, param("type = 'string', default = print"))
    assert.same({ "summary: expected a line that says what it does, got a function" },
      problems([[return { api = 1, workflow = 'x', summary = print, route = { method = 'GET', path = '/x' },
        run = print }]]))
  end)

  it("checks routes", function()
    assert.same({}, route("'POST'", "'/v1/{id}/x/{n}'"))
    assert.same({ 'route.method: expected GET, POST, PUT or DELETE, got "PATCH"' }, route("'PATCH'", "'/x'"))
    assert.same({ 'route.method: expected GET, POST, PUT or DELETE, got "get"' }, route("'get'", "'/x'"))
    assert.same({ 'route.path: expected a path such as "/v1/things/{id}", got "x"' }, route("'POST'", "'x'"))
    assert.same({ "route.path: missing; expected a path such as \"/v1/things/{id}\"" }, route("'POST'", "nil"))
    for bad, segment in pairs({ ["/"] = "", ["/x/"] = "", ["/x//y"] = "", ["/a b"] = "a b", ["/x?y"] = "x?y",
      ["/.."] = "..", ["/./x"] = ".", ["/%41"] = "%41", ["/x{id}"] = "x{id}", ["/{Id}"] = "{Id}", ["/{id"] = "{id",
      ["/*"] = "*" }) do
      assert.same({ SEGMENT .. '"' .. segment .. '"' }, route("'POST'", "'" .. bad .. "'"), bad)
    end
    assert.same({ 'route.path: "{id}" is there twice' }, route("'POST'", "'/{id}/{id}'"))
    assert.same({ "route.path: has 5 parameters; at most 4 are allowed",
      'route.path: "a" is no parameter; expected id, n or o', 'route.path: "b" is no parameter; expected id, n or o',
      'route.path: "c" is no parameter; expected id, n or o' }, route("'POST'", "'/{id}/{n}/{a}/{b}/{c}'"))
    assert.same({ 'route.path: "ids" is no parameter; did you mean "id"?' }, route("'POST'", "'/{ids}'"))
    assert.same({ 'route.path: "o" is of type object; a part of the path is of type string or integer' },
      route("'POST'", "'/{o}'"))
  end)

  it("checks names and types of parameters", function()
    assert.same({ "params[1].name: expected " .. KEY .. ', got "A-b"', "params[1].type: missing; expected " .. TYPES },
      fields("params = { { name = 'A-b' } }"))
    assert.same({ 'type: expected ' .. TYPES .. ', got "int"' }, param("type = 'int', default = 1, min = 0"))
    assert.same({ 'params[3].name: "a" is the name of params[1] already' }, fields([[params = {
      { name = "a", type = "list" }, { name = "b", type = "list" }, { name = "a", type = "list" } }]]))
    assert.same({ 'requird: unknown key; did you mean "required"?' }, param("type = 'string', requird = true"))
    assert.same({ "params[1]: expected a table that describes a parameter, got \"x\"" }, fields("params = { 'x' }"))
    assert.same({ "params: expected a list of parameters, got a table" }, fields("params = { a = 1 }"))
  end)

  it("checks defaults", function()
    local function default(kind, value)
      local found = param(("type = '%s', default = %s"):format(kind, value))
      return found[1] and found[1]:gsub("%-nan", "nan") or "good"
    end
    local good = {
      string = "''", integer = "-3", number = "1e300", boolean = "true", list = "'a'", object = "{}",
      config = "{ a = 'b' }", source = "'ns/repo'", directory = "'/x'",
    }
    for kind, value in pairs(good) do
      assert.equal("good", default(kind, value), kind)
    end
    local bad = {
      string = { "1", "text, got 1" }, integer = { "1.5", "a whole number, got 1.5" },
      number = { "0/0", "a number, got nan" }, boolean = { "'true'", 'true or false, got "true"' },
      list = { "{ 1 }", "a list of texts, got a list" }, object = { "{ 1 }", "a table of plain data, got a list" },
      config = { "'{}'", 'a table of plain data, got "{}"' }, source = { "''", 'a URI, got ""' },
      directory = { "{}", "a directory, got a table" },
    }
    for kind, case in pairs(bad) do
      assert.equal("default: expected " .. case[2], default(kind, case[1]), kind)
    end
    assert.equal("default: expected a whole number, got 9.007199254741e+15", default("integer", "2 ^ 53 + 2"))
    assert.equal("default: expected text, got \"a\\0\"", default("string", "'a\\0'"))
    assert.equal("default: expected a table of plain data, got a table", default("object", "{ a = { 1/0 } }"))
    assert.equal("default: expected a list of texts, got a table", default("list", "{ a = 'x' }"))
    assert.same({ 'default: cannot stand beside "required"; a parameter has a default or is required' },
      param("type = 'string', required = true, default = 'x'"))
    assert.same({}, param("type = 'string', required = false, default = 'x'"))
  end)

  it("checks choices and bounds", function()
    assert.same({ 'default: expected one of its choices, got "c"' },
      param("type = 'string', choices = { 'a', 'b' }, default = 'c'"))
    assert.same({ "choices: goes with type string, this is integer" }, param("type = 'integer', choices = { '1' }"))
    assert.same({ "choices: is empty; expected at least one item" }, param("type = 'string', choices = {}"))
    assert.same({ "choices[2]: expected text, got 1" }, param("type = 'string', choices = { 'a', 1 }, default = 'a'"))
    assert.same({ "min: goes with type string, integer, number or list, this is boolean",
      "max: goes with type string, integer, number or list, this is boolean" },
      param("type = 'boolean', min = 1, max = 2"))
    assert.same({ "min: is more than max, 1" }, param("type = 'number', min = 2, max = 1"))
    assert.same({ "min: expected a whole number, got 1.5" }, param("type = 'list', min = 1.5"))
    assert.same({ "max: expected a finite number, got inf" }, param("type = 'number', max = 1/0"))
    assert.same({ "min: expected a number, got \"1\"" }, param("type = 'number', min = '1', default = 0"))
    for case, fits in pairs({
      ["'integer', min = 1, default = 0"] = false, ["'integer', max = 1, default = 2"] = false,
      ["'integer', min = 1, max = 1, default = 1"] = true, ["'string', min = 2, default = 'a'"] = false,
      ["'string', max = 2, default = 'ab'"] = true, ["'list', min = 2, default = 'abc'"] = false,
      ["'list', max = 1, default = { 'a', 'b' }"] = false, ["'list', max = 1, default = 'abc'"] = true,
    }) do
      assert.same(fits and {} or { "default: is outside of its min and max" }, param("type = " .. case), case)
    end
  end)

  it("checks the names of parameters wherever they stand", function()
    assert.same({ 'async: "bgg" is no parameter; did you mean "bg"?' }, with_params("async = 'bgg'"))
    assert.same({ 'async: "x" is no parameter; there is none' }, fields("async = 'x'"))
    assert.same({ 'async: "list" is of type list; expected one of type boolean' }, with_params("async = 'list'"))
    assert.same({ 'same[2]: "sr" is no parameter; did you mean "src"?' }, with_params("same = { 'src', 'sr' }"))
    assert.same({ 'exclusive: "dri" is no parameter; did you mean "dir"?' }, with_params("exclusive = 'dri'"))
    for _, name in ipairs({ "cfg", "list" }) do
      assert.same({ ('exclusive: "%s" is of type %s; expected one that is a single value'):format(name,
        name == "cfg" and "config" or "list") }, with_params(("exclusive = '%s'"):format(name)))
    end
    assert.same({ 'started.echo[1]: "x" is no parameter; expected dir, src, cfg, bg, list or status' },
      with_params("async = 'bg', started = { echo = { 'x' } }"))
  end)

  it("keeps secrets and doubles out of replies", function()
    assert.same({ 'started.echo[2]: "cfg" is of type config; it may hold secrets, which no reply repeats' },
      with_params("async = 'bg', started = { echo = { 'src', 'cfg' } }"))
    assert.same({ 'started.echo[1]: "status" is a member of the reply already' },
      with_params("async = 'bg', started = { echo = { 'status' } }"))
    assert.same({ 'started: goes with "async"; without it nothing is started in the background' },
      with_params("started = { message = 'x' }"))
  end)

  it("reports every problem of a file in which everything is wrong", function()
    assert.same({
      "api: expected 1, the only version there is, got 2",
      "workflow: expected " .. NAME .. ", got a list",
      "summary: expected a line that says what it does, got true",
      'route: expected a table with method and path, got "x"',
      "params: expected a list of parameters, got a function",
      "async: expected " .. KEY .. ", got 1",
      'started: expected a table with "message" or "echo", got 1',
      "same: expected a list of parameters, got 1",
      "exclusive: expected " .. KEY .. ", got a list",
      "run: expected a function, got 1",
    }, problems([[return { api = 2, workflow = { 1 }, summary = true, route = "x", params = print, async = 1,
      started = 1, same = 1, exclusive = { 1 }, run = 1 }]]))
    assert.same({ "params[1].name: expected " .. KEY .. ", got nan", "route.method: expected GET" }, (function()
      local found = problems([[return { api = 1, workflow = "x", route = { method = 0/0, path = "/x" }, run = print,
        params = { { name = 0/0, type = 0/0, default = 0/0, choices = 1, min = {} } }, same = { 0/0 }, started = {
        echo = { 0/0 } } }]])
      assert.is_true(#found > 5)
      return { (found[2]:gsub("%-nan", "nan")), found[1]:match("^[^,]*") }
    end)())
  end)

  it("is told with every default filled in", function()
    assert.same({
      workflow = "x", summary = "x", route = { method = "POST", path = "/v1/x" }, same = {}, file = PATH,
      params = {
        { name = "l", type = "list", required = false, default = { "a" } },
        { name = "b", type = "boolean", required = false, default = false, help = "B." },
        { name = "s", type = "string", required = true, choices = { "u", "v" }, min = 1, max = 2 },
      },
      async = "b", started = { echo = { "s" } }, on = {}, quiet = false, settings = {},
    }, json.decode(assert(rules.check("workflow", PATH, text_of([[params = {
        { name = "l", type = "list", default = "a" },
        { name = "b", type = "boolean", default = false, help = "B." },
        { name = "s", type = "string", required = true, choices = { "u", "v" }, min = 1, max = 2 } },
      async = "b", started = { echo = { "s" } }]])))))
  end)

  it("writes defaults as JSON", function()
    local text = assert(rules.check("workflow", PATH, text_of([[params = { { name = "o", type = "object",
      default = { list = { 1, "a" }, nothing = {}, deep = { b = { false } } } }, { name = "l", type = "list",
      default = {} } }]])))
    assert.truthy(text:find('"default":{"deep":{"b":[false]},"list":[1,"a"],"nothing":{}}', 1, true), text)
    assert.truthy(text:find('"default":[]', 1, true), text)
  end)
end)

describe("testing.workflow", function()
  it("hands out run", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    file:write([[return { api = 1, workflow = "greet", route = { method = "POST", path = "/v1/greet" },
      params = { { name = "name", type = "string", required = true } },
      run = function(params, ctx)
        ctx.job.phase("greeting")
        return { greeting = "hello " .. params.name, job_id = ctx.job.id }
      end }]])
    file:close()
    local workflow, effective = testing.workflow(path)
    os.remove(path)
    local phase
    local reply = workflow.run({ name = "you" }, { job = { id = "j1", phase = function(text) phase = text end } })
    assert.same({ greeting = "hello you", job_id = "j1" }, reply)
    assert.equal("greeting", phase)
    assert.equal("/v1/greet", effective.route.path)
  end)
end)
