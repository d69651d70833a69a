-- What all scripts begin with: random values, and calls whose results become lines of text.

local state = 42

-- An integer from 0 to n - 1, the same in every run.
local function random(n)
  state = state * 16807 % 2147483647
  return state % n
end

local function pick(list)
  return list[random(#list) + 1]
end

-- A string of random bytes, most of them from an alphabet.
local function random_bytes(most, alphabet)
  local bytes = {}
  for i = 1, random(most + 1) do
    if alphabet and random(16) > 0 then
      local at = random(#alphabet) + 1
      bytes[i] = alphabet:sub(at, at)
    else
      bytes[i] = string.char(random(256))
    end
  end
  return table.concat(bytes)
end

local function random_number()
  local kind = random(8)
  if kind == 0 then return random(10)
  elseif kind == 1 then return random(2147483646) - 1073741823
  elseif kind == 2 then return (random(2147483646) - 1073741823) / 100
  elseif kind == 3 then return random(2147483646) * random(2147483646)
  elseif kind == 4 then return (random(2147483646) / 2147483647 - 0.5) * 10 ^ (random(60) - 30)
  elseif kind == 5 then return (random(2147483646) + random(2147483646) / 2147483647) * 2 ^ (random(2000) - 1030)
  elseif kind == 6 then return (random(3) - 1) * 2 ^ random(70) + random(3) - 1
  end
  return pick({0, -0, 1, -1, 127, 128, 255, 256, -32, -33, -128, -129, 32767, 32768, 65535, 65536, -32768, -32769,
    2147483647, 2147483648, -2147483648, -2147483649, 4294967295, 4294967296, 2 ^ 53, 2 ^ 53 + 2, 2 ^ 62, 2 ^ 63,
    2 ^ 64, -2 ^ 63, 1e15, 123456789012345, 0.1, 1.5, 1e-5, 1e100, 1e308})
end

local function random_value(depth)
  local kind = random(depth > 0 and 9 or 6)
  if kind == 0 then return random(2) == 0
  elseif kind <= 2 then return random_number()
  elseif kind <= 5 then return random_bytes(20, "abcdef \"\\/\n\127\200")
  end
  local table = {}
  for i = 1, random(8) do
    local key = i
    if kind == 8 then key = random_bytes(6, "abcdefgh") elseif random(12) == 0 then key = random(15) end
    table[key] = random_value(depth - 1)
  end
  return table
end

local function quote(text)
  return '"' .. text:gsub("[^%w %p]", function(c) return string.format("\\%d.", c:byte()) end) .. '"'
end

-- A value as text; tables in the order of their keys, unless that depends on addresses.
local function show(value, depth)
  local kind = type(value)
  if kind == "number" then return string.format("%.17g", value) end
  if kind == "string" then return quote(value) end
  if kind ~= "table" then return kind == "function" and kind or tostring(value) end
  if (depth or 0) > 40 then return "deep" end
  local parts, sorted = {}, false
  for key, inner in pairs(value) do
    sorted = sorted or type(key) == "table"
    parts[#parts + 1] = show(key, (depth or 0) + 1) .. "=" .. show(inner, (depth or 0) + 1)
  end
  if sorted then table.sort(parts) end
  return "{" .. table.concat(parts, ",") .. "}#" .. #value
end

local lines = {}

local function line(...)
  local parts = {}
  for i = 1, select("#", ...) do parts[i] = show((select(i, ...))) end
  lines[#lines + 1] = table.concat(parts, " ")
end

-- Calls a function and writes its results or its error.
local function try(f, ...)
  line(pcall(f, ...))
end
