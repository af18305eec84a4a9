-- Requests that must be refused, byte for byte as an attacker or a broken proxy would send them.
local engine = require("spec.support.engine")
local http = require("spec.support.http")
local json = require("dkjson")
local runtime = require("spec.support.runtime")

local HOST = "\r\nHost: t\r\n"

describe("a request with", function()
  local sidecar

  setup(function()
    sidecar = runtime.serve(engine.start())
  end)

  -- Refused: answered with one of the statuses and closed, or closed without an answer. What followed on the same
  -- connection must never be taken for a request.
  local function refused(bytes, ...)
    local connection = http.connect(sidecar.url)
    connection:send(bytes)
    local reply, problem = connection:reply()
    if reply then
      local found = false
      for _, status in ipairs({ ... }) do
        found = found or reply.status == status
      end
      assert.is_true(found, reply.head)
      if reply.body ~= "" and (reply.headers["content-type"] or ""):find("json", 1, true) then
        assert.is_string(json.decode(reply.body).detail)
      end
      reply, problem = connection:reply()
    end
    assert.is_nil(reply)
    assert.equal("closed", problem)
  end

  after_each(function()
    assert.equal(200, http.get(sidecar.url, "/health").status)
  end)

  it("both Transfer-Encoding and Content-Length", function()
    refused("GET /health HTTP/1.1" .. HOST .. "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 400)
    refused("POST /health HTTP/1.1" .. HOST .. "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
      .. "GET /health HTTP/1.1" .. HOST .. "\r\n", 400)
  end)

  it("a Transfer-Encoding other than chunked", function()
    refused("POST /metrics HTTP/1.1" .. HOST .. "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, 501)
    refused("POST /metrics HTTP/1.1" .. HOST .. "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400, 501)
  end)

  it("two Content-Lengths", function()
    refused("GET /health HTTP/1.1" .. HOST .. "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", 400)
    refused("GET /health HTTP/1.1" .. HOST .. "Content-Length: 0\r\nContent-Length: 9\r\n\r\n", 400)
  end)

  it("a Content-Length that is no number", function()
    for _, value in ipairs({ "x", "-1", "+1", "1,1", "0x10", "1 2", "", "99999999999999999999" }) do
      refused("GET /health HTTP/1.1" .. HOST .. "Content-Length: " .. value .. "\r\n\r\n", 400, 413)
    end
  end)

  it("70 headers", function()
    local lines = {}
    for i = 1, 70 do
      lines[i] = ("X-%d: y\r\n"):format(i)
    end
    refused("GET /health HTTP/1.1" .. HOST .. table.concat(lines) .. "\r\n", 400, 431)
  end)

  it("60 headers, on the other hand, is answered", function()
    local lines = {}
    for i = 1, 60 do
      lines[i] = ("X-%d: y\r\n"):format(i)
    end
    local reply = http.raw(sidecar.url, "GET /health HTTP/1.1" .. HOST .. table.concat(lines) .. "\r\n")
    assert.equal(200, reply.status)
  end)

  it("a head of a megabyte", function()
    refused("GET /health HTTP/1.1" .. HOST .. "X-Long: " .. ("y"):rep(2 ^ 20) .. "\r\n\r\n", 400, 431)
    refused("GET /" .. ("y"):rep(2 ^ 20) .. " HTTP/1.1" .. HOST .. "\r\n", 400, 414, 431)
  end)

  it("control characters in the path, encoded or not", function()
    for _, path in ipairs({ "/health%00", "/health%0a", "/health%0D%0AX:y", "/he%01alth", "/health%7f" }) do
      refused("GET " .. path .. " HTTP/1.1" .. HOST .. "\r\n", 400)
    end
    for _, path in ipairs({ "/health\0", "/he\1alth", "/health\127" }) do
      refused("GET " .. path .. " HTTP/1.1" .. HOST .. "\r\n", 400)
    end
  end)

  it("a zero byte or another control character in a header", function()
    refused("GET /health HTTP/1.1" .. HOST .. "X-A: b\0c\r\n\r\n", 400)
    refused("GET /health HTTP/1.1" .. HOST .. "X-A: b\1c\r\n\r\n", 400)
  end)

  it("a folded header, a blank before the colon, a line without one", function()
    refused("GET /health HTTP/1.1" .. HOST .. "X-A: b\r\n c\r\n\r\n", 400)
    refused("GET /health HTTP/1.1" .. HOST .. "Content-Length : 0\r\n\r\n", 400)
    refused("GET /health HTTP/1.1" .. HOST .. "X-A\r\n\r\n", 400)
  end)

  it("no Host, or two", function()
    refused("GET /health HTTP/1.1\r\n\r\n", 400)
    refused("GET /health HTTP/1.1" .. HOST .. "Host: u\r\n\r\n", 400)
  end)

  it("a first line that is none", function()
    for _, line in ipairs({ "GET", "GET /health", "GET health HTTP/1.1",
      "/health HTTP/1.1", "GET /health HTTP/2.0", "GET /health HTTQ/1.1", "G\1T /health HTTP/1.1",
      "SSH-2.0-OpenSSH_9.2", "\22\3\1\0\200\1" }) do
      refused(line .. HOST .. "\r\n", 400, 405, 501, 505)
    end
  end)

  it("a large body where none is taken", function()
    refused("GET /health HTTP/1.1" .. HOST .. "Content-Length: 1000000000\r\n\r\nhello", 400, 413)
  end)

  it("a small body where none is taken is answered, and its body is not taken for a request", function()
    local connection = http.connect(sidecar.url)
    local inner = "GET /nothing HTTP/1.1" .. HOST .. "\r\n"
    connection:send("GET /health HTTP/1.1" .. HOST .. "Content-Length: " .. #inner .. "\r\n\r\n" .. inner)
    assert.equal(200, connection:reply().status)
    assert.equal(405, connection:request("POST", "/health").status)
    connection:send("GET /health HTTP/1.1" .. HOST .. "Transfer-Encoding: chunked\r\n\r\n"
      .. ("%x\r\n%s\r\n0\r\n\r\n"):format(#inner, inner))
    assert.equal(200, connection:reply().status)
    assert.is_true(connection:is_closed())
  end)
end)
