-- POST /v1/unload_lora_adapter: has the engine unload a LoRA adapter, which is not wanted any more from then on. The
-- body goes to the engine as it is; the rest is added to Kthena Runtime's.
local adapters = require "kthena.adapters"
local calls = require "kthena.adapter_calls"

return {
  api = 1,
  workflow = "unload_lora",
  summary = "Unload a LoRA adapter from the engine",
  route = { method = "POST", path = "/v1/unload_lora_adapter" },
  params = {
    { name = "lora_name", type = "string", required = true, max = 256, help = "the adapter's name" },
    { name = "delete_files", type = "boolean", default = false, help = "delete the files that were downloaded for it" },
    { name = "wait_seconds", type = "number", default = 0, min = 0, max = 86400,
      help = "how long to wait for an engine that is not up" },
  },
  same = { "lora_name", "delete_files" },
  serial = "lora_name",
  parallel = 16,
  settings = adapters.settings,
  run = function(params, ctx)
    local done, message, kind, status = calls.unload(ctx, params)
    if not done then
      return nil, message, kind, status
    end
    return calls.unloaded_reply(ctx, params, done)
  end,
}
