--- Small metrics pages, and how to look into one.
local pages = {}

--- A vLLM page with all five sources, a look-alike of each kind, and a line that is no exposition.
pages.vllm = [[
# HELP python_info Python platform information
# TYPE python_info gauge
python_info{implementation="CPython",major="3"} 1.0
# HELP vllm:num_requests_waiting Number of requests waiting.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="m"} 3.0
# HELP vllm:num_requests_waiting_by_reason Number of requests waiting, by reason.
# TYPE vllm:num_requests_waiting_by_reason gauge
vllm:num_requests_waiting_by_reason{engine="0",model_name="m",reason="capacity"} 3.0
# HELP vllm:generation_tokens_total Number of generation tokens processed.
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0",model_name="m"} 1.2345678e+07
# HELP vllm:generation_tokens_created Number of generation tokens processed.
# TYPE vllm:generation_tokens_created gauge
vllm:generation_tokens_created{engine="0",model_name="m"} 1.789e+09
# HELP vllm:time_to_first_token_seconds Histogram of time to first token in seconds.
# TYPE vllm:time_to_first_token_seconds histogram
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.25",model_name="m"} 7.0
vllm:time_to_first_token_seconds_bucket{engine="0",le="+Inf",model_name="m"} 9.0
vllm:time_to_first_token_seconds_count{engine="0",model_name="m"} 9.0
vllm:time_to_first_token_seconds_sum{engine="0",model_name="m"} 1.5
# HELP vllm:inter_token_latency_seconds Histogram of inter-token latency in seconds.
# TYPE vllm:inter_token_latency_seconds histogram
vllm:inter_token_latency_seconds_bucket{engine="0",le="0.01",model_name="m"} 70.0
vllm:inter_token_latency_seconds_bucket{engine="0",le="+Inf",model_name="m"} 90.0
vllm:inter_token_latency_seconds_count{engine="0",model_name="m"} 90.0
vllm:inter_token_latency_seconds_sum{engine="0",model_name="m"} 0.75
# HELP vllm:e2e_request_latency_seconds Histogram of e2e request latency in seconds.
# TYPE vllm:e2e_request_latency_seconds histogram
vllm:e2e_request_latency_seconds_bucket{engine="0",le="1.0",model_name="m"} 8.0
vllm:e2e_request_latency_seconds_bucket{engine="0",le="+Inf",model_name="m"} 9.0
vllm:e2e_request_latency_seconds_count{engine="0",model_name="m"} 9.0
vllm:e2e_request_latency_seconds_sum{engine="0",model_name="m"} 4.5
this line is no exposition
]]

--- What the runtime appends to pages.vllm, as `pages.without_help` shows it.
pages.vllm_families = [[
# HELP kthena:generation_tokens_total
# TYPE kthena:generation_tokens_total counter
kthena:generation_tokens_total{engine="0",model_name="m"} 1.2345678e+07
# HELP kthena:num_requests_waiting
# TYPE kthena:num_requests_waiting gauge
kthena:num_requests_waiting{engine="0",model_name="m"} 3.0
# HELP kthena:time_to_first_token_seconds
# TYPE kthena:time_to_first_token_seconds histogram
kthena:time_to_first_token_seconds_bucket{engine="0",le="0.25",model_name="m"} 7.0
kthena:time_to_first_token_seconds_bucket{engine="0",le="+Inf",model_name="m"} 9.0
kthena:time_to_first_token_seconds_count{engine="0",model_name="m"} 9.0
kthena:time_to_first_token_seconds_sum{engine="0",model_name="m"} 1.5
# HELP kthena:time_per_output_token_seconds
# TYPE kthena:time_per_output_token_seconds histogram
kthena:time_per_output_token_seconds_bucket{engine="0",le="0.01",model_name="m"} 70.0
kthena:time_per_output_token_seconds_bucket{engine="0",le="+Inf",model_name="m"} 90.0
kthena:time_per_output_token_seconds_count{engine="0",model_name="m"} 90.0
kthena:time_per_output_token_seconds_sum{engine="0",model_name="m"} 0.75
# HELP kthena:e2e_request_latency_seconds
# TYPE kthena:e2e_request_latency_seconds histogram
kthena:e2e_request_latency_seconds_bucket{engine="0",le="1.0",model_name="m"} 8.0
kthena:e2e_request_latency_seconds_bucket{engine="0",le="+Inf",model_name="m"} 9.0
kthena:e2e_request_latency_seconds_count{engine="0",model_name="m"} 9.0
kthena:e2e_request_latency_seconds_sum{engine="0",model_name="m"} 4.5
]]

--- The names of the standard families.
pages.standard = { "kthena:generation_tokens_total", "kthena:num_requests_waiting",
  "kthena:time_to_first_token_seconds", "kthena:time_per_output_token_seconds", "kthena:e2e_request_latency_seconds" }

--- An OpenMetrics page with an exemplar.
pages.open_metrics = [[
# HELP vllm:generation_tokens Number of generation tokens processed.
# TYPE vllm:generation_tokens counter
vllm:generation_tokens_total{model_name="m"} 17.0 # {trace_id="abc"} 1.0 1700000000.123
vllm:generation_tokens_created{model_name="m"} 1.7e9
# HELP vllm:time_to_first_token_seconds Time to first token.
# TYPE vllm:time_to_first_token_seconds histogram
# UNIT vllm:time_to_first_token_seconds seconds
vllm:time_to_first_token_seconds_bucket{le="0.25",model_name="m"} 7.0 # {trace_id="def"} 0.2
vllm:time_to_first_token_seconds_bucket{le="+Inf",model_name="m"} 9.0
vllm:time_to_first_token_seconds_count{model_name="m"} 9.0
vllm:time_to_first_token_seconds_sum{model_name="m"} 1.5
# EOF
]]

--- The lines of a page.
function pages.lines(page)
  local lines = {}
  for line in page:gmatch("[^\n]+") do
    lines[#lines + 1] = line
  end
  return lines
end

--- The page with its HELP lines cut off behind the name: the texts are the rules' business.
function pages.without_help(page)
  return (page:gsub("(# HELP [^ \n]+)[^\n]*", "%1"))
end

--- The value of the sample whose line begins with `start` (name, or name and labels), as a number; nil when absent.
-- @usage pages.value(page, 'kthena_runtime_scrape_failures_total{cause="refused"}')
function pages.value(page, start)
  for _, line in ipairs(pages.lines(page)) do
    local after = line:sub(#start + 1)
    if line:sub(1, #start) == start and after:find("^[ {]") then
      return tonumber((after:gsub("^{.-}", ""):match("^ (%S+)")))
    end
  end
  return nil
end

return pages
