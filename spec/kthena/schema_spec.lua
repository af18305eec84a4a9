local schema = require("kthena.schema")

-- Checks a value; returns the problems as "key: message".
local function check(node, value)
  local problems = {}
  schema.check(node, value, function(key, message)
    problems[#problems + 1] = key .. ": " .. message
  end)
  return problems
end

local COLOUR = { type = "string", choices = { "red", "green", "blue" } }

describe("kthena.schema", function()
  it("checks types", function()
    assert.same({}, check({ type = "string" }, "x"))
    assert.same({}, check({ type = "number" }, 1))
    assert.same({}, check({ type = "boolean" }, false))
    assert.same({}, check({ type = "function" }, print))
    assert.same({ ": expected text, got 1" }, check({ type = "string" }, 1))
    assert.same({ ': expected a number, got "1"' }, check({ type = "number" }, "1"))
    assert.same({ ": expected true or false, got nothing" }, check({ type = "boolean" }, nil))
    assert.same({ ": expected a function, got a table" }, check({ type = "function" }, {}))
    assert.same({ ": expected a colour, got a list" }, check({ type = "string", expected = "a colour" }, { 1 }))
  end)

  it("checks texts", function()
    assert.same({}, check(COLOUR, "red"))
    assert.same({ ': expected red, green or blue, got "rde"' }, check(COLOUR, "rde"))
    local word = { type = "string", matches = "^%a+$", expected = "a word" }
    assert.same({ ': expected a word, got "a b"' }, check(word, "a b"))
    assert.same({ ': expected a word, got ""' }, check({ type = "string", min = 1, expected = "a word" }, ""))
    assert.same({ ": has 5 bytes; at most 4 are allowed" }, check({ type = "string", max = 4 }, "abcde"))
    assert.same({ ': expected UTF-8 text without control characters, got "a\\0"' }, check({ type = "string" }, "a\0"))
    assert.same({ ': expected UTF-8 text without control characters, got "\255"' }, check({ type = "string" }, "\255"))
    assert.same({}, check({ type = "string" }, "Grüße"))
  end)

  it("checks lists", function()
    local list = { type = "list", of = COLOUR, max = 2 }
    assert.same({}, check(list, {}))
    assert.same({}, check(list, { "red", "blue" }))
    assert.same({ "[2]: expected red, green or blue, got 5" }, check(list, { "red", 5 }))
    assert.same({ ": has 3 items; at most 2 are allowed" }, check(list, { "red", "red", "red" }))
    assert.same({ ': expected a list, got "red"' }, check(list, "red"))
    assert.same({ ": expected a list, got a table" }, check(list, { a = "red" }))
    assert.same({ ": is empty; expected at least one item" }, check({ type = "list", of = COLOUR, filled = true }, {}))
    assert.same({}, check({ type = "list", of = COLOUR, single = true }, "red"))
    assert.same({ ": expected red, green or blue, got 5" }, check({ type = "list", of = COLOUR, single = true }, 5))
  end)

  it("checks maps", function()
    local key = { type = "string", matches = "^%a+$", expected = "a word" }
    local map = { type = "map", keys = key, values = COLOUR, max = 2 }
    assert.same({}, check(map, { a = "red" }))
    assert.same({ 'b: expected red, green or blue, got "x"', '["c d"]: expected a word, got "c d"' },
      check(map, { b = "x", ["c d"] = "red" }))
    assert.same({ ": expected a table, got a list" }, check(map, { "red" }))
    assert.same({ ": has 3 keys; at most 2 are allowed" }, check(map, { a = "red", b = "red", c = "red" }))
  end)

  it("checks records, and reports every problem in the order of the schema", function()
    local record = {
      type = "record",
      fields = {
        { "name", { type = "string", required = true } },
        { "colour", COLOUR },
        { "inner", { type = "record", fields = { { "deep", { type = "list", of = COLOUR } } } } },
      },
    }
    assert.same({}, check(record, { name = "x" }))
    assert.same({ ": expected a table, got a list" }, check(record, { 1 }))
    assert.same({
      "name: missing; expected text",
      'colour: expected red, green or blue, got "rde"',
      "inner.deep[2]: expected red, green or blue, got 1",
      'coluor: unknown key; did you mean "colour"?',
      "xyz: unknown key; expected name, colour or inner",
    }, check(record, { colour = "rde", coluor = 1, inner = { deep = { "red", 1 } }, xyz = 1 }))
  end)

  it("chooses by the type of the value", function()
    local either = {
      type = "either", expected = "a name or a list",
      string = COLOUR, table = { type = "list", of = COLOUR },
    }
    assert.same({}, check(either, "red"))
    assert.same({}, check(either, { "red" }))
    assert.same({ ": expected a name or a list, got 1" }, check(either, 1))
    assert.same({ "[1]: expected red, green or blue, got 1" }, check(either, { 1 }))
  end)

  it("calls checks of one's own for values that are good so far, and for records always", function()
    local odd = {
      type = "number",
      check = function(value, report, path)
        if value % 2 == 0 then
          report(path, "is even")
        end
      end,
    }
    assert.same({}, check(odd, 1))
    assert.same({ ": is even" }, check(odd, 2))
    assert.same({ ': expected a number, got "x"' }, check(odd, "x"))
    local pair = {
      type = "record",
      fields = { { "a", odd }, { "b", odd } },
      check = function(value, report)
        if value.a == value.b then
          report("b", "equals a")
        end
      end,
    }
    assert.same({ "a: is even", "b: is even", "b: equals a" }, check(pair, { a = 2, b = 2 }))
    assert.same({ ": expected a table, got 1" }, check(pair, 1))
  end)
end)
