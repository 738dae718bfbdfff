-- Writes a change, all or nothing. Returns "" when it is made (now, or by an
-- earlier try of the same call), else the name of the first stale record.
-- KEYS[1] prefix of all keys; ARGV op id, change, life of the op id in ms, then
-- the records' JSON: where the change says json or outcome, it tells which
local prefix, op, c = KEYS[1], ARGV[1], cjson.decode(ARGV[2])
local jobs, tasks, forget = c.jobs or {}, c.tasks or {}, c.forget or {}

local function key(kind, id) return prefix .. kind .. ':' .. id end

local function text(i) return ARGV[3 + i] end

-- Calls with as many arguments as there are, a thousand at a time: a commit of
-- many arrivals is one call for most of what they write.
local function each(args, call)
  for i = 1, #args, 1000 do call(unpack(args, i, math.min(i + 999, #args))) end
end

-- Whether a record is not at its version, and for others what else of it is
-- needed below: as what it was counted, and a job's state.
local function stale(kind, records, ...)
  local new = {}
  for _, r in ipairs(records or {}) do
    if r.v == 0 then
      table.insert(new, key(kind, r.id))
    else
      local was = redis.call('HMGET', key(kind, r.id), 'v', ...)
      if tonumber(was[1] or 0) ~= r.v then return kind .. ' ' .. r.id end
      r.counted_was, r.state_was = was[2], was[3]
    end
  end
  local there = 0
  each(new, function(...) there = there + redis.call('EXISTS', ...) end)
  if there > 0 then
    for _, r in ipairs(records) do
      if r.v == 0 and redis.call('EXISTS', key(kind, r.id)) == 1 then return kind .. ' ' .. r.id end
    end
  end
end

local function swapped(keys)
  local names, at = {}, 0
  for _, k in ipairs(keys or {}) do table.insert(names, key('key', k.name)) end
  local bad
  each(names, function(...)
    for i, is in ipairs(redis.call('MGET', ...)) do
      if not bad and (is or '') ~= keys[at + i].was then bad = 'key ' .. keys[at + i].name end
    end
    at = at + 1000
  end)
  return bad
end

