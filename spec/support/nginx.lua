--- nginx as a source of downloads: the files of a directory, over HTTP and with a certificate over HTTPS, and a log
-- that says what was asked for and how much of it was sent.
local files = require("spec.support.files")
local http = require("spec.support.http")
local process = require("spec.support.process")
local wait = require("spec.support.wait")

local nginx = {}
local Nginx = {}
Nginx.__index = Nginx

-- The little that is sent ahead of a slow reader keeps what the log counts close to what arrived.
local CONFIGURATION = [[
daemon off; master_process off; %s worker_rlimit_nofile 4096;
error_log {dir}/error.log; pid {dir}/pid;
events { worker_connections 1024; }
http {
  log_format plain '$connection $request_method $uri $status $body_bytes_sent $http_range';
  access_log {dir}/access.log plain;
  client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
  uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
  sendfile on; tcp_nopush on; keepalive_requests 1000000; default_type application/octet-stream;
  limit_rate {rate};
  server {
    listen 127.0.0.1:{port} sndbuf=64k backlog=1024; root {root};
    %s
  }
}
]]

--- Serves a directory.
-- @param root directory
-- @param options optional: rate (bytes a second of each reply), certificate and key (paths)
-- @return url, tls_url (nil without a certificate), authority (host:port)
-- @usage local server = nginx.start(root, { rate = 1000000 })
function nginx.start(root, options)
  options = options or {}
  local directory = files.temporary()
  local self = setmetatable({ directory = directory }, Nginx)
  local ports = { http.free_port(), http.free_port() }
  local tls = options.certificate and ("listen 127.0.0.1:%d ssl; ssl_certificate %s; ssl_certificate_key %s;"):format(
    ports[2], options.certificate, options.key) or ""
  local user = require("posix.unistd").getuid() == 0 and "user root;" or ""
  local text = CONFIGURATION:format(user, tls):gsub("{(%l+)}", {
    dir = directory, port = ports[1], root = root, rate = options.rate or 0,
  })
  files.write(directory .. "/nginx.conf", text)
  self.process = process.start({ "nginx", "-e", directory .. "/error.log", "-p", directory, "-c",
    directory .. "/nginx.conf" })
  self.authority = "127.0.0.1:" .. ports[1]
  self.url = "http://" .. self.authority
  self.tls_authority = options.certificate and "127.0.0.1:" .. ports[2]
  self.tls_url = self.tls_authority and "https://" .. self.tls_authority
  wait.until_true("nginx to listen", function()
    local problem = self.process:status() and (files.read(directory .. "/error.log") or "no log")
    return problem and error("nginx has ended: " .. problem, 0) or (pcall(http.connect, self.url))
  end)
  return self
end

--- What was asked for so far, once the requests have ended: a list of connection, method, path, status, bytes (of the
-- body, as sent) and range.
function Nginx:requests()
  local requests = {}
  for connection, method, path, status, bytes, range in (files.read(self.directory .. "/access.log") or ""):gmatch(
    "(%d+) (%u+) (%S+) (%d+) (%d+) ([^\n]+)\n") do
    requests[#requests + 1] = { connection = connection, method = method, path = path, status = tonumber(status),
      bytes = tonumber(bytes), range = range }
  end
  return requests
end

--- The bodies' bytes sent so far, and over how many connections, of the files but not the listing.
function Nginx:sent()
  local bytes, connections, count = 0, {}, 0
  for _, request in ipairs(self:requests()) do
    if request.path ~= "/list.json" then
      bytes = bytes + request.bytes
      count = count + (connections[request.connection] and 0 or 1)
      connections[request.connection] = true
    end
  end
  return bytes, count
end

return nginx
