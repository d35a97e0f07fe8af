package limit

import (
	"fmt"

	"github.com/redis/go-redis/v9"
)

// common is what both scripts begin with. A bucket is a hash with the members of
// a state; its clock is that of Redis. ARGV ends with the rate of the bucket as a
// rule, and its burst.
//
// Each script answers with tokens taken, microseconds to wait, and the state,
// whose times are told from now.
var common = fmt.Sprintf(`
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local usual, usualBurst = tonumber(ARGV[#ARGV - 1]), tonumber(ARGV[#ARGV])
local kept = redis.call('HMGET', KEYS[1], 'full', 'lowered', 'since', 'strikes')
local full, lowered = tonumber(kept[1]) or 0, tonumber(kept[2]) or 0
local since, strikes = tonumber(kept[3]) or 0, tonumber(kept[4]) or 0

local function rate()
  if lowered == 0 or now - since >= %[1]d then return usual, usualBurst end
  local perSecond = lowered + math.max(%[2]v * lowered, %[3]v) * (now - since) / 1e6
  if usual > 0 and perSecond >= usual then return usual, usualBurst end
  local burst = math.max(math.floor(%[4]v * perSecond), 1)
  if usual > 0 then burst = math.min(burst, usualBurst) end
  return perSecond, burst
end

local function keep()
  full = tonumber(string.format('%%.0f', full))
  redis.call('HSET', KEYS[1], 'full', string.format('%%.0f', full), 'lowered', string.format('%%.17g', lowered),
    'since', string.format('%%.0f', since), 'strikes', strikes)
  redis.call('PEXPIRE', KEYS[1], math.ceil(math.max(full - now, since > 0 and since + %[1]d - now or 0, 0) / 1000) + 1000)
end

local function answer(taken, wait)
  return {string.format('%%.0f', taken), string.format('%%.0f', wait), string.format('%%.0f', full - now),
    string.format('%%.17g', lowered), string.format('%%.0f', since > 0 and now - since or -1), string.format('%%.0f', strikes)}
end
`, recovery.Microseconds(), growth, leastGrowth, shortBurst)

// takeScript is state.take. ARGV: how many tokens; 1 if those who take are spare.
var takeScript = common + fmt.Sprintf(`
local n, spare = tonumber(ARGV[1]), ARGV[2] == '1'
local perSecond, burst = rate()
if perSecond == 0 then return answer(n, 0) end
local have, reserved = burst - math.max(full - now, 0) * perSecond / 1e6, 0
if spare then reserved = math.floor(burst / 2) end
local taken = math.min(math.max(math.floor(have - reserved + %v), 0), n)
if taken > 0 then
  full = math.max(full, now) + taken * 1e6 / perSecond
  keep()
end
return answer(taken, taken < n and math.ceil((reserved + 1 - have + taken) * 1e6 / perSecond) or 0)
`, rounding)

// refuseScript is state.refuse. ARGV: age and pause in microseconds, what was
// accepted in the last second, and the jitter.
var refuseScript = common + fmt.Sprintf(`
local age, pause, accepted, jitter = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if since == 0 or now - age > since then
  local present = rate()
  strikes = strikes + 1
  if since == 0 or accepted > 0 or now - since >= %[1]d then strikes = 0 end
  lowered = accepted
  if present > 0 then lowered = math.min(lowered, present) end
  lowered = math.max(%[2]v * lowered, %[3]v)
  if usual > 0 then lowered = math.min(lowered, usual) end
  since = now
  if pause == 0 then pause = math.min(%[4]d * 2 ^ strikes, %[5]d) * (1 + jitter) / 2 end
end
if pause > 0 then
  local perSecond, burst = rate()
  full = math.max(full, now + pause + (burst - 1) * 1e6 / perSecond)
end
keep()
return answer(0, 0)
`, recovery.Microseconds(), lowering, lowestRate, firstPause.Microseconds(), longestPause.Microseconds())

var takes, refuses = redis.NewScript(takeScript), redis.NewScript(refuseScript)
