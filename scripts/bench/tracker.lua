-- wrk script: every request logs one new point. wrk ... -s tracker.lua URL -- RUN_ID
local step, thread_count = 0, 0

function setup(thread)
  thread:set("thread_id", thread_count)
  thread_count = thread_count + 1
end

function init(args)
  run = args[1]
  wrk.headers["Content-Type"] = "application/json"
end

function request()
  step = step + 1
  local body = string.format(
    '{"run_id": "%s", "key": "loss%d", "value": %.17g, "timestamp": %d, "step": %d}',
    run, thread_id, 1 / step, 1700000000000 + step, step)
  return wrk.format("POST", "/api/2.0/mlflow/runs/log-metric", nil, body)
end
