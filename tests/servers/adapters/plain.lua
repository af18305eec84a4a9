-- The engines that load no adapters at run time, tgi, trtllm, lmdeploy, triton and nim: a page, a health check, nothing
-- else. trtllm has its page at /prometheus/metrics; its /metrics is JSON.
local common = require("adapters.common")
local requests = require("requests")

-- The lines of each one's page.
local pages = {
  tgi = { { "tgi_queue_size", "gauge", "", "0" }, { "tgi_request_count", "counter", '{method="generate"}', "7" } },
  trtllm = { { "trtllm_num_requests_waiting", "gauge", "", "0" } },
  lmdeploy = { { "lmdeploy:num_requests_waiting", "gauge", '{engine="0",model_name="base"}', "0" } },
  triton = { { "nv_inference_pending_request_count", "gauge", '{model="base",version="1"}', "0" } },
  nim = { { "gpu_cache_usage_perc", "gauge", '{model_name="base"}', "0" },
    { "num_requests_waiting", "gauge", '{model_name="base"}', "0" } },
}

return function(kind)
  local function page(state)
    return common.page(state, pages[kind])
  end

  local function health(state)
    local status = state.switches.starting and 503 or 200
    if kind == "lmdeploy" then
      return requests.json(status, { status = status == 200 and "healthy" or "unhealthy" })
    end
    return common.text(status, "")
  end

  local routes = {
    ["GET /health"] = { "health", health },
    ["GET /v2/health/ready"] = { "health", health },
    ["GET /metrics"] = { "metrics", page },
  }
  if kind == "trtllm" then
    routes["GET /prometheus/metrics"] = { "metrics", page }
    routes["GET /metrics"] = { "metrics", function()
      return requests.json(200, requests.list({}))
    end }
  end
  return {
    authorise = function() end,
    missing = function()
      return kind == "tgi" and common.text(404, "") or common.missing()
    end,
    routes = routes,
  }
end
