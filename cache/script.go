package cache

import (
	"context"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Redis runs these scripts, each as one step that nothing comes between. There
// are three keys for each record. They are in one slot of a cluster, since what
// stands in braces chooses the slot, so the scripts make the others from the first:
//
//	dg:1:<tenant>:<kind>:<id>           the record
//	{dg:1:<tenant>:<kind>:<id>}:lease   who loads it: a token, for leaseLife
//	{dg:1:<tenant>:<kind>:<id>}:drop    that it was dropped, for dropLife
//
// A group has two more sorted sets, of the keys of records, and one key. They are
// in the slot of what would be a record with the name of the group; the records
// themselves may be in others:
//
//	{dg:1:<tenant>:<kind>:<group>}:members  what may be written, by when it ends by itself; and the generation, without end
//	{dg:1:<tenant>:<kind>:<group>}:dying    what was dropped with the group and may still have to be removed
//	{dg:1:<tenant>:<kind>:<group>}:gone     that the group was dropped, for dropLife
//
// A record of a group is written with the generation that was that of its group
// when the record's key became a member, before it was fetched. It is only read
// while the group still has that generation. So a drop of the group, which ends
// the generation, needs no more than one step to be true for all readers, and so
// does the loss of the set. The values are removed after that, one by one.
//
// A record that is buried is its header alone, and a group that is has one more
// key, {dg:1:<tenant>:<kind>:<group>}:buried. Nothing is written over either, and
// no drop removes them.
//
// A record that is loaded under a lease is written while the lease is its own.
// Any other is written unless the record was dropped lately. A drop takes the
// lease away, so nothing that began before it is ever written after it.
var (
	// recall reads records, and leases those that are not there, are of another
	// shape, or whose time does not exceed a bound. KEYS are the records. ARGV is
	// the life of a lease, then for so many records in turn: how many, a token, the
	// place of the time in the header, counted from 0, the bound, and the shape. It
	// returns the records, then for each what became of its lease.
	recallScript = newScript("recall", `
local n, out = #KEYS, redis.call('MGET', unpack(KEYS))
local first = 1
for a = 2, #ARGV, 5 do
  local token, at, bound = ARGV[a + 1], tonumber(ARGV[a + 2]) + 1, tonumber(ARGV[a + 3])
  local last = first + tonumber(ARGV[a]) - 1
  for i = first, last do
    local v, enough = out[i], false
    if v and #v >= 38 and string.byte(v) == 3 and string.sub(v, 35, 38) == ARGV[a + 4] then
      local high, low = struct.unpack('>I4I4', v, at)
      enough = high * 4294967296 + low > bound
    end
    if enough then
      out[n + i] = 0
    else
      local set = redis.pcall('SET', '{' .. KEYS[i] .. '}:lease', token, 'NX', 'PX', ARGV[1])
      out[n + i] = not set and 2 or set.err and 3 or 1
    end
  end
  first = last + 1
end
return out`)

	// fill writes records and gives back their leases. KEYS are the records. ARGV
	// is for each its token, "" if it has no lease, how long it is kept in
	// milliseconds, and what is written. Of a time of 0 the record is removed, of
	// -1 only the lease is given back. It returns 0 for each that is refused.
	fillScript = newScript("fill", `
local out = {}
for i = 1, #KEYS do
  local token, life, lease = ARGV[3 * i - 2], tonumber(ARGV[3 * i - 1]), '{' .. KEYS[i] .. '}:lease'
  local leased = token ~= '' and redis.call('GET', lease) == token
  local allowed = life < 0 or (leased or redis.call('EXISTS', '{' .. KEYS[i] .. '}:drop') == 0)
    and redis.pcall('GETRANGE', KEYS[i], 0, 1) ~= '\3\2'
  if allowed and life > 0 then
    redis.call('SET', KEYS[i], ARGV[3 * i], 'PX', life)
  elseif allowed and life == 0 then
    redis.call('DEL', KEYS[i])
  end
  if leased then
    redis.call('DEL', lease)
  end
  out[i] = allowed and 1 or 0
end
return out`)

	// drop removes records and takes away their leases, then tells. KEYS are the
	// records. ARGV is dropLife in milliseconds, the channel and the message, ""
	// for none, then for each record for how many milliseconds it is buried, 0 for
	// not at all, and the header that says so.
	dropScript = newScript("drop", `
local failure
for i = 1, #KEYS do
  local buried = tonumber(ARGV[2 * i + 2])
  redis.call('DEL', '{' .. KEYS[i] .. '}:lease')
  if buried > 0 or redis.pcall('GETRANGE', KEYS[i], 0, 1) ~= '\3\2' then
    redis.call('DEL', KEYS[i])
  end
  if buried > 0 then
    local set = redis.pcall('SET', KEYS[i], ARGV[2 * i + 3], 'PX', buried)
    failure = failure or set.err and set
  end
  local set = redis.pcall('SET', '{' .. KEYS[i] .. '}:drop', '', 'PX', ARGV[1])
  failure = failure or set.err and set
end
if ARGV[3] ~= '' then
  redis.call('PUBLISH', ARGV[2], ARGV[3])
end
return failure or 1`)

	// renew lets leases live on. KEYS are the records, ARGV the life of a lease
	// and the token of each.
	renewScript = newScript("renew", `
for i = 1, #KEYS do
  local lease = '{' .. KEYS[i] .. '}:lease'
  if redis.call('GET', lease) == ARGV[i + 1] then
    redis.call('PEXPIRE', lease, ARGV[1])
  end
end
return 1`)

	// enroll makes records members of a group, and tells its generation. KEYS is
	// the group. ARGV is for how long members may live in milliseconds, the name of
	// a generation if the group has none, how many members it may have, 1 if the
	// records may have been fetched before, then the keys of the records. It returns
	// the generation, "" if there is none, then for each what became of it. Of a
	// group that is buried it returns the grave in place of the generation.
	enrollScript = newScript("enroll", `
local members, out = '{' .. KEYS[1] .. '}:members', {}
local life, generation = tonumber(ARGV[1]), redis.call('ZRANGEBYSCORE', members, '+inf', '+inf')[1]
out[1] = generation or ''
local outcome = 0
local grave = redis.pcall('GET', '{' .. KEYS[1] .. '}:buried')
if type(grave) == 'string' then
  out[1], outcome = grave, 3
elseif ARGV[4] == '1' and redis.call('EXISTS', '{' .. KEYS[1] .. '}:gone') == 1 then
  outcome = 2
end
for i = 5, #ARGV do
  out[i - 3] = outcome
end
if outcome > 0 then
  return out
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local pruned = redis.pcall('ZREMRANGEBYSCORE', members, '-inf', now)
if type(pruned) == 'table' then
  return out
end
if not generation then
  local added = redis.pcall('ZADD', members, '+inf', ARGV[2])
  if type(added) == 'table' then
    return out
  end
  out[1] = ARGV[2]
end
local room = tonumber(ARGV[3]) + 1 - redis.call('ZCARD', members)
for i = 5, #ARGV do
  local ends = redis.call('ZSCORE', members, ARGV[i])
  if ends or room > 0 then
    local added = 0
    if not ends or tonumber(ends) < now + life then
      added = redis.pcall('ZADD', members, now + life, ARGV[i])
    end
    if type(added) ~= 'table' then
      out[i - 3] = 1
      if not ends then
        room = room - 1
      end
    end
  end
end
if redis.call('PTTL', members) < life then
  redis.call('PEXPIRE', members, life)
end
return out`)

	// disband ends the generation of a group, and tells. KEYS is the group. ARGV is
	// dropLife, the channel and the message, for how many milliseconds the group is
	// buried, 0 for not at all, and the grave. It returns "" or why others may not know of it, then the records that are to be
	// removed; once they are, removed is told.
	disbandScript = newScript("disband", `
local group = '{' .. KEYS[1] .. '}'
local members, dying = group .. ':members', group .. ':dying'
redis.call('ZREMRANGEBYSCORE', members, '+inf', '+inf')
local life = math.max(redis.call('PTTL', members), redis.call('PTTL', dying), tonumber(ARGV[1]))
local failure, out = '', nil
local union = redis.pcall('ZUNIONSTORE', dying, 2, dying, members, 'AGGREGATE', 'MAX')
if type(union) == 'table' then
  failure, out = union.err, redis.call('ZRANGE', members, 0, -1)
else
  redis.call('PEXPIRE', dying, life)
  redis.call('DEL', members)
  out = redis.call('ZRANGE', dying, 0, -1)
end
local set = redis.pcall('SET', group .. ':gone', '', 'PX', ARGV[1])
if set.err then
  failure = set.err
end
if tonumber(ARGV[4]) > 0 then
  set = redis.pcall('SET', group .. ':buried', ARGV[5], 'PX', ARGV[4])
  if set.err then
    failure = set.err
  end
end
redis.call('PUBLISH', ARGV[2], ARGV[3])
table.insert(out, 1, failure)
return out`)

	// removed notes that records that died with a group have been removed. KEYS is
	// the group, ARGV the keys of the records.
	removedScript = newScript("removed", `
return redis.call('ZREM', '{' .. KEYS[1] .. '}:dying', unpack(ARGV))`)

	scripts = []script{recallScript, fillScript, dropScript, renewScript, enrollScript, disbandScript, removedScript}
)

// What became of the lease of a record that was asked for.
const (
	unasked = iota // the record is as wanted
	granted        // it is the asker's
	taken          // another holds it
	denied         // Redis gives none, or does not answer
)

// A script is what Redis runs.
type script struct {
	name   string
	source string
	hash   string // its name in Redis
}

// What became of a record that was to be a member of a group.
const (
	leftOut   = iota // there is no room
	enlisted         // it is one
	outlived         // the group was dropped, perhaps after the record was fetched
	buriedToo        // the group is buried
)

func newScript(name, source string) script {
	return script{name, source, redis.NewScript(source).Hash()}
}

// A run is one call of a script.
type run struct {
	script script
	keys   []string
	args   []any
}

// run makes the runs in one round trip, and returns their results in order.
// A Redis that does not know the script yet costs two round trips more.
func (r *remote) run(ctx context.Context, runs []run) ([]*redis.Cmd, error) {
	for again := false; ; again = true {
		pipe := r.client.Pipeline()
		results := make([]*redis.Cmd, len(runs))
		for i, run := range runs {
			results[i] = pipe.EvalSha(ctx, run.script.hash, run.keys, run.args...)
		}
		_, err := pipe.Exec(ctx)
		if again || !unknownScript(results) {
			return results, err
		}
		if err := r.teach(ctx); err != nil {
			return nil, err
		}
	}
}

func unknownScript(results []*redis.Cmd) bool {
	for _, result := range results {
		if err := result.Err(); err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") {
			return true
		}
	}
	return false
}

// teach makes the scripts known to Redis.
func (r *remote) teach(ctx context.Context) error {
	for _, s := range scripts {
		if err := r.client.ScriptLoad(ctx, s.source).Err(); err != nil {
			return err
		}
	}
	return nil
}
