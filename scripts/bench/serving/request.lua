-- The request of the bench: file BODY as POST; HEADERS are "name=value" lines.
wrk.method = "POST"
for name, value in (os.getenv("HEADERS") or ""):gmatch("([^=\n]+)=([^\n]*)") do wrk.headers[name] = value end
local file = assert(io.open(os.getenv("BODY"), "rb"))
wrk.body = file:read("*a")
file:close()
