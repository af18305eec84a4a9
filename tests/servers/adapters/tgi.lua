-- Text Generation Inference, for the engines that load no adapters at run time: a page, a health check, nothing else.
local common = require("adapters.common")

return function()
  return {
    authorise = function() end,
    missing = function()
      return common.text(404, "")
    end,
    routes = {
      ["GET /health"] = { "health", function(state)
        return common.text(state.switches.starting and 503 or 200, "")
      end },
      ["GET /metrics"] = { "metrics", function(state)
        return common.page(state, {
          { "tgi_queue_size", "gauge", "", "0" },
          { "tgi_request_count", "counter", '{method="generate"}', "7" },
        })
      end },
    },
  }
end
