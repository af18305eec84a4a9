-- TensorRT-LLM: the old names without a prefix, the new ones with it.
local support = require("spec.rules.support")

describe("the rules for trtllm", function()
  local trtllm = support.engine("trtllm")

  it("make all five from a page with the prefix", function()
    assert.equal(support.with_help([[
# TYPE kthena:generation_tokens_total counter
kthena:generation_tokens_total{engine_type="trtllm",model_name="acme/big-70b"} 10496.0
# TYPE kthena:num_requests_waiting gauge
kthena:num_requests_waiting{engine_type="trtllm",model_name="acme/big-70b"} 3.0
# TYPE kthena:time_to_first_token_seconds histogram
kthena:time_to_first_token_seconds_bucket{engine_type="trtllm",le="0.25",model_name="acme/big-70b"} 30.0
kthena:time_to_first_token_seconds_bucket{engine_type="trtllm",le="+Inf",model_name="acme/big-70b"} 41.0
kthena:time_to_first_token_seconds_count{engine_type="trtllm",model_name="acme/big-70b"} 41.0
kthena:time_to_first_token_seconds_sum{engine_type="trtllm",model_name="acme/big-70b"} 9.75
# TYPE kthena:time_per_output_token_seconds histogram
kthena:time_per_output_token_seconds_bucket{engine_type="trtllm",le="0.025",model_name="acme/big-70b"} 35.0
kthena:time_per_output_token_seconds_bucket{engine_type="trtllm",le="+Inf",model_name="acme/big-70b"} 41.0
kthena:time_per_output_token_seconds_count{engine_type="trtllm",model_name="acme/big-70b"} 41.0
kthena:time_per_output_token_seconds_sum{engine_type="trtllm",model_name="acme/big-70b"} 1.0625
# TYPE kthena:e2e_request_latency_seconds histogram
kthena:e2e_request_latency_seconds_bucket{engine_type="trtllm",le="5.0",model_name="acme/big-70b"} 12.0
kthena:e2e_request_latency_seconds_bucket{engine_type="trtllm",le="+Inf",model_name="acme/big-70b"} 41.0
kthena:e2e_request_latency_seconds_count{engine_type="trtllm",model_name="acme/big-70b"} 41.0
kthena:e2e_request_latency_seconds_sum{engine_type="trtllm",model_name="acme/big-70b"} 271.5
]]), trtllm:families(support.fixture("trtllm-1.2")))
  end)

  it("make the three latencies that 1.0 has, without the _created gauges", function()
    local text = trtllm:families(support.fixture("trtllm-1.0"))
    assert.same({
      "kthena:time_to_first_token_seconds",
      "kthena:time_per_output_token_seconds",
      "kthena:e2e_request_latency_seconds",
    }, support.names(text))
    assert.same({
      ['kthena:e2e_request_latency_seconds_bucket{engine_type="trtllm",le="0.8",model_name="acme/mid-8b"}'] = "2.0",
      ['kthena:e2e_request_latency_seconds_bucket{engine_type="trtllm",le="+Inf",model_name="acme/mid-8b"}'] = "3.0",
      ['kthena:e2e_request_latency_seconds_count{engine_type="trtllm",model_name="acme/mid-8b"}'] = "3.0",
      ['kthena:e2e_request_latency_seconds_sum{engine_type="trtllm",model_name="acme/mid-8b"}'] = "2.375",
    }, support.samples(text, "kthena:e2e_request_latency_seconds"))
  end)
end)
