-- Prints a metrics page of vLLM as of 2026, made for the benchmarks: luajit pages.lua ENGINES MODELS
--
-- One engine and one model is the page of one process. A larger deployment has more engines (data-parallel ranks) and
-- serves more models, so that every family of the engine has ENGINES x MODELS series while the process's own families
-- stay as they are. The same arguments print the same bytes.
--
-- The proportions beside those of a page captured from vLLM in September 2026 (one engine, one model):
--
--                                                 captured      1 x 1       3 x 3       8 x 9
--   bytes                                           74,826     46,419     333,702   2,595,769
--   families (TYPE lines)                               96         67          67          67
--   lines, bytes a line                           711, 105    473, 98  2,993, 111  22,838, 114
--   comments, of the lines                            27 %       28 %         5 %       0.6 %
--   buckets, of the lines                             46 %       48 %        69 %        72 %
--   the five standard families, of the lines          10 %       12 %        17 %        18 %
--   the same, of the bytes                            12 %       14 %        17 %        18 %
--
-- Without its comments and the process's own families the captured page has 17 % of its lines in standard families.
local floor = math.floor

local engines, models = tonumber(arg[1]), tonumber(arg[2])
if not engines or not models then
  io.stderr:write("usage: luajit pages.lua ENGINES MODELS\n")
  os.exit(2)
end

local latency = { "0.3", "0.5", "0.8", "1.0", "1.5", "2.0", "2.5", "5.0", "10.0", "20.0", "30.0", "60.0", "120.0",
  "480.0", "1920.0", "+Inf" }
local first_token = { "0.001", "0.005", "0.01", "0.02", "0.04", "0.08", "0.1", "0.25", "0.5", "0.75", "1.0", "2.5",
  "5.0", "10.0", "40.0", "160.0", "+Inf" }
local gap = { "0.01", "0.025", "0.05", "0.075", "0.1", "0.15", "0.2", "0.3", "0.4", "0.5", "0.75", "1.0", "2.5", "5.0",
  "20.0", "+Inf" }
local tokens = { "1.0", "2.0", "5.0", "10.0", "20.0", "50.0", "100.0", "200.0", "500.0", "1000.0", "2000.0", "5000.0",
  "10000.0", "20000.0", "50000.0", "100000.0", "200000.0", "500000.0", "1000000.0", "+Inf" }

-- The process's own families: name, type, HELP, samples (labels, value).
local process = {
  { "python_gc_objects_collected_total", "counter", "Objects that were freed",
    { '{generation="0"}', "18211.0" }, { '{generation="1"}', "8034.0" }, { '{generation="2"}', "512.0" } },
  { "python_gc_objects_uncollectable_total", "counter", "Objects that could not be freed",
    { '{generation="0"}', "0.0" }, { '{generation="1"}', "0.0" }, { '{generation="2"}', "0.0" } },
  { "python_gc_collections_total", "counter", "Runs of the collector", { '{generation="0"}', "1602.0" },
    { '{generation="1"}', "145.0" }, { '{generation="2"}', "11.0" } },
  { "python_info", "gauge", "The Python that runs",
    { '{implementation="CPython",major="3",minor="12",patchlevel="11",version="3.12.11"}', "1.0" } },
  { "process_virtual_memory_bytes", "gauge", "Virtual memory in bytes.", { "", "1.0511204352e+010" } },
  { "process_resident_memory_bytes", "gauge", "Resident memory in bytes.", { "", "2.81739264e+08" } },
  { "process_start_time_seconds", "gauge", "When the process started, in seconds since the epoch.",
    { "", "1.78886024741e+09" } },
  { "process_cpu_seconds_total", "counter", "CPU time in seconds.", { "", "51.07" } },
  { "process_open_fds", "gauge", "File descriptors in use.", { "", "54.0" } },
  { "http_requests_total", "counter", "Requests by method, status and handler.",
    { '{handler="/v1/chat/completions",method="POST",status="2xx"}', "20114.0" },
    { '{handler="/v1/chat/completions",method="POST",status="4xx"}', "37.0" },
    { '{handler="/v1/models",method="GET",status="2xx"}', "615.0" } },
  { "http_requests_created", "gauge", "Requests by method, status and handler.",
    { '{handler="/v1/chat/completions",method="POST",status="2xx"}', "1.7888602890451732e+09" },
    { '{handler="/v1/chat/completions",method="POST",status="4xx"}', "1.7888609915264082e+09" },
    { '{handler="/v1/models",method="GET",status="2xx"}', "1.7888602798310645e+09" } },
  { "http_request_size_bytes", "summary", "Content length of incoming requests by handler.",
    { '_count{handler="/v1/chat/completions"}', "20151.0" },
    { '_sum{handler="/v1/chat/completions"}', "3.8410734e+07" } },
  { "vllm:cache_config_info", "gauge", "How the KV cache is configured",
    { '{block_size="16",cache_dtype="auto",calculate_kv_scales="False",cpu_kvcache_space_bytes="None",' ..
      'enable_prefix_caching="True",engine="0",gpu_memory_utilization="0.9",is_attention_free="False",' ..
      'kv_cache_memory_bytes="None",kv_offloading_backend="native",kv_offloading_size="None",' ..
      'mamba_block_size="None",mamba_cache_dtype="auto",num_cpu_blocks="None",num_gpu_blocks="27391",' ..
      'num_gpu_blocks_override="None",prefix_caching_hash_algo="sha256",sliding_window="None",swap_space="4"}',
      "1.0" } },
}

