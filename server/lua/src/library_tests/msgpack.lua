for key, value in pairs(cmsgpack) do line(key, value) end

-- Arguments.
try(function() cmsgpack.pack() end)
try(function() return (cmsgpack:pack()) end)
try(function() cmsgpack.unpack() end)
try(function() cmsgpack.unpack({}) end)
try(function() return cmsgpack.unpack(12) end)
try(function() cmsgpack.unpack_one() end)
try(function() cmsgpack.unpack_limit() end)
try(function() cmsgpack.unpack_limit("a") end)
try(function() cmsgpack.unpack_limit("a", {}) end)
try(function() cmsgpack.unpack_limit("a", 1, {}) end)
try(function() cmsgpack.unpack_one("a", "x") end)
for _, limit in ipairs({0, 1, 2, 3, 4, -1, 2 ^ 31, 2 ^ 40, -2 ^ 40, 1e300, "2", 1.9}) do
  for _, offset in ipairs({0, 1, 2, 3, 4, -1, 2 ^ 31 + 1, 2 ^ 40, -2 ^ 40, 1e300, "1", 0.5}) do
    try(function() return cmsgpack.unpack_limit("\1\2\3", limit, offset) end)
    try(function() return cmsgpack.unpack_one("\1\2\3", offset, limit) end)
  end
  try(function() return cmsgpack.unpack_limit("\1\2\3", limit) end)
  try(function() return cmsgpack.unpack_limit("\1\2\3\193", limit, nil) end)
end
try(function() return cmsgpack.unpack("\1\2\3", 1, 2) end)
try(function() return cmsgpack.unpack_one("") end)
try(function() return cmsgpack.unpack("") end)

-- Values.
local values = {tostring, cjson.null, newproxy(), true, false, {}, {{}}, {[0] = 1}, {[1.5] = 1}, {[2] = 1}, {1, nil, 3},
  {[-1] = 1}, {x = 1}, {1, x = 2}, {[3e9] = 1}, {[2 ^ 31] = 1}, {[1 / 0] = 1}, {[true] = {}}, {[{}] = 1}, {[{1}] = {2}}, 0 / 0, 1 / 0,
  -1 / 0, -0, 0.1, 0.5, 2 ^ 63, -2 ^ 63, 2 ^ 64, 2 ^ 53 + 1, 1e300, 3.4028234663852886e38, 3.5e38, 1e-45, 1e-46}
for _, value in ipairs(values) do
  try(cmsgpack.pack, value)
  local ok, bytes = pcall(cmsgpack.pack, value)
  try(cmsgpack.unpack, bytes)
end
try(cmsgpack.pack, nil)
try(cmsgpack.pack, nil, nil, 1)
for _, length in ipairs({0, 1, 15, 16, 17, 31, 32, 33, 255, 256, 257, 65535, 65536, 65537}) do
  local array, map = {}, {}
  for i = 1, length do
    array[i] = i % 3
    map["k" .. i] = 1
  end
  local bytes = cmsgpack.pack(("x"):rep(length), array)
  line(#bytes, bytes:sub(1, 8), bytes:sub(-8))
  local text, list = cmsgpack.unpack(bytes)
  line(#text, #list, list[length])
  local bytes = cmsgpack.pack(map)
  line(#bytes, bytes:sub(1, 20))
  local keys = 0
  for key in pairs(cmsgpack.unpack(bytes)) do keys = keys + 1 end
  line(keys)
end
for _, depth in ipairs({1, 14, 15, 16, 17, 18, 100}) do
  local list, map, key = {}, {}, {}
  for i = 2, depth do list, map, key = {list}, {x = map}, {[key] = 1} end
  try(cmsgpack.pack, list, map, key)
end
local circle = {}
circle[1] = circle
try(cmsgpack.pack, circle)

-- Room on the stack.
for _, count in ipairs({3990, 3995, 3996, 3997, 3998, 3999, 4000, 4001, 4002, 7000}) do
  for _, value in ipairs({1, "x", {}, {1}, {{1}}, {x = 1}, {x = {1}}}) do
    local list = {}
    for i = 1, count do list[i] = i == count and value or 1 end
    try(function() return #cmsgpack.pack(unpack(list)) end)
  end
end
for _, depth in ipairs({1000, 2665, 2666, 2667, 3998, 3999, 4000, 7990, 7996, 7997, 7998, 7999, 8000, 9000}) do
  for _, head in ipairs({"\145", "\129\1", "\129", "\145\129", "\145\129\1", "\221\0\0\0\1", "\222\0\1\1"}) do
    for _, tail in ipairs({"", "\1", "\144", "\128", "\145\1", "\161x", "\193"}) do
      try(function() return type((cmsgpack.unpack(head:rep(depth) .. tail))) end)
      try(function() return type((cmsgpack.unpack_one("\1" .. head:rep(depth) .. tail, 1))) end)
    end
  end
  try(function() return select("#", cmsgpack.unpack(("\1"):rep(depth))) end)
  try(function() return select("#", cmsgpack.unpack_limit(("\1"):rep(depth), depth)) end)
  try(function() return select("#", cmsgpack.unpack_limit(("\144"):rep(depth), depth - 5, 3)) end)
end

-- Every input of up to two bytes, and what may follow.
for first = 0, 255 do
  try(cmsgpack.unpack, string.char(first))
  for second = 0, 255 do
    local bytes = string.char(first, second)
    try(cmsgpack.unpack, bytes)
    if second % 16 == 0 then
      try(cmsgpack.unpack, bytes .. random_bytes(8))
      try(cmsgpack.unpack_one, bytes .. random_bytes(8), random(4))
    end
  end
end

-- Values there and back.
for i = 1, 2000 do
  local ok, bytes = pcall(cmsgpack.pack, random_value(4), random_number())
  line(ok, bytes)
  line(cmsgpack.unpack(bytes))
  for j = 1, 3 do
    local at = random(#bytes) + 1
    try(cmsgpack.unpack, bytes:sub(1, at - 1) .. string.char(random(256)) .. bytes:sub(at + 1))
  end
  try(cmsgpack.unpack, bytes:sub(1, random(#bytes + 1)))
end
