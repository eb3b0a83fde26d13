# Lua, which lives on setjmp and longjmp; what it prints needs no other Lua to compare with.
cd "$FOLDER" || exit 9
cat > program.lua <<'END'
local generator = coroutine.wrap(function(a) for i = 1, 3 do a = coroutine.yield(a + i) end return "done" end)
print(generator(1), generator(2), generator(3), generator(4))
print(pcall(error, "thrown"))
local function deep(n) if n == 0 then error("deep", 0) end return 1 + deep(n - 1) end
print(pcall(deep, 100))
print(select(2, pcall(function() local function f() return 1 + f() end return f() end)):match("stack overflow"))
local file = assert(io.open("text", "w")) file:write("a\nb\nc\n") file:close()
for line in io.lines("text") do io.write(line, " ") end print()
print(os.rename("text", "moved"), os.remove("moved"), (os.remove("none")))
local sum = 0 for i = 1, 100000 do sum = sum + i * i end print(sum)
print(string.format("%5.2f %q %x", 3.14159, "a\nb", 255))
print((os.execute("exit 0")))
local stream = io.popen("echo from a shell") print(stream:read("a"), stream:close())
END
if [ -x /bin/lua ]; then
  lua program.lua
else
  printf '2\t4\t6\tdone\nfalse\tthrown\nfalse\tdeep\nstack overflow\na b c \ntrue\ttrue\tnil\n333338333350000\n'
  printf ' 3.14 "a\\\nb" ff\ntrue\nfrom a shell\n\ttrue\texit\t0\n'
fi
