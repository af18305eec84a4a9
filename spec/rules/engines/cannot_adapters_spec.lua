-- Engines that load no adapters at run time say what to do instead.
local support = require("spec.rules.support")

describe("engines without adapters at run time", function()
  local said = {
    tgi = "LORA_ADAPTERS=name=/path", trtllm = "lora_request", lmdeploy = "--adapters", triton = "model repository",
    nim = "NIM_PEFT_SOURCE",
  }

  it("say what to do instead", function()
    for name, part in pairs(said) do
      local adapters = support.engine(name).adapters
      assert.truthy(adapters.cannot:find(part, 1, true), name)
      assert.is_nil(adapters.load, name)
    end
  end)

  it("are all that have no hooks", function()
    for _, name in ipairs(support.engines) do
      local adapters = support.engine(name).adapters
      assert.equal(said[name] == nil, adapters.load ~= nil and adapters.unload ~= nil and adapters.list ~= nil, name)
    end
  end)
end)
