return { api = 1, source = "acme", schemes = { "acme", "" }, help = "acme://bucket/prefix",
  config = {
    token = { secret = true, env = { "TOKEN" }, bound_to = "endpoint", help = "T." },
    endpoint = { env = { "ENDPOINT" }, endpoint = true, default = "https://a.test" },
    file = { file = true, default = "~/.acme" },
  },
  variables = { "HOME" },
  resolve = function() end, explain = function() end, finish = function() end }
