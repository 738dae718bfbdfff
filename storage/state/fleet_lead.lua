-- Gives the lease to an owner, or prolongs it. Returns the owner that holds it,
-- the epoch, and since when.
-- KEYS[1] prefix of all keys; ARGV owner, ttl in ms, now as it is kept, now in s
local lease, fleet, owner = KEYS[1] .. 'fleet:lease', KEYS[1] .. 'fleet', ARGV[1]
local holder = redis.call('GET', lease)
if holder and holder ~= owner then return {holder, '0', ''} end
if not holder then
  -- A Redis that lost everything does not begin at 1 again: a leader from
  -- before would be taken for the new one.
  if redis.call('HEXISTS', fleet, 'epoch') == 0 then redis.call('HSET', fleet, 'epoch', ARGV[4]) end
  redis.call('HINCRBY', fleet, 'epoch', 1)
  redis.call('HSET', fleet, 'since', ARGV[3])
end
redis.call('SET', lease, owner, 'PX', ARGV[2])
return {owner, redis.call('HGET', fleet, 'epoch'), redis.call('HGET', fleet, 'since')}
