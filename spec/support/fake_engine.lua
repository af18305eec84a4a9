--- The engine that the `adapters` hooks of engine rules get, for specs: scripted replies instead of a server, a clock
-- that only moves when a hook sleeps, and a record of what was asked.
--
-- @usage
-- local engine = fake_engine.new({ ["POST /v1/load_lora_adapter"] = { status = 200, body = "Success" } })
-- assert.equal("loaded", (rules.adapters.load(engine, fake_engine.adapter({ name = "a" }))))
-- assert.same({ lora_name = "a" }, engine.requests[1].body)
local json = require("kthena.json")

local fake_engine = {}

local KINDS = {
  [400] = "invalid", [415] = "invalid", [422] = "invalid", [401] = "unauthorized", [403] = "denied",
  [404] = "not_found", [408] = "timeout", [504] = "timeout", [409] = "exists", [429] = "overload",
  [501] = "unsupported", [503] = "unavailable",
}

--- An adapter as hooks get it; `with` replaces its fields, a path of false leaves it out.
function fake_engine.adapter(with)
  local adapter = { name = "sql", path = "/adapters/sql", timeout = 300, fields = {} }
  for name, value in pairs(with or {}) do
    if value == false and name == "path" then
      value = nil
    end
    adapter[name] = value
  end
  return adapter
end

-- Turns what a spec wrote as a reply into one as a hook gets it.
local function complete(reply)
  local body = reply.body or ""
  local decoded = json.decode(body)
  return { status = reply.status or 200, headers = reply.headers or {}, body = body, json = decoded }
end

--- Makes an engine.
-- @param replies "METHOD /path" -> { status = 200, body = "" }; or { failure = message, kind = kind, code = status };
-- or a list of these, whose last one stays; or, in place of the table, a function (method, path, text of the body,
-- options) that returns status and body, such as one that sends the request
-- @param with fields that replace url, management_url, model
-- @return the engine; its `requests` are those made, with method, path, base, timeout, body (the table given, as JSON
-- makes it) and `at`, seconds since the start; `locks` has the names of locks held
function fake_engine.new(replies, with)
  local now, requests, locks = 0, {}, {}
  local function send(method, path, body, options)
    options = options or {}
    requests[#requests + 1] = { method = method, path = path, base = options.base, timeout = options.timeout, at = now,
      body = body and json.decode(json.encode(body)), text = body and json.encode(body), locked = next(locks) }
    if type(replies) == "function" then
      local status, text = replies(method, path, requests[#requests].text, options)
      return complete({ status = status, body = text })
    end
    local reply = replies[method .. " " .. path] or error(("nothing is scripted for %s %s"):format(method, path), 0)
    if #reply > 0 then
      reply = #reply > 1 and table.remove(reply, 1) or reply[1]
    end
    if reply.failure then
      return nil, reply.failure, reply.kind, reply.code
    end
    return complete(reply)
  end
  local engine = {
    name = "fake", url = "http://127.0.0.1:8000", model = "base", pod = "pod-0.ns", requests = requests, locks = locks,
    get = function(path, options)
      return send("GET", path, nil, options)
    end,
    post = function(path, body, options)
      return send("POST", path, body, options)
    end,
    fail = function(reply, message, kind)
      local status = type(reply) == "table" and reply.status or reply
      return nil, ("HTTP %d: %s"):format(status, message), kind or KINDS[status] or "protocol",
        status < 400 and 502 or status
    end,
    sleep = function(seconds)
      now = now + seconds
      return true
    end,
    time = function()
      return now
    end,
    lock = function(name)
      assert(not locks[name], "the lock is held already")
      locks[name] = true
      return { release = function()
        locks[name] = nil
      end }
    end,
  }
  for name, value in pairs(with or {}) do
    engine[name] = value
  end
  return engine
end

return fake_engine
