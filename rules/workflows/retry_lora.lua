-- Has restore_lora.lua try those LoRA adapters again whose time has come, sooner than reconcile.lua would.
local adapters = require "kthena.adapters"
local reconcile = require "kthena.adapter_reconcile"

return {
  api = 1,
  workflow = "retry_lora",
  summary = "Try LoRA adapters again that could not be loaded",
  every = 1,
  parallel = 1,
  quiet = true,
  settings = adapters.settings,
  run = function(_, ctx)
    return reconcile.retry(ctx)
  end,
}
