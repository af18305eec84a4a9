local json = require("kthena.json")

describe("kthena.json", function()
  it("writes the same text for the same data: keys sorted, lists where they are marked", function()
    local value = { b = 1, a = json.list({ true, json.null, "x" }), c = {}, d = json.list({}), ["é\""] = "\n\\" }
    local text = '{"a":[true,null,"x"],"b":1,"c":{},"d":[],"é\\"":"\\n\\\\"}'
    for _ = 1, 10 do
      assert.equal(text, json.encode(value))
    end
  end)

  it("writes numbers that read back as the same", function()
    for _, number in ipairs({ 0, 1, -1, 0.1, 1 / 3, 1e300, 5e-324, 2 ^ 53, 123456789012 }) do
      assert.equal(number, tonumber(json.encode(number)))
    end
    assert.equal("5", json.encode(5))
  end)

  it("replaces what is not UTF-8", function()
    assert.equal('"a\239\191\189"', json.encode("a\255"))
  end)

  it("refuses what JSON cannot hold", function()
    local cycle = {}
    cycle.cycle = cycle
    assert.has_error(function() json.encode(cycle) end, "could not encode a table nested more than 32 levels deep")
    assert.has_error(function() json.encode({ f = print }) end, "could not encode a function")
    assert.has_error(function() json.encode(0 / 0) end, "could not encode a number that is not finite")
    assert.has_error(function() json.encode(1 / 0) end, "could not encode a number that is not finite")
    assert.has_error(function() json.encode({ 1, 2 }) end,
      "could not encode a table with a key that is a number; json.list marks a list")
  end)

  it("decodes, and says where it cannot", function()
    assert.same({ a = { 1, true, json.null } }, json.decode('{"a": [1, true, null]}'))
    local value, message = json.decode('{"a": }')
    assert.is_nil(value)
    assert.truthy(message:find("character 7", 1, true), message)
    assert.is_nil((json.decode("[NaN]")))
    assert.is_nil((json.decode(("["):rep(5000))))
  end)
end)
