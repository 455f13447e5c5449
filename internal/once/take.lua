-- One use of a value, atomically: SET NX GET PXAT with a bound on how many live.
-- KEYS: birth, value, values of the space, values of the subject ("" for none)
-- ARGV: what (take, count, birth), holder, until (ms), cap, quota, value, now (us)
-- Answers: ok | full | quota | past, birth (us), holder or number of uses.
local what, holder, till, cap, quota = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- Emptied while it ran: nothing is known of before. The later of the two clocks
-- counts; both numbers have 16 digits, so they compare as text.
local birth = redis.call('GET', KEYS[1])
if not birth then
  birth = clock[1] .. string.format('%06d', clock[2])
  if ARGV[7] > birth then birth = ARGV[7] end
  redis.call('SET', KEYS[1], birth)
end
if what == 'birth' then return {'ok', birth, ''} end

if till <= now then return {'past', birth, ''} end

local held = redis.call('GET', KEYS[2])
if held then
  if what == 'count' then return {'ok', birth, tostring(redis.call('INCR', KEYS[2]))} end
  return {'ok', birth, held}
end

-- Sorted sets count what lives. Each use removes up to 100 that have ended, so
-- none pays for all.
local function live(set)
  local ended = redis.call('ZRANGE', set, '-inf', now, 'BYSCORE', 'LIMIT', 0, 100)
  if #ended > 0 then redis.call('ZREM', set, unpack(ended)) end
  return redis.call('ZCARD', set)
end
if live(KEYS[3]) >= cap then return {'full', birth, ''} end
if KEYS[4] ~= '' and live(KEYS[4]) >= quota then return {'quota', birth, ''} end

if what == 'count' then holder = '1' end
redis.call('SET', KEYS[2], holder, 'PXAT', till)
for i = 3, 4 do
  if KEYS[i] ~= '' then
    redis.call('ZADD', KEYS[i], till, ARGV[6])
    local last = redis.call('ZRANGE', KEYS[i], -1, -1, 'WITHSCORES')
    redis.call('PEXPIREAT', KEYS[i], last[2])
  end
end
return {'ok', birth, holder}
