-- Writes a change, all or nothing. Returns "" when it is made (now, or by an
-- earlier try of the same call), else the name of the first stale record.
-- KEYS[1] prefix of all keys; ARGV op id, change, life of the op id in ms
local prefix, op, c = KEYS[1], ARGV[1], cjson.decode(ARGV[2])
local jobs, tasks, forget = c.jobs or {}, c.tasks or {}, c.forget or {}

local function key(kind, id) return prefix .. kind .. ':' .. id end

local function stale(kind, records)
  for _, r in ipairs(records) do
    if tonumber(redis.call('HGET', key(kind, r.id), 'v') or 0) ~= r.v then
      return kind .. ' ' .. r.id
    end
  end
end

-- A record's own last op would not do: somebody else may have written it
-- between the lost answer and the repeat.
if redis.call('EXISTS', key('op', op)) == 1 then return '' end
local bad = stale('job', jobs) or stale('task', tasks)
if bad then return bad end
redis.call('SET', key('op', op), 1, 'PX', ARGV[3])

for _, j in ipairs(jobs) do
  redis.call('HSET', key('job', j.id), 'json', j.json, 'v', j.v + 1)
  redis.call('ZADD', prefix .. 'jobs', j.created, j.id)
  if j.active then
    redis.call('ZADD', prefix .. 'active', j.created, j.id)
  else
    redis.call('ZREM', prefix .. 'active', j.id)
  end
end

for _, id in ipairs(forget) do redis.call('HDEL', key('task', id), 'outcome') end

for _, t in ipairs(tasks) do
  redis.call('HSET', key('task', t.id), 'json', t.json, 'v', t.v + 1, 'order', t.order)
  if t.outcome then redis.call('HSET', key('task', t.id), 'outcome', t.outcome) end
  if t.v == 0 then redis.call('RPUSH', key('tasks', t.job), t.id) end
  for _, place in ipairs({'line', 'later', 'out'}) do
    if place == t.place then
      redis.call('ZADD', prefix .. place, t.score, t.id)
    else
      redis.call('ZREM', prefix .. place, t.id)
    end
  end
end

redis.call('PUBLISH', prefix .. 'wake', '')
return ''
