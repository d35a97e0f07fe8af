package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/events"
	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/queue"
	"github.com/driftgraph/driftgraph/webhooks"
)

// Parts are what counts for itself, and is read when Prometheus asks.
type Parts struct {
	Cache    *cache.Cache
	Bus      *events.Bus
	Live     *graph.Live
	Receiver *webhooks.Receiver // nil if no webhooks are taken
	Queue    *queue.Queue
	Drift    func() []drift.Stats // of the clients of all credentials
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
	running       = describe("operations_running", "Operations that run.", "class")
	runningLimit  = describe("operations_limit", "How many operations may run at once.")
	waiting       = describe("operations_waiting", "Operations that wait for their turn.", "class")
	queued        = describe("operations_queued_total", "Operations that had to wait, and could then begin.", "class")
	queuedFor     = describe("operations_queued_seconds_total", "How long those of driftgraph_operations_queued_total waited, all together.", "class")
	shed          = describe("operations_shed_total", "Operations that were answered 503, since their turn did not come in time.", "class")
	cacheHits     = describe("cache_hits_total", "Records that were answered fresh by the cache: by the tier memory or redis.", "kind", "tier")
	cacheStale    = describe("cache_stale_hits_total", "Records that were answered by a tier of the cache although they were older than they should be.", "kind", "tier")
	cacheShared   = describe("cache_shared_total", "Records that were answered by a load that another operation had begun.", "kind")
	cacheMisses   = describe("cache_misses_total", "Records that a tier was asked for and did not answer at once.", "kind", "tier")
	cacheFetches  = describe("cache_fetches_total", "Records that were asked of Drift, to refresh them too.", "kind")
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

var (
	driftRetries  = describe("drift_retries_total", "HTTP requests to Drift that repeated one.")
	driftRefused  = describe("drift_rate_limited_total", "HTTP requests to Drift that it answered by 429.")
	driftLate     = describe("drift_late_total", "Calls to Drift that were not made, as their turn would have come too late.")
	driftWaited   = describe("drift_wait_seconds_total", "How long calls to Drift waited for their turns, all together.")
	driftWaiting  = describe("drift_calls_waiting", "Calls to Drift that wait for their turns.")
	driftRunning  = describe("drift_calls_running", "Calls to Drift that are being made.")
	budgetLeft    = describe("drift_budget_left", "Calls to Drift that may be made at once now, by budget: calls or reports. Of several credentials the least. Absent if nothing bounds them.", "budget")
	budgetRate    = describe("drift_budget_rate", "Calls a second that the gateway keeps to now, likewise.", "budget")
	breakerStates = describe("drift_breaker_state", "0 if the group of routes is called, 1 if one call tries whether it answers again, 2 if it is left alone because it fails. Of several credentials the worst.", "group")
)

// breakerValues are the values of driftgraph_drift_breaker_state.
var breakerValues = map[string]float64{"closed": 0, "half-open": 1, "open": 2}

// collectDrift reads the clients of Drift.
func (r *reader) collectDrift(out readings) {
	var sum drift.Stats
	budgets := map[string]drift.BudgetStats{}
	worst := map[string]float64{}
	for _, s := range r.Drift() {
		sum.Retries, sum.Refused, sum.Late = sum.Retries+s.Retries, sum.Refused+s.Refused, sum.Late+s.Late
		sum.Waited, sum.Waiting, sum.UnderWay = sum.Waited+s.Waited, sum.Waiting+s.Waiting, sum.UnderWay+s.UnderWay
		for name, b := range map[string]drift.BudgetStats{"calls": s.Budget, "reports": s.ReportBudget} {
			if least, known := budgets[name]; b.PerSecond > 0 && (!known || b.Left < least.Left) {
				budgets[name] = b
			}
		}
		for _, g := range s.Groups {
			worst[g.Group] = max(worst[g.Group], breakerValues[g.State])
		}
	}
	out.count(driftRetries, float64(sum.Retries))
	out.count(driftRefused, float64(sum.Refused))
	out.count(driftLate, float64(sum.Late))
	out.count(driftWaited, sum.Waited.Seconds())
	out.gauge(driftWaiting, float64(sum.Waiting))
	out.gauge(driftRunning, float64(sum.UnderWay))
	for name, b := range budgets {
		out.gauge(budgetLeft, float64(b.Left), name)
		out.gauge(budgetRate, b.PerSecond, name)
	}
	for group, state := range worst {
		out.gauge(breakerStates, state, group)
	}
}

// Describe names what Collect reads.
func (r *reader) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		running, runningLimit, waiting, queued, queuedFor, shed,
		cacheHits, cacheStale, cacheShared, cacheMisses, cacheFetches, cacheBytes, cacheRefresh, cacheLeases, cacheDrops, cacheClears,
		redisUp, redisTrips, redisErrors, connections, subscriptions, liveRefused, eventsTold, eventGaps, eventOverflow,
		webhookPosts, webhookUntold, driftRetries, driftRefused, driftLate, driftWaited, driftWaiting, driftRunning,
		budgetLeft, budgetRate, breakerStates,
	} {
		to <- d
	}
}

