-- wrk script: a client of a study. Each request reports five steps of its trial, tells how it ended and asks for the
-- next. One connection a thread, so that a thread is a client. wrk ... -s studies.lua URL -- STUDY
local clients = {}

function setup(thread)
  table.insert(clients, thread)
end

function init(args)
  path = "/api/muster/v1/studies/" .. args[1]
  trial, told = nil, 0
  wrk.headers["Content-Type"] = "application/json"
end

function request()
  if trial == nil then return wrk.format("POST", path, nil, '[{"op":"ask"}]') end
  local body = {}
  for step = 1, 5 do
    body[step] = string.format('{"op":"report","trial":%d,"step":%d,"value":%.6g}', trial, step, 1 / step)
  end
  body[6] = string.format('{"op":"tell","trial":%d,"value":0.2}', trial)
  body[7] = '{"op":"ask"}'
  return wrk.format("POST", path, nil, "[" .. table.concat(body, ",") .. "]")
end

function response(status, headers, body)
  if status ~= 200 or body:find('"error"') then
    print(body)
    os.exit(1)
  end
  if trial ~= nil then told = told + 1 end
  trial = tonumber(body:match('.*"trial":(%d+)'))
end

function done(summary, latency)
  local least, most, all = math.huge, 0, 0
  for _, client in ipairs(clients) do
    local count = tonumber(client:get("told"))
    least, most, all = math.min(least, count), math.max(most, count), all + count
  end
  print(string.format("trials %d per_s %.0f p50_ms %.3f p99_ms %.3f fastest_to_slowest %.2f", all,
    all / summary.duration * 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000, most / least))
end
