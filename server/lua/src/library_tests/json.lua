for key, value in pairs(cjson) do line(key, value) end
for key, value in pairs(cjson.new()) do line(key, value) end

-- Arguments.
try(function() cjson.encode() end)
try(function() cjson.encode(1, 2) end)
try(function() cjson.decode() end)
try(function() cjson.decode({}) end)
try(function() cjson.decode(nil) end)
try(function() return cjson.decode(12) end)
try(function() cjson:decode() end)
try(function() cjson:encode({}) end)
try(cjson.decode)
try(function() local f = cjson.decode; f() end)

-- Setters.
local names = {"encode_max_depth", "decode_max_depth", "encode_number_precision", "encode_keep_buffer",
  "encode_invalid_numbers", "decode_invalid_numbers", "encode_sparse_array"}
local values = {0, 1, 2, 14, 15, -1, 2147483647, 2147483648, 4294967296, 4294967297, 1.9, "3", "x", "on", "off", "null",
  "o\0n", "off\0x", true, false, {}, 1e300, 0 / 0}
for _, name in ipairs(names) do
  local library = cjson.new()
  try(function() return library[name]() end)
  for _, value in ipairs(values) do
    try(function() return library[name](value) end)
    try(function() return library[name]() end)
    try(function() return library.encode({1 / 3, {1 / 7}}) end)
  end
  try(function() library[name](1, 2, 3, 4) end)
  try(function() library[name](1, 2) end)
end
for _, convert in ipairs({true, false}) do
  for _, ratio in ipairs({0, 1, 2, 3, 1000000000, 2147483647}) do
    for _, safe in ipairs({0, 1, 10, 20}) do
      local library = cjson.new()
      try(library.encode_sparse_array, convert, ratio, safe)
      for _, keys in ipairs({{1}, {2}, {1, 3}, {10}, {11}, {1, 2, 4, 8}, {1, 21}, {1, 2, 3, 11}, {20, 40}, {3e9, 5},
        {5, 3e9}, {4294967297}, {1.5}, {0}, {-1}, {1, 2, 0.5}}) do
        local array = {}
        for _, key in ipairs(keys) do array[key] = key end
        try(library.encode, array)
      end
    end
  end
end
try(cjson.new().encode_sparse_array, true, "x")
try(cjson.new().encode_sparse_array, true, -1)
try(cjson.new().encode_sparse_array, true, 1, -1)
try(cjson.new().encode_sparse_array, true, 1, {})
try(cjson.new().encode_sparse_array, "x")

-- Values that have no text, and those that need a setting.
for _, mode in ipairs({"off", "on", "null"}) do
  local library = cjson.new()
  library.encode_invalid_numbers(mode)
  for _, value in ipairs({1 / 0, -1 / 0, 0 / 0, {[1 / 0] = 1}, {[-1 / 0] = 1}, {1 / 0}, {x = 0 / 0}}) do
    try(library.encode, value)
  end
end
for _, value in ipairs({tostring, {tostring}, {x = tostring}, {[true] = 1}, {[{}] = 1}, newproxy(), cjson.null,
  {cjson.null}, {}, {{}}, "", "\0", true, false, {[0] = 1}, {[-0] = 1}, {[1.5] = 2}, {1, 2, nil, 4}}) do
  try(cjson.encode, value)
end
try(cjson.encode, nil)
for byte = 0, 255 do try(cjson.encode, "ab" .. string.char(byte) .. "cdefghi") end

