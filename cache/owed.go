package cache

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// payPause is how long after a failure Redis is told again of drops that it does not know.
const payPause = time.Second

// maxOwed bounds the drops that are remembered for Redis.
const maxOwed = 65536

// owed are the drops that Redis does not know yet. What it holds of them is not
// looked at, and it is told of them until it knows.
type owed struct {
	pay func(full []fullKey) error
	any atomic.Bool

	mu     sync.Mutex
	drops  map[fullKey]uint64 // each with a number of its own
	count  uint64
	timer  *time.Timer // to pay; nil if nothing is owed
	closed bool
}

// add remembers drops that Redis could not be told of.
func (o *owed) add(full []fullKey) {
	if len(full) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.drops == nil {
		o.drops = make(map[fullKey]uint64)
	}
	for _, key := range full {
		if _, known := o.drops[key]; known || len(o.drops) < maxOwed {
			o.count++
			o.drops[key] = o.count
		}
	}
	o.any.Store(true)
	if o.timer == nil && !o.closed {
		o.timer = time.AfterFunc(payPause, o.payAll)
	}
}

// has reports whether Redis does not know that a record was dropped.
func (o *owed) has(full fullKey) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, owed := o.drops[full]
	return owed
}

// payAll tells Redis of all drops that it does not know.
func (o *owed) payAll() {
	o.mu.Lock()
	drops := maps.Clone(o.drops)
	o.mu.Unlock()
	paid := make([]fullKey, 0, len(drops))
	for some := range slices.Chunk(slices.Collect(maps.Keys(drops)), runRecords) {
		if o.pay(some) != nil {
			break
		}
		paid = append(paid, some...)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, key := range paid {
		if o.drops[key] == drops[key] { // else it was dropped again meanwhile
			delete(o.drops, key)
		}
	}
	if len(o.drops) > 0 && o.timer != nil {
		o.timer.Reset(payPause)
	} else {
		o.stop()
	}
}

func (o *owed) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.stop()
}

func (o *owed) stop() {
	o.any.Store(len(o.drops) > 0)
	if o.timer != nil {
		o.timer.Stop()
		o.timer = nil
	}
}
