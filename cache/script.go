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
// A record that is loaded under a lease is written while the lease is its own.
// Any other is written unless the record was dropped lately. A drop takes the
// lease away, so nothing that began before it is ever written after it.
var (
	// recall reads records, and leases those that are not there or whose time
	// does not exceed a bound. KEYS are the records. ARGV is the life of a lease,
	// then for so many records in turn: how many, a token, the place of the time
	// in the header, counted from 0, and the bound. It returns the records, then
	// for each what became of its lease.
	recallScript = newScript("recall", `
local n, out = #KEYS, redis.call('MGET', unpack(KEYS))
local first = 1
for a = 2, #ARGV, 4 do
  local token, at, bound = ARGV[a + 1], tonumber(ARGV[a + 2]) + 1, tonumber(ARGV[a + 3])
  local last = first + tonumber(ARGV[a]) - 1
  for i = first, last do
    local v, enough = out[i], false
    if v and #v >= 34 and string.byte(v) == 2 then
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
  local allowed = life < 0 or leased or redis.call('EXISTS', '{' .. KEYS[i] .. '}:drop') == 0
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
	// records. ARGV is dropLife in milliseconds, the channel and the message.
	dropScript = newScript("drop", `
local failure
for i = 1, #KEYS do
  redis.call('DEL', KEYS[i], '{' .. KEYS[i] .. '}:lease')
  local set = redis.pcall('SET', '{' .. KEYS[i] .. '}:drop', '', 'PX', ARGV[1])
  failure = failure or set.err and set
end
redis.call('PUBLISH', ARGV[2], ARGV[3])
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

	scripts = []script{recallScript, fillScript, dropScript, renewScript}
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

func newScript(name, source string) script {
	return script{name, source, redis.NewScript(source).Hash()}
}

// A run is one call of a script.
type run struct {
	keys []string
	args []any
}

// run makes the runs in one round trip, and returns their results in order.
// A Redis that does not know the script yet costs two round trips more.
func (r *remote) run(ctx context.Context, s script, runs []run) ([]*redis.Cmd, error) {
	for again := false; ; again = true {
		pipe := r.client.Pipeline()
		results := make([]*redis.Cmd, len(runs))
		for i, run := range runs {
			results[i] = pipe.EvalSha(ctx, s.hash, run.keys, run.args...)
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