-- Depth.
for _, depth in ipairs({1, 2, 10, 999, 1000, 1001}) do
  local value = {}
  for i = 2, depth do value = random(2) == 0 and {value} or {x = value} end
  try(function() return #cjson.encode(value) end)
  for _, text in ipairs({("["):rep(depth) .. ("]"):rep(depth), ('{"a":'):rep(depth) .. "1" .. ("}"):rep(depth)}) do
    try(function() return #cjson.encode(cjson.decode(text)) end)
  end
end
local deep = cjson.new()
deep.encode_max_depth(2147483647)
deep.decode_max_depth(2147483647)
for _, depth in ipairs({2660, 2670, 3990, 3999, 4000, 7990, 7995, 7996, 7997, 7998, 7999, 8000, 8001, 20000}) do
  for _, text in ipairs({("["):rep(depth), ('{"a":'):rep(depth), ('[{"a":'):rep(depth), ("["):rep(depth) .. "1]",
    ("["):rep(depth) .. '{"a":1}', ("["):rep(depth) .. '"x"', ('{"a":'):rep(depth) .. "[1"}) do
    try(deep.decode, text)
    try(function(text) return deep.decode(text) end, text)
  end
  local list, object = {}, {}
  for i = 2, depth do list, object = {list}, {x = object} end
  try(function() return #deep.encode(list) end)
  try(function() return #deep.encode(object) end)
  try(function(...) return #deep.encode(list) end, 1, 2, 3)
end
local circle = {}
circle[1] = circle
try(deep.encode, circle)
try(cjson.encode, circle)

-- Texts.
local texts = {"", " ", "nul", "null", "nullx", "true", "tru", "false", "fals", "nan", "-nan", "NaN", "-NAN", "nan(12)", "+nan",
  "inf", "-inf", "Infinity", "-infinity", "+inf", "infin", "+", "-", "+1", "-1", "- 1", "1", "01", "-01", "0x10", "-0x1p3", "0x",
  "0xg", "0x.8", "0x1.8p-2", "0x1p99999", "0x1ffffffffffffff", "0x1fffffffffffffff", "0X1P-1074", "1.", ".5", "-.5", "1e", "1e5",
  "1E+5", "1e-5", "1e400", "-1e400", "1e-400", "1.5.5", "1,", "[", "]", "{", "}", "[1", "[1,", "[,1]", "[1,]", "[1 2]", "[]", "[ ]",
  "{}", "{ }", '{"a"}', '{"a":}', '{"a":1', '{"a":1,', '{"a":1,}', "{1:2}", '{"a" 1}', '{"a":1 "b":2}', "{a:1}", '"', '"a',
  '"a\\', '"\\x"', '"\\u"', '"\\u12"', '"\\u123"', '"\\u1234"', '"\\ud800"', '"\\ud800\\u"', '"\\ud800\\u0041"',
  '"\\ud83d\\ude00"', '"\\udc00"', '"\\ud800x"', '"\\udbff\\udfff"', '"\\u0000"', '"\\u007f\\u0080\\u07ff\\u0800\\uffff"',
  '"\\uD83D\\uDE0"', '"\\b\\t\\n\\f\\r\\"\\/\\\\"', '"a\nb"', '"a\tb"', "\0", "1\0", "[]\0x", "[\0]", '"a\0b"', "[1,\0]", "'a'",
  "/**/1", "1 // x", '{"a":1,"a":2}', "[null]", '{"a":null}', "[1,2,3,4,5,6,7,8,9]", "\239\187\1911", "1 1", "[] []", "\"\200\"",
  "123456789012345678901234567890", "0.1e1", "1e23", "9007199254740993", "4.35", "2.2250738585072011e-308", "5e-324", "2e-324",
  "\1771", "[1e5,\r\n\t 2]", "[[[]]]", '{"":{"":[]}}', "nan(0x7)", "[nan(]", "tRUE", "NULL", '[1,"a",true,null,{"b":[2]}]'}
for _, strict in ipairs({true, false}) do
  local library = cjson.new()
  library.decode_invalid_numbers(not strict)
  for _, text in ipairs(texts) do
    try(library.decode, text)
    try(library.decode, "[" .. text .. "]")
    try(library.decode, "  " .. text .. "  ")
    try(library.decode, '{"k":' .. text .. ',"l":[' .. text .. "]}")
  end
end
line(struct.pack(">d", cjson.decode("nan(0x12)")), struct.pack(">d", cjson.decode("-nan(9)")))

-- Numbers.
for precision = 1, 14 do
  local library = cjson.new()
  library.encode_number_precision(precision)
  for i = 1, 400 do
    local number = random_number()
    lines[#lines + 1] = library.encode(number) .. " " .. library.encode({[number] = 1, x = 1})
  end
  for _, number in ipairs({0.5, 1.5, 2.5, 9.5, 99.5, 0.00001, 0.0001, 0.00009999999999999999, 0.00012345, 1e14, 99999999999999,
    999999999999999, 0.99999999999999, 0.999999999999999, 2 ^ 46 + 0.5, 2 ^ 46 + 0.25, 12345678901234.5, 123456.5, 5e-324}) do
    lines[#lines + 1] = library.encode(number) .. " " .. library.encode(-number)
  end
end
for i = 1, 2000 do
  local digits = {}
  for j = 1, random(25) + 1 do digits[j] = random(10) end
  local text = table.concat(digits)
  if random(2) == 0 then text = text .. "." .. random(1000000) end
  if random(2) == 0 then text = text .. "e" .. random(40) - 20 elseif random(9) == 0 then text = text .. "e" .. random(700) - 350 end
  try(cjson.decode, text)
end

-- Values there and back.
for i = 1, 1500 do
  local ok, text = pcall(cjson.encode, random_value(4))
  line(ok, text)
  if ok then
    local value = cjson.decode(text)
    line(value)
    line(cjson.encode(value))
  end
end

-- Texts of random bytes.
for i = 1, 6000 do
  try(cjson.decode, random_bytes(12, '[]{}:,"\\u0123456789abcdefnultrxXpPiI+-. \n'))
end

-- Every text of two bytes.
for first = 0, 255 do
  for second = 0, 255 do try(cjson.decode, string.char(first, second)) end
end
