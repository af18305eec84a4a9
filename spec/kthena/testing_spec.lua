local testing = require("kthena.testing")

describe("kthena.testing", function()
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

  it("reads files", function()
    write("a\0b\n")
    assert.equal("a\0b\n", testing.read(path))
    assert.has_error(function() testing.read("/no/such/file") end,
      "could not open /no/such/file: No such file or directory")
  end)

  it("loads a rule file and renames pages with it", function()
    write([[return { api = 1, engine = "acme", labels = { add = { pod = "$pod" } },
      metrics = { { name = "kthena:q", type = "gauge", from = "acme_q" } } }]])
    local engine = testing.engine(path, { pod = "p1", model = "m" })
    assert.equal("acme", engine.effective.engine)
    assert.equal('# HELP kthena:q H.\n# TYPE kthena:q gauge\nkthena:q{pod="p1"} 3\n',
      engine:families("# HELP acme_q H.\nacme_q 3"))
    assert.equal('acme_q 3\n# HELP kthena:q The engine\'s acme_q.\n# TYPE kthena:q gauge\nkthena:q{pod="p1"} 3\n',
      engine:rename("acme_q 3"))
    assert.equal("x 1\n", engine:rename("x 1"))
    assert.equal("acme_q", engine:why("acme_q 3")["kthena:q"])
  end)

  it("keeps # EOF last", function()
    write([[return { api = 1, engine = "acme",
      metrics = { { name = "kthena:q", type = "gauge", from = "acme_q" } } }]])
    local engine = testing.engine(path)
    local page = "# TYPE acme_q gauge\nacme_q 3\n# EOF\n"
    assert.equal("# EOF\n", engine:rename(page):sub(-6))
    assert.truthy(engine:rename(page):find("kthena:q 3\n# EOF\n", 1, true))
    assert.falsy(engine:families(page):find("EOF", 1, true))
  end)

  it("raises every problem of a bad file", function()
    write("return { api = 2, engin = 'x' }")
    local ok, message = pcall(testing.engine, path)
    assert.is_false(ok)
    assert.truthy(message:find(path .. ": api: expected 1, the only version there is, got 2\n", 1, true), message)
    assert.truthy(message:find(path .. ': engin: unknown key; did you mean "engine"?\n', 1, true), message)
  end)

  it("reads samples in the order of the page, whatever their labels hold", function()
    local samples, keys = testing.samples(table.concat({
      "# HELP a A.", "# TYPE a gauge",
      'b{x="}",y="\\"}"} 1', "a 2 1700000000", "", 'c{} NaN # {t="}"} 1', 'd{x="1"}-1',
    }, "\n"))
    assert.same({ 'b{x="}",y="\\"}"}', "a", "c{}", 'd{x="1"}' }, keys)
    assert.same({ ['b{x="}",y="\\"}"}'] = "1", a = "2", ["c{}"] = "NaN", ['d{x="1"}'] = "-1" }, samples)
  end)
end)
