-- MindIE: counts before buckets, le last, and a histogram without a sum.
local support = require("spec.rules.support")

describe("the rules for mindie", function()
  local mindie = support.engine("mindie")

  it("make all five, in the page's order", function()
    assert.equal(support.with_help([[
# TYPE kthena:generation_tokens_total counter
kthena:generation_tokens_total{model_name="acme-8b&acme-70b"} 84425
# TYPE kthena:num_requests_waiting gauge
kthena:num_requests_waiting{model_name="acme-8b&acme-70b"} 10
# TYPE kthena:time_to_first_token_seconds histogram
kthena:time_to_first_token_seconds_count{model_name="acme-8b&acme-70b"} 2523
kthena:time_to_first_token_seconds_bucket{model_name="acme-8b&acme-70b",le="0.1"} 104
kthena:time_to_first_token_seconds_bucket{model_name="acme-8b&acme-70b",le="10"} 2523
kthena:time_to_first_token_seconds_bucket{model_name="acme-8b&acme-70b",le="+Inf"} 2523
# TYPE kthena:time_per_output_token_seconds histogram
kthena:time_per_output_token_seconds_count{model_name="acme-8b&acme-70b"} 85800
kthena:time_per_output_token_seconds_sum{model_name="acme-8b&acme-70b"} 4445.857012826018
kthena:time_per_output_token_seconds_bucket{model_name="acme-8b&acme-70b",le="0.05"} 3
kthena:time_per_output_token_seconds_bucket{model_name="acme-8b&acme-70b",le="+Inf"} 85800
# TYPE kthena:e2e_request_latency_seconds histogram
kthena:e2e_request_latency_seconds_count{model_name="acme-8b&acme-70b"} 2267
kthena:e2e_request_latency_seconds_sum{model_name="acme-8b&acme-70b"} 12684.5319980979
kthena:e2e_request_latency_seconds_bucket{model_name="acme-8b&acme-70b",le="10"} 2267
kthena:e2e_request_latency_seconds_bucket{model_name="acme-8b&acme-70b",le="+Inf"} 2267
]]), mindie:families(support.fixture("mindie")))
  end)

  it("pass a queue length of Nan on as it is", function()
    local page = support.fixture("mindie"):gsub("(num_requests_waiting%b{}) 10", "%1 Nan")
    assert.same({ ['kthena:num_requests_waiting{model_name="acme-8b&acme-70b"}'] = "Nan" },
      support.samples(mindie:families(page), "kthena:num_requests_waiting"))
  end)
end)