// Collect reads the parts.
func (r *reader) Collect(to chan<- prometheus.Metric) {
	out := readings(to)
	out.gauge(runningLimit, float64(r.Queue.Limit()))
	for _, c := range queue.Classes() {
		s, class := r.Queue.Stats(c), c.String()
		out.gauge(running, float64(s.Running), class)
		out.gauge(waiting, float64(s.Waiting), class)
		out.count(queued, float64(s.Queued), class)
		out.count(queuedFor, s.QueuedFor.Seconds(), class)
		out.count(shed, float64(s.Shed), class)
	}

	for name, k := range r.Cache.KindStats() {
		out.count(cacheHits, float64(k.L1Hits), name, "memory")
		out.count(cacheStale, float64(k.L1Stale), name, "memory")
		out.count(cacheMisses, float64(k.L1Misses), name, "memory")
		if r.Cache.Shared() {
			out.count(cacheHits, float64(k.RedisHits), name, "redis")
			out.count(cacheStale, float64(k.RedisStale), name, "redis")
			out.count(cacheMisses, float64(k.RedisMisses), name, "redis")
		}
		out.count(cacheShared, float64(k.Shared), name)
		out.count(cacheFetches, float64(k.Misses), name)
	}
	c := r.Cache.Stats()
	out.gauge(cacheBytes, float64(c.Bytes))
	out.count(cacheRefresh, float64(c.Refreshes-min(c.Refreshes, c.RefreshErrors)), "ok")
	out.count(cacheRefresh, float64(c.RefreshErrors), "error")
	out.count(cacheLeases, float64(c.LeaseWaits))
	out.count(cacheDrops, float64(c.DropsSent), "sent")
	out.count(cacheDrops, float64(c.DropsHeard), "heard")
	out.count(cacheClears, float64(c.L1Clears))
	if r.Cache.Shared() {
		up := 1.0
		if c.RedisDown {
			up = 0
		}
		out.gauge(redisUp, up)
		out.count(redisTrips, float64(c.RedisTrips))
		out.count(redisErrors, float64(c.RedisErrors))
	}

	r.collectDrift(out)

	l := r.Live.Stats()
	out.gauge(connections, float64(l.Connections))
	out.gauge(subscriptions, float64(l.Subscriptions))
	out.count(liveRefused, float64(l.Refused))

	b := r.Bus.Stats()
	out.count(eventsTold, float64(b.Published), "published")
	out.count(eventsTold, float64(b.Heard), "heard")
	out.count(eventsTold, float64(b.Repeated), "repeated")
	out.count(eventGaps, float64(b.Gaps))
	out.count(eventOverflow, float64(b.Overflows))

	if r.Receiver != nil {
		w := r.Receiver.Stats()
		out.count(webhookPosts, float64(w.Received-min(w.Received, w.Unknown+w.Unread)), "taken")
		out.count(webhookPosts, float64(w.Unknown), "unknown")
		out.count(webhookPosts, float64(w.Unread), "unread")
		out.count(webhookPosts, float64(w.Refused), "refused")
		out.count(webhookPosts, float64(w.Full), "full")
		out.count(webhookUntold, float64(w.Untold))
	}
}

// readings takes what was read.
type readings chan<- prometheus.Metric

func (out readings) count(d *prometheus.Desc, n float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, n, labels...)
}

func (out readings) gauge(d *prometheus.Desc, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}
