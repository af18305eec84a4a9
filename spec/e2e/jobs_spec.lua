-- Jobs over HTTP: listed, followed, cancelled, joined, queued, cut by a drain, counted.
local downloads = require("spec.support.api")
local engine = require("spec.support.engine")
local files = require("spec.support.files")
local http = require("spec.support.http")
local json = require("dkjson")
local origin = require("spec.support.origin")
local pages = require("spec.support.pages")
local runtime = require("spec.support.runtime")
local wait = require("spec.support.wait")

local RANGE = 16 * 1024 * 1024
local SIZE = RANGE + 4 * 1024 * 1024

describe("a job", function()
  local fake, web, sidecar

  setup(function()
    fake = engine.start()
    web = origin.start()
    sidecar = runtime.serve(fake, { "--allow-source", "*" })
  end)

  -- A file whose bytes from one on are held, until web:release().
  local function held(path, from)
    return web:serve(path, { size = SIZE, hold = from or 1000000, headers = { 'ETag: "e"' } })
  end

  -- Starts a download that comes to a stop on its way; its job's id, URL and directory.
  local function start_held(path, on)
    local url, directory = held(path), files.temporary()
    local id = downloads.start(on or sidecar, { source = url, output_dir = directory })
    web:wait_until_held()
    return id, url, directory
  end

  -- Waits until the one download that runs has all of its first range, and hangs in the second; returns its job's id.
  local function wait_for_range(on)
    return wait.until_true("the first range", function()
      local job = downloads.jobs(on or sidecar, "running")[1]
      return job and job.bytes_done >= RANGE and web:held() > 0 and job.id, job and job.bytes_done
    end)
  end

  local function metric(name)
    local value = pages.value(http.get(sidecar.url, "/metrics/runtime").body, "kthena_runtime_" .. name)
    return (assert(value, name))
  end

  it("is shown while it runs, with its numbers, and once it has ended", function()
    local id, url, directory = start_held("/shown.bin")
    local job = wait.until_true("bytes to be counted", function()
      local now = downloads.job(sidecar, id)
      return now.bytes_done > 0 and #now.files > 0 and now, json.encode(now)
    end)
    assert.same({ "running", "download_model", "http", "downloading" }, { job.state, job.kind, job.source, job.phase })
    assert.same({ SIZE, 1, 0, 1, 0 }, { job.bytes_total, job.files_total, job.files_done, job.attempts, job.retries })
    assert.same({ "shown.bin", SIZE }, { job.files[1].path, job.files[1].bytes_total })
    assert.same({ source = url, output_dir = directory, max_workers = 8, async_download = true }, job.request)
    assert.same({ json.null, json.null, json.null, false },
      { job.result, job.error, job.finished_at, job.cancelling })
    for _, time in ipairs({ job.created_at, job.started_at }) do
      assert.truthy(time:find("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$"), time)
    end
    web:release()
    job = downloads.wait_for(sidecar, id, "succeeded")
    assert.same({ SIZE, 1, "completed" }, { job.bytes_done, job.files_done, job.result.status })
    assert.same({}, job.files)
    assert.is_string(job.finished_at)
    assert.equal(origin.bytes(SIZE), files.read(directory .. "/shown.bin"))
  end)

  it("is listed, newest first, in its state", function()
    local first = downloads.start(sidecar, { source = "pvc:///no/such", output_dir = files.temporary() })
    assert.equal("not_found", downloads.wait_for(sidecar, first, "failed").error.kind)
    local id = start_held("/listed.bin")
    local jobs = downloads.jobs(sidecar)
    assert.same({ id, first }, { jobs[1].id, jobs[2].id })
    assert.is_nil(jobs[1].result)
    jobs = downloads.jobs(sidecar, "running")
    assert.same({ 1, id }, { #jobs, jobs[1].id })
    assert.equal(first, downloads.jobs(sidecar, "failed")[1].id)
    web:release()
    downloads.wait_for(sidecar, id, "succeeded")
    local reply = http.get(sidecar.url, "/v1/jobs?state=asleep")
    assert.equal(400, reply.status)
    assert.truthy(reply.body:find("queued, running, succeeded, failed or cancelled", 1, true), reply.body)
  end)

  it("that is unknown gets 404 wherever it is asked for", function()
    for _, case in ipairs({ { "GET", "" }, { "DELETE", "" }, { "GET", "/events" } }) do
      assert.equal(404, http.request(sidecar.url, case[1], "/v1/jobs/nope" .. case[2]).status)
    end
    assert.equal(405, http.request(sidecar.url, "POST", "/v1/jobs").status)
  end)

  it("is followed by events until it ends", function()
    local id = start_held("/followed.bin")
    local stream, head = downloads.follow(sidecar, id)
    assert.same({ 200, "text/event-stream", "no-cache" },
      { head.status, head.headers["content-type"], head.headers["cache-control"] })
    local name, job = downloads.event(stream)
    assert.same({ "progress", id, "running" }, { name, job.id, job.state })
    web:release()
    local last = 0
    while name == "progress" do
      assert.is_true(job.bytes_done >= last)
      last = job.bytes_done
      name, job = downloads.event(stream)
    end
    assert.same({ "end", "succeeded", "completed" }, { name, job.state, job.result.status })
    assert.is_nil(downloads.event(stream))
    stream = downloads.follow(sidecar, id) -- what has ended already is told at once
    assert.equal("end", downloads.event(stream))
    assert.is_nil(downloads.event(stream))
  end)

  it("goes on when those who wait for it or follow it leave", function()
    local url, directory = held("/left.bin"), files.temporary()
    local caller = downloads.begin(sidecar, { source = url, output_dir = directory })
    web:wait_until_held()
    local id = downloads.jobs(sidecar, "running")[1].id
    local stream = downloads.follow(sidecar, id)
    assert.equal("progress", downloads.event(stream))
    caller:close()
    stream:close()
    web:release()
    downloads.wait_for(sidecar, id, "succeeded")
    assert.equal(SIZE, #files.read(directory .. "/left.bin"))
  end)

  it("is cancelled on its way, and the next one completes what it began", function()
    local url, directory = held("/cancelled.bin", RANGE + 1000), files.temporary()
    local caller = downloads.begin(sidecar, { source = url, output_dir = directory })
    local id = wait_for_range()
    local stream = downloads.follow(sidecar, id)
    local asked = wait.now()
    local job, status = downloads.cancel(sidecar, id)
    assert.same({ 202, id, true }, { status, job.id, job.cancelling })
    local reply
    reply, status = downloads.finish(caller)
    assert.equal(409, status)
    assert.truthy(reply.detail:find("cancelled", 1, true), reply.detail)
    assert.is_true(wait.now() - asked < wait.seconds(5))
    job = downloads.wait_for(sidecar, id, "cancelled")
    assert.same({ "cancelled", json.null }, { job.error.kind, job.result })
    local name
    repeat
      name, job = downloads.event(stream)
    until name ~= "progress"
    assert.same({ "end", "cancelled" }, { name, job.state })
    assert.equal(409, select(2, downloads.cancel(sidecar, id)))
    assert.is_false(files.exists(directory .. "/cancelled.bin"))
    web:release()
    reply, status = downloads.post(sidecar, { source = url, output_dir = directory })
    assert.equal(200, status)
    assert.is_true(reply.bytes_fetched <= SIZE - RANGE, reply.bytes_fetched)
    assert.equal(origin.bytes(SIZE), files.read(directory .. "/cancelled.bin"))
  end)

  it("is one for all who ask for the same at once", function()
    local url, directory = held("/same.bin"), files.temporary()
    web:forget()
    local callers = {}
    callers[1] = downloads.begin(sidecar, { source = url, output_dir = directory })
    web:wait_until_held(2)
    callers[2] = downloads.begin(sidecar, { source = url, output_dir = directory .. "/../" ..
      directory:match("[^/]*$"), max_workers = 3 })
    local id = downloads.start(sidecar, { source = url, output_dir = directory })
    assert.equal(1, #downloads.jobs(sidecar, "running"))
    web:release()
    for _, caller in ipairs(callers) do
      local reply, status = downloads.finish(caller)
      assert.same({ 200, id, SIZE }, { status, reply.job_id, reply.bytes_fetched })
    end
    assert.equal(2, #web:seen("GET")) -- its two ranges
  end)

  it("keeps others from its directory until it has ended", function()
    local id, url, directory = start_held("/taken.bin")
    for _, other in ipairs({ { source = "pvc:///else" }, { source = url, include = "*" },
      { source = url, config = { endpoint = "x" } } }) do
      other.output_dir = directory .. "/."
      local reply, status = downloads.post(sidecar, other)
      assert.equal(409, status)
      assert.truthy(reply.detail:find(("the directory '%s' is taken by job %s"):format(directory, id), 1, true),
        reply.detail)
    end
    web:release()
    downloads.wait_for(sidecar, id, "succeeded")
    assert.equal(200, select(2, downloads.post(sidecar, { source = url, include = "*", output_dir = directory })))
  end)

  it("waits for its turn, is cancelled while it waits, and is refused when too many wait", function()
    local alone = runtime.serve(fake, { "--allow-source", "*", "--max-jobs", "1" })
    local model = files.temporary()
    files.write(model .. "/a", "a")
    local first = start_held("/busy.bin", alone)
    local root, ids = files.temporary(), {}
    for i = 1, 64 do
      ids[i] = downloads.start(alone, { source = "pvc://" .. model, output_dir = root .. "/" .. i })
    end
    local job = downloads.job(alone, ids[1])
    assert.same({ "queued", json.null, 0 }, { job.state, job.started_at, job.attempts })
    local reply, status, raw = downloads.post(alone, { source = "pvc://" .. model, output_dir = root .. "/65" })
    assert.same({ 429, "10" }, { status, raw.headers["retry-after"] })
    assert.truthy(reply.detail:find("64 are waiting", 1, true), reply.detail)
    assert.equal("cancelled", downloads.cancel(alone, ids[1]).state)
    ids[1] = downloads.start(alone, { source = "pvc://" .. model, output_dir = root .. "/65" })
    web:release()
    downloads.wait_for(alone, first, "succeeded")
    for _, id in ipairs(ids) do
      downloads.wait_for(alone, id, "succeeded")
    end
    assert.is_false(files.exists(root .. "/1"))
    assert.equal(66, #downloads.jobs(alone))
  end)

  it("is cut when the sidecar has to go, and the next sidecar goes on with it", function()
    local leaving = runtime.serve(fake, { "--allow-source", "*" })
    local url, directory = held("/moved.bin", RANGE + 1000), files.temporary()
    local caller = downloads.begin(leaving, { source = url, output_dir = directory })
    wait_for_range(leaving)
    leaving.process:signal("SIGTERM")
    local reply, status = downloads.finish(caller)
    assert.equal(503, status)
    assert.truthy(reply.detail:find("shutting down", 1, true), reply.detail)
    assert.equal(0, leaving.process:wait(10))
    web:release()
    reply, status = downloads.post(sidecar, { source = url, output_dir = directory })
    assert.equal(200, status)
    assert.is_true(reply.bytes_fetched <= SIZE - RANGE, reply.bytes_fetched)
    assert.equal(origin.bytes(SIZE), files.read(directory .. "/moved.bin"))
  end)

  it("moves the sidecar's own metrics", function()
    local function all()
      return {
        succeeded = metric('jobs_finished_total{kind="download_model",result="succeeded"}'),
        failed = metric('jobs_finished_total{kind="download_model",result="failed"}'),
        count = metric('job_duration_seconds_count{kind="download_model"}'),
        bytes = metric('download_bytes_total{source="http"}'), files = metric('download_files_total{source="http"}'),
        retries = metric('download_retries_total{cause="status"}'),
      }
    end
    local before = all()
    local id = start_held("/counted.bin")
    assert.equal(1, metric('jobs{state="running"}'))
    assert.is_true(metric("download_active_transfers") >= 1)
    web:release()
    downloads.wait_for(sidecar, id, "succeeded")
    downloads.post(sidecar, { source = "pvc:///no/such", output_dir = files.temporary() })
    local after = all()
    assert.same({ 1, 1, 2, SIZE, 1 }, { after.succeeded - before.succeeded, after.failed - before.failed,
      after.count - before.count, after.bytes - before.bytes, after.files - before.files })
    assert.same({ 0, 0, 0 }, { metric('jobs{state="running"}'), metric("download_active_transfers"),
      metric("download_verification_failures_total") })
    assert.is_true(metric('jobs{state="succeeded"}') >= 1)
  end)
end)
