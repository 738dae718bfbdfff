-- Writes the orders of operators if they are at this version. Returns 1 when
-- they are written (now, or by an earlier try of the same call), else 0.
-- KEYS[1] prefix of all keys; ARGV op id, life of the op id in ms, version, pause
-- and bounds as JSON ("": none), then the unwanted machines, names and JSON
local op, orders, unwanted = KEYS[1] .. 'op:' .. ARGV[1], KEYS[1] .. 'fleet:orders', KEYS[1] .. 'fleet:unwanted'
if redis.call('EXISTS', op) == 1 then return 1 end
if (redis.call('HGET', orders, 'v') or '0') ~= ARGV[3] then return 0 end
redis.call('SET', op, 1, 'PX', ARGV[2])
redis.call('HINCRBY', orders, 'v', 1)
redis.call('HSET', orders, 'pause', ARGV[4], 'bounds', ARGV[5])
redis.call('DEL', unwanted)
for i = 6, #ARGV, 2 do redis.call('HSET', unwanted, ARGV[i], ARGV[i + 1]) end
return 1
