-- Triton Inference Server, metrics port 8002. Names from the server's metrics guide, a captured page and the metrics
-- of two of its backends: vLLM (vllm_backend/src/utils/metrics.py) and TensorRT-LLM (nv_trt_llm_*). A backend's own
-- numbers come first, since it takes requests from Triton's queue into its own at once.
-- The first-response histogram (decoupled models, --metrics-config histogram_latencies=true) is the time to the first
-- response, which for a model that streams is the first token. End to end, Triton counts microseconds and requests:
-- a summary without quantiles.
return {
  api = 1,
  engine = "triton",
  detect = { "nv_inference_" },
  metrics = {
    {
      name = "kthena:generation_tokens_total",
      type = "counter",
      help = "Tokens generated since the engine started.",
      from = "vllm:generation_tokens_total",
    },
    {
      name = "kthena:num_requests_waiting",
      type = "gauge",
      help = "Requests waiting in the engine's queue.",
      from = {
        { name = "nv_trt_llm_request_metrics", where = { request_type = "waiting" } },
        "vllm:num_requests_waiting",
        "nv_inference_pending_request_count",
      },
      labels = { drop = { "request_type" } },
    },
    {
      name = "kthena:time_to_first_token_seconds",
      type = "histogram",
      help = "Time from a request's arrival to its first token, in seconds.",
      from = {
        "vllm:time_to_first_token_seconds",
        { name = "nv_inference_first_response_histogram_ms", scale = "0.001" },
      },
    },
    {
      name = "kthena:time_per_output_token_seconds",
      type = "histogram",
      help = "Time per output token, in seconds.",
      from = "vllm:time_per_output_token_seconds",
    },
    {
      name = "kthena:e2e_request_latency_seconds",
      type = "summary",
      help = "Time from a request's arrival to its last token, in seconds.",
      sum = { name = "nv_inference_request_duration_us", scale = "1e-6" },
      count = "nv_inference_request_success",
    },
  },
  adapters = {
    cannot = "Triton takes adapters from its model repository: put the adapter there and reload the model, or "
      .. "serve it with vLLM or SGLang",
  },
}
