--- TLS for specs: certificates made by the openssl command, requests made by curl.
local process = require("spec.support.process")

local tls = {}

--- Makes a self-signed certificate for localhost, 127.0.0.1 and ::1 and its key.
-- @param path without suffix; path.crt and path.key are written, at once as far as a reader can see
-- @param name the subject's common name, to tell certificates apart
-- @return path of the certificate, path of the key
-- @usage local certificate, key = tls.certificate(files.temporary() .. "/server", "first")
function tls.certificate(path, name)
  local result = process.run({ "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
    "-nodes", "-days", "2", "-subj", "/CN=" .. name, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1",
    "-keyout", path .. ".key.new", "-out", path .. ".crt.new" })
  assert(result.status == 0, result.stderr)
  assert(os.rename(path .. ".key.new", path .. ".key"))
  assert(os.rename(path .. ".crt.new", path .. ".crt"))
  return path .. ".crt", path .. ".key"
end

--- GET with curl, trusting one certificate. Returns the body, or nil and what curl says.
-- @usage local body, problem = tls.get(certificate, url .. "/health")
function tls.get(certificate, url, ...)
  local result = process.run({ "curl", "--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", "10",
    "--cacert", certificate, url, ... })
  if result.status ~= 0 then
    return nil, result.stderr
  end
  return result.stdout
end

--- What `openssl s_client` says of a server: both of its outputs in one text.
-- @usage local said = tls.probe(url, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
function tls.probe(url, ...)
  local result = process.run({ "openssl", "s_client", "-connect", url:match("^https://(.+)$"), ... })
  return result.stdout .. result.stderr
end

return tls
