-- The page of `kthena-runtime demo-engine`: vLLM as of 2026 under a load that comes and goes. It is a pure function of
-- the seconds since the start. Requests arrive in two streams, short ones and long ones, at rates that are sums of
-- sines, so how many have arrived by any time is known in closed form; what happens to them later is the same curve,
-- shifted in time. Whole requests are counted, so every count on the page agrees with every other.
local json = require "kthena.json"

local pi, floor, sin, cos = math.pi, math.floor, math.sin, math.cos

local MODEL = "demo/tiny-chat-1b"
local STARTED = 1790000000 -- when the pretended process started; a pure function does not know the time
local WARM = 600 -- for how many seconds it has had requests when the demo starts

-- The labels of a sample in alphabetical order; more is another one, or "".
local function labels(more)
  local engine, model = 'engine="0"', 'model_name="' .. MODEL .. '"'
  if more == "" then
    return "{" .. engine .. "," .. model .. "} "
  elseif more < model then
    return "{" .. engine .. "," .. more .. "," .. model .. "} "
  end
  return "{" .. engine .. "," .. model .. "," .. more .. "} "
end

-- rate: requests a second; swings: { amplitude, period in seconds }, amplitudes summing up to less than the rate.
-- decode: seconds from the first token to the last. prompt, output: tokens of each request.
-- first, queue, gap, total: what the histograms show, log-logistic with this median in seconds and this shape.
local streams = {
  { rate = 3.0, swings = { { 1.6, 61 }, { 0.9, 17 } }, prompt = 180, output = 96, decode = 2.4,
    first = { 0.9, 3.4 }, queue = { 0.8, 3 }, gap = { 0.024, 6 }, total = { 3.2, 4.2 } },
  { rate = 0.7, swings = { { 0.4, 97 }, { 0.2, 29 } }, prompt = 1900, output = 420, decode = 11.5,
    first = { 1.5, 2.8 }, queue = { 0.8, 3 }, gap = { 0.027, 5 }, total = { 12.5, 5 } },
}

-- Requests of a stream that have arrived by time t: the integral of its rate.
local function arrived(stream, t)
  if t <= 0 then
    return 0
  end
  local count = stream.rate * t
  for _, swing in ipairs(stream.swings) do
    local amplitude, turn = swing[1], 2 * pi / swing[2]
    count = count + amplitude * (1 - cos(turn * t)) / turn
  end
  return count
end

-- Requests that have left the queue and have their first token. The queue grows and shrinks, slower than time passes.
local function begun(stream, t)
  return arrived(stream, t - 0.9 - 0.7 * sin(2 * pi * t / 43))
end

-- Tokens decoded so far: requests begun between `decode` seconds ago and now are somewhere on their way.
local function decoded(stream, t)
  local steps, sum = 12, 0
  for step = 1, steps do
    sum = sum + begun(stream, t - stream.decode * step / steps)
  end
  return floor(stream.output * sum / steps)
end

local function state(stream, t)
  local now = {
    arrived = floor(arrived(stream, t)),
    begun = floor(begun(stream, t)),
    finished = floor(begun(stream, t - stream.decode)),
    decoded = decoded(stream, t),
  }
  now.prompt = now.begun * stream.prompt
  now.generated = now.begun + now.decoded
  return now
end

-- A number the way Prometheus' Python client prints it: 26.0, 0.125, 1.7888602775330775e+09.
local function number(value)
  local text
  for precision = 15, 17 do
    text = ("%." .. precision .. "g"):format(value)
    if tonumber(text) == value then
      break
    end
  end
  if value < 1e6 or value >= 1e15 then
    return text:find("[.e]") and text or text .. ".0"
  end
  local digits = text:gsub("%.", "")
  local exponent = #("%d"):format(floor(value)) - 1
  local fraction = digits:sub(2):gsub("0+$", "")
  return ("%s.%se+0%d"):format(digits:sub(1, 1), fraction == "" and "0" or fraction, exponent)
end

