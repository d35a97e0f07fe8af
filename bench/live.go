package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/driftgraph/driftgraph/bench/local"
	"github.com/driftgraph/driftgraph/bench/probe"
	"github.com/driftgraph/driftgraph/internal/redistest"
	"github.com/driftgraph/driftgraph/sandbox"
)

// The bar of live updates: from the webhook at one replica to all subscribers of
// another.
const (
	liveBar         = 50 * time.Millisecond
	liveSubscribers = 1000
)

// liveOptions are the command line of "bench live".
type liveOptions struct {
	subscribers int
	idle        numbers
	webhooks    int
	redis       string
	json        string
	profile     string
}

func parseLive(args []string, out io.Writer) (*liveOptions, error) {
	o := &liveOptions{idle: numbers{1000, 5000}}
	flags := flag.NewFlagSet("bench live", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.IntVar(&o.subscribers, "subscribers", liveSubscribers, "subscribers that are told, each on a connection of its own")
	flags.Var(&o.idle, "idle", "how many idle subscribers are weighed, separated by commas; empty for none")
	flags.IntVar(&o.webhooks, "webhooks", 100, "webhooks that are posted")
	flags.StringVar(&o.redis, "redis", "redis-server", "Redis to start")
	flags.StringVar(&o.json, "json", "", "file to write the results to")
	flags.StringVar(&o.profile, "profile", "", "file to write a CPU profile to, of the replica with the subscribers while all are told")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if o.subscribers < 1 || o.webhooks < 1 {
		return nil, errors.New("-subscribers and -webhooks take at least one")
	}
	return o, nil
}

// numbers are a flag.
type numbers []int

func (n numbers) String() string { return strings.Trim(fmt.Sprint([]int(n)), "[]") }

// Set reads numbers from 1.
func (n *numbers) Set(text string) error {
	*n = nil
	if text == "" {
		return nil
	}
	for part := range strings.SplitSeq(text, ",") {
		v, err := strconv.Atoi(part)
		if err != nil || v < 1 {
			return fmt.Errorf("%q is not a number from 1", part)
		}
		*n = append(*n, v)
	}
	return nil
}

// A LiveReport is all that was measured of live updates.
type LiveReport struct {
	Told []Told `json:"told"`
	Idle []Idle `json:"idle"`
}

// Told is how long it took from a webhook, as it is posted to one replica, until
// subscribers of another had the result. Times are in milliseconds, of each
// result of each subscriber.
type Told struct {
	Name        string  `json:"name"`
	Subscribers int     `json:"subscribers"` // all of them
	Each        int     `json:"each"`        // those that each webhook is told to
	Webhooks    int     `json:"webhooks"`
	P50         float64 `json:"p50"`
	P99         float64 `json:"p99"`
	Max         float64 `json:"max"`
	CPU         float64 `json:"cpu"`   // of the replica with the subscribers, for each webhook
	Calls       float64 `json:"calls"` // to Drift, for each webhook
}

// Idle is what subscribers take who have been told of one event and wait for the
// next. Bytes are those of one subscriber.
type Idle struct {
	Subscribers int     `json:"subscribers"`
	Memory      float64 `json:"memory"` // in use by objects and stacks
	RSS         float64 `json:"rss"`    // resident
	Goroutines  float64 `json:"goroutines"`
	Process     float64 `json:"process"` // bytes resident of the whole process
}

// runLive measures live updates and prints what came of it.
func runLive(ctx context.Context, args []string, out io.Writer) error {
	o, err := parseLive(args, out)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	root, err := local.Root(ctx)
	if err != nil {
		return err
	}
	binary, err := local.Build(ctx, root, dir)
	if err != nil {
		return err
	}
	server, err := redistest.New(o.redis, dir)
	if err == nil {
		err = server.Run()
	}
	if err != nil {
		return err
	}
	defer server.Kill()
	redis := server.PatientURL()

	report := new(LiveReport)
	for _, all := range []bool{true, false} {
		told, err := o.tell(ctx, dir, binary, redis, all)
		if err != nil {
			return err
		}
		report.Told = append(report.Told, *told)
	}
	for _, n := range o.idle {
		idle, err := weigh(ctx, dir, binary, redis, n)
		if err != nil {
			return err
		}
		report.Idle = append(report.Idle, *idle)
	}
	report.print(out)
	if o.json == "" {
		return nil
	}
	text, err := json.Marshal(report, jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	return os.WriteFile(o.json, append(text, '\n'), 0o644)
}

func (r *LiveReport) print(w io.Writer) {
	rows := [][]string{{"From a webhook at one replica to subscribers of another", "p50", "p99", "max", "CPU", "calls", ""}}
	for _, t := range r.Told {
		verdict := "met"
		if t.P99 > millis(liveBar) {
			verdict = "**missed**"
		}
		rows = append(rows, []string{
			fmt.Sprintf("%d subscribers, %s", t.Subscribers, t.Name),
			fmt.Sprintf("%.1f ms", t.P50), fmt.Sprintf("%.1f ms", t.P99), fmt.Sprintf("%.1f ms", t.Max),
			fmt.Sprintf("%.1f ms", t.CPU), fmt.Sprintf("%.3g", t.Calls), verdict,
		})
	}
	table(w, rows)
	if len(r.Idle) == 0 {
		return
	}
	rows = [][]string{{"Idle subscribers", "in use by one", "resident for one", "goroutines of one", "resident in all"}}
	for _, i := range r.Idle {
		rows = append(rows, []string{
			strconv.Itoa(i.Subscribers), fmt.Sprintf("%.1f kB", i.Memory/1e3), fmt.Sprintf("%.1f kB", i.RSS/1e3),
			fmt.Sprintf("%.1f", i.Goroutines), fmt.Sprintf("%.0f MB", i.Process/1e6),
		})
	}
	table(w, rows)
}

// webhookToken is that of the benchmark.
const webhookToken = "bench"

// A stage is Drift, and two replicas that share a Redis.
type stage struct {
	drift         *sandbox.Sandbox
	url           string // of Drift
	conversations []int64
	front, back   *local.Process // where webhooks come, and where subscribers are
	stops         []func()
	asker         *http.Client
}

// set sets a stage with so many conversations at least.
func set(ctx context.Context, dir, binary, redis string, conversations int) (s *stage, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s = &stage{
		drift: sandbox.New(sandbox.Config{Seed: 1, Now: present, Conversations: max(conversations, 600), CallLog: 1 << 20}),
		url:   "http://" + listener.Addr().String(),
		asker: &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()},
	}
	server := &http.Server{Handler: s.drift, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	s.stops = append(s.stops, func() { _ = server.Close() }, s.asker.CloseIdleConnections)
	s.conversations = s.drift.Fixtures().ConversationIDs
	for _, p := range []**local.Process{&s.front, &s.back} {
		if *p, err = local.Start(ctx, dir, binary,
			"DRIFT_TOKEN="+token, "DRIFT_BASE_URL="+s.url, "DRIFT_WEBHOOK_TOKEN="+webhookToken, "REDIS_URL="+redis); err != nil {
			s.strike()
			return nil, err
		}
		s.stops = append(s.stops, (*p).Stop)
	}
	return s, nil
}

// strike ends all that is on the stage.
func (s *stage) strike() {
	for _, stop := range slices.Backward(s.stops) {
		stop()
	}
}

// write writes a message in Drift, and returns its webhook.
func (s *stage) write(ctx context.Context, conversation int64, text string) ([]byte, error) {
	body, err := s.send(ctx, fmt.Sprintf("%s/conversations/%d/messages", s.url, conversation), fmt.Appendf(nil, `{"type":"chat","body":%q}`, text))
	if err != nil {
		return nil, err
	}
	var written struct {
		Data struct {
			ID int64 `json:"id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &written); err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, `{"type":"new_message","data":{"id":%d,"conversationId":%d}}`, written.Data.ID, conversation), nil
}

// post posts a webhook to the front.
func (s *stage) post(ctx context.Context, webhook []byte) error {
	_, err := s.send(ctx, strings.TrimSuffix(s.front.URL, "/graphql")+"/webhooks/drift", webhook)
	return err
}

func (s *stage) send(ctx context.Context, url string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("X-Verification-Token", webhookToken)
	res, err := s.asker.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 300 {
		err = fmt.Errorf("%s: %.300s", res.Status, text)
	}
	return text, err
}

// An audience is subscribers on connections of their own.
type audience struct {
	sockets []*websocket.Conn
	readers sync.WaitGroup
	failed  chan error // has room for one

	mark  atomic.Pointer[[]byte] // what the awaited result contains
	heard atomic.Pointer[hearing]
}

// A hearing is who has heard of one event, and when.
type hearing struct {
	want  int
	times []atomic.Int64 // by subscriber, in nanoseconds since start
	start time.Time
	left  atomic.Int64
	done  chan struct{}
}

// gather connects subscribers, the i-th of whom follows conversation of(i).
func gather(ctx context.Context, url string, n int, of func(i int) int64) (a *audience, err error) {
	a = &audience{failed: make(chan error, 1)}
	a.expect("", 0)
	for i := range n {
		conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
		if err != nil {
			a.leave()
			return nil, err
		}
		a.sockets = append(a.sockets, conn)
		query := fmt.Sprintf("subscription { messageAdded(conversationId: %d) { body createdAt author { ... on Contact { name } ... on User { name } } conversation { status contact { name } } } }", of(i))
		body, err := request(query)
		if err == nil {
			err = conn.Write(ctx, websocket.MessageText, []byte(`{"type":"connection_init"}`))
		}
		if err == nil {
			err = conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":"subscribe","id":"1","payload":%s}`, body))
		}
		if err != nil {
			a.leave()
			return nil, err
		}
		a.readers.Go(func() { a.read(ctx, i, conn) })
	}
	return a, nil
}

