-- The client of adapters.sh:
--   luajit adapters.lua make DIR COUNT                        adapters DIR/1 to DIR/COUNT
--   luajit adapters.lua load SIDECAR DIR FIRST LAST           loads them by the sidecar
--   luajit adapters.lua times SIDECAR ENGINE DIR COUNT        loads each by the sidecar and by the engine itself, and
--                                                             unloads it; prints the two times in milliseconds
local ffi = require("ffi")
local http = require("socket.http")
local json = require("dkjson")
local ltn12 = require("ltn12")

ffi.cdef("struct timespec { long sec, nsec; }; int clock_gettime(int, struct timespec *);")
local time = ffi.new("struct timespec")

local function now_ms()
  ffi.C.clock_gettime(1, time)
  return tonumber(time.sec) * 1000 + tonumber(time.nsec) / 1e6
end

-- Posts a table; returns how long it took.
local function post(url, body)
  local text, reply = json.encode(body), {}
  local start = now_ms()
  local _, status = http.request({
    url = url, method = "POST", source = ltn12.source.string(text), sink = ltn12.sink.table(reply),
    headers = { ["Content-Type"] = "application/json", ["Content-Length"] = #text },
  })
  local took = now_ms() - start
  assert(status == 200, ("POST %s: %s %s"):format(url, tostring(status), table.concat(reply)))
  return took
end

local commands = {}

function commands.make(directory, count)
  for i = 1, count do
    local path = directory .. "/" .. i
    assert(os.execute(("mkdir -p '%s'"):format(path)) == 0)
    local config = assert(io.open(path .. "/adapter_config.json", "w"))
    config:write('{"r": 8, "base_model_name_or_path": "demo/tiny-chat-1b"}')
    config:close()
    local weights = assert(io.open(path .. "/adapter_model.safetensors", "w"))
    weights:write(("\0"):rep(65536))
    weights:close()
  end
end

function commands.load(sidecar, directory, first, last)
  for i = first, last do
    post(sidecar .. "/v1/load_lora_adapter", { lora_name = "adapter" .. i, output_dir = directory .. "/" .. i })
  end
end

function commands.times(sidecar, engine, directory, count)
  local body = { lora_name = "timed", output_dir = directory .. "/1" }
  local plain_body = { lora_name = "timed", lora_path = directory .. "/1" }
  for _ = 1, count do
    local ours = post(sidecar .. "/v1/load_lora_adapter", body)
    post(sidecar .. "/v1/unload_lora_adapter", { lora_name = "timed" })
    local plain = post(engine .. "/v1/load_lora_adapter", plain_body)
    post(engine .. "/v1/unload_lora_adapter", { lora_name = "timed" })
    print(("%.3f %.3f"):format(ours, plain))
  end
end

local arguments = {}
for i = 2, #arg do
  arguments[i - 1] = tonumber(arg[i]) or arg[i]
end
commands[arg[1]](unpack(arguments))