-- The engine's families: name behind "vllm:", type, HELP, and buckets or the values of one more label.
local families = {
  { "num_requests_running", "gauge", "Requests in the batches that the model executes now." },
  { "num_requests_waiting", "gauge", "Requests that wait to be scheduled." },
  { "num_requests_waiting_by_reason", "gauge", "Requests that wait, by what they wait for.",
    label = "reason", values = { "capacity", "deferred" } },
  { "kv_cache_usage_perc", "gauge", "Part of the KV cache in use; 1 means all of it." },
  { "prefix_cache_queries", "counter", "Tokens that were looked up in the prefix cache." },
  { "prefix_cache_hits", "counter", "Tokens that were found in the prefix cache." },
  { "mm_cache_queries", "counter", "Items that were looked up in the multi-modal cache." },
  { "external_prefix_cache_queries", "counter", "Tokens that were looked up in other instances' caches." },
  { "num_preemptions", "counter", "Preemptions by the engine, since its start." },
  { "prompt_tokens", "counter", "Prefill tokens that were processed." },
  { "prompt_tokens_by_source", "counter", "Prompt tokens, by where they came from.",
    label = "source", values = { "local_compute", "local_cache_hit", "external_kv_transfer" } },
  { "generation_tokens", "counter", "Generation tokens that were processed." },
  { "spec_decode_num_drafts", "counter", "Drafts made by speculative decoding." },
  { "spec_decode_num_draft_tokens", "counter", "Tokens in these drafts." },
  { "spec_decode_num_accepted_tokens_per_pos", "counter", "Accepted tokens, by their position in the draft.",
    label = "position", values = { "0", "1", "2", "3" } },
  { "request_success", "counter", "Requests that ended well, by the reason why they ended.",
    label = "finished_reason", values = { "stop", "length", "abort", "error", "repetition" } },
  { "request_prompt_tokens", "histogram", "Prefill tokens of each request.", buckets = tokens },
  { "request_generation_tokens", "histogram", "Generated tokens of each request.", buckets = tokens },
  { "iteration_tokens_total", "histogram", "Tokens of each step of the engine.", buckets = tokens },
  { "request_max_num_generation_tokens", "histogram", "The most tokens any sequence of a request got.",
    buckets = tokens },
  { "request_params_max_tokens", "histogram", "What max_tokens the requests asked for.", buckets = tokens },
  { "time_to_first_token_seconds", "histogram", "Time until the first token, in seconds.", buckets = first_token },
  { "inter_token_latency_seconds", "histogram", "Time between two tokens, in seconds.", buckets = gap },
  { "request_time_per_output_token_seconds", "histogram", "A request's mean time for a token, in seconds.",
    buckets = gap },
  { "e2e_request_latency_seconds", "histogram", "Time until the last token, in seconds.", buckets = latency },
  { "request_queue_time_seconds", "histogram", "Time in the state WAITING, in seconds.", buckets = latency },
  { "request_inference_time_seconds", "histogram", "Time in the state RUNNING, in seconds.", buckets = latency },
  { "request_prefill_time_seconds", "histogram", "Time in the phase PREFILL, in seconds.", buckets = latency },
  { "request_decode_time_seconds", "histogram", "Time in the phase DECODE, in seconds.", buckets = latency },
}

-- The same numbers in every run (Lehmer's generator).
local state = 20260901
local function random(limit)
  state = state * 48271 % 2147483647
  return state % limit
end

local out = {}
local function line(...)
  out[#out + 1] = table.concat({ ... })
  out[#out + 1] = "\n"
end

local function head(name, type, help)
  line("# HELP ", name, " ", help)
  line("# TYPE ", name, " ", type)
end

-- Calls `each(labels)` for every series of the deployment: labels(more) are its labels with another one in its place.
local function series(each)
  for model = 1, models do
    for engine = 0, engines - 1 do
      each(function(more)
        local first = ('engine="%d"'):format(engine)
        local last = ('model_name="acme/chat-%02d-70b-instruct-nvfp4"'):format(model)
        if not more then
          return ("{%s,%s}"):format(first, last)
        elseif more < last then
          return ("{%s,%s,%s}"):format(first, more, last)
        end
        return ("{%s,%s,%s}"):format(first, last, more)
      end)
    end
  end
end

-- Calls `each(labels)` for every child of a family, its own label included.
local function children(family, each)
  series(function(labels)
    for _, value in ipairs(family.values or { false }) do
      each(labels(value and ('%s="%s"'):format(family.label, value) or nil))
    end
  end)
end

local function created(name, family)
  head(name .. "_created", "gauge", family[3])
  children(family, function(labels)
    line(name, "_created", labels, (" 1.7888602%09de+09"):format(random(1e9)))
  end)
end

local print_family = {}

function print_family.gauge(name, family)
  head(name, "gauge", family[3])
  children(family, function(labels)
    line(name, labels, " ", tostring(random(40)), ".0")
  end)
end

function print_family.counter(name, family)
  head(name .. "_total", "counter", family[3])
  children(family, function(labels)
    line(name, "_total", labels, " ", tostring(random(3e6)), ".0")
  end)
  created(name, family)
end

function print_family.histogram(name, family)
  head(name, "histogram", family[3])
  series(function(labels)
    local count = 0
    for _, bound in ipairs(family.buckets) do
      count = count + floor(random(900) * random(900) / 5000)
      line(name, "_bucket", labels('le="' .. bound .. '"'), " ", tostring(count), ".0")
    end
    line(name, "_count", labels(), " ", tostring(count), ".0")
    line(name, "_sum", labels(), (" %d.%09d"):format(random(9000), random(1e9)))
  end)
  created(name, family)
end

for _, family in ipairs(process) do
  head(family[1], family[2], family[3])
  for i = 4, #family do
    line(family[1], family[i][1], " ", family[i][2])
  end
end
for _, family in ipairs(families) do
  print_family[family[2]]("vllm:" .. family[1], family)
end
io.write(table.concat(out))
