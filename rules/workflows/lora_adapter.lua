-- GET /v1/lora_adapters/{lora_name}: one adapter and its state.
local adapters = require "kthena.adapters"
local view = require "kthena.adapter_view"

return {
  api = 1,
  workflow = "lora_adapter",
  summary = "One LoRA adapter and its state",
  route = { method = "GET", path = "/v1/lora_adapters/{lora_name}" },
  params = {
    { name = "lora_name", type = "string", required = true, max = 256, help = "the adapter's name" },
  },
  parallel = 4,
  quiet = true,
  settings = adapters.settings,
  run = function(params, ctx)
    return view.find(ctx, params.lora_name)
  end,
}
