--- What the specs of the built-in engine rules share: fixtures, and how to look into the families they become.
local testing = require("kthena.testing")

local support = {}

--- The project's directory.
support.root = debug.getinfo(1, "S").source:match("^@(.*)spec/rules/[^/]*$")
if support.root == "" then
  support.root = "./"
end

--- The built-in engines, by name.
support.engines = { "llamacpp", "lmdeploy", "mindie", "nim", "sglang", "tgi", "triton", "trtllm", "vllm" }

--- The standard families in the order in which rules make them, each with the HELP text every engine gives it.
support.help = {
  ["kthena:generation_tokens_total"] = "Tokens generated since the engine started.",
  ["kthena:num_requests_waiting"] = "Requests waiting in the engine's queue.",
  ["kthena:time_to_first_token_seconds"] = "Time from a request's arrival to its first token, in seconds.",
  ["kthena:time_per_output_token_seconds"] = "Time per output token, in seconds.",
  ["kthena:e2e_request_latency_seconds"] = "Time from a request's arrival to its last token, in seconds.",
}
support.five = {
  "kthena:generation_tokens_total",
  "kthena:num_requests_waiting",
  "kthena:time_to_first_token_seconds",
  "kthena:time_per_output_token_seconds",
  "kthena:e2e_request_latency_seconds",
}

--- The page of a fixture.
-- @usage support.fixture("vllm-0.5")
function support.fixture(name)
  return testing.read(support.root .. "tests/fixtures/engines/" .. name .. ".prom")
end

--- The rules of a built-in engine, ready to run.
-- @usage support.engine("vllm"):families(page)
function support.engine(name)
  return testing.engine(support.root .. "rules/engines/" .. name .. ".lua")
end

--- The names of the families in a text, by their TYPE lines, in order.
function support.names(families)
  local names = {}
  for name in families:gmatch("# TYPE (%S+)") do
    names[#names + 1] = name
  end
  return names
end

--- The samples of one family: name and labels -> value.
function support.samples(families, family)
  local found = {}
  for series, value in pairs(testing.samples(families)) do
    local name = series:match("^[^{]*")
    if name == family or name:match("^(.*)_%l+$") == family then
      found[series] = value
    end
  end
  return found
end

--- The text with the HELP line of its family put before every TYPE line.
function support.with_help(text)
  return (text:gsub("# TYPE (%S+)", function(name)
    local help = support.help[name] or support.help[name .. "_total"]
    return "# HELP " .. name .. " " .. help .. "\n# TYPE " .. name
  end))
end

return support
