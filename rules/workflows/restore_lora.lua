-- POST /v1/lora_adapters/{lora_name}/restore: brings one adapter to what is wanted of it, loaded or not, without
-- waiting for the next try. reconcile.lua calls it for each adapter that differs.
local adapters = require "kthena.adapters"
local calls = require "kthena.adapter_calls"

return {
  api = 1,
  workflow = "restore_lora",
  summary = "Bring a LoRA adapter to what is wanted of it",
  route = { method = "POST", path = "/v1/lora_adapters/{lora_name}/restore" },
  params = {
    { name = "lora_name", type = "string", required = true, max = 256, help = "the adapter's name" },
  },
  same = { "lora_name" },
  serial = "lora_name",
  parallel = 16,
  quiet = true,
  settings = adapters.settings,
  run = function(params, ctx)
    return calls.restore(ctx, params.lora_name)
  end,
}