// expect has the audience note who hears of an event by its mark, until so many have.
func (a *audience) expect(mark string, want int) *hearing {
	h := &hearing{want: want, times: make([]atomic.Int64, len(a.sockets)), start: time.Now(), done: make(chan struct{})}
	h.left.Store(int64(want))
	text := []byte(`"` + mark + `"`)
	a.mark.Store(&text)
	a.heard.Store(h)
	return h
}

func (a *audience) read(ctx context.Context, i int, conn *websocket.Conn) {
	for {
		_, text, err := conn.Read(ctx)
		now := time.Now()
		if err != nil {
			return
		}
		if bytes.Contains(text, []byte(`"errors"`)) || bytes.Contains(text, []byte(`"type":"error"`)) {
			select {
			case a.failed <- fmt.Errorf("a subscriber is told %.300s", text):
			default:
			}
			return
		}
		h := a.heard.Load()
		if !bytes.Contains(text, *a.mark.Load()) || i >= len(h.times) {
			continue
		}
		if h.times[i].CompareAndSwap(0, int64(now.Sub(h.start))) && h.left.Add(-1) == 0 {
			close(h.done)
		}
	}
}

// await returns how long each of those who heard took, in no order.
func (a *audience) await(ctx context.Context, h *hearing, within time.Duration) ([]time.Duration, error) {
	select {
	case <-h.done:
	case err := <-a.failed:
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(within):
		return nil, errSilence
	}
	var times []time.Duration
	for i := range h.times {
		if t := h.times[i].Load(); t > 0 {
			times = append(times, time.Duration(t))
		}
	}
	return times, nil
}

