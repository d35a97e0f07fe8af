package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/driftgraph/driftgraph/bench/local"
	"github.com/driftgraph/driftgraph/bench/probe"
	"github.com/driftgraph/driftgraph/sandbox"
)

// The variants that are the gateway.
const (
	cold   = "Driftgraph, no cache"
	warm   = "Driftgraph, in-process cache"
	shared = "Driftgraph, Redis, new process"
)

// A Result is what the inbox query cost by one variant. Times are in
// milliseconds; all but RPS and RSS are of one query.
type Result struct {
	Variant string  `json:"variant"`
	Latency float64 `json:"latency"` // of each of Drift's answers
	Samples int     `json:"samples"`
	Calls   float64 `json:"calls"` // to Drift
	P50     float64 `json:"p50"`
	P99     float64 `json:"p99"`
	RPS     float64 `json:"rps"` // queries a second with several clients
	CPU     float64 `json:"cpu"` // of the variant's process
	Mallocs float64 `json:"mallocs"`
	Bytes   float64 `json:"bytes"` // allocated
	RSS     float64 `json:"rss"`   // bytes resident after all that
}

// An entrant is a variant in the race.
type entrant struct {
	name  string
	start func(context.Context) (*local.Process, error)
	fresh bool          // whether each query is the first of a new process
	hop   bool          // whether the way from the asker belongs to its time
	limit time.Duration // after which a new process takes the place of the old one; 0 for never
	turn  int           // queries in each turn: more for those that are quick

	process *local.Process
	since   time.Time // when it was warm
	answer  []byte    // its first one; all others are the same
	times   []time.Duration
	calls   int
	before  probe.Usage // by the process until it was warm
	used    probe.Usage // by all its processes since
}

// A race is run over one sandbox.
type race struct {
	query   []byte // the request's body
	clients int
	load    time.Duration // how long all clients ask at once
	profile string        // folder for CPU profiles; "" for none

	drift  *sandbox.Sandbox
	asker  *http.Client
	answer any // of the first entrant
}

// present is the sandbox's, so that all races are over the same data.
var present = time.Date(2026, time.March, 9, 14, 30, 0, 0, time.UTC)

// serveDrift serves a sandbox whose answers take so long.
func serveDrift(latency time.Duration) (s *sandbox.Sandbox, url string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", nil, err
	}
	s = sandbox.New(sandbox.Config{Seed: 1, Now: present, Latency: latency})
	server := &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	return s, "http://" + listener.Addr().String(), func() { server.Close() }, nil
}

// over runs the race over a sandbox of the given latency.
func (r *race) over(ctx context.Context, latency time.Duration, turns int, enrol func(url string) ([]*entrant, error)) ([]Result, error) {
	drift, url, stop, err := serveDrift(latency)
	if err != nil {
		return nil, err
	}
	defer stop()
	r.drift = drift
	entrants, err := enrol(url)
	if err != nil {
		return nil, err
	}
	results, err := r.run(ctx, entrants, turns)
	for i := range results {
		results[i].Latency = millis(latency)
	}
	return results, err
}

// run returns what each of the entrants cost, in so many turns.
func (r *race) run(ctx context.Context, entrants []*entrant, turns int) ([]Result, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = r.clients
	r.asker = &http.Client{Transport: t}
	defer r.asker.CloseIdleConnections()
	defer func() {
		for _, e := range entrants {
			if e.process != nil {
				e.process.Stop()
			}
		}
	}()
	for _, e := range entrants {
		if err := r.enter(ctx, e); err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
	}
	longest := 0
	for _, e := range entrants {
		longest = max(longest, e.turn)
	}
	for range turns {
		for _, e := range entrants {
			if e.limit > 0 && time.Since(e.since) > e.limit {
				if err := r.replace(ctx, e); err != nil {
					return nil, fmt.Errorf("%s: %w", e.name, err)
				}
			}
		}
		for i := range longest {
			for _, e := range entrants {
				if i >= e.turn {
					continue
				}
				if err := r.sample(ctx, e); err != nil {
					return nil, fmt.Errorf("%s: %w", e.name, err)
				}
			}
		}
	}
	var results []Result
	for _, e := range entrants {
		result, err := r.finish(ctx, e)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
		results = append(results, result)
	}
	return results, nil
}

// warmUps is how many queries a process answers before it is measured.
const warmUps = 3

// enter starts an entrant and warms it up, unless it starts for each query.
func (r *race) enter(ctx context.Context, e *entrant) (err error) {
	if e.fresh {
		return nil
	}
	if e.process, err = e.start(ctx); err != nil {
		return err
	}
	for range warmUps {
		if _, err := r.ask(ctx, e); err != nil {
			return err
		}
	}
	e.since = time.Now()
	e.before, err = e.process.Probe.Usage(ctx)
	return err
}

// account adds what the entrant's process has used since it was warm.
func (e *entrant) account(ctx context.Context) error {
	now, err := e.process.Probe.Usage(ctx)
	e.used = e.used.Plus(now.Minus(e.before))
	return err
}

// replace starts another process in the place of an entrant's.
func (r *race) replace(ctx context.Context, e *entrant) error {
	if err := e.account(ctx); err != nil {
		return err
	}
	e.process.Stop()
	e.process = nil
	return r.enter(ctx, e)
}

