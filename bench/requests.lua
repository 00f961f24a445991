-- Sends the requests of a file in turn, and ends with one line of JSON.
-- wrk … -s requests.lua URL -- FILE [TOKEN]; a line of FILE is METHOD, PATH, "key" or nothing, TAG
-- or nothing, and BODY, between tabs. With "key" each sending has an Idempotency-Key of its own; with
-- a TAG the answer is wanted only if it has another. A redirection, 304 too, is no error to wrk.

local requests, at, sent = {}, 0, 0
local run = string.format("%d-%s", os.time(), tostring({}):match("0x%x+"))

function init(args)
  local headers = { ["Content-Type"] = "application/json" }
  if args[2] then
    headers["Authorization"] = "Bearer " .. args[2]
  end
  for line in io.lines(args[1]) do
    local method, path, key, tag, body =
      line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$")
    body = body ~= "" and body or nil
    headers["If-None-Match"] = tag ~= "" and tag or nil
    if key == "key" then
      requests[#requests + 1] = function()
        sent = sent + 1
        headers["Idempotency-Key"] = run .. "-" .. sent
        return wrk.format(method, path, headers, body)
      end
    else
      local request = wrk.format(method, path, headers, body)
      requests[#requests + 1] = function() return request end
    end
  end
end

function request()
  at = at % #requests + 1
  return requests[at]()
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, '
      .. '"status": %d, "timeout": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.timeout, errors.connect + errors.read + errors.write
  ))
end
