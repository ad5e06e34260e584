/**
 * commands/absent.ts: Redis's commands that kvorum does not have. Whoever sends one has not misspelt another: HSET is not meant to be SET.
 * Those of Redis 7.0, and those for hashes that came later.
 * Invariant: none of them is in the table.
 */

const NAMES = `
  asking blmove blmpop blpop brpop brpoplpush bzmpop bzpopmax bzpopmin eval eval_ro evalsha evalsha_ro failover
  fcall fcall_ro function geoadd geodist geohash geopos georadius georadius_ro georadiusbymember
  georadiusbymember_ro geosearch geosearchstore hdel hexists hexpire hexpireat hexpiretime hget hgetall hgetdel
  hgetex hincrby hincrbyfloat hkeys hlen hmget hmset hpersist hpexpire hpexpireat hpexpiretime hpttl hrandfield
  hscan hset hsetex hsetnx hstrlen httl hvals lindex linsert llen lmove lmpop lpop lpos lpush lpushx lrange lrem
  lset ltrim migrate pfadd pfcount pfdebug pfmerge pfselftest psubscribe psync publish pubsub punsubscribe replconf
  replicaof restore-asking rpop rpoplpush rpush rpushx sadd scard script sdiff sdiffstore sinter sintercard
  sinterstore sismember slaveof smembers smismember smove sort sort_ro spop spublish srandmember srem sscan
  ssubscribe subscribe sunion sunionstore sunsubscribe sync unsubscribe xack xadd xautoclaim xclaim xdel xgroup
  xinfo xlen xpending xrange xread xreadgroup xrevrange xsetid xtrim zadd zcard zcount zdiff zdiffstore zincrby
  zinter zintercard zinterstore zlexcount zmpop zmscore zpopmax zpopmin zrandmember zrange zrangebylex zrangebyscore
  zrangestore zrank zrem zremrangebylex zremrangebyrank zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore
  zrevrank zscan zscore zunion zunionstore
`;

export const ABSENT_NAMES: readonly string[] = NAMES.trim().split(/\s+/);
