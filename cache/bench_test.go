package cache_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/driftgraph/driftgraph/cache"
)

// All records are in the process.
func BenchmarkLoadL1(b *testing.B) {
	for _, n := range []int{1, 50, 250} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			k, keys := benchmark(b, n, cache.New(cache.Options{}))
			k.Put(b.Context(), "t", benchmarkRecords(keys))
			for b.Loop() {
				k.Load(b.Context(), "t", keys, nil)
			}
			perKey(b, n)
		})
	}
}

// All records are in Redis, and none in the process.
func BenchmarkLoadRedis(b *testing.B) {
	for _, n := range []int{1, 50, 250} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			c := patient(cache.Options{Redis: startRedis(b).client(b), Bytes: -1})
			k, keys := benchmark(b, n, c)
			k.Put(b.Context(), "t", benchmarkRecords(keys))
			c.Wait()
			for b.Loop() {
				wait(b, k.Load(b.Context(), "t", keys, nil))
			}
			perKey(b, n)
		})
	}
}

// No record is anywhere, and the fetch takes no time. Redis is asked and told.
func BenchmarkLoadCold(b *testing.B) {
	fetch := func(_ context.Context, keys []int64, answer func(int64, *contact, error)) error {
		for _, key := range keys {
			answer(key, benchmarkRecord, nil)
		}
		return nil
	}
	for _, n := range []int{1, 50, 250} {
		for _, tier := range []string{"L1", "L1+Redis"} {
			b.Run(fmt.Sprint(tier, "/", n), func(b *testing.B) {
				var c *cache.Cache
				if tier == "L1" {
					c = cache.New(cache.Options{})
				} else {
					c = patient(cache.Options{Redis: startRedis(b).client(b)})
				}
				k, keys := benchmark(b, n, c)
				for b.Loop() {
					for i := range keys {
						keys[i] += int64(n)
					}
					wait(b, k.Load(b.Context(), "t", keys, fetch))
				}
				perKey(b, n)
			})
		}
	}
}

var benchmarkRecord = &contact{Name: strings.Repeat("x", 600)}

func benchmark(b *testing.B, n int, c *cache.Cache) (*cache.Kind[int64, *contact], []int64) {
	b.Helper()
	b.ReportAllocs()
	keys := make([]int64, n)
	for i := range keys {
		keys[i] = 17035536800 + int64(i)
	}
	return newKind(b, c), keys
}

func benchmarkRecords(keys []int64) map[int64]*contact {
	records := make(map[int64]*contact, len(keys))
	for _, key := range keys {
		records[key] = benchmarkRecord
	}
	return records
}

func wait(b *testing.B, fs []*cache.Future[*contact]) {
	for _, f := range fs {
		if _, err := f.Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func perKey(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/key")
}