-- A page in the making: families with their HELP and TYPE.
local Page = {}
Page.__index = Page

function Page:line(...)
  self[#self + 1] = table.concat({ ... })
end

function Page:head(name, kind, help)
  self:line("# HELP ", name, " ", help)
  self:line("# TYPE ", name, " ", kind)
end

-- One family; each sample is a further label, or "", and a value.
function Page:family(name, kind, help, samples)
  self:head(name, kind, help)
  for _, sample in ipairs(samples) do
    self:line(name, labels(sample[1]), number(sample[2]))
  end
end

function Page:created(name, help)
  self:family(name .. "_created", "gauge", help, { { "", STARTED + 12.25 } })
end

function Page:counter(name, help, value)
  self:family(name .. "_total", "counter", help, { { "", value } })
  self:created(name, help)
end

-- `parts` are counts with the distribution of what was counted: { count, { median, shape } }.
function Page:histogram(name, help, bounds, parts)
  local count, sum = 0, 0
  for _, part in ipairs(parts) do
    local n, median, shape = part[1], part[2][1], part[2][2]
    count, sum = count + n, sum + n * median * (pi / shape) / sin(pi / shape)
  end
  self:head(name, "histogram", help)
  for _, bound in ipairs(bounds) do
    local below = 0
    for _, part in ipairs(parts) do
      below = below + floor(part[1] / (1 + (bound / part[2][1]) ^ -part[2][2]) + 0.5)
    end
    self:line(name, "_bucket", labels('le="' .. number(bound) .. '"'), number(below))
  end
  self:line(name, "_bucket", labels('le="+Inf"'), number(count))
  self:line(name, "_count", labels(""), number(count))
  self:line(name, "_sum", labels(""), number(sum))
  self:created(name, help)
end

local firsts = { 0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80 }
local gaps = { 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80 }
local wholes = { 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680 }

local function process(page, t)
  page:head("python_gc_objects_collected_total", "counter", "Objects collected during gc")
  for generation, rate in ipairs({ 21, 4, 0.3 }) do
    page:line('python_gc_objects_collected_total{generation="', generation - 1, '"} ', number(9000 + floor(rate * t)))
  end
  page:head("python_info", "gauge", "Python platform information")
  page:line('python_info{implementation="CPython",major="3",minor="12",patchlevel="11",version="3.12.11"} 1.0')
  page:head("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.")
  page:line("process_resident_memory_bytes ", number(2.1e9 + 4096 * floor(3000 * sin(t / 31) ^ 2)))
  page:head("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.")
  page:line("process_start_time_seconds ", number(STARTED))
  page:head("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.")
  page:line("process_cpu_seconds_total ", number(floor(4150 + 93 * t) / 100))
end

local function queues(page, short, long)
  local waiting = short.arrived + long.arrived - short.begun - long.begun
  local running = short.begun + long.begun - short.finished - long.finished
  local held = running * 0.014 + (long.begun - long.finished) * 0.019
  page:family("vllm:num_requests_running", "gauge", "Number of requests in model execution batches.",
    { { "", running } })
  page:family("vllm:num_requests_waiting", "gauge", "Number of requests waiting to be processed.", { { "", waiting } })
  page:family("vllm:num_requests_waiting_by_reason", "gauge",
    "Number of waiting requests by reason. Sum of all reasons equals vllm:num_requests_waiting.",
    { { 'reason="capacity"', waiting - floor(waiting / 6) }, { 'reason="deferred"', floor(waiting / 6) } })
  page:family("vllm:kv_cache_usage_perc", "gauge", "KV-cache usage. 1 means 100 percent usage.",
    { { "", held / (1 + held) } })
end

local function counters(page, short, long)
  local prompt, generated = short.prompt + long.prompt, short.generated + long.generated
  page:counter("vllm:num_preemptions", "Cumulative number of preemption from the engine.", floor(long.begun / 40))
  page:counter("vllm:prefix_cache_queries", "Prefix cache queries, in terms of number of queried tokens.", prompt)
  page:counter("vllm:prefix_cache_hits", "Prefix cache hits, in terms of number of cached tokens.",
    16 * floor(prompt * 0.62 / 16))
  page:counter("vllm:prompt_tokens", "Number of prefill tokens processed.", prompt)
  page:counter("vllm:generation_tokens", "Number of generation tokens processed.", generated)
  local cut = floor(long.finished * 0.3)
  page:family("vllm:request_success_total", "counter", "Count of successfully processed requests.", {
    { 'finished_reason="stop"', short.finished + long.finished - cut },
    { 'finished_reason="length"', cut },
    { 'finished_reason="abort"', 0 },
    { 'finished_reason="error"', 0 },
    { 'finished_reason="repetition"', 0 },
  })
end

local function histograms(page, now)
  local function parts(count, distribution)
    local found = {}
    for i, stream in ipairs(streams) do
      found[i] = { now[i][count], stream[distribution] }
    end
    return found
  end
  page:histogram("vllm:time_to_first_token_seconds", "Histogram of time to first token in seconds.", firsts,
    parts("begun", "first"))
  page:histogram("vllm:inter_token_latency_seconds", "Histogram of inter-token latency in seconds.", gaps,
    parts("decoded", "gap"))
  page:histogram("vllm:request_time_per_output_token_seconds",
    "Histogram of time_per_output_token_seconds per request.", gaps, parts("finished", "gap"))
  page:histogram("vllm:e2e_request_latency_seconds", "Histogram of e2e request latency in seconds.", wholes,
    parts("finished", "total"))
  page:histogram("vllm:request_queue_time_seconds", "Histogram of time spent in WAITING phase for request.", wholes,
    parts("begun", "queue"))
end

-- The adapters that are loaded: name to path.
local adapters = {}

local function refuse(status, message)
  return status, json.encode({ error = { message = message, type = "InvalidUserInput", code = status } })
end

local answers = {}

answers["GET /v1/models"] = function()
  local cards = { { id = MODEL, object = "model", owned_by = "vllm", root = MODEL } }
  for name, path in pairs(adapters) do
    cards[#cards + 1] = { id = name, object = "model", owned_by = "vllm", root = path, parent = MODEL }
  end
  return 200, json.encode({ object = "list", data = json.list(cards) })
end

answers["POST /v1/load_lora_adapter"] = function(body)
  if not body.lora_name or not body.lora_path then
    return refuse(400, "Both 'lora_name' and 'lora_path' must be provided.")
  elseif adapters[body.lora_name] then
    return refuse(400, ("The lora adapter '%s' has already been loaded."):format(body.lora_name))
  end
  adapters[body.lora_name] = body.lora_path
  return 200, ("Success: LoRA adapter '%s' added successfully."):format(body.lora_name)
end

answers["POST /v1/unload_lora_adapter"] = function(body)
  if not adapters[body.lora_name or ""] then
    return refuse(404, ("The lora adapter '%s' cannot be found."):format(tostring(body.lora_name)))
  end
  adapters[body.lora_name] = nil
  return 200, ("Success: LoRA adapter '%s' removed successfully."):format(body.lora_name)
end

return {
  api = 1,
  demo = "vllm",
  routes = { "GET /v1/models", "POST /v1/load_lora_adapter", "POST /v1/unload_lora_adapter" },

  --- What the engine does besides its page: a status and a body.
  answer = function(method, path, body)
    local request = body == "" and {} or json.decode(body)
    if type(request) ~= "table" then
      return refuse(400, "the body is no JSON object")
    end
    return answers[method .. " " .. path](request)
  end,

  --- The page `seconds` after the start.
  -- @usage demo.page(12.5)
  page = function(seconds)
    local page, t = setmetatable({}, Page), WARM + seconds
    local now = { state(streams[1], t), state(streams[2], t) }
    process(page, t)
    queues(page, now[1], now[2])
    counters(page, now[1], now[2])
    histograms(page, now)
    page:line("")
    return table.concat(page, "\n")
  end,
}
