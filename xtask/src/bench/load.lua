-- What wrk counted, in one line for a program. Nothing here runs while requests are under way.
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    "counted requests=%d duration_us=%d bytes=%d p50_us=%d p99_us=%d status=%d socket=%d\n",
    summary.requests, summary.duration, summary.bytes,
    latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
