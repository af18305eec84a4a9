-- What holds for every built-in engine's rules alike.
local support = require("spec.rules.support")

-- Every fixture: its engine, and the engine that `auto` takes for it, when that is another one.
local fixtures = {
  ["llamacpp"] = { "llamacpp" },
  ["lmdeploy"] = { "lmdeploy" },
  ["mindie"] = { "mindie" },
  ["nim"] = { "nim" },
  ["sglang-0.4"] = { "sglang" },
  ["sglang-2025"] = { "sglang" },
  ["sglang-2026"] = { "sglang" },
  ["sglang-router"] = { "sglang" },
  ["tgi"] = { "tgi" },
  ["triton"] = { "triton" },
  ["triton-decoupled"] = { "triton" },
  ["triton-trtllm"] = { "triton" },
  ["triton-vllm"] = { "triton", "vllm" },
  ["trtllm-1.0"] = { "trtllm" },
  ["trtllm-1.2"] = { "trtllm" },
  ["vllm-0.5"] = { "vllm" },
  ["vllm-0.6.4"] = { "vllm" },
  ["vllm-0.8"] = { "vllm" },
  ["vllm-0.10.2"] = { "vllm" },
  ["vllm-2026"] = { "vllm" },
  ["vllm-openmetrics"] = { "vllm" },
  ["vllm-ray"] = { "vllm" },
  ["vllm-ray-2026"] = { "vllm" },
}

describe("the built-in engine rules", function()
  local engines = {}

  setup(function()
    for _, name in ipairs(support.engines) do
      engines[name] = support.engine(name)
    end
  end)

  it("give a standard family the same HELP whatever the engine", function()
    for fixture, names in pairs(fixtures) do
      local text = engines[names[1]]:families(support.fixture(fixture))
      for name, help in text:gmatch("# HELP (%S+) ([^\n]*)\n# TYPE") do
        assert.equal(support.help[name] or support.help[name .. "_total"], help, fixture .. ": " .. name)
      end
    end
  end)

  it("put the page first, byte for byte, and end its last line", function()
    for fixture, names in pairs(fixtures) do
      local page = support.fixture(fixture)
      local output = engines[names[1]]:rename(page)
      local body = page:gsub("# EOF\n$", "")
      assert.equal(body, output:sub(1, #body), fixture)
      local rest = output:sub(#body + 1):gsub("^\n", "", body:sub(-1) == "\n" and 0 or 1)
      assert.equal(engines[names[1]]:families(page), (rest:gsub("# EOF\n$", "")), fixture)
    end
  end)

  it("match whole names only", function()
    for fixture, names in pairs(fixtures) do
      local page = "\n" .. support.fixture(fixture)
      for _, other in ipairs({ "%1_created", "%1_by_reason", "%1s", "x%1", "x:%1" }) do
        local changed = page:gsub("\n([%a_:][%w_:]*)", "\n" .. other)
        assert.equal("", engines[names[1]]:families(changed), fixture .. " " .. other)
      end
    end
  end)

  it("make nothing of another engine's page, unless it has the same names", function()
    -- Some have no prefix, and Triton serves vLLM.
    local names_of = { mindie = "plain", nim = "plain", trtllm = "plain", triton = "vllm" }
    for fixture, names in pairs(fixtures) do
      for name, engine in pairs(engines) do
        if (names_of[name] or name) ~= (names_of[names[1]] or names[1]) then
          local families = engine:families(support.fixture(fixture))
          assert.equal("", families, name .. " on " .. fixture)
        end
      end
    end
  end)

  -- Counts as `--engine auto` does: page lines that begin with one of an engine's detect strings.
  local function detected(page)
    local best, most = nil, 0
    for _, name in ipairs(support.engines) do
      local rules, count = dofile(support.root .. "rules/engines/" .. name .. ".lua"), 0
      for line in page:gmatch("[^\n]+") do
        for _, beginning in ipairs(rules.detect) do
          if line:sub(1, #beginning) == beginning then
            count = count + 1
            break
          end
        end
      end
      if count > most then
        best, most = name, count
      end
    end
    return best
  end

  it("tell their own pages from the others'", function()
    for fixture, names in pairs(fixtures) do
      assert.equal(names[2] or names[1], detected(support.fixture(fixture)), fixture)
    end
  end)
end)
