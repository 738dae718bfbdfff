-- Returns the fleet as it is in this moment: the machines that are not gone and
-- those that went since, as pairs of id and record; the pools, the days of
-- spending, the orders and the unwanted machines as pairs; and what the planner
-- keeps in mind and whether anything was ever written, each "" where not.
-- KEYS[1] prefix of all keys; ARGV since in ms
local prefix = KEYS[1]
local machines = redis.call('HGETALL', prefix .. 'fleet:live')
for _, id in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'fleet:gone', ARGV[1], '+inf')) do
  machines[#machines + 1] = id
  machines[#machines + 1] = redis.call('HGET', prefix .. 'fleet:ended', id)
end
local kept = redis.call('HMGET', prefix .. 'fleet', 'memory', 'written')
return {
  machines, redis.call('HGETALL', prefix .. 'fleet:pools'), redis.call('HGETALL', prefix .. 'fleet:spent'),
  redis.call('HGETALL', prefix .. 'fleet:orders'), redis.call('HGETALL', prefix .. 'fleet:unwanted'), kept[1] or '', kept[2] or '',
}
