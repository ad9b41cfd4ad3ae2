-- The request of the bench: file BODY as POST; HEADERS are "name=value" lines; PAUSE_MS is the pause before each.
wrk.method = "POST"
for name, value in (os.getenv("HEADERS") or ""):gmatch("([^=\n]+)=([^\n]*)") do wrk.headers[name] = value end
local file = assert(io.open(os.getenv("BODY"), "rb"))
wrk.body = file:read("*a")
file:close()
local pause = tonumber(os.getenv("PAUSE_MS")) or 0
if pause > 0 then function delay() return pause end end
