// Bench measures what the inbox query costs: by one call for each object, by
// dataloaders, by a client written by hand for it, and by Driftgraph with its
// caches cold, warm and shared. With the word live it measures how soon
// subscribers hear of webhooks instead.
//
// Every variant is a process of its own and is asked over HTTP, in turns, so
// that whatever else the machine does meets all of them.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/driftgraph/driftgraph/bench/local"
	"github.com/driftgraph/driftgraph/internal/redistest"
)

func main() {
	if name := os.Getenv(variantKey); name != "" {
		fmt.Fprintln(os.Stderr, "bench:", serveVariant(name))
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	latencies durations
	samples   int
	clients   int
	load      time.Duration
	redis     string
	json      string
	svg       string
	profile   string
}

func parse(args []string, out io.Writer) (*options, error) {
	o := &options{latencies: durations{0, 20 * time.Millisecond, 80 * time.Millisecond}}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Var(&o.latencies, "latencies", "how long Drift's answers take, separated by commas")
	flags.IntVar(&o.samples, "samples", 15, "turns; the quick variants answer several queries in each")
	flags.IntVar(&o.clients, "clients", 8, "clients that ask at once where queries a second are counted")
	flags.DurationVar(&o.load, "load", time.Second, "how long they do")
	flags.StringVar(&o.redis, "redis", "redis-server", "Redis to start")
	flags.StringVar(&o.json, "json", "", "file to write the results to")
	flags.StringVar(&o.svg, "svg", "", "file to draw the results in")
	flags.StringVar(&o.profile, "profile", "", "folder to write CPU profiles to, taken at the first latency")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if o.samples < 1 || o.clients < 1 || len(o.latencies) == 0 {
		return nil, errors.New("-samples, -clients and -latencies take at least one")
	}
	return o, nil
}

// durations are a flag.
type durations []time.Duration

func (d durations) String() string {
	texts := make([]string, len(d))
	for i := range d {
		texts[i] = d[i].String()
	}
	return strings.Join(texts, ",")
}

// Set reads durations; 0 needs no unit.
func (d *durations) Set(text string) error {
	*d = nil
	for part := range strings.SplitSeq(text, ",") {
		v, err := time.ParseDuration(part)
		if err != nil || v < 0 {
			return fmt.Errorf("%q is not a duration such as 20ms", part)
		}
		*d = append(*d, v)
	}
	return nil
}

// A Report is all that was measured. Times are in milliseconds.
type Report struct {
	Results       []Result `json:"results"`
	SandboxInbox  float64  `json:"sandboxInbox"`  // from start to the inbox, out of the embedded sandbox
	FirstAnswer   float64  `json:"firstAnswer"`   // from start to an answer of one call, with a token for Drift
	RedisLeftOut  bool     `json:"redisLeftOut"`  // there is no Redis to start
	DifferentURLs []string `json:"differentUrls"` // calls that the gateway makes and the hand-written client does not, or the other way round
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 && args[0] == "live" {
		return runLive(ctx, args[1:], out)
	}
	o, err := parse(args, out)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	report, err := measure(ctx, o)
	if err != nil {
		return err
	}
	report.print(out)
	if o.json != "" {
		text, err := json.Marshal(report, jsontext.WithIndent("  "))
		if err == nil {
			err = os.WriteFile(o.json, append(text, '\n'), 0o644)
		}
		if err != nil {
			return err
		}
	}
	if o.svg != "" {
		return os.WriteFile(o.svg, plot(report), 0o644)
	}
	return nil
}

// measure builds the gateway and runs a race for each latency.
func measure(ctx context.Context, o *options) (*Report, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	root, err := local.Root(ctx)
	if err != nil {
		return nil, err
	}
	binary, err := local.Build(ctx, root, dir)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(root, "testdata", "readme", "10-inbox.graphql"))
	if err != nil {
		return nil, err
	}
	query, err := request(string(text))
	if err != nil {
		return nil, err
	}
	report := &Report{}
	redis := ""
	if server, err := redistest.New(o.redis, dir); errors.Is(err, exec.ErrNotFound) {
		report.RedisLeftOut = true
	} else {
		if err == nil {
			err = server.Run()
		}
		if err != nil {
			return nil, err
		}
		defer server.Kill()
		redis = server.PatientURL()
	}
	if err := report.measureStart(ctx, dir, binary, query); err != nil {
		return nil, err
	}
	for i, latency := range o.latencies {
		r := &race{query: query, clients: o.clients, load: o.load}
		if i == 0 {
			r.profile = o.profile
		}
		results, err := r.over(ctx, latency, o.samples, func(url string) ([]*entrant, error) { return enrol(dir, binary, url, redis, query) })
		if err != nil {
			return nil, fmt.Errorf("with %s: %w", latency, err)
		}
		report.Results = append(report.Results, results...)
	}
	return report, report.compareURLs(ctx, dir, binary, query)
}

