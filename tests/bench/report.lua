-- Makes the table and the JSON of a run: luajit report.lua ROUNDS JSON QUICK LOAD
--
-- ROUNDS has one JSON object a line for each round: what was measured, the page's size, the number of clients, and
-- figures. LOAD is the machine's load before the run. Prints a table; exit 1 when a bar is missed, unless QUICK is
-- "true".
local json = require("dkjson")

local function median(values)
  local sorted = { unpack(values) }
  table.sort(sorted)
  local middle = math.floor(#sorted / 2)
  return #sorted % 2 == 1 and sorted[middle + 1] or (sorted[middle] + sorted[middle + 1]) / 2
end

local function column(rounds, name)
  local values = {}
  for i, round in ipairs(rounds) do
    values[i] = round[name]
  end
  return values
end

-- Ours against a yardstick, round by round; of several yardsticks the one that is the fastest by its median.
local function compare(rounds, yardsticks)
  local best
  for _, name in ipairs(yardsticks) do
    local value = median(column(rounds, name))
    if not best or value > best.value then
      best = { name = name, value = value }
    end
  end
  local ratios = {}
  for i, round in ipairs(rounds) do
    ratios[i] = round.ours / round[best.name]
  end
  return { ours = median(column(rounds, "ours")), yardstick = best.value, yardstick_name = best.name,
    ratio = median(ratios), ratio_min = math.min(unpack(ratios)), ratio_max = math.max(unpack(ratios)) }
end

local function value(choose)
  return function(rounds)
    return { ours = choose(column(rounds, "ours")) }
  end
end

-- In the order of the table. rows: what a group of rounds comes to; least: bar of the ratio, or one for each size;
-- most: bar of the figure.
local kinds = {
  { what = "kernel", title = "rename kernel / newline scan", unit = "GB/s", least = 0.25, make = function(rounds)
    local round = rounds[1]
    return { ours = round.rename_gb_s, yardstick = round.scan_gb_s, yardstick_name = "scan", ratio = round.ratio }
  end },
  { what = "scrape", title = "GET /metrics / nginx proxy_pass", unit = "req/s", least = 1.0, make = function(rounds)
    return compare(rounds, { "plain", "kept" })
  end },
  { what = "rules", title = "50 engine files more / without", unit = "req/s", least = 0.95, make = function(rounds)
    return compare(rounds, { "few" })
  end },
  { what = "idle", title = "resident, idle", unit = "MB", most = 12, make = value(median) },
  { what = "peak", title = "resident, highest while scraped", unit = "MB", most = 64, make = value(median) },
  { what = "start", title = "exec to 200 on /health, median", unit = "ms", most = 20, make = value(median) },
  { what = "download", title = "download, verified / curl --parallel", unit = "MB/s", least = 1.0,
    make = function(rounds)
      return compare(rounds, { "curl" })
    end },
  { what = "download", title = "download, verified / aws s3 sync", unit = "MB/s",
    least = { mixed = 2.2, small = 3 }, make = function(rounds)
      return compare(rounds, { "aws" })
    end },
  { what = "download_peak", title = "resident, highest while downloading", unit = "MB", most = 32,
    make = value(median) },
  { what = "no_op", title = "download of what is there already", unit = "ms", most = 50, make = value(median) },
  { what = "copy", title = "copy from a volume / cp -r", unit = "MB/s", least = 0.9, make = function(rounds)
    return compare(rounds, { "cp" })
  end },
  { what = "copy", title = "copy from a volume / rsync -a", unit = "MB/s", least = 2, make = function(rounds)
    return compare(rounds, { "rsync" })
  end },
  { what = "adapter_load", title = "adapter load, over the engine's own", unit = "ms", most = 5,
    make = function(rounds)
      return { ours = median(column(rounds, "ours")) - median(column(rounds, "engine")) }
    end },
  { what = "adapters_back", title = "adapters back after the engine", unit = "ms", most = 2000, make = value(median) },
  { what = "reconcile", title = "CPU to find all adapters there", unit = "ms", most = 1, make = value(median) },
  { what = "start", title = "exec to 200 on /health, slowest", unit = "ms", make = value(function(values)
    return math.max(unpack(values))
  end) },
}

-- Rounds of one kind, in groups of the same size and clients, in the order they came.
local function groups(rounds, what)
  local list, by_key = {}, {}
  for _, round in ipairs(rounds) do
    if round.what == what then
      local key = round.size .. "/" .. round.clients
      if not by_key[key] then
        by_key[key] = {}
        list[#list + 1] = by_key[key]
      end
      table.insert(by_key[key], round)
    end
  end
  return list
end

local function judge(row)
  if row.bar_ratio then
    return row.ratio >= row.bar_ratio and "ok" or "MISSED"
  elseif row.bar_most then
    return row.ours <= row.bar_most and "ok" or "MISSED"
  end
  return "-"
end

local function make_rows(rounds)
  local rows = {}
  for _, kind in ipairs(kinds) do
    for _, group in ipairs(groups(rounds, kind.what)) do
      local row = kind.make(group)
      row.what, row.size, row.clients, row.unit = kind.title, group[1].size, group[1].clients, kind.unit
      row.bar_ratio = type(kind.least) == "table" and kind.least[row.size] or kind.least
      row.bar_most, row.rounds = kind.most, group
      row.verdict = judge(row)
      rows[#rows + 1] = row
    end
  end
  return rows
end

local function number(figure)
  return figure and (figure >= 1000 and "%.0f" or "%.2f"):format(figure) or "-"
end

local function print_table(rows)
  local form = "%-36s %-6s %7s %15s %21s %6s %7s  %s\n"
  io.write(form:format("what", "size", "clients", "ours", "yardstick", "ratio", "bar", "verdict"))
  for _, row in ipairs(rows) do
    local bar = row.bar_ratio and (">=%.2f"):format(row.bar_ratio) or row.bar_most and ("<=%d"):format(row.bar_most)
    io.write(form:format(row.what, row.size, row.clients > 0 and row.clients or "-",
      number(row.ours) .. " " .. row.unit,
      row.yardstick and number(row.yardstick) .. " " .. row.yardstick_name or "-",
      row.ratio and ("%.3f"):format(row.ratio) or "-", bar or "-",
      row.verdict))
  end
end

local function read_rounds(path)
  local rounds = {}
  for line in io.lines(path) do
    rounds[#rounds + 1] = assert(json.decode(line))
  end
  return rounds
end

-- The processor's name and how many there are.
local function processors()
  local name, count = "unknown processor", 0
  for line in io.lines("/proc/cpuinfo") do
    name = line:match("^model name%s*:%s*(.*)") or name
    count = count + (line:match("^processor%s*:") and 1 or 0)
  end
  return ("%d x %s"):format(count, name)
end

local quick, load, rows = arg[3] == "true", tonumber(arg[4]), make_rows(read_rounds(arg[1]))
print_table(rows)
local busy = load > 0.5 and ": the machine is not idle" or ""
print(("%s, load %.2f before the run%s"):format(processors(), load, busy))
local file = assert(io.open(arg[2], "w"))
file:write(json.encode({ quick = quick, machine = processors(), load = load, rows = rows },
  { indent = true, keyorder = { "quick", "machine", "load", "rows", "what", "size", "clients", "unit", "ours",
    "yardstick", "yardstick_name", "ratio", "ratio_min", "ratio_max", "bar_ratio", "bar_most", "verdict",
    "rounds" } }), "\n")
file:close()
for _, row in ipairs(rows) do
  if row.verdict == "MISSED" and not quick then
    os.exit(1)
  end
end
