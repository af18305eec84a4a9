-- POST /v1/load_lora_adapter: downloads a LoRA adapter and has the engine load it. Fields, words and replies are those
-- of Kthena Runtime; the rest is added. What is loaded is wanted from then on: reconcile.lua brings it back.
local adapters = require "kthena.adapters"
local calls = require "kthena.adapter_calls"

return {
  api = 1,
  workflow = "load_lora",
  summary = "Download a LoRA adapter and load it into the engine",
  route = { method = "POST", path = "/v1/load_lora_adapter" },
  params = {
    { name = "lora_name", type = "string", required = true, max = 256, help = "the name that requests use for it" },
    { name = "source", type = "source", help = "where it is: a URI; without one it is in output_dir already" },
    { name = "output_dir", type = "directory", required = true,
      help = "the directory it goes to, which the engine must see under the same path" },
    { name = "config", type = "config", help = "the source's settings: credentials, endpoint, revision" },
    { name = "max_workers", type = "integer", default = 8, min = 1, max = 256, help = "connections of the download" },
    { name = "async_download", type = "boolean", default = false, help = "answer at once, and load it as a job" },
    { name = "base_model", type = "string", help = "the base model it is for, told to the engine" },
    { name = "pinned", type = "boolean", help = "whether the engine must keep it in memory, if it knows how" },
    { name = "load_inplace", type = "boolean", default = false,
      help = "have the engine take new files without unloading the old ones, if it knows how" },
    { name = "replace", type = "boolean", default = true,
      help = "put it in the place of another of this name; false: answer 409 then" },
    { name = "refresh", type = "boolean", default = false,
      help = "ask the source for a newer revision although it is loaded" },
    { name = "wait_seconds", type = "number", default = 0, min = 0, max = 86400,
      help = "how long to wait for an engine that is not up" },
  },
  async = "async_download",
  started = {
    message = "LoRA adapter download and load started in background",
    echo = { "lora_name", "source", "output_dir" },
  },
  same = {
    "lora_name", "source", "output_dir", "config", "base_model", "pinned", "load_inplace", "replace", "refresh",
  },
  serial = "lora_name",
  parallel = 16,
  settings = adapters.settings,
  run = function(params, ctx)
    local done, message, kind, status = calls.load(ctx, params)
    if not done then
      return nil, message, kind, status
    end
    return calls.loaded_reply(ctx, params, done)
  end,
}
