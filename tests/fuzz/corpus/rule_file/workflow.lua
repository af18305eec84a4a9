return { api = 1, workflow = "task", summary = "Does it", route = { method = "POST", path = "/v1/tasks/{id}" },
  params = {
    { name = "id", type = "string", min = 1, max = 9, choices = { "a", "b" }, default = "a" },
    { name = "bg", type = "boolean", default = false },
    { name = "n", type = "integer", default = 8, min = 1 },
    { name = "o", type = "object", default = { a = { 1, { b = {} } } } },
    { name = "dir", type = "directory", required = true },
  },
  async = "bg", started = { message = "Started", echo = { "dir" } }, same = { "id", "dir" }, exclusive = "dir",
  run = function() end }
