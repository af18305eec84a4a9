-- Captured pages of real engines, which are no part of this project: set KTHENA_DUMPS to a directory of them.
local support = require("spec.rules.support")
local testing = require("kthena.testing")

local directory = os.getenv("KTHENA_DUMPS") or support.root .. "../shared/dumps"

-- For each page its engine, and which source each standard family comes from. Where the rules do more than rename,
-- the samples are written out.
local dumps = {
  ["vllm-0.5-datadog"] = {
    engine = "vllm",
    { "generation_tokens_total", "vllm:generation_tokens_total" },
    { "num_requests_waiting", "vllm:num_requests_waiting" },
    { "time_to_first_token_seconds", "vllm:time_to_first_token_seconds" },
    { "time_per_output_token_seconds", "vllm:time_per_output_token_seconds" },
    { "e2e_request_latency_seconds", "vllm:e2e_request_latency_seconds" },
  },
  ["vllm-2026-09-lmswitch"] = {
    engine = "vllm",
    { "generation_tokens_total", "vllm:generation_tokens_total" },
    { "num_requests_waiting", "vllm:num_requests_waiting" },
    { "time_to_first_token_seconds", "vllm:time_to_first_token_seconds" },
    { "time_per_output_token_seconds", "vllm:inter_token_latency_seconds" },
    { "e2e_request_latency_seconds", "vllm:e2e_request_latency_seconds" },
  },
  ["vllm-ray-datadog"] = {
    engine = "vllm",
    { "generation_tokens_total", "ray_vllm:generation_tokens_total" },
    { "num_requests_waiting", "ray_vllm:num_requests_waiting" },
    { "time_to_first_token_seconds", "ray_vllm:time_to_first_token_seconds" },
    { "time_per_output_token_seconds", "ray_vllm:time_per_output_token_seconds" },
    { "e2e_request_latency_seconds", "ray_vllm:e2e_request_latency_seconds" },
  },
  ["nim-datadog"] = {
    engine = "nim",
    { "generation_tokens_total", "generation_tokens_total" },
    { "num_requests_waiting", "num_requests_waiting" },
    { "time_to_first_token_seconds", "time_to_first_token_seconds" },
    { "time_per_output_token_seconds", "time_per_output_token_seconds" },
    { "e2e_request_latency_seconds", "e2e_request_latency_seconds" },
  },
  ["sglang-0.4-docs"] = {
    engine = "sglang",
    { "generation_tokens_total", "sglang:generation_tokens_total" },
    { "num_requests_waiting", "sglang:num_queue_reqs" },
    { "time_to_first_token_seconds", "sglang:time_to_first_token_seconds" },
    { "time_per_output_token_seconds", "sglang:time_per_output_token_seconds" },
    { "e2e_request_latency_seconds", "sglang:e2e_request_latency_seconds" },
  },
  ["sglang-2026-09-tui"] = {
    engine = "sglang",
    { "generation_tokens_total", "sglang:generation_tokens_total" },
    { "num_requests_waiting",
      samples = { 'num_requests_waiting{engine_type="unified",model_name="Qwen3.8-Flash-Next"} 3.0' } },
    { "time_to_first_token_seconds", "sglang:time_to_first_token_seconds" },
    { "time_per_output_token_seconds", "sglang:inter_token_latency_seconds" },
    { "e2e_request_latency_seconds", "sglang:e2e_request_latency_seconds" },
  },
  ["tgi-datadog"] = {
    engine = "tgi",
    { "generation_tokens_total", samples = { "generation_tokens_total 3423" } },
    { "num_requests_waiting", "tgi_queue_size" },
    { "time_per_output_token_seconds", "tgi_request_mean_time_per_token_duration" },
    { "e2e_request_latency_seconds", "tgi_request_duration" },
  },
  ["triton-datadog"] = {
    engine = "triton",
    { "num_requests_waiting", "nv_inference_pending_request_count" },
    { "e2e_request_latency_seconds", count = "nv_inference_request_success",
      sum = "nv_inference_request_duration_us" },
  },
}

-- The page's samples of a family under their new name, in the page's order; what a rename without changes has to give.
local function renamed(page, source, name)
  local lines = {}
  for line in page:gmatch("[^\n]+") do
    local start, rest = line:match("^([%a_:][%w_:]*)(.*)$")
    if start and start:sub(1, #source) == source then
      local suffix = start:sub(#source + 1)
      if suffix == "" or suffix == "_bucket" or suffix == "_sum" or suffix == "_count" then
        lines[#lines + 1] = "kthena:" .. name .. suffix .. rest
      end
    end
  end
  return lines
end

-- Microseconds in the page's whole numbers, as seconds without needless zeros.
local function seconds(text)
  local digits = ("0"):rep(7 - #text) .. text
  return ((digits:sub(1, -7) .. "." .. digits:sub(-6)):gsub("%.?0+$", ""))
end

-- The samples a standard family should have.
local function expected(page, family)
  local name, lines = family[1], {}
  if family[2] then
    return renamed(page, family[2], name)
  elseif family.samples then
    for i, line in ipairs(family.samples) do
      lines[i] = "kthena:" .. line
    end
    return lines
  end
  lines = renamed(page, family.count, name .. "_count")
  for _, line in ipairs(renamed(page, family.sum, name .. "_sum")) do
    lines[#lines + 1] = line:gsub("%d+$", seconds)
  end
  return lines
end

local function samples_of(families, name)
  local lines = {}
  for line in families:gmatch("[^\n]+") do
    local start = line:match("^[^{ ]+")
    if start == name or start:match("^(.*)_%l+$") == name then
      lines[#lines + 1] = line
    end
  end
  return lines
end

describe("a captured page", function()
  for dump, want in pairs(dumps) do
    local path = directory .. "/" .. dump .. ".prom"
    local file = io.open(path)
    if file then
      file:close()
    end

    it(dump .. " becomes itself and its standard families", function()
      if not file then
        pending(path .. " is not there")
        return
      end
      local page, engine = testing.read(path), support.engine(want.engine)
      local families = engine:families(page)
      local names = {}
      for i, family in ipairs(want) do
        names[i] = "kthena:" .. family[1]
        local lines = expected(page, family)
        assert.is_true(#lines > 0, family[1])
        assert.same(lines, samples_of(families, names[i]), family[1])
      end
      assert.same(names, support.names(families))
      local ended = page:sub(-1) == "\n" and page or page .. "\n"
      assert.equal(ended .. families, engine:rename(page))
    end)
  end
end)
