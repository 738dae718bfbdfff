-- Writes a change of the fleet, all or nothing. Returns what came of it: "" when
-- it is made (now, or by an earlier try of the same call), else "deposed",
-- "stale" and the id of the machine, or "budget" and what would be reserved.
-- KEYS[1] prefix of all keys; ARGV op id, life of the op id in ms, epoch, change,
-- then texts that are stored as they are: where the change says json or memory
-- or outlook or body, it tells which
local prefix, op, life, epoch, c = KEYS[1], KEYS[1] .. 'op:' .. ARGV[1], ARGV[2], ARGV[3], cjson.decode(ARGV[4])
local fleet, live, ended, gone = prefix .. 'fleet', prefix .. 'fleet:live', prefix .. 'fleet:ended', prefix .. 'fleet:gone'
local reserved, names, closed = prefix .. 'fleet:reserved', prefix .. 'fleet:names', prefix .. 'fleet:closed'
local machines = c.machines or {}

local function text(i) return ARGV[4 + i] end

if redis.call('EXISTS', op) == 1 then return {''} end
if redis.call('HGET', fleet, 'epoch') ~= epoch then return {'deposed'} end
for _, m in ipairs(machines) do
  local was = redis.call('HGET', live, m.id)
  if not was then was = redis.call('HGET', ended, m.id); m.back = was and not m.ended end
  if tonumber(was and string.match(was, '^%d+') or 0) ~= m.v then return {'stale', m.id} end
end
if c.limit then
  local sum = 0
  for _, x in ipairs(redis.call('HVALS', reserved)) do sum = sum + tonumber(x) end
  for _, m in ipairs(machines) do sum = sum + tonumber(m.reserved) end
  if sum > tonumber(c.limit) then return {'budget', string.format('%.0f', sum)} end
end
redis.call('SET', op, 1, 'PX', life)
redis.call('HSET', fleet, 'written', 1)

-- What no longer takes work is told from the states, in the same moment.
local function forget(id)
  local was = redis.call('HGET', ended, id)
  local instance = was and cjson.decode(string.match(was, '^%d+ (.*)$')).instance or ''
  redis.call('HDEL', ended, id)
  redis.call('ZREM', gone, id)
  redis.call('ZREM', names, id, instance .. ' ' .. id)
  redis.call('SREM', closed, instance)
end

for _, m in ipairs(machines) do
  local record = string.format('%d ', m.v + 1) .. text(m.json)
  if m.ended then
    redis.call('HDEL', live, m.id)
    redis.call('HDEL', reserved, m.id)
    redis.call('HSET', ended, m.id, record)
    redis.call('ZADD', gone, m.ended, m.id)
  else
    if m.back then redis.call('HDEL', ended, m.id); redis.call('ZREM', gone, m.id) end
    redis.call('HSET', live, m.id, record)
    redis.call('HSET', reserved, m.id, m.reserved)
  end
  redis.call('ZADD', names, 0, m.id)
  if m.instance then
    redis.call('ZADD', names, 0, m.instance .. ' ' .. m.id)
    redis.call(m.intake and 'SREM' or 'SADD', closed, m.instance)
  end
end
if c.forget then
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', gone, '-inf', '(' .. c.forget, 'LIMIT', 0, 1000)) do forget(id) end
end

for pool, i in pairs(c.pools or {}) do redis.call('HSET', prefix .. 'fleet:pools', pool, text(i)) end
if c.memory then redis.call('HSET', fleet, 'memory', text(c.memory)) end
if c.outlook then redis.call('HSET', fleet, 'outlook', text(c.outlook)) end

local spent = prefix .. 'fleet:spent'
for day, amount in pairs(c.book or {}) do redis.call('HINCRBY', spent, day, amount) end
if c.oldest then
  for _, day in ipairs(redis.call('HKEYS', spent)) do
    if day < c.oldest then redis.call('HDEL', spent, day) end
  end
end

-- An order that was given anew since it was read is not the one that is done.
local orders, unwanted = prefix .. 'fleet:orders', prefix .. 'fleet:unwanted'
for name, i in pairs(c.done or {}) do
  if redis.call('HGET', unwanted, name) == text(i) then
    redis.call('HDEL', unwanted, name)
    redis.call('HINCRBY', orders, 'v', 1)
  end
end

local d = c.decision
if d then
  local list, body = prefix .. 'fleet:decisions', text(d.body)
  local from, last = string.match(redis.call('LINDEX', list, 0) or '', '^(%S+) %S+ (.*)$')
  if last == body then
    redis.call('LSET', list, 0, from .. ' ' .. d['until'] .. ' ' .. body)
  else
    redis.call('LPUSH', list, d.at .. ' ' .. d['until'] .. ' ' .. body)
    redis.call('LTRIM', list, 0, 1999)
  end
end
return {''}
