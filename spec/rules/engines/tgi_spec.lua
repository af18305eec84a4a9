-- Text Generation Inference: four families, tokens from a histogram's sum.
local support = require("spec.rules.support")

describe("the rules for tgi", function()
  local tgi = support.engine("tgi")

  it("make what the engine has, and no time to first token", function()
    assert.equal(support.with_help([[
# TYPE kthena:generation_tokens_total counter
kthena:generation_tokens_total 3423
# TYPE kthena:num_requests_waiting gauge
kthena:num_requests_waiting 12
# TYPE kthena:time_per_output_token_seconds histogram
kthena:time_per_output_token_seconds_bucket{le="0.0076886718750000005"} 8
kthena:time_per_output_token_seconds_bucket{le="0.0115330078125"} 60
kthena:time_per_output_token_seconds_bucket{le="+Inf"} 109
kthena:time_per_output_token_seconds_sum 1.328125
kthena:time_per_output_token_seconds_count 109
# TYPE kthena:e2e_request_latency_seconds histogram
kthena:e2e_request_latency_seconds_bucket{le="0.00015000000000000001"} 0
kthena:e2e_request_latency_seconds_bucket{le="0.38443359375"} 71
kthena:e2e_request_latency_seconds_bucket{le="1.29746337890625"} 109
kthena:e2e_request_latency_seconds_bucket{le="+Inf"} 109
kthena:e2e_request_latency_seconds_sum 42.11865234375
kthena:e2e_request_latency_seconds_count 109
]]), tgi:families(support.fixture("tgi")))
  end)

  it("do not take another histogram's sum for generated tokens", function()
    local page = support.fixture("tgi"):gsub("tgi_request_generated_tokens", "tgi_request_max_new_tokens")
    assert.same({
      "kthena:num_requests_waiting",
      "kthena:time_per_output_token_seconds",
      "kthena:e2e_request_latency_seconds",
    }, support.names(tgi:families(page)))
  end)
end)
