-- Text Generation Inference 2.x and 3.x. Names from router/src/server.rs and a captured page.
-- There is no token counter: the sum of the histogram of generated tokens is one. The time per token is a request's
-- inference time divided by its tokens, prefill included, observed once a request. Time to first token: not exposed.
return {
  api = 1,
  engine = "tgi",
  detect = { "tgi_" },
  metrics = {
    {
      name = "kthena:generation_tokens_total",
      type = "counter",
      help = "Tokens generated since the engine started.",
      from = "tgi_request_generated_tokens",
      sample = "sum",
    },
    {
      name = "kthena:num_requests_waiting",
      type = "gauge",
      help = "Requests waiting in the engine's queue.",
      from = "tgi_queue_size",
    },
    {
      name = "kthena:time_per_output_token_seconds",
      type = "histogram",
      help = "Time per output token, in seconds.",
      from = "tgi_request_mean_time_per_token_duration",
    },
    {
      name = "kthena:e2e_request_latency_seconds",
      type = "histogram",
      help = "Time from a request's arrival to its last token, in seconds.",
      from = "tgi_request_duration",
    },
  },
  adapters = {
    cannot = "TGI takes adapters only at its start: start it with LORA_ADAPTERS=name=/path of the adapter",
  },
}
