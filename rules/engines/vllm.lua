-- vLLM 0.5 and later. Names from vllm/engine/metrics.py (V0), vllm/v1/metrics/loggers.py (V1) and captured pages of
-- 0.5, 0.10.2 and September 2026. Ray puts "ray_" before the names and, in newer releases, "_" for the ":".
-- Time per output token: time_per_output_token_seconds was renamed to inter_token_latency_seconds (both are on the
-- page of 0.10.2 to 0.11, only the new one since 0.12). With speculative decoding it is the time per step. The
-- per-request mean is the last resort; to prefer it, copy this file to a --rules directory and move it up.
return {
  api = 1,
  engine = "vllm",
  aliases = { "vllmdisaggregated" },
  detect = { "vllm:", "ray_vllm:", "ray_vllm_" },
  prefixes = { "vllm:", "ray_vllm:", "ray_vllm_" },
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
      from = {
        "time_per_output_token_seconds",
        "inter_token_latency_seconds",
        "request_time_per_output_token_seconds",
      },
    },
    {
      name = "kthena:e2e_request_latency_seconds",
      type = "histogram",
      help = "Time from a request's arrival to its last token, in seconds.",
      from = "e2e_request_latency_seconds",
    },
  },
}
