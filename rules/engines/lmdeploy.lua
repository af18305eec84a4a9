-- LMDeploy up to 0.16, `lmdeploy serve api_server --enable-metrics`. Names from lmdeploy/metrics/loggers.py.
-- num_requests_waiting is the engine's queue; num_api_requests_waiting, before the engine, is another one.
return {
  api = 1,
  engine = "lmdeploy",
  detect = { "lmdeploy:" },
  prefixes = { "lmdeploy:" },
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
    cannot = "LMDeploy takes adapters only at its start: start it with --adapters name=/path of the adapter",
  },
}
