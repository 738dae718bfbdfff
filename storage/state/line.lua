-- Lets retries whose time has come into the line, then returns json and
-- version of its first tasks.
-- KEYS[1] prefix of all keys; ARGV now in ms, how many
local prefix = KEYS[1]
local line, later = prefix .. 'line', prefix .. 'later'

-- A farm-wide fault may have made thousands due at once: the rest comes with
-- the next call, so that no call holds up Redis.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', later, '-inf', ARGV[1], 'LIMIT', 0, 1000)) do
  redis.call('ZREM', later, id)
  redis.call('ZADD', line, redis.call('HGET', prefix .. 'task:' .. id, 'order'), id)
end

local found = {}
for _, id in ipairs(redis.call('ZRANGE', line, 0, tonumber(ARGV[2]) - 1)) do
  table.insert(found, redis.call('HMGET', prefix .. 'task:' .. id, 'json', 'v'))
end
return found
