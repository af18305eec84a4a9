-- SGLang 0.4 to September 2026. Names from sglang/srt/metrics/collector.py, the page in its production metrics guide
-- (0.4) and a capture of September 2026. A colon becomes "_" behind sgl-router's /engine_metrics.
-- Time per output token: time_per_output_token_seconds until early 2025, inter_token_latency_seconds since.
return {
  api = 1,
  engine = "sglang",
  detect = { "sglang:", "sglang_" },
  prefixes = { "sglang:", "sglang_" },
  metrics = {
    {
      name = "kthena:generation_tokens_total",
      type = "counter",
      help = "Tokens generated since the engine started.",
      from = "generation_tokens_total",
    },
    {
      -- With priority scheduling, priority="" is the total and the other series are parts of it. Every rank of one
      -- scheduler reports the same queue, so the ranks become one series; data-parallel ranks are queues of their own.
      name = "kthena:num_requests_waiting",
      type = "gauge",
      help = "Requests waiting in the engine's queue.",
      from = "num_queue_reqs",
      where = { priority = "" },
      labels = { drop = { "tp_rank", "pp_rank", "moe_ep_rank", "pid", "priority" } },
      merge = "max",
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
