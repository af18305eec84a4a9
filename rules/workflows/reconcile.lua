-- Compares the engine's LoRA adapters with those that are wanted and declared, and has restore_lora.lua load what is
-- missing and unload what is not to be there. Adapters that others have loaded are left alone.
local adapters = require "kthena.adapters"
local reconcile = require "kthena.adapter_reconcile"

return {
  api = 1,
  workflow = "reconcile",
  summary = "Hold the engine to the LoRA adapters that are wanted",
  every = "reconcile_seconds",
  on = { "start", "engine_up", "rules_changed", "file_changed" },
  ready = "adapters",
  parallel = 1,
  quiet = true,
  settings = adapters.settings,
  run = function(_, ctx)
    return reconcile.run(ctx)
  end,
}