// errSilence says that not all subscribers have heard of an event.
var errSilence = errors.New("not all subscribers were told")

// leave closes all connections.
func (a *audience) leave() {
	for _, conn := range a.sockets {
		_ = conn.CloseNow()
	}
	a.readers.Wait()
}

// settle posts events about conversations until all who follow one of them hear.
func (s *stage) settle(ctx context.Context, a *audience, conversations []int64) error {
	each := len(a.sockets) / len(conversations)
	for i, conversation := range conversations {
		for try := 0; ; try++ {
			mark := fmt.Sprintf("settle-%d-%d", i, try)
			h := a.expect(mark, each)
			webhook, err := s.write(ctx, conversation, mark)
			if err == nil {
				err = s.post(ctx, webhook)
			}
			if err == nil {
				_, err = a.await(ctx, h, 2*time.Second)
			}
			if err == nil {
				break
			}
			if !errors.Is(err, errSilence) || try == 10 {
				return err
			}
		}
	}
	return nil
}

// breath is how long nothing happens between two webhooks, so that each is told alone.
const breath = 20 * time.Millisecond

// tell measures how long webhooks take to subscribers who all follow one
// conversation, or each one of their own.
func (o *liveOptions) tell(ctx context.Context, dir, binary, redis string, all bool) (*Told, error) {
	s, err := set(ctx, dir, binary, redis, o.subscribers+1)
	if err != nil {
		return nil, err
	}
	defer s.strike()
	told := &Told{Name: "each of a conversation of its own", Subscribers: o.subscribers, Each: 1, Webhooks: o.webhooks}
	followed := s.conversations[:min(o.subscribers, len(s.conversations))]
	if all {
		told.Name, told.Each = "all of one conversation", o.subscribers
		followed = followed[:1]
	}
	a, err := gather(ctx, s.back.URL, len(followed)*(o.subscribers/len(followed)), func(i int) int64 { return followed[i%len(followed)] })
	if err != nil {
		return nil, err
	}
	defer a.leave()
	if err := s.settle(ctx, a, followed); err != nil {
		return nil, err
	}
	profiled := make(chan error, 1)
	if o.profile != "" && all {
		go func() {
			profile, err := s.back.Probe.Profile(ctx, 5)
			profiled <- errors.Join(err, os.WriteFile(filepath.Clean(o.profile), profile, 0o644))
		}()
	} else {
		profiled <- nil
	}
	before, err := s.back.Probe.Usage(ctx)
	if err != nil {
		return nil, err
	}
	calls := 0
	var times []time.Duration
	for i := range o.webhooks {
		mark := fmt.Sprintf("webhook-%d", i)
		webhook, err := s.write(ctx, followed[i%len(followed)], mark)
		if err != nil {
			return nil, err
		}
		time.Sleep(breath)
		s.drift.ResetCalls()
		h := a.expect(mark, told.Each)
		if err := s.post(ctx, webhook); err != nil {
			return nil, err
		}
		took, err := a.await(ctx, h, 30*time.Second)
		if err != nil {
			return nil, err
		}
		times = append(times, took...)
		calls += len(s.drift.Calls())
	}
	after, err := s.back.Probe.Usage(ctx)
	if err = errors.Join(err, <-profiled); err != nil {
		return nil, err
	}
	slices.Sort(times)
	told.P50, told.P99, told.Max = millis(percentile(times, 50)), millis(percentile(times, 99)), millis(times[len(times)-1])
	told.CPU = millis(after.Minus(before).CPU) / float64(o.webhooks)
	told.Calls = float64(calls) / float64(o.webhooks)
	return told, nil
}

