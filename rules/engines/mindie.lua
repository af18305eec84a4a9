-- MindIE 1.0 to 3.x with MIES_SERVICE_MONITOR_MODE=1. Names from the sample page in its service guide ("metrics query
-- interface, Prometheus format"): vLLM's old ones without a prefix, on the management address and metricsPort.
-- Several models share one series, their names joined with "&". Time per output token is the gap between two tokens.
return {
  api = 1,
  engine = "mindie",
  detect = {
    "npu_cache_usage_perc",
    "npu_prefix_cache_hit_rate",
    "request_received_total",
    "request_failed_total",
    "failed_request_perc",
  },
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
}
