package cache

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

// A Kind is a kind of record: what it is called, how long it is kept, how it is
// written. V is a type that can be nil, for nil is what says that there is no
// such record. Make it with NewKind.
type Kind[K comparable, V any] struct {
	cache     *Cache
	name      string
	ttl       time.Duration
	absentTTL time.Duration
	id        func(K) string
	size      func(V) int
	encode    func(any) ([]byte, error) // of a V
	decode    func([]byte) (V, error)
	refused   sync.Once // logs the first record that cannot be kept in Redis

	mu      sync.Mutex
	flights map[fullKey]*flight[K, V] // the records being loaded
}

// KindOptions describe a Kind. Name, TTL and Size must be given.
type KindOptions[K comparable, V any] struct {
	// Name is the kind's part of the keys. No other kind of the Cache has it.
	// Give it another if records of this one begin to look different.
	Name string

	// TTL is how long a record is kept, give or take a tenth of it at random, so
	// that what was fetched together is not missed together.
	TTL time.Duration

	// AbsentTTL is the same for the answer that there is no such record; 0 for
	// 30 s, or TTL if that is less.
	AbsentTTL time.Duration

	// ID returns the text of a key, different for different keys. It stands in
	// Redis in clear, so it must not hold personal data: hash an e-mail address.
	// It may be nil if K is of strings or integers, whose text is then the id.
	ID func(K) string

	// Size returns about how many bytes a record takes in memory, with all that
	// it alone refers to. It is never called with nil.
	Size func(V) int

	// Encode and Decode write and read a record for Redis. Both are given, or
	// neither: then it is JSON. They are never called with nil.
	Encode func(V) ([]byte, error)
	Decode func([]byte) (V, error)
}

// NewKind adds a kind of record to a Cache. It refuses, by an error, a kind
// without Name, TTL or Size, or with a Name that another kind has.
func NewKind[K comparable, V any](c *Cache, o KindOptions[K, V]) (*Kind[K, V], error) {
	k := &Kind[K, V]{
		cache:     c,
		name:      o.Name,
		ttl:       o.TTL,
		absentTTL: cmp.Or(o.AbsentTTL, min(o.TTL, 30*time.Second)),
		id:        o.ID,
		size:      o.Size,
		encode:    func(v any) ([]byte, error) { return json.Marshal(v) },
		decode:    o.Decode,
		flights:   make(map[fullKey]*flight[K, V]),
	}
	if o.Encode != nil {
		k.encode = func(v any) ([]byte, error) { return o.Encode(v.(V)) }
	}
	if k.decode == nil {
		k.decode = func(b []byte) (v V, err error) {
			err = json.Unmarshal(b, &v)
			return v, err
		}
	}
	if k.id == nil {
		k.id = textOf[K]()
	}
	switch {
	case k.name == "":
		return nil, errors.New("cache: a kind needs a Name")
	case k.ttl <= 0 || k.absentTTL <= 0:
		return nil, fmt.Errorf("cache: kind %s: TTL is %s and AbsentTTL %s; both must be more than 0", k.name, k.ttl, k.absentTTL)
	case k.id == nil:
		return nil, fmt.Errorf("cache: kind %s: keys of type %s need an ID", k.name, reflect.TypeFor[K]())
	case k.size == nil:
		return nil, fmt.Errorf("cache: kind %s needs a Size", k.name)
	case (o.Encode == nil) != (o.Decode == nil):
		return nil, fmt.Errorf("cache: kind %s: Encode and Decode go together", k.name)
	case !nilable(reflect.TypeFor[V]()):
		return nil, fmt.Errorf("cache: kind %s: %s cannot be nil; use a pointer", k.name, reflect.TypeFor[V]())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kinds[k.name] {
		return nil, fmt.Errorf("cache: two kinds have the name %s", k.name)
	}
	c.kinds[k.name] = true
	return k, nil
}

// textOf returns what writes a K of strings or integers, nil for other types.
func textOf[K comparable]() func(K) string {
	switch reflect.TypeFor[K]().Kind() {
	case reflect.String:
		return func(k K) string { return reflect.ValueOf(k).String() }
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return func(k K) string { return strconv.FormatInt(reflect.ValueOf(k).Int(), 10) }
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return func(k K) string { return strconv.FormatUint(reflect.ValueOf(k).Uint(), 10) }
	}
	return nil
}

func nilable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return true
	}
	return false
}

// Peek returns what the in-process tier holds of a record, nil and true if it
// holds that there is none. It asks nobody else.
func (k *Kind[K, V]) Peek(t Tenant, key K) (v V, held bool) {
	r, held := k.cache.memory.get(k.full(t, key))
	v, _ = r.value.(V)
	return v, held
}

// Put keeps records that came along with another answer and are as complete as
// those that Load fetches; a nil one says that there is no such record. It does
// not wait for Redis.
func (k *Kind[K, V]) Put(t Tenant, records map[K]V) {
	writes := make([]write, 0, len(records))
	for key, v := range records {
		writes = append(writes, k.keep(k.full(t, key), k.record(v)))
	}
	k.cache.remote.put(writes)
}

func (k *Kind[K, V]) full(t Tenant, key K) fullKey {
	return fullKey{t, k.name, k.id(key)}
}

// record returns what is kept of v, which has been fetched just now.
func (k *Kind[K, V]) record(v V) record {
	r := record{fetched: time.Now().UnixMilli()}
	ttl := k.absentTTL
	if !isNil(v) {
		r.value, r.size, ttl = v, k.size(v), k.ttl
	}
	life := ttl - ttl/10 + rand.N(ttl/5+1)
	r.expires = r.fetched + max(life.Milliseconds(), 1)
	return r
}

// keep is where every record enters the tiers: the in-process one at once, and
// Redis if the caller puts the write that it returns.
func (k *Kind[K, V]) keep(full fullKey, r record) write {
	k.cache.memory.set(full, r)
	return write{full, r, k.encode, &k.refused}
}

// revive returns the record that s, found in Redis, keeps, if it is one that
// has not ended. It lives no longer than a record fetched at its time would,
// whatever the writer's settings and clock were.
func (k *Kind[K, V]) revive(s string) (record, bool) {
	r, encoded, ok := fromWire(s)
	if !ok {
		return record{}, false
	}
	ttl := k.absentTTL
	if encoded != nil {
		ttl = k.ttl
	}
	now, longest := time.Now().UnixMilli(), (ttl + ttl/10).Milliseconds()
	r.expires = min(r.expires, r.fetched+longest, now+longest)
	if r.expires <= now {
		return record{}, false
	}
	if encoded == nil {
		return r, true
	}
	r, err := guard(func() (record, error) {
		v, err := k.decode(encoded)
		if err != nil {
			return record{}, err
		}
		if isNil(v) {
			return record{}, errNil
		}
		r.value, r.size = v, k.size(v)
		return r, nil
	})
	return r, err == nil
}

// isNil reports whether v, of a type that is nilable, is nil.
func isNil[V any](v V) bool { return reflect.ValueOf(v).IsNil() }
