-- SGLang: 0.4, ranks and priorities, the streaming label, and the names behind its router.
local support = require("spec.rules.support")

describe("the rules for sglang", function()
  local sglang = support.engine("sglang")

  local function families(fixture)
    return sglang:families(support.fixture(fixture))
  end

  local function samples(fixture, family)
    return support.samples(families(fixture), family)
  end

  it("make the five families of 0.4, sums before buckets", function()
    assert.equal(support.with_help([[
# TYPE kthena:generation_tokens_total counter
kthena:generation_tokens_total{model_name="acme/mid-8b"} 7.5575e+06
# TYPE kthena:num_requests_waiting gauge
kthena:num_requests_waiting{model_name="acme/mid-8b"} 2826.0
# TYPE kthena:time_to_first_token_seconds histogram
kthena:time_to_first_token_seconds_sum{model_name="acme/mid-8b"} 2.3518979e+06
kthena:time_to_first_token_seconds_bucket{le="0.1",model_name="acme/mid-8b"} 6.0
kthena:time_to_first_token_seconds_bucket{le="5.0",model_name="acme/mid-8b"} 314.0
kthena:time_to_first_token_seconds_bucket{le="+Inf",model_name="acme/mid-8b"} 11008.0
kthena:time_to_first_token_seconds_count{model_name="acme/mid-8b"} 11008.0
# TYPE kthena:time_per_output_token_seconds histogram
kthena:time_per_output_token_seconds_sum{model_name="acme/mid-8b"} 866964.579
kthena:time_per_output_token_seconds_bucket{le="0.05",model_name="acme/mid-8b"} 11685.0
kthena:time_per_output_token_seconds_bucket{le="0.1",model_name="acme/mid-8b"} 4.950195e+06
kthena:time_per_output_token_seconds_bucket{le="+Inf",model_name="acme/mid-8b"} 7.4007e+06
kthena:time_per_output_token_seconds_count{model_name="acme/mid-8b"} 7.4007e+06
# TYPE kthena:e2e_request_latency_seconds histogram
kthena:e2e_request_latency_seconds_sum{model_name="acme/mid-8b"} 3.11609385e+06
kthena:e2e_request_latency_seconds_bucket{le="10.0",model_name="acme/mid-8b"} 10.0
kthena:e2e_request_latency_seconds_bucket{le="60.0",model_name="acme/mid-8b"} 1513.0
kthena:e2e_request_latency_seconds_bucket{le="+Inf",model_name="acme/mid-8b"} 11228.0
kthena:e2e_request_latency_seconds_count{model_name="acme/mid-8b"} 11228.0
]]), families("sglang-0.4"))
  end)

  it("make all five from every version's page", function()
    for _, fixture in ipairs({ "sglang-0.4", "sglang-2025", "sglang-2026", "sglang-router" }) do
      assert.same(support.five, support.names(families(fixture)), fixture)
    end
  end)

  it("count the queue once for all ranks and leave the priorities out of it", function()
    assert.same({
      ['kthena:num_requests_waiting{engine_type="unified",model_name="acme/big-70b"}'] = "8.0",
    }, samples("sglang-2025", "kthena:num_requests_waiting"))
  end)

  it("keep the queues of data-parallel ranks apart", function()
    assert.same({
      ['kthena:num_requests_waiting{dp_rank="0",engine_type="unified",model_name="moe-next"}'] = "3.0",
      ['kthena:num_requests_waiting{dp_rank="1",engine_type="unified",model_name="moe-next"}'] = "1.0",
    }, samples("sglang-2026", "kthena:num_requests_waiting"))
  end)

  it("take inter-token latency when there is no time per output token", function()
    assert.same({
      ['kthena:time_per_output_token_seconds_sum{model_name="acme/big-70b"}'] = "1520.64",
      ['kthena:time_per_output_token_seconds_bucket{le="0.04",model_name="acme/big-70b"}'] = "50000.0",
      ['kthena:time_per_output_token_seconds_bucket{le="+Inf",model_name="acme/big-70b"}'] = "50688.0",
      ['kthena:time_per_output_token_seconds_count{model_name="acme/big-70b"}'] = "50688.0",
    }, samples("sglang-2025", "kthena:time_per_output_token_seconds"))
  end)

  it("keep a series each for streaming and other requests, and leave the token histogram alone", function()
    assert.same({
      ['kthena:generation_tokens_total{engine_type="unified",is_streaming="false",model_name="moe-next"}'] =
        "2.374487e+06",
      ['kthena:generation_tokens_total{engine_type="unified",is_streaming="true",model_name="moe-next"}'] =
        "4.353178e+06",
    }, samples("sglang-2026", "kthena:generation_tokens_total"))
  end)

  it("read the router's page: no comments, underscores, timestamps, le last", function()
    local text = families("sglang-router")
    assert.truthy(text:find(table.concat({
      "# TYPE kthena:num_requests_waiting gauge",
      'kthena:num_requests_waiting{model_name="acme/mid-8b",worker_addr="http://10.0.0.3:30000"} 4 1757400000123',
      'kthena:num_requests_waiting{model_name="acme/mid-8b",worker_addr="http://10.0.0.4:30000"} 0 1757400000124',
      "# HELP kthena:time_to_first_token_seconds ",
    }, "\n"), 1, true), text)
    assert.truthy(text:find('kthena:time_per_output_token_seconds_sum{model_name="acme/mid-8b",'
      .. 'worker_addr="http://10.0.0.3:30000"} 0.25 1757400000123', 1, true), text)
  end)
end)