-- Entries of sorted sets, which flush writes.
local added, removed = {}, {}
local function place(index, id, score)
  local to = score and added or removed
  local list = to[index]
  if not list then list = {}; to[index] = list end
  if score then list[#list + 1] = score end
  list[#list + 1] = id
end

local function flush()
  for index, list in pairs(added) do each(list, function(...) redis.call('ZADD', prefix .. index, ...) end) end
  for index, list in pairs(removed) do each(list, function(...) redis.call('ZREM', prefix .. index, ...) end) end
  added, removed = {}, {}
end

-- A record's own last op would not do: somebody else may have written it
-- between the lost answer and the repeat.
if redis.call('EXISTS', key('op', op)) == 1 then return '' end
local bad = stale('job', jobs, 'counted', 'state') or stale('task', tasks, 'counted') or stale('partner', c.partners)
  or stale('delivery', c.deliveries) or swapped(c.keys)
if bad then return bad end
redis.call('SET', key('op', op), 1, 'PX', ARGV[3])

local set = {}
for _, k in ipairs(c.keys or {}) do
  if k.is == '' then
    redis.call('DEL', key('key', k.name))
  elseif k.life then
    redis.call('SET', key('key', k.name), k.is, 'PX', k.life)
  else
    table.insert(set, key('key', k.name))
    table.insert(set, k.is)
  end
end
each(set, function(...) redis.call('MSET', ...) end)

-- Counts a step on which the controller may go on with a job.
local function moved(job) redis.call('ZADD', prefix .. 'moved', redis.call('INCR', prefix .. 'moves'), job) end

-- What a drop counts, and the job that joined it last.
local drops = {}
local function count(j, state, n)
  local d = drops[j.drop]
  if not d then d = {states = {}}; drops[j.drop] = d end
  d.states[state] = (d.states[state] or 0) + n
  return d
end

-- What more there is of the work that waits or runs, by the field of the hash
-- demand, and of the milliseconds that partners' tasks took, by day. Each record
-- says as what it is counted, so that this and nothing else is taken away.
local sums, busy = {}, {}
local function add(field, jobs, tasks, ms)
  local s = sums[field]
  if not s then s = {jobs = 0, tasks = 0, ms = 0}; sums[field] = s end
  s.jobs, s.tasks, s.ms = s.jobs + jobs, s.tasks + tasks, s.ms + ms
  return s
end

local function countJob(j)
  local was, is = j.counted_was or '', j.counted or ''
  if was == is then return end
  redis.call('HSET', key('job', j.id), 'counted', is)
  if was ~= '' then add(was, -1, 0, 0) end
  if is ~= '' then
    local s = add(is, 1, 0, 0)
    s.since = math.min(s.since or j.created, j.created)
  end
end

local function countTask(t)
  local was, is = t.counted_was or '', t.counted or ''
  if was == is then return end
  if t.v > 0 then redis.call('HSET', key('task', t.id), 'counted', is) end
  local ms, field = string.match(was, '^(%d+) (.*)$')
  if ms then add(field, 0, -1, -ms) end
  ms, field = string.match(is, '^(%d+) (.*)$')
  if ms then add(field, 0, 1, ms) end
  if t.took then
    local of = busy[t.day]
    if not of then of = {}; busy[t.day] = of end
    of[t.partner] = (of[t.partner] or 0) + t.took
  end
end

local function fold(job)
  local list, names = key('tasks', job), {}
  for _, id in ipairs(redis.call('LRANGE', list, 0, -1)) do table.insert(names, key('task', id)) end
  each(names, function(...) redis.call('UNLINK', ...) end)
  redis.call('UNLINK', list)
end

for _, j in ipairs(jobs) do
  local new = j.v == 0
  local was = not new and j.state_was
  if j.begun and was ~= j.state then moved(j.id) end
  if j.drop and was ~= j.state then
    local d = count(j, j.state, 1)
    if new then
      d.joined = j
      place('dropjobs:' .. j.drop, j.id, j.created)
    else
      count(j, was, -1)
    end
  end
  redis.call('HSET', key('job', j.id), 'json', text(j.json), 'v', j.v + 1, 'state', j.state)
  countJob(j)
  place('jobs', j.id, j.created)
  if j.active then place('active', j.id, j.created) elseif not new then place('active', j.id) end
  if j.await then place('awaited', j.id, j.await) elseif not new then place('awaited', j.id) end
  if j.folds then place('folds', j.id, j.folds) elseif not new then place('folds', j.id) end
  if j.folded then fold(j.id) end
  if j.begun then redis.call('SADD', prefix .. 'begun', j.id) elseif not new then redis.call('SREM', prefix .. 'begun', j.id) end
end

for id, d in pairs(drops) do
  local drop, j = key('drop', id), d.joined
  if j then
    redis.call('HSETNX', drop, 'created', j.created)
    redis.call('HSETNX', drop, 'partner', j.partner)
    redis.call('HSETNX', drop, 'reference', j.reference or '')
    redis.call('HSET', drop, 'last', j.created)
    place('drops', id, j.created)
  end
  for state, n in pairs(d.states) do redis.call('HINCRBY', drop, state, n) end
  place('dropsopen', id, redis.call('HGET', drop, 'last')) -- until it is told that it ended
end

for _, id in ipairs(forget) do redis.call('HDEL', key('task', id), 'outcome') end

local lines = {}
for _, t in ipairs(tasks) do
  local new = t.v == 0
  if new then
    redis.call('HSET', key('task', t.id), 'json', text(t.json), 'v', 1, 'order', t.order, 'last', t.last, 'partner', t.partner, 'counted', t.counted or '')
  else
    redis.call('HSET', key('task', t.id), 'json', text(t.json), 'v', t.v + 1, 'order', t.order, 'last', t.last, 'partner', t.partner)
  end
  countTask(t)
  if t.outcome then redis.call('HSET', key('task', t.id), 'outcome', text(t.outcome)) end
  if new then redis.call('RPUSH', key('tasks', t.job), t.id) end
  local waits = t.place == 'line'
  if not new or t.place == 'later' then place('later', t.id, t.place == 'later' and t.score) end
  if not new or t.place == 'out' then place('out', t.id, t.place == 'out' and t.score) end
  if not new or waits then
    place('line:' .. t.partner, t.id, waits and t.score)
    place('last:' .. t.partner, t.id, waits and t.last)
  end
  lines[t.partner] = true
  if t.moved then moved(t.job) end
end
flush()
for partner in pairs(lines) do
  local waits = redis.call('EXISTS', prefix .. 'line:' .. partner) == 1
  redis.call(waits and 'SADD' or 'SREM', prefix .. 'lines', partner)
end

for field, s in pairs(sums) do
  local was = redis.call('HGET', prefix .. 'demand', field)
  local jobs, tasks, ms, since = string.match(was or '', '^(%d+) (%d+) (%d+) (%d+)$')
  jobs, tasks, ms = (jobs or 0) + s.jobs, (tasks or 0) + s.tasks, (ms or 0) + s.ms
  if jobs == 0 and tasks == 0 then
    if was then redis.call('HDEL', prefix .. 'demand', field) end
  else
    since = tonumber(since or 0)
    if s.since and (since == 0 or s.since < since) then since = s.since end
    redis.call('HSET', prefix .. 'demand', field, string.format('%.0f %.0f %.0f %.0f', jobs, tasks, ms, since))
  end
end

for day, of in pairs(busy) do
  local name = prefix .. 'busy:' .. day
  for partner, ms in pairs(of) do
    if redis.call('HINCRBY', name, partner, string.format('%.0f', ms)) == ms then
      redis.call('PEXPIRE', name, 34560000000) -- 400 days
    end
  end
end

for _, p in ipairs(c.partners or {}) do
  redis.call(p.paused and 'SADD' or 'SREM', prefix .. 'paused', p.id)
  if p.json then
    redis.call('HSET', key('partner', p.id), 'json', text(p.json), 'v', p.v + 1)
    redis.call('SADD', prefix .. 'partners', p.id)
  else
    redis.call('DEL', key('partner', p.id))
    redis.call('SREM', prefix .. 'partners', p.id)
  end
end

for _, d in ipairs(c.deliveries or {}) do
  redis.call('HSET', key('delivery', d.id), 'json', text(d.json), 'v', d.v + 1)
  place('deliveries', d.id, d.created)
  place('outbox:' .. d.endpoint, d.id, d.next)
  flush()
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
  local was = redis.call('HGET', prefix .. 'served', x.partner) or x.floor
  if was then
    local served = math.max(tonumber(was), x.floor or tonumber(was)) + x.seconds
    redis.call('HSET', prefix .. 'served', x.partner, string.format('%.17g', served))
  end
  if x.clock > tonumber(redis.call('GET', prefix .. 'clock') or 0) then
    redis.call('SET', prefix .. 'clock', string.format('%.17g', x.clock))
  end
end

redis.call('PUBLISH', prefix .. 'wake', '')
return ''