// request returns the body of a GraphQL request.
func request(query string) ([]byte, error) {
	return json.Marshal(map[string]string{"query": query})
}

// enrol returns the entrants of a race over the sandbox at url. If there is a
// Redis, each query of the last entrant finds there what another process read.
func enrol(dir, binary, url, redis string, query []byte) ([]*entrant, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	own := func(name string) func(context.Context) (*local.Process, error) {
		return func(ctx context.Context) (*local.Process, error) {
			return local.Start(ctx, dir, self, variantKey+"="+name, driftKey+"="+url)
		}
	}
	gateway := func(ttl time.Duration, token string, env ...string) func(context.Context) (*local.Process, error) {
		env = append(append(env, "DRIFT_TOKEN="+token, "DRIFT_BASE_URL="+url), local.Keeping(ttl)...)
		return func(ctx context.Context) (*local.Process, error) { return local.Start(ctx, dir, binary, env...) }
	}
	entrants := []*entrant{
		{name: handWritten, start: own(handWritten), turn: 3},
		// What is kept for no more than a nanosecond is never found again.
		{name: cold, start: gateway(time.Nanosecond, token, "CACHE_STALE=0s"), hop: true, turn: 3},
		// The inbox has a contact that does not exist, which is not kept longer than half a minute.
		{name: warm, start: gateway(time.Hour, token), hop: true, limit: 15 * time.Second, turn: 20},
		{name: naive, start: own(naive), hop: true, turn: 1},
		{name: withLoaders, start: own(withLoaders), hop: true, turn: 1},
	}
	if redis == "" {
		return entrants, nil
	}
	second := func(ctx context.Context) (*local.Process, error) {
		replica := gateway(time.Hour, rand.Text(), "REDIS_URL="+redis) // another token has nothing in Redis yet
		first, err := replica(ctx)
		if err != nil {
			return nil, err
		}
		err = askOnce(ctx, first, query)
		first.Stop() // by then it has written all to Redis
		if err != nil {
			return nil, err
		}
		return replica(ctx)
	}
	return append(entrants, &entrant{name: shared, start: second, fresh: true, hop: true, turn: 1}), nil
}

// askOnce asks a process over a connection of its own.
func askOnce(ctx context.Context, p *local.Process, query []byte) error {
	asker := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	_, _, err := post(ctx, asker, p.URL, query)
	return err
}

// starts is how often a start is measured.
const starts = 5

// measureStart measures the time from the start of the gateway's process to its
// first answer.
func (r *Report) measureStart(ctx context.Context, dir, binary string, query []byte) error {
	_, url, stop, err := serveDrift(0)
	if err != nil {
		return err
	}
	defer stop()
	small, err := request("{ conversationStats { open } }")
	if err != nil {
		return err
	}
	first := func(query []byte, env ...string) (float64, error) {
		var times []time.Duration
		for range starts {
			begin := time.Now()
			p, err := local.Start(ctx, dir, binary, env...)
			if err != nil {
				return 0, err
			}
			err = askOnce(ctx, p, query)
			times = append(times, time.Since(begin))
			p.Stop()
			if err != nil {
				return 0, err
			}
		}
		slices.Sort(times)
		return millis(percentile(times, 50)), nil
	}
	if r.SandboxInbox, err = first(query); err != nil {
		return err
	}
	r.FirstAnswer, err = first(small, "DRIFT_TOKEN="+token, "DRIFT_BASE_URL="+url)
	return err
}

// compareURLs notes what the gateway and the hand-written client do not both
// ask Drift for.
func (r *Report) compareURLs(ctx context.Context, dir, binary string, query []byte) error {
	drift, url, stop, err := serveDrift(0)
	if err != nil {
		return err
	}
	defer stop()
	entrants, err := enrol(dir, binary, url, "", query)
	if err != nil {
		return err
	}
	asked := make(map[string]int)
	for i, e := range entrants[:2] {
		p, err := e.start(ctx)
		if err != nil {
			return err
		}
		err = askOnce(ctx, p, query)
		p.Stop()
		if err != nil {
			return err
		}
		for _, c := range drift.Calls() {
			asked[c.Method+" "+c.URL] += 1 - 2*i
		}
		drift.ResetCalls()
	}
	for call, surplus := range asked {
		if surplus != 0 {
			r.DifferentURLs = append(r.DifferentURLs, call)
		}
	}
	slices.Sort(r.DifferentURLs)
	return nil
}
