-- llama.cpp: a counter and a gauge, no latencies.
local support = require("spec.rules.support")

describe("the rules for llamacpp", function()
  local llamacpp = support.engine("llamacpp")

  it("make the two families there is a source for", function()
    assert.equal(support.with_help([[
# TYPE kthena:generation_tokens_total counter
kthena:generation_tokens_total 28499
# TYPE kthena:num_requests_waiting gauge
kthena:num_requests_waiting 3
]]), llamacpp:families(support.fixture("llamacpp")))
  end)
end)
