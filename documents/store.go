// Package documents keeps the texts of GraphQL documents that clients name by an
// id or a hash: those that clients register themselves, and those that are trusted.
package documents

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/redis/go-redis/v9"

	"github.com/driftgraph/driftgraph/cache"
)

// Bounds of what clients register.
const (
	maxText   = 32 << 10           // bytes of a text; a larger one is executed, and not kept
	maxLocal  = 8 << 20            // bytes of all texts in this process
	maxShared = 2000               // texts of a tenant in Redis; of more, those go that were not asked for longest
	life      = 7 * 24 * time.Hour // in Redis, since a tenant last asked there
	pause     = time.Second        // in which Redis is not asked, after it has failed

	tripTimeout = 250 * time.Millisecond // of a round trip to Redis
)

// A Store keeps the texts that clients register, for each tenant its own: in this
// process, and in Redis. A text that it lacks is no error, since a client that
// named it by its hash then sends it, so neither is a Redis that fails.
type Store struct {
	StoreOptions
	local *otter.Cache[entry, string]
	until atomic.Int64 // when Redis may be asked again, in nanoseconds since 1970
}

// StoreOptions are the settings of a Store.
type StoreOptions struct {
	Redis redis.UniversalClient // to share texts through; nil for none
	Keys  *cache.Keys           // encrypt what is in Redis; nil for nothing
	Log   *slog.Logger
}

// An entry names a text.
type entry struct {
	tenant cache.Tenant
	hash   string
}

// NewStore returns a Store.
func NewStore(o StoreOptions) *Store {
	return &Store{StoreOptions: o, local: otter.Must(&otter.Options[entry, string]{
		MaximumWeight: maxLocal,
		Weigher:       func(e entry, text string) uint32 { return uint32(len(e.tenant) + len(e.hash) + len(text) + 100) }, // #nosec G115 -- a text has MAX_BODY_BYTES at most
	})}
}

// keysOf returns the keys of a tenant in Redis: a hash with the texts, and when
// each was asked for last. What stands in braces puts both on one node of a
// cluster.
func keysOf(t cache.Tenant) []string {
	return []string{"{dg:1:" + string(t) + ":documents}:texts", "{dg:1:" + string(t) + ":documents}:asked"}
}

// place names where in Redis the text of an entry is, so that what is sealed for it
// is worth nothing elsewhere.
func (e entry) place() string { return keysOf(e.tenant)[0] + ":" + e.hash }

var (
	// find returns a text and notes that it was asked for. ARGV is the hash, the
	// time and the life of the keys.
	find = redis.NewScript(`
local text = redis.call('HGET', KEYS[1], ARGV[1])
if text then
  redis.call('ZADD', KEYS[2], 'XX', ARGV[2], ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
end
return text`)

	// keep adds a text, and takes away those that are too many. ARGV is as that of
	// find, then how many there may be, and the text.
	keep = redis.NewScript(`
redis.call('HSET', KEYS[1], ARGV[1], ARGV[5])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
local over = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[4])
if over > 0 then
  local oldest = redis.call('ZPOPMIN', KEYS[2], over)
  for i = 1, #oldest, 2 do
    redis.call('HDEL', KEYS[1], oldest[i])
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1`)
)

// Hash returns the name of a text: its SHA-256, in hexadecimal.
func Hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Get returns the text of a hash, as one of the tenant's clients has registered it.
func (s *Store) Get(ctx context.Context, t cache.Tenant, hash string) (text string, found bool) {
	e := entry{t, hash}
	if text, found = s.local.GetIfPresent(e); found {
		return text, true
	}
	var kept string
	s.ask(ctx, func(ctx context.Context) (err error) {
		kept, err = find.Run(ctx, s.Redis, keysOf(t), hash, now(), life.Milliseconds()).Text()
		return err
	})
	// Who can write to Redis cannot have a hash mean another document.
	if text = s.Keys.OpenText(e.place(), kept); text == "" || Hash(text) != hash {
		return "", false
	}
	s.local.Set(e, text)
	return text, true
}

// Put keeps a text that is valid.
func (s *Store) Put(ctx context.Context, t cache.Tenant, hash, text string) {
	e := entry{t, hash}
	if _, known := s.local.GetIfPresent(e); known || len(text) > maxText {
		return
	}
	s.local.Set(e, text)
	s.ask(ctx, func(ctx context.Context) error {
		sealed, err := s.Keys.SealText(e.place(), text, time.Now())
		if err != nil {
			return err
		}
		return keep.Run(ctx, s.Redis, keysOf(t), hash, now(), life.Milliseconds(), maxShared, sealed).Err()
	})
}

// ask asks Redis, unless it has failed just now.
func (s *Store) ask(ctx context.Context, call func(context.Context) error) {
	if s.Redis == nil || time.Now().UnixNano() < s.until.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tripTimeout)
	defer cancel()
	if err := call(ctx); err != nil && !errors.Is(err, redis.Nil) && !errors.Is(ctx.Err(), context.Canceled) {
		s.until.Store(time.Now().Add(pause).UnixNano())
		s.Log.WarnContext(ctx, "Redis does not answer for persisted documents; clients send them whole meanwhile", "error", err)
	}
}

func now() string { return strconv.FormatInt(time.Now().UnixMilli(), 10) }
