-- NIM: vLLM's names without a prefix, and numbers with a three-digit exponent.
local support = require("spec.rules.support")

describe("the rules for nim", function()
  local nim = support.engine("nim")

  it("make all five, numbers untouched", function()
    assert.equal(support.with_help([[
# TYPE kthena:generation_tokens_total counter
kthena:generation_tokens_total{model_name="acme/mid-8b-instruct"} 1.23456789012e+011
# TYPE kthena:num_requests_waiting gauge
kthena:num_requests_waiting{model_name="acme/mid-8b-instruct"} 2.0
# TYPE kthena:time_to_first_token_seconds histogram
kthena:time_to_first_token_seconds_bucket{le="0.02",model_name="acme/mid-8b-instruct"} 2.0
kthena:time_to_first_token_seconds_bucket{le="0.75",model_name="acme/mid-8b-instruct"} 5.0
kthena:time_to_first_token_seconds_bucket{le="+Inf",model_name="acme/mid-8b-instruct"} 5.0
kthena:time_to_first_token_seconds_count{model_name="acme/mid-8b-instruct"} 5.0
kthena:time_to_first_token_seconds_sum{model_name="acme/mid-8b-instruct"} 0.6119842529296875
# TYPE kthena:time_per_output_token_seconds histogram
kthena:time_per_output_token_seconds_bucket{le="0.025",model_name="acme/mid-8b-instruct"} 168.0
kthena:time_per_output_token_seconds_bucket{le="+Inf",model_name="acme/mid-8b-instruct"} 169.0
kthena:time_per_output_token_seconds_count{model_name="acme/mid-8b-instruct"} 169.0
kthena:time_per_output_token_seconds_sum{model_name="acme/mid-8b-instruct"} 1.856855869293213
# TYPE kthena:e2e_request_latency_seconds histogram
kthena:e2e_request_latency_seconds_bucket{le="1.0",model_name="acme/mid-8b-instruct"} 5.0
kthena:e2e_request_latency_seconds_bucket{le="+Inf",model_name="acme/mid-8b-instruct"} 5.0
kthena:e2e_request_latency_seconds_count{model_name="acme/mid-8b-instruct"} 5.0
kthena:e2e_request_latency_seconds_sum{model_name="acme/mid-8b-instruct"} 2.4688401222229004
]]), nim:families(support.fixture("nim")))
  end)
end)
