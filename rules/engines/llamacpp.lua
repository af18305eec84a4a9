-- llama.cpp's llama-server with --metrics. Names from tools/server/server-context.cpp.
-- It has no histograms and so no latencies: only averages, such as tokens_predicted_seconds_total over
-- tokens_predicted_total. Its predicted_tokens_seconds is tokens per second in spite of the name.
return {
  api = 1,
  engine = "llamacpp",
  detect = { "llamacpp:" },
  prefixes = { "llamacpp:" },
  metrics = {
    {
      name = "kthena:generation_tokens_total",
      type = "counter",
      help = "Tokens generated since the engine started.",
      from = "tokens_predicted_total",
    },
    {
      name = "kthena:num_requests_waiting",
      type = "gauge",
      help = "Requests waiting in the engine's queue.",
      from = "requests_deferred",
    },
  },
}
