-- Triton: microseconds and milliseconds become seconds, and a backend's own numbers come first.
local support = require("spec.rules.support")

describe("the rules for triton", function()
  local triton = support.engine("triton")

  local function families(fixture)
    return triton:families(support.fixture(fixture))
  end

  it("make a queue length and a summary from a page without a language model", function()
    assert.equal(support.with_help([[
# TYPE kthena:num_requests_waiting gauge
kthena:num_requests_waiting{model="encoder",version="1"} 6
kthena:num_requests_waiting{model="ranker",version="3"} 0
# TYPE kthena:e2e_request_latency_seconds summary
kthena:e2e_request_latency_seconds_count{model="encoder",version="1"} 1001
kthena:e2e_request_latency_seconds_count{model="ranker",version="3"} 0
kthena:e2e_request_latency_seconds_sum{model="encoder",version="1"} 12.345678
kthena:e2e_request_latency_seconds_sum{model="ranker",version="3"} 0
]]), families("triton"))
  end)

  it("make the time to first token of a decoupled model, bounds in seconds too", function()
    assert.equal(support.with_help([[
# TYPE kthena:num_requests_waiting gauge
kthena:num_requests_waiting{model="chat",version="1"} 2
# TYPE kthena:time_to_first_token_seconds histogram
kthena:time_to_first_token_seconds_count{model="chat",version="1"} 20
kthena:time_to_first_token_seconds_sum{model="chat",version="1"} 5.13075
kthena:time_to_first_token_seconds_bucket{model="chat",version="1",le="0.1"} 3
kthena:time_to_first_token_seconds_bucket{model="chat",version="1",le="0.25"} 11
kthena:time_to_first_token_seconds_bucket{model="chat",version="1",le="2.5"} 20
kthena:time_to_first_token_seconds_bucket{model="chat",version="1",le="+Inf"} 20
# TYPE kthena:e2e_request_latency_seconds summary
kthena:e2e_request_latency_seconds_count{model="chat",version="1"} 20
kthena:e2e_request_latency_seconds_sum{model="chat",version="1"} 91.5
]]), families("triton-decoupled"))
  end)

  it("prefer the vLLM backend's numbers where it gives any", function()
    local text = families("triton-vllm")
    assert.same(support.five, support.names(text))
    assert.same({ ['kthena:num_requests_waiting{model="chat",version="1"}'] = "9" },
      support.samples(text, "kthena:num_requests_waiting"))
    assert.same({ ['kthena:generation_tokens_total{model="chat",version="1"}'] = "2210" },
      support.samples(text, "kthena:generation_tokens_total"))
  end)

  it("take only the waiting requests of the TensorRT-LLM backend", function()
    local text = families("triton-trtllm")
    assert.same({ "kthena:num_requests_waiting", "kthena:e2e_request_latency_seconds" }, support.names(text))
    assert.same({ ['kthena:num_requests_waiting{model="tensorrt_llm",version="1"}'] = "5" },
      support.samples(text, "kthena:num_requests_waiting"))
    assert.equal("1.500001", support.samples(text, "kthena:e2e_request_latency_seconds")
      ['kthena:e2e_request_latency_seconds_sum{model="tensorrt_llm",version="1"}'])
  end)

  it("make no summary when one of its two counters is missing", function()
    local page = support.fixture("triton"):gsub("nv_inference_request_success", "nv_inference_request_failed")
    assert.same({ "kthena:num_requests_waiting" }, support.names(triton:families(page)))
  end)
end)
