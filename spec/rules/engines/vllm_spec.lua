-- vLLM: every version group of its metrics, under its three prefixes.
local support = require("spec.rules.support")

describe("the rules for vllm", function()
  local vllm = support.engine("vllm")

  local function families(fixture)
    return vllm:families(support.fixture(fixture))
  end

  local function samples(fixture, family)
    return support.samples(families(fixture), family)
  end

  it("make the five families of 0.5, whose page ends without a newline", function()
    assert.equal(support.with_help([[
# TYPE kthena:generation_tokens_total counter
kthena:generation_tokens_total{model_name="acme/tiny-125m"} 64.0
# TYPE kthena:num_requests_waiting gauge
kthena:num_requests_waiting{model_name="acme/tiny-125m"} 3.0
# TYPE kthena:time_to_first_token_seconds histogram
kthena:time_to_first_token_seconds_bucket{le="0.04",model_name="acme/tiny-125m"} 0.0
kthena:time_to_first_token_seconds_bucket{le="0.25",model_name="acme/tiny-125m"} 3.0
kthena:time_to_first_token_seconds_bucket{le="1.0",model_name="acme/tiny-125m"} 4.0
kthena:time_to_first_token_seconds_bucket{le="+Inf",model_name="acme/tiny-125m"} 4.0
kthena:time_to_first_token_seconds_count{model_name="acme/tiny-125m"} 4.0
kthena:time_to_first_token_seconds_sum{model_name="acme/tiny-125m"} 0.7319254875183105
# TYPE kthena:time_per_output_token_seconds histogram
kthena:time_per_output_token_seconds_bucket{le="0.025",model_name="acme/tiny-125m"} 0.0
kthena:time_per_output_token_seconds_bucket{le="0.05",model_name="acme/tiny-125m"} 58.0
kthena:time_per_output_token_seconds_bucket{le="+Inf",model_name="acme/tiny-125m"} 60.0
kthena:time_per_output_token_seconds_count{model_name="acme/tiny-125m"} 60.0
kthena:time_per_output_token_seconds_sum{model_name="acme/tiny-125m"} 2.2414016723632812
# TYPE kthena:e2e_request_latency_seconds histogram
kthena:e2e_request_latency_seconds_bucket{le="1.0",model_name="acme/tiny-125m"} 1.0
kthena:e2e_request_latency_seconds_bucket{le="2.5",model_name="acme/tiny-125m"} 2.0
kthena:e2e_request_latency_seconds_bucket{le="+Inf",model_name="acme/tiny-125m"} 2.0
kthena:e2e_request_latency_seconds_count{model_name="acme/tiny-125m"} 2.0
kthena:e2e_request_latency_seconds_sum{model_name="acme/tiny-125m"} 2.1088948249816895
]]), families("vllm-0.5"))
  end)

  it("make all five from every version's page", function()
    for _, fixture in ipairs({ "vllm-0.5", "vllm-0.6.4", "vllm-0.8", "vllm-0.10.2", "vllm-2026", "vllm-ray",
      "vllm-ray-2026" }) do
      assert.same(support.five, support.names(families(fixture)), fixture)
    end
  end)

  it("keep a histogram's sum before its buckets, as the multiprocess mode of 0.6 prints it", function()
    local text = families("vllm-0.6.4")
    assert.truthy(text:find(table.concat({
      'kthena:e2e_request_latency_seconds_sum{model_name="acme/mid-8b"} 66969.75',
      'kthena:e2e_request_latency_seconds_bucket{le="2.5",model_name="acme/mid-8b"} 3300.0',
      'kthena:e2e_request_latency_seconds_bucket{le="10.0",model_name="acme/mid-8b"} 12210.0',
      'kthena:e2e_request_latency_seconds_bucket{le="+Inf",model_name="acme/mid-8b"} 12595.0',
      'kthena:e2e_request_latency_seconds_count{model_name="acme/mid-8b"} 12595.0',
    }, "\n"), 1, true))
  end)

  it("do not take tokens_total or the histogram iteration_tokens_total for generated tokens", function()
    assert.same({
      ['kthena:generation_tokens_total{model_name="acme/mid-8b"}'] = "3.1402e+06",
    }, samples("vllm-0.6.4", "kthena:generation_tokens_total"))
  end)

  it("keep one series for each data-parallel engine of 0.8, without the _created gauges", function()
    assert.same({
      ['kthena:generation_tokens_total{engine="0",model_name="acme/mid-8b"}'] = "150233.0",
      ['kthena:generation_tokens_total{engine="1",model_name="acme/mid-8b"}'] = "148010.0",
    }, samples("vllm-0.8", "kthena:generation_tokens_total"))
    assert.same({
      ['kthena:num_requests_waiting{engine="0",model_name="acme/mid-8b"}'] = "4.0",
      ['kthena:num_requests_waiting{engine="1",model_name="acme/mid-8b"}'] = "0.0",
    }, samples("vllm-0.8", "kthena:num_requests_waiting"))
    assert.is_nil(families("vllm-0.8"):find("_created", 1, true))
  end)

  it("prefer the deprecated time per output token of 0.10.2 to the same numbers under the new name", function()
    local page = support.fixture("vllm-0.10.2"):gsub("(vllm:inter_token_latency_seconds_sum%b{}) 14000.5", "%1 1.5")
    local series = 'kthena:time_per_output_token_seconds_sum{engine="0",model_name="acme/big-70b"}'
    assert.equal("14000.5", support.samples(vllm:families(page), "kthena:time_per_output_token_seconds")[series])
  end)

  it("take inter-token latency, not the mean of each request, from a page of 2026", function()
    assert.same({
      ['kthena:time_per_output_token_seconds_bucket{engine="0",le="0.05",model_name="moe-next"}'] = "101.0",
      ['kthena:time_per_output_token_seconds_bucket{engine="0",le="0.1",model_name="moe-next"}'] = "880.0",
      ['kthena:time_per_output_token_seconds_bucket{engine="0",le="+Inf",model_name="moe-next"}'] = "899.0",
      ['kthena:time_per_output_token_seconds_count{engine="0",model_name="moe-next"}'] = "899.0",
      ['kthena:time_per_output_token_seconds_sum{engine="0",model_name="moe-next"}'] = "72.8211",
    }, samples("vllm-2026", "kthena:time_per_output_token_seconds"))
  end)

  it("fall back to the mean of each request when there is nothing else", function()
    local page = support.fixture("vllm-2026"):gsub("vllm:inter_token_latency_seconds", "vllm:other_latency_seconds")
    local found = support.samples(vllm:families(page), "kthena:time_per_output_token_seconds")
    assert.equal("0.3164", found['kthena:time_per_output_token_seconds_sum{engine="0",model_name="moe-next"}'])
  end)

  it("do not take waiting requests by reason for waiting requests", function()
    assert.same({
      ['kthena:num_requests_waiting{engine="0",model_name="moe-next"}'] = "5.0",
    }, samples("vllm-2026", "kthena:num_requests_waiting"))
  end)

  it("carry timestamps and exemplars over in OpenMetrics, whose counters are declared without _total", function()
    local page = support.fixture("vllm-openmetrics")
    local text = vllm:families(page)
    assert.equal(support.with_help([[
# TYPE kthena:generation_tokens counter
kthena:generation_tokens_total{engine="0",model_name="moe-next"} 512.0 # {trace_id="4bf92f3577b34da6"} 1.0 1788860299.25
# TYPE kthena:num_requests_waiting gauge
kthena:num_requests_waiting{engine="0",model_name="moe-next"} 2.0 1788860300.5
# TYPE kthena:time_to_first_token_seconds histogram
kthena:time_to_first_token_seconds_bucket{engine="0",le="0.5",model_name="moe-next"} 3.0 ]] ..
      [[# {trace_id="4bf92f3577b34da6"} 0.31 1788860290.0
kthena:time_to_first_token_seconds_bucket{engine="0",le="+Inf",model_name="moe-next"} 4.0
kthena:time_to_first_token_seconds_count{engine="0",model_name="moe-next"} 4.0
kthena:time_to_first_token_seconds_sum{engine="0",model_name="moe-next"} 1.75
# TYPE kthena:time_per_output_token_seconds histogram
kthena:time_per_output_token_seconds_bucket{engine="0",le="0.1",model_name="moe-next"} 508.0
kthena:time_per_output_token_seconds_bucket{engine="0",le="+Inf",model_name="moe-next"} 508.0
kthena:time_per_output_token_seconds_count{engine="0",model_name="moe-next"} 508.0
kthena:time_per_output_token_seconds_sum{engine="0",model_name="moe-next"} 30.48
# TYPE kthena:e2e_request_latency_seconds histogram
kthena:e2e_request_latency_seconds_bucket{engine="0",le="10.0",model_name="moe-next"} 4.0
kthena:e2e_request_latency_seconds_bucket{engine="0",le="+Inf",model_name="moe-next"} 4.0
kthena:e2e_request_latency_seconds_count{engine="0",model_name="moe-next"} 4.0
kthena:e2e_request_latency_seconds_sum{engine="0",model_name="moe-next"} 33.5
]]), text)
    assert.equal("# EOF\n", vllm:rename(page):sub(-6))
  end)

  it("join the two declarations of one family that a Ray page has", function()
    local worker = 'Component="core_worker",NodeAddress="10.0.0.%s",SessionName="session_2",Version="2.32.0",'
      .. 'WorkerId="%s",model_name="acme/big-70b"'
    assert.same({
      ["kthena:generation_tokens_total{" .. worker:format("7", "c0ffee") .. "}"] = "300.0",
      ["kthena:generation_tokens_total{" .. worker:format("8", "beef01") .. "}"] = "120.0",
    }, samples("vllm-ray", "kthena:generation_tokens_total"))
    local _, declared = families("vllm-ray"):gsub("# TYPE kthena:generation_tokens_total ", "")
    assert.equal(1, declared)
  end)

  it("know the names newer Ray makes of them", function()
    assert.same({
      ['kthena:num_requests_waiting{Component="core_worker",WorkerId="c0ffee",engine="0",model_name="moe-next"}'] =
        "6.0",
    }, samples("vllm-ray-2026", "kthena:num_requests_waiting"))
  end)
end)
