-- Sends the requests of a file in a loop. The last line of output is JSON.
-- Each line of the file is a request: its path, a tab, its body. The file is the only argument of the script.

local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

local requests, at = {}, 0

function init(args)
  wrk.headers["Content-Type"] = "application/json"
  for line in io.lines(args[1]) do
    local path, body = line:match("^(%S+)\t(.+)$")
    requests[#requests + 1] = wrk.format("POST", path, nil, body)
  end
  at = number * 19 -- threads start with different requests
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"micros":%d,"bytes":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d,"p50":%d,"p99":%d}\n',
    summary.requests, summary.duration, summary.bytes,
    e.connect, e.read, e.write, e.timeout, e.status,
    latency:percentile(50), latency:percentile(99)))
end
