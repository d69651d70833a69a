for key, value in pairs(struct) do line(key, value) end

-- Arguments.
try(function() struct.pack() end)
try(function() struct.pack({}) end)
try(function() return struct.pack(">i2 ", 1) end)
try(function() struct.pack("i") end)
try(function() struct.pack("ii", 1) end)
try(function() struct.pack("i", {}) end)
try(function() struct.pack("i", "x") end)
try(function() return struct.pack("i", "12") end)
try(function() struct.pack("s") end)
try(function() struct.pack("s", {}) end)
try(function() return struct.pack("s", 12) end)
try(function() struct.pack("c5", "abc") end)
try(function() struct.pack("ic5", 1, "abc") end)
try(function() return struct.pack("c0", "abc") end)
try(function() return struct.pack("c1", "abc") end)
try(function() return struct.pack("i\0x", 1) end)
try(function() return struct.pack("", 1, 2) end)
try(function() struct:pack() end)
try(function() struct.unpack() end)
try(function() struct.unpack("i") end)
try(function() struct.unpack("i", {}) end)
try(function() struct.unpack("i", "abcd", {}) end)
try(function() return struct.unpack("i", 12345678) end)
try(function() struct.size() end)
try(function() return struct.size("i8 d", 1) end)
try(function() struct.size("s") end)
try(function() struct.size("c0") end)
try(function() struct.size("ic") end)

-- Formats.
local formats = {"b", "B", "h", "H", "l", "L", "T", "i", "I", "f", "d", "x", "c", "s", " ", "<", ">", "!", "q", "z", "5", "\200",
  "-", "!0", "!1", "!2", "!3", "!4", "!8", "!16", "!1024", "!2147483647", "!2147483648", "!1073741824", "c0", "c1", "c3", "c2147483647",
  "c2147483648", "c2147483640", "c21474836470", "i0", "i1", "i2", "i3", "i5", "i7", "i8", "i9", "i10", "i12", "i15", "i16", "i17", "i31",
  "i32", "i33", "i2147483648", "I0", "I1", "I3", "I7", "I8", "I9", "I16", "I32", "I33", "I99999999999"}
local numbers = {0, 1, -1, 1.5, -1.5, 127, 128, 255, 256, -128, -129, 65535, 2 ^ 31, 2 ^ 32, 2 ^ 53, 2 ^ 63, 2 ^ 63 + 4096, 2 ^ 64, -2 ^ 63,
  -2 ^ 64, 1e300, -1e300, 1 / 0, -1 / 0, 0 / 0, 0.1, 3.5e38, 1e-46}
for _, format in ipairs(formats) do
  try(function() return struct.size(format) end)
  try(function() return struct.size("b!8" .. format) end)
  for _, endian in ipairs({"", ">", "<", "!", "b!4", ">!2bb", "!16b"}) do
    local whole = endian .. format
    for _, number in ipairs(numbers) do
      try(function() return struct.pack(whole, number, number, number) end)
      try(function() return struct.unpack(whole, struct.pack(whole, number, number, number)) end)
    end
    for length = 0, 40, 3 do
      try(function() return struct.unpack(whole, random_bytes(0) .. ("\200\1\127\255"):rep(10):sub(1, length)) end)
    end
    try(function() return struct.unpack(whole, ("\0"):rep(40)) end)
    try(function() return struct.unpack(whole, ("\255"):rep(40)) end)
  end
end

-- Positions.
for _, position in ipairs({0, 1, 2, 3, 4, 5, 6, -1, -5, 2 ^ 31, 2 ^ 32 + 1, 2 ^ 62, 2 ^ 63, -2 ^ 63, 1.9, "2", 1e300, 0 / 0}) do
  for _, format in ipairs({"", "b", "x", "!", "s", "c0", "bc0", "!4i", "c1", "d", "i0"}) do
    try(function() return struct.unpack(format, "ab\0c", position) end)
  end
end

-- Lengths from the data.
for _, length in ipairs({0, 1, 2, 3, 4, 5, 255}) do
  try(function() return struct.unpack("bc0", string.char(length) .. "abcd") end)
  try(function() return struct.unpack("Bc0", string.char(length) .. "abcd") end)
  try(function() return struct.unpack("c1c0", tostring(length):sub(1, 1) .. "abcd") end)
  try(function() return struct.unpack("fc0", struct.pack("f", length + 0.5) .. "abcd") end)
  try(function() return struct.unpack("fc0", struct.pack("f", -length - 0.5) .. "abcd") end)
  try(function() return struct.unpack("dc0", struct.pack("d", length * 2 ^ 60) .. "abcd") end)
end
try(function() return struct.unpack("xc0", "abc") end)
try(function() return struct.unpack("sc0", "a\0bc") end)
try(function() return struct.unpack("sc0", "1\0bc") end)
try(function() return struct.unpack("bbc0c0", "\1\1ab") end)
try(function() return struct.unpack("dc0", struct.pack("d", 0 / 0) .. "a") end)
try(function() return struct.unpack("c0", "abc", 1) end)
try(function() return struct.unpack("s", "abc") end)
try(function() return struct.unpack("ss", "a\0b") end)

-- Room on the stack.
for _, count in ipairs({7900, 7990, 7994, 7995, 7996, 7997, 7998, 7999, 8000, 9000}) do
  try(function() return select("#", struct.unpack(("b"):rep(count), ("a"):rep(count))) end)
  try(function() return select("#", struct.unpack(("b"):rep(count), ("a"):rep(count), 1)) end)
  try(function() return #struct.pack(("x"):rep(count)) end)
end

-- Random formats.
for i = 1, 6000 do
  local parts = {}
  for j = 1, random(6) + 1 do
    parts[j] = pick(formats)
    if random(8) == 0 then parts[j] = random_bytes(3, "bBhHlLTiIfdxcs<>! 0123456789") end
  end
  local format = table.concat(parts)
  try(function() return struct.size(format) end)
  try(function() return struct.pack(format, random_number(), random_number(), random_number(), random_bytes(9), random_number()) end)
  try(function() return struct.unpack(format, random_bytes(40, "\0\1\2\3\255")) end)
  try(function() return struct.unpack(format, random_bytes(40, "\0\1\2\3\255"), random(12)) end)
end