// sample measures one query.
func (r *race) sample(ctx context.Context, e *entrant) (err error) {
	if e.fresh {
		if e.process != nil {
			e.process.Stop()
		}
		if e.process, err = e.start(ctx); err != nil {
			return err
		}
		if e.before, err = e.process.Probe.Usage(ctx); err != nil {
			return err
		}
	}
	r.drift.ResetCalls()
	took, err := r.ask(ctx, e)
	if err != nil {
		return err
	}
	e.calls += len(r.drift.Calls())
	e.times = append(e.times, took)
	if e.fresh {
		return e.account(ctx)
	}
	return nil
}

// finish sums an entrant up, and lets all clients ask it at once.
func (r *race) finish(ctx context.Context, e *entrant) (Result, error) {
	if !e.fresh {
		if err := e.account(ctx); err != nil {
			return Result{}, err
		}
	}
	rps, err := r.crowd(ctx, e)
	if err != nil {
		return Result{}, err
	}
	after, err := e.process.Probe.Usage(ctx)
	if err != nil {
		return Result{}, err
	}
	slices.Sort(e.times)
	n := float64(len(e.times))
	return Result{
		Variant: e.name,
		Samples: len(e.times),
		Calls:   float64(e.calls) / n,
		P50:     millis(percentile(e.times, 50)),
		P99:     millis(percentile(e.times, 99)),
		RPS:     rps,
		CPU:     millis(e.used.CPU) / n,
		Mallocs: float64(e.used.Mallocs) / n,
		Bytes:   float64(e.used.Bytes) / n,
		RSS:     float64(after.RSS),
	}, nil
}

// crowd returns how many queries a second an entrant answers when all clients
// ask at once.
func (r *race) crowd(ctx context.Context, e *entrant) (float64, error) {
	load := r.load
	profiled := make(chan error, 1)
	if name := profiles[e.name]; r.profile != "" && name != "" {
		load = max(load, 5*time.Second)
		go func() { profiled <- r.writeProfile(ctx, e, name, int(load/time.Second)) }()
	} else {
		profiled <- nil
	}
	var (
		clients sync.WaitGroup
		mu      sync.Mutex
		count   int
		failure error
	)
	start := time.Now()
	for range r.clients {
		clients.Go(func() {
			for {
				_, err := r.ask(ctx, e)
				mu.Lock()
				count++
				failure = errors.Join(failure, err)
				mu.Unlock()
				if err != nil || time.Since(start) >= load {
					return
				}
			}
		})
	}
	clients.Wait()
	rps := float64(count) / time.Since(start).Seconds()
	return rps, errors.Join(failure, <-profiled)
}

// profiles are the files for CPU profiles, by variant.
var profiles = map[string]string{handWritten: "hand-written.pprof", cold: "cold.pprof", warm: "warm.pprof"}

func (r *race) writeProfile(ctx context.Context, e *entrant, name string, seconds int) error {
	profile, err := e.process.Probe.Profile(ctx, seconds)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.profile, name), profile, 0o644)
}

// ask returns how long an entrant took for an answer. The answer must be the
// one that it always gives, and the one that the others give.
func (r *race) ask(ctx context.Context, e *entrant) (time.Duration, error) {
	start := time.Now()
	answer, header, err := post(ctx, r.asker, e.process.URL, r.query)
	took := time.Since(start)
	if err != nil {
		return 0, err
	}
	if !e.hop {
		if took, err = time.ParseDuration(header.Get(elapsed)); err != nil {
			return 0, err
		}
	}
	if e.answer == nil {
		e.answer = answer
		return took, r.compare(answer)
	}
	if !bytes.Equal(answer, e.answer) {
		return 0, errors.New("it does not always answer the same")
	}
	return took, nil
}

// compare checks an answer against the first entrant's.
func (r *race) compare(answer []byte) error {
	var got any
	if err := json.Unmarshal(answer, &got); err != nil {
		return err
	}
	dropCursors(got)
	if r.answer == nil {
		r.answer = got
	}
	if diff := cmp.Diff(r.answer, got); diff != "" {
		return fmt.Errorf("its answer differs (-first +its):\n%.2000s", diff)
	}
	return nil
}

// dropCursors deletes the cursors, which each implementation may form as it
// likes.
func dropCursors(v any) {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			dropCursors(element)
		}
	case map[string]any:
		delete(v, "endCursor")
		for _, member := range v {
			dropCursors(member)
		}
	}
}

// post sends a GraphQL request. Errors in the answer are an error.
func post(ctx context.Context, asker *http.Client, url string, body []byte) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := asker.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || !strings.HasPrefix(string(answer), `{"data":`) || bytes.Contains(answer, []byte(`"errors":`))) {
		err = fmt.Errorf("%s: %.300s", res.Status, answer)
	}
	return answer, res.Header, err
}

// percentile returns the smallest of the sorted times that so many of a hundred
// do not exceed.
func percentile(times []time.Duration, of float64) time.Duration {
	return times[max(0, int(math.Ceil(of/100*float64(len(times))))-1)]
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
