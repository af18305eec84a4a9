-- The bytes of the test servers' files: made from a seed, kept outside of Lua's heap, with their digests.
local ffi = require("ffi")

ffi.cdef([[
void *malloc(size_t size);
void free(void *memory);
unsigned char *SHA256(const unsigned char *bytes, size_t length, unsigned char *digest);
unsigned char *SHA1(const unsigned char *bytes, size_t length, unsigned char *digest);
unsigned char *MD5(const unsigned char *bytes, size_t length, unsigned char *digest);
unsigned long crc32(unsigned long crc, const unsigned char *bytes, unsigned length);
]])
local crypto = ffi.load("libcrypto.so.3")
local zlib = ffi.load("libz.so.1")

local content = {}
local Content = {}
Content.__index = Content

-- Room before the bytes for what git puts there.
local MARGIN = 64

local function allocate(size)
  local memory = ffi.gc(ffi.cast("unsigned char *", ffi.C.malloc(MARGIN + size + 8)), ffi.C.free)
  return setmetatable({ memory = memory, bytes = memory + MARGIN, size = size }, Content)
end

--- `size` bytes that depend on the seed alone.
-- @usage local file = content.random(7, 1024)
function content.random(seed, size)
  local self = allocate(size)
  local words = ffi.cast("uint64_t *", self.bytes)
  local state = 0x9E3779B97F4A7C15ULL * (seed + 1)
  for i = 0, math.ceil(size / 8) - 1 do
    state = bit.bxor(state, bit.lshift(state, 13))
    state = bit.bxor(state, bit.rshift(state, 7))
    state = bit.bxor(state, bit.lshift(state, 17))
    words[i] = state
  end
  return self
end

--- The bytes of a text.
function content.text(text)
  local self = allocate(#text)
  ffi.copy(self.bytes, text, #text)
  return self
end

local function hexadecimal(digest, bytes, size, length)
  local out = ffi.new("unsigned char[64]")
  digest(bytes, size, out)
  return (ffi.string(out, length):gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end))
end

function Content:sha256()
  return hexadecimal(crypto.SHA256, self.bytes, self.size, 32)
end

function Content:md5()
  return hexadecimal(crypto.MD5, self.bytes, self.size, 16)
end

--- The name git gives a blob of these bytes.
function Content:git_sha1()
  local head = ("blob %d\0"):format(self.size)
  ffi.copy(self.bytes - #head, head, #head)
  return hexadecimal(crypto.SHA1, self.bytes - #head, self.size + #head, 20)
end

--- SHA-1 of a text.
function content.sha1(text)
  return hexadecimal(crypto.SHA1, text, #text, 20)
end

local function little_endian(number)
  return string.char(bit.band(number, 255), bit.band(bit.rshift(number, 8), 255), bit.band(bit.rshift(number, 16), 255),
    bit.band(bit.rshift(number, 24), 255))
end

--- Up to 65,535 bytes as a gzip file, stored, not compressed.
function Content:gzip()
  assert(self.size < 65536, "too much for one block")
  local sizes = little_endian(self.size):sub(1, 2) .. little_endian(bit.bnot(self.size)):sub(1, 2)
  local crc = tonumber(zlib.crc32(0, self.bytes, self.size))
  return "\31\139\8\0\0\0\0\0\0\3\1" .. sizes .. ffi.string(self.bytes, self.size) .. little_endian(crc)
    .. little_endian(self.size)
end

return content
