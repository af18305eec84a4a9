-- POST /v1/download_model: brings a model or an adapter to a local directory. Fields, words and replies are those of
-- Kthena Runtime; what it does not have (include, exclude, and what the reply adds) changes none of them.
return {
  api = 1,
  workflow = "download_model",
  summary = "Download a model or an adapter to a local directory",
  route = { method = "POST", path = "/v1/download_model" },
  params = {
    { name = "source", type = "source", required = true, help = "where it is: a URI of a scheme the rules know" },
    { name = "output_dir", type = "directory", required = true, help = "the directory it goes to" },
    { name = "config", type = "config", help = "the source's settings: credentials, endpoint, revision" },
    { name = "max_workers", type = "integer", default = 8, min = 1, max = 256, help = "connections over all files" },
    { name = "async_download", type = "boolean", default = false, help = "answer at once, and download as a job" },
    { name = "include", type = "list", help = "only files that match one of these globs" },
    { name = "exclude", type = "list", help = "no file that matches one of these globs" },
  },
  async = "async_download",
  started = { message = "Model download started in background", echo = { "source", "output_dir" } },
  same = { "source", "output_dir", "config", "include", "exclude" },
  exclusive = "output_dir",
  run = function(params, ctx)
    local done, message, kind = ctx.download(params.source, params.output_dir, {
      config = params.config,
      max_workers = params.max_workers,
      include = params.include,
      exclude = params.exclude,
    })
    if not done then
      return nil, message, kind
    end
    return {
      status = "completed",
      message = "Model download completed successfully",
      source = params.source,
      output_dir = params.output_dir,
      job_id = ctx.job.id,
      revision = done.revision,
      files = done.files,
      bytes = done.bytes,
      files_present = done.present,
      bytes_fetched = done.fetched,
      duration_seconds = done.seconds,
    }
  end,
}
