-- One 8x8 image for the Open Inference Protocol, as scripts/bench/serving sends it.
local pixels = {}
for i = 1, 64 do pixels[i] = string.format("%.4f", (i % 17) / 16) end
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"inputs":[{"name":"' .. os.getenv("INPUT") .. '","shape":[1,1,8,8],"datatype":"FP32","data":['
  .. table.concat(pixels, ",") .. "]}]}"
