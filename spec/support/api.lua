--- Downloads over HTTP as specs ask for them: the calls, the jobs, and the events of one.
local http = require("spec.support.http")
local json = require("dkjson")
local wait = require("spec.support.wait")

local downloads = {}

local finished = { succeeded = true, failed = true, cancelled = true }

-- The decoded body of a reply that has to be JSON; nulls are json.null.
local function decode(reply)
  assert(reply.headers["content-type"] == "application/json", reply.head .. reply.body)
  local value, _, problem = json.decode(reply.body, 1, json.null)
  assert(value, problem)
  return value
end

--- Sends a request with a JSON body, a table or text. Returns the decoded body, the status and the reply.
-- @usage local body, status = downloads.post(sidecar, { source = "pvc:///m", output_dir = "/models" })
function downloads.post(sidecar, body, path)
  local text = type(body) == "string" and body or json.encode(body)
  local reply = http.request(sidecar.url, "POST", path or "/v1/download_model", { "Content-Type: application/json" },
    text)
  return decode(reply), reply.status, reply
end

--- Sends a request on a connection of its own, whose reply is read later with connection:reply().
function downloads.begin(sidecar, body, path)
  local connection = http.connect(sidecar.url)
  assert(connection:ask("POST", path or "/v1/download_model", { "Content-Type: application/json" }, json.encode(body)))
  return connection
end

--- The decoded body and the status of the reply to what was begun.
function downloads.finish(connection)
  local reply = assert(connection:reply())
  return decode(reply), reply.status
end

--- Starts a job; returns its id.
function downloads.start(sidecar, body, path)
  body.async_download = true
  local started, status = downloads.post(sidecar, body, path)
  assert(status == 202, json.encode(started))
  return started.job_id
end

--- A job, or what GET says of it, and the status.
function downloads.job(sidecar, id)
  local reply = http.get(sidecar.url, "/v1/jobs/" .. id)
  return decode(reply), reply.status
end

--- All jobs, or those in a state.
function downloads.jobs(sidecar, state)
  local reply = http.get(sidecar.url, "/v1/jobs" .. (state and "?state=" .. state or ""))
  assert(reply.status == 200, reply.body)
  return decode(reply).jobs
end

--- Waits until a job has the state (or has ended, without one); returns the job.
function downloads.wait_for(sidecar, id, state)
  return wait.until_true(("job %s to be %s"):format(id, state or "finished"), function()
    local job = downloads.job(sidecar, id)
    if state and finished[job.state] and job.state ~= state then
      error(("job %s is %s: %s"):format(id, job.state, json.encode(job.error)), 0)
    end
    return (state and job.state == state or not state and finished[job.state]) and job, job.state
  end, 20)
end

--- Cancels a job; returns the decoded body and the status.
function downloads.cancel(sidecar, id)
  local reply = http.request(sidecar.url, "DELETE", "/v1/jobs/" .. id)
  return decode(reply), reply.status
end

--- Opens the event stream of a job; events(connection) reads it.
function downloads.follow(sidecar, id)
  local connection = http.connect(sidecar.url)
  assert(connection:ask("GET", ("/v1/jobs/%s/events"):format(id)))
  return connection, assert(connection:head())
end

--- The next event of a stream: its name and the decoded data; nil at the end of the stream. Comments are passed over.
function downloads.event(connection)
  local text = connection:chunk()
  while text and text:find("^:") do
    text = connection:chunk()
  end
  if not text then
    return nil
  end
  local name, data = text:match("^event: (%l+)\ndata: ([^\n]*)\n\n$")
  assert(name, "not an event: " .. text)
  return name, (json.decode(data, 1, json.null))
end

return downloads
