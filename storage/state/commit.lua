-- Writes a change, all or nothing. Returns "" when it is made (now, or by an
-- earlier try of the same call), else the name of the first stale record.
-- KEYS[1] prefix of all keys; ARGV op id, change, life of the op id in ms
local prefix, op, c = KEYS[1], ARGV[1], cjson.decode(ARGV[2])
local jobs, tasks, forget = c.jobs or {}, c.tasks or {}, c.forget or {}

local function key(kind, id) return prefix .. kind .. ':' .. id end

local function stale(kind, records)
  for _, r in ipairs(records or {}) do
    if tonumber(redis.call('HGET', key(kind, r.id), 'v') or 0) ~= r.v then
      return kind .. ' ' .. r.id
    end
  end
end

local function swapped(keys)
  for _, k in ipairs(keys or {}) do
    if (redis.call('GET', key('key', k.name)) or '') ~= k.was then return 'key ' .. k.name end
  end
end

-- An entry of a sorted set, or none.
local function place(index, id, score)
  if score then redis.call('ZADD', prefix .. index, score, id) else redis.call('ZREM', prefix .. index, id) end
end

-- A record's own last op would not do: somebody else may have written it
-- between the lost answer and the repeat.
if redis.call('EXISTS', key('op', op)) == 1 then return '' end
local bad = stale('job', jobs) or stale('task', tasks) or stale('partner', c.partners)
  or stale('delivery', c.deliveries) or swapped(c.keys)
if bad then return bad end
redis.call('SET', key('op', op), 1, 'PX', ARGV[3])

for _, k in ipairs(c.keys or {}) do
  if k.is == '' then
    redis.call('DEL', key('key', k.name))
  elseif k.life then
    redis.call('SET', key('key', k.name), k.is, 'PX', k.life)
  else
    redis.call('SET', key('key', k.name), k.is)
  end
end

-- Counts a step on which the controller may go on with a job.
local function moved(job) redis.call('ZADD', prefix .. 'moved', redis.call('INCR', prefix .. 'moves'), job) end

for _, j in ipairs(jobs) do
  local was = redis.call('HGET', key('job', j.id), 'state')
  if j.begun and was ~= j.state then moved(j.id) end
  if j.drop then
    local drop = key('drop', j.drop)
    if was ~= j.state then
      if was then
        redis.call('HINCRBY', drop, was, -1)
      else
        redis.call('HSETNX', drop, 'created', j.created)
        redis.call('HSETNX', drop, 'partner', j.partner)
        redis.call('HSETNX', drop, 'reference', j.reference or '')
        redis.call('HSET', drop, 'last', j.created)
        place('drops', j.drop, j.created)
        redis.call('ZADD', key('dropjobs', j.drop), j.created, j.id)
      end
      redis.call('HINCRBY', drop, j.state, 1)
      place('dropsopen', j.drop, redis.call('HGET', drop, 'last')) -- until it is told that it ended
    end
  end
  redis.call('HSET', key('job', j.id), 'json', j.json, 'v', j.v + 1, 'state', j.state)
  place('jobs', j.id, j.created)
  place('active', j.id, j.active and j.created)
  place('awaited', j.id, j.await)
  if j.begun then redis.call('SADD', prefix .. 'begun', j.id) else redis.call('SREM', prefix .. 'begun', j.id) end
end

for _, id in ipairs(forget) do redis.call('HDEL', key('task', id), 'outcome') end

for _, t in ipairs(tasks) do
  redis.call('HSET', key('task', t.id), 'json', t.json, 'v', t.v + 1, 'order', t.order, 'last', t.last, 'partner', t.partner)
  if t.outcome then redis.call('HSET', key('task', t.id), 'outcome', t.outcome) end
  if t.v == 0 then redis.call('RPUSH', key('tasks', t.job), t.id) end
  place('later', t.id, t.place == 'later' and t.score)
  place('out', t.id, t.place == 'out' and t.score)
  place('line:' .. t.partner, t.id, t.place == 'line' and t.score)
  place('last:' .. t.partner, t.id, t.place == 'line' and t.last)
  if t.place == 'line' then
    redis.call('SADD', prefix .. 'lines', t.partner)
  elseif redis.call('EXISTS', prefix .. 'line:' .. t.partner) == 0 then
    redis.call('SREM', prefix .. 'lines', t.partner)
  end
  if t.moved then moved(t.job) end
end

for _, p in ipairs(c.partners or {}) do
  if p.json then
    redis.call('HSET', key('partner', p.id), 'json', p.json, 'v', p.v + 1)
    redis.call('SADD', prefix .. 'partners', p.id)
  else
    redis.call('DEL', key('partner', p.id))
    redis.call('SREM', prefix .. 'partners', p.id)
  end
end

for _, d in ipairs(c.deliveries or {}) do
  redis.call('HSET', key('delivery', d.id), 'json', d.json, 'v', d.v + 1)
  place('deliveries', d.id, d.created)
  place('outbox:' .. d.endpoint, d.id, d.next)
  if d.next then
    redis.call('HDEL', key('delivery', d.id), 'ended')
    redis.call('SADD', prefix .. 'outboxes', d.endpoint)
  else
    redis.call('HSET', key('delivery', d.id), 'ended', 1)
    if redis.call('EXISTS', prefix .. 'outbox:' .. d.endpoint) == 0 then
      redis.call('SREM', prefix .. 'outboxes', d.endpoint)
    end
  end
  -- Each that comes makes room for itself: the log does not grow for ever.
  if redis.call('ZCARD', prefix .. 'deliveries') > 20000 then
    for _, old in ipairs(redis.call('ZRANGE', prefix .. 'deliveries', 0, 1)) do
      if redis.call('HGET', key('delivery', old), 'ended') then
        redis.call('DEL', key('delivery', old))
        redis.call('ZREM', prefix .. 'deliveries', old)
      end
    end
  end
end

for _, x in ipairs(c.charges or {}) do
  local served = math.max(tonumber(redis.call('HGET', prefix .. 'served', x.partner) or x.floor), x.floor) + x.seconds
  redis.call('HSET', prefix .. 'served', x.partner, string.format('%.17g', served))
  if x.clock > tonumber(redis.call('GET', prefix .. 'clock') or 0) then
    redis.call('SET', prefix .. 'clock', string.format('%.17g', x.clock))
  end
end

redis.call('PUBLISH', prefix .. 'wake', '')
return ''
