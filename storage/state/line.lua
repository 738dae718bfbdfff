-- Lets retries whose time has come into their lines, then returns the farm's
-- virtual time and, for each partner with waiting tasks: name, virtual time
-- served, whether there are more than follow, and json and version of the
-- first ones, and of the first of those without slack.
-- KEYS[1] prefix of all keys; ARGV now in ms, how many tasks in all, at most,
-- how many of one partner
local prefix, now, all, most = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local later = prefix .. 'later'

-- A farm-wide fault may have made thousands due at once: the rest comes with
-- the next call, so that no call holds up Redis.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', later, '-inf', now, 'LIMIT', 0, 1000)) do
  local task = redis.call('HMGET', prefix .. 'task:' .. id, 'order', 'last', 'partner')
  redis.call('ZREM', later, id)
  redis.call('ZADD', prefix .. 'line:' .. task[3], task[1], id)
  redis.call('ZADD', prefix .. 'last:' .. task[3], task[2], id)
  redis.call('SADD', prefix .. 'lines', task[3])
end

local function read(ids)
  local tasks = {}
  for i, id in ipairs(ids) do tasks[i] = redis.call('HMGET', prefix .. 'task:' .. id, 'json', 'v') end
  return tasks
end

local partners = redis.call('SMEMBERS', prefix .. 'lines')
local each = math.max(1, math.min(most, math.floor(all / math.max(1, #partners))))
local found = {redis.call('GET', prefix .. 'clock') or '0'}
for _, p in ipairs(partners) do
  local line, last = prefix .. 'line:' .. p, prefix .. 'last:' .. p
  local heads = redis.call('ZRANGE', line, 0, each - 1)
  local late = redis.call('ZRANGEBYSCORE', last, '-inf', now, 'LIMIT', 0, each)
  local more = redis.call('ZCARD', line) > #heads or redis.call('ZCOUNT', last, '-inf', now) > #late
  table.insert(found, {p, redis.call('HGET', prefix .. 'served', p) or '-Inf', more and 1 or 0, read(heads), read(late)})
end
return found
