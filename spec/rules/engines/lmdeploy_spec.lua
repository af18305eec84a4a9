-- LMDeploy: the engine's queue, not the API server's.
local support = require("spec.rules.support")

describe("the rules for lmdeploy", function()
  local lmdeploy = support.engine("lmdeploy")

  it("make all five, and leave the API server's queue and iter_token_latency alone", function()
    assert.equal(support.with_help([[
# TYPE kthena:generation_tokens_total counter
kthena:generation_tokens_total{engine="0",model_name="acme/mid-8b"} 7777.0
# TYPE kthena:num_requests_waiting gauge
kthena:num_requests_waiting{engine="0",model_name="acme/mid-8b"} 2.0
# TYPE kthena:time_to_first_token_seconds histogram
kthena:time_to_first_token_seconds_bucket{engine="0",le="0.1",model_name="acme/mid-8b"} 25.0
kthena:time_to_first_token_seconds_bucket{engine="0",le="+Inf",model_name="acme/mid-8b"} 38.0
kthena:time_to_first_token_seconds_count{engine="0",model_name="acme/mid-8b"} 38.0
kthena:time_to_first_token_seconds_sum{engine="0",model_name="acme/mid-8b"} 4.25
# TYPE kthena:time_per_output_token_seconds histogram
kthena:time_per_output_token_seconds_bucket{engine="0",le="0.025",model_name="acme/mid-8b"} 7000.0
kthena:time_per_output_token_seconds_bucket{engine="0",le="+Inf",model_name="acme/mid-8b"} 7739.0
kthena:time_per_output_token_seconds_count{engine="0",model_name="acme/mid-8b"} 7739.0
kthena:time_per_output_token_seconds_sum{engine="0",model_name="acme/mid-8b"} 147.0
# TYPE kthena:e2e_request_latency_seconds histogram
kthena:e2e_request_latency_seconds_bucket{engine="0",le="5.0",model_name="acme/mid-8b"} 19.0
kthena:e2e_request_latency_seconds_bucket{engine="0",le="+Inf",model_name="acme/mid-8b"} 30.0
kthena:e2e_request_latency_seconds_count{engine="0",model_name="acme/mid-8b"} 30.0
kthena:e2e_request_latency_seconds_sum{engine="0",model_name="acme/mid-8b"} 141.0
]]), lmdeploy:families(support.fixture("lmdeploy")))
  end)
end)
