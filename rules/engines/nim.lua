-- NVIDIA NIM for LLMs 1.x. Names from its observability guide and a captured page: vLLM's without a prefix.
-- The page is at /v1/metrics in newer releases, /metrics in older ones (--engine-metrics-path).
return {
  api = 1,
  engine = "nim",
  detect = { "gpu_cache_usage_perc", "num_request_max", "request_finish_total", "request_failure_total" },
  metrics = {
    {
      name = "kthena:generation_tokens_total",
      type = "counter",
      help = "Tokens generated since the engine started.",
      from = "generation_tokens_total",
    },
    {
      name = "kthena:num_requests_waiting",
      type = "gauge",
      help = "Requests waiting in the engine's queue.",
      from = "num_requests_waiting",
    },
    {
      name = "kthena:time_to_first_token_seconds",
      type = "histogram",
      help = "Time from a request's arrival to its first token, in seconds.",
      from = "time_to_first_token_seconds",
    },
    {
      name = "kthena:time_per_output_token_seconds",
      type = "histogram",
      help = "Time per output token, in seconds.",
      from = "time_per_output_token_seconds",
    },
    {
      name = "kthena:e2e_request_latency_seconds",
      type = "histogram",
      help = "Time from a request's arrival to its last token, in seconds.",
      from = "e2e_request_latency_seconds",
    },
  },
  adapters = {
    cannot = "NIM 1 takes adapters from the directory NIM_PEFT_SOURCE: put the adapter there and set "
      .. "NIM_PEFT_REFRESH_INTERVAL. NIM 2 speaks vLLM's API: use --engine vllm",
  },
}
