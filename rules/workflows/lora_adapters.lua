-- GET /v1/lora_adapters: every adapter that is wanted, declared, loaded, or has failed, and those that the engine has
-- from others.
local adapters = require "kthena.adapters"
local view = require "kthena.adapter_view"

return {
  api = 1,
  workflow = "lora_adapters",
  summary = "Every LoRA adapter and its state",
  route = { method = "GET", path = "/v1/lora_adapters" },
  parallel = 4,
  quiet = true,
  status = "Adapters",
  settings = adapters.settings,
  run = function(_, ctx)
    return view.all(ctx)
  end,
}
