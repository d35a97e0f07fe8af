package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/events"
	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/webhooks"
)

// Parts are what counts for itself, and is read when Prometheus asks.
type Parts struct {
	Cache    *cache.Cache
	Bus      *events.Bus
	Live     *graph.Live
	Receiver *webhooks.Receiver // nil if no webhooks are taken
}

// Read has the metrics read the parts of the gateway from now on.
func (m *Metrics) Read(p Parts) {
	m.registry.MustRegister(&reader{p})
}

// A reader reads the parts for Prometheus.
type reader struct{ Parts }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("driftgraph_"+name, help, labels, nil)
}

var (
	cacheHits     = describe("cache_hits_total", "Records that were answered fresh by the cache: by the tier memory or redis.", "kind", "tier")
	cacheStale    = describe("cache_stale_hits_total", "Records that were answered by the cache although they were older than they should be.", "kind")
	cacheShared   = describe("cache_shared_total", "Records that were answered by a load that another operation had begun.", "kind")
	cacheMisses   = describe("cache_misses_total", "Records that neither tier had.", "kind")
	cacheBytes    = describe("cache_memory_bytes", "What the records in this process take.")
	cacheRefresh  = describe("cache_refreshes_total", "Records refreshed in the background, by result: ok or error.", "result")
	cacheLeases   = describe("cache_lease_waits_total", "Records that were waited for because another replica was loading them.")
	cacheDrops    = describe("cache_drops_total", "Records and groups dropped: by this replica (sent) and by others (heard).", "direction")
	cacheClears   = describe("cache_memory_clears_total", "How often the records in this process were put in doubt, because drops may have been missed.")
	redisUp       = describe("redis_up", "1 if Redis answers, 0 if it has failed and not answered since. Absent without Redis.")
	redisTrips    = describe("redis_trips_total", "Round trips to Redis, for whatever purpose.")
	redisErrors   = describe("redis_errors_total", "Those of driftgraph_redis_trips_total that failed.")
	connections   = describe("connections", "Connections by WebSocket and server-sent events.")
	subscriptions = describe("subscriptions", "Subscriptions under way.")
	liveRefused   = describe("subscriptions_refused_total", "Connections and subscriptions over the limit.")
	eventsTold    = describe("events_total", "Events for subscribers: published by this replica, heard from others, or repeated and passed over.", "source")
	eventGaps     = describe("event_gaps_total", "Gaps that subscribers were told of.")
	eventOverflow = describe("event_overflows_total", "Those of driftgraph_event_gaps_total that are of subscribers that did not keep up.")
	webhookPosts  = describe("webhooks_total", "Posts of webhooks, by result: taken, unknown (a type that nothing is known of), unread (not as its type should be), refused (a wrong token) or full (the queue was).", "result")
	webhookUntold = describe("webhooks_untold_total", "Drops of webhooks that other replicas could not be told of at once.")
)

// Describe names what Collect reads.
func (r *reader) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		cacheHits, cacheStale, cacheShared, cacheMisses, cacheBytes, cacheRefresh, cacheLeases, cacheDrops, cacheClears,
		redisUp, redisTrips, redisErrors, connections, subscriptions, liveRefused, eventsTold, eventGaps, eventOverflow,
		webhookPosts, webhookUntold,
	} {
		to <- d
	}
}

// Collect reads the parts.
func (r *reader) Collect(to chan<- prometheus.Metric) {
	out := readings(to)
	for name, k := range r.Cache.KindStats() {
		out.count(cacheHits, k.L1Hits, name, "memory")
		if r.Cache.Shared() {
			out.count(cacheHits, k.RedisHits, name, "redis")
		}
		out.count(cacheStale, k.StaleHits, name)
		out.count(cacheShared, k.Shared, name)
		out.count(cacheMisses, k.Misses, name)
	}
	c := r.Cache.Stats()
	out.gauge(cacheBytes, float64(c.Bytes))
	out.count(cacheRefresh, c.Refreshes-min(c.Refreshes, c.RefreshErrors), "ok")
	out.count(cacheRefresh, c.RefreshErrors, "error")
	out.count(cacheLeases, c.LeaseWaits)
	out.count(cacheDrops, c.DropsSent, "sent")
	out.count(cacheDrops, c.DropsHeard, "heard")
	out.count(cacheClears, c.L1Clears)
	if r.Cache.Shared() {
		up := 1.0
		if c.RedisDown {
			up = 0
		}
		out.gauge(redisUp, up)
		out.count(redisTrips, c.RedisTrips)
		out.count(redisErrors, c.RedisErrors)
	}

	l := r.Live.Stats()
	out.gauge(connections, float64(l.Connections))
	out.gauge(subscriptions, float64(l.Subscriptions))
	out.count(liveRefused, l.Refused)

	b := r.Bus.Stats()
	out.count(eventsTold, b.Published, "published")
	out.count(eventsTold, b.Heard, "heard")
	out.count(eventsTold, b.Repeated, "repeated")
	out.count(eventGaps, b.Gaps)
	out.count(eventOverflow, b.Overflows)

	if r.Receiver != nil {
		w := r.Receiver.Stats()
		out.count(webhookPosts, w.Received-min(w.Received, w.Unknown+w.Unread), "taken")
		out.count(webhookPosts, w.Unknown, "unknown")
		out.count(webhookPosts, w.Unread, "unread")
		out.count(webhookPosts, w.Refused, "refused")
		out.count(webhookPosts, w.Full, "full")
		out.count(webhookUntold, w.Untold)
	}
}

// readings takes what was read.
type readings chan<- prometheus.Metric

func (out readings) count(d *prometheus.Desc, n uint64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func (out readings) gauge(d *prometheus.Desc, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}
