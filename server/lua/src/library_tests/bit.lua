for key, value in pairs(bit) do line(key, value) end

local values = {0, 1, -1, 2, 7, 8, -7, -8, 9, 31, 32, 33, 0.5, 1.5, 2.5, -0.5, -1.5, 255, 256, 65535, 2147483647, 2147483648, -2147483648,
  -2147483649, -2147483647, 4294967295, 4294967296, 4294967297, 2 ^ 40 + 3, 2 ^ 51, 2 ^ 52 + 1, 2 ^ 53, 2 ^ 54, 2 ^ 63, 1e100, -1e100, 1 / 0,
  -1 / 0, 0 / 0, "12", "0x10", " 3 ", "x", "", true, {}, 305419896, -305419896}
for key, f in pairs(bit) do
  try(f)
  try(function() bit[key]() end)
  try(function() bit[key](nil) end)
  for _, first in ipairs(values) do
    try(f, first)
    try(function() return bit[key](first) end)
    for _, second in ipairs(values) do try(f, first, second) end
    try(f, first, nil)
    try(function() return bit[key](first, 5, 3) end)
    try(function() return bit[key](first, {}, "y") end)
    try(function() return bit[key](first, 12, 10, 255, -2) end)
  end
  for i = 1, 300 do try(f, random_number(), random_number(), random_number()) end
end