// weigh measures what so many idle subscribers take.
func weigh(ctx context.Context, dir, binary, redis string, n int) (*Idle, error) {
	s, err := set(ctx, dir, binary, redis, 0)
	if err != nil {
		return nil, err
	}
	defer s.strike()
	settled := func(subscribers int) (probe.Standing, *audience, error) {
		a, err := gather(ctx, s.back.URL, subscribers, func(int) int64 { return s.conversations[0] })
		if err != nil {
			return probe.Standing{}, nil, err
		}
		if err = s.settle(ctx, a, s.conversations[:1]); err != nil {
			a.leave()
			return probe.Standing{}, nil, err
		}
		standing, err := s.back.Probe.Standing(ctx)
		return standing, a, err
	}
	none, few, err := settled(1)
	if err != nil {
		return nil, err
	}
	defer few.leave()
	with, many, err := settled(n)
	if err != nil {
		return nil, err
	}
	defer many.leave()
	of := func(all, none float64) float64 { return (all - none) / float64(n) }
	return &Idle{
		Subscribers: n,
		Memory:      of(float64(with.Memory), float64(none.Memory)),
		RSS:         of(float64(with.RSS), float64(none.RSS)),
		Goroutines:  of(float64(with.Goroutines), float64(none.Goroutines)),
		Process:     float64(with.RSS),
	}, nil
}
