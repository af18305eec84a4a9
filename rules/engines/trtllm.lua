-- TensorRT-LLM's trtllm-serve. Names from tensorrt_llm/metrics/collector.py: without prefix up to 1.1.0rc5, with
-- trtllm_ later and under Dynamo. The token counter and the queue length came with the later releases.
-- The Prometheus page is at /prometheus/metrics (--engine-metrics-path); /metrics is JSON.
return {
  api = 1,
  engine = "trtllm",
  detect = {
    "trtllm_",
    "request_success_total{engine_type=",
    "e2e_request_latency_seconds_bucket{engine_type=",
    "time_to_first_token_seconds_bucket{engine_type=",
    "time_per_output_token_seconds_bucket{engine_type=",
    "request_queue_time_seconds_bucket{engine_type=",
  },
  prefixes = { "trtllm_", "" },
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
    cannot = "trtllm-serve has no call that loads adapters: name the adapter in each request's lora_request, or "
      .. "serve the model with vLLM or SGLang",
  },
}
