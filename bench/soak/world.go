package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/driftgraph/driftgraph/internal/redistest"
	"github.com/driftgraph/driftgraph/sandbox"
)

// A world is Drift, two replicas over one Redis, and all that is known of them.
type world struct {
	drift    *sandbox.Sandbox
	url      string // of Drift
	redis    *redistest.Server
	replicas [2]*watch
	asker    *http.Client
	stops    []func()

	fail context.CancelCauseFunc // ends the soak

	contacts []*record
	byID     map[string]*history // of contacts, by Drift id
	faults   seasons             // of Drift
	storms   seasons             // of Redis

	mu       sync.Mutex
	threads  map[string]*history // of the last messages of conversations, by Drift id
	recent   []string            // the latest of those
	unused   []int64             // conversations that nothing was written to
	latency  []time.Duration     // of some queries
	oldest   [2]time.Duration    // of stale answers: in calm, and around a storm
	listener []*listener

	queries, mutations, failed, changes, webhooks, stale, events, gaps atomic.Int64
}

// A record is a contact, changed by one at a time.
type record struct {
	id      int64
	writing sync.Mutex
	*history
}

func newWorld(redis *redistest.Server) *world {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 32
	return &world{redis: redis, asker: &http.Client{Transport: transport}, byID: map[string]*history{}, threads: map[string]*history{}}
}

func (w *world) close() {
	w.asker.CloseIdleConnections()
	for _, stop := range slices.Backward(w.stops) {
		stop()
	}
}

// subject is what tells what a webhook is about.
var subject = regexp.MustCompile(`"(?:conversationId|endUserId)":\d+`)

// route passes a webhook on to a replica: those about one thing to the same.
func (w *world) route(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	sum := fnv.New32()
	_, _ = sum.Write(subject.Find(body))
	to := strings.TrimSuffix(w.replicas[sum.Sum32()%2].process.URL, "/graphql") + "/webhooks/drift"
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, to, bytes.NewReader(body))
	if err == nil {
		req.Header = r.Header.Clone()
		var res *http.Response
		if res, err = w.asker.Do(req); err == nil {
			_ = res.Body.Close()
			w.webhooks.Add(1)
			rw.WriteHeader(res.StatusCode)
			return
		}
	}
	http.Error(rw, err.Error(), http.StatusBadGateway)
}

// The load.
const (
	askers    = 4
	listeners = 2 // on each replica

	knownContacts = 24
	liveThreads   = 8  // conversations that are written to at a time
	longThread    = 25 // messages after which another takes a conversation's place
)

// troubles are what goes wrong in Drift, one after the other.
var troubles = []string{
	"GET /contacts/{id}=503@0.3, GET /conversations/{id}/messages=429:1s@0.2",
	"GET /contacts/{id}=cut@0.3, GET /users/list=notjson@0.5, GET /conversations/{id}=slow:300ms@0.3",
	"GET /conversations/list=hang@0.3, GET /contacts/{id}=tail:2s@0.2, GET /accounts=500@0.5",
	"GET /contacts/{id}=drop@0.3, GET /conversations/{id}/messages=short@0.3, GET /conversations/{id}=empty@0.2",
}

// soak lets the world go on for a while, and prints how it went.
func (w *world) soak(ctx context.Context, length time.Duration, out io.Writer) error {
	f := w.drift.Fixtures()
	for _, id := range f.ContactIDs {
		if len(w.contacts) < knownContacts && id != f.DeletedContactID && id != f.MissingContactID {
			r := &record{id: id, history: newHistory("contact " + strconv.FormatInt(id, 10))}
			w.contacts = append(w.contacts, r)
			w.byID[strconv.FormatInt(id, 10)] = r.history
		}
	}
	w.unused = f.ConversationIDs

	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	w.fail = fail
	ctx, end := context.WithTimeoutCause(ctx, length, errOver)
	defer end()
	start := time.Now()
	var all sync.WaitGroup
	begin := func(work func(context.Context) error) {
		all.Go(func() {
			if err := work(ctx); err != nil && ctx.Err() == nil {
				fail(err)
			}
		})
	}
	for _, replica := range w.replicas {
		for range listeners {
			l, err := w.listen(ctx, replica)
			if err != nil {
				return err
			}
			begin(l.hear)
		}
		begin(func(ctx context.Context) error {
			return replica.sample(ctx, min(max(length/60, time.Second), 10*time.Second))
		})
	}
	for range askers {
		begin(w.ask)
	}
	begin(w.mutate)
	begin(w.change)
	begin(w.chat)
	begin(func(ctx context.Context) error { return w.trouble(ctx, min(max(length/6, 3*time.Second), time.Minute)) })
	<-ctx.Done()
	all.Wait()

	w.report(out, time.Since(start))
	err := context.Cause(ctx)
	if errors.Is(err, errOver) || errors.Is(err, context.Canceled) {
		err = nil
	}
	fmt.Fprint(out, "\n| | | first third | second third | last third | |\n|---|---|---|---|---|---|\n")
	for _, replica := range w.replicas {
		err = errors.Join(err, replica.judge(out))
	}
	if err == nil {
		fmt.Fprintln(out, "\nNo answer was wrong.")
	}
	return err
}

// errOver ends a soak in which nothing was wrong.
var errOver = errors.New("the time is over")

func (w *world) report(out io.Writer, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.latency)
	at := func(of float64) time.Duration {
		if len(w.latency) == 0 {
			return 0
		}
		return w.latency[int(of*float64(len(w.latency)-1))].Round(100 * time.Microsecond)
	}
	fmt.Fprintf(out, "Soaked for %s: %d queries (%d with errors, while Drift failed), %d mutations, %d changes by others,\n"+
		"%d webhooks, %d events and %d gaps told to %d subscribers; Drift failed %d times, Redis was killed %d times.\n"+
		"Stale answers: %d, the oldest by %s in calm and by %s around a kill of Redis. Queries: p50 %s, p99 %s.\n",
		took.Round(time.Second), w.queries.Load(), w.failed.Load(), w.mutations.Load(), w.changes.Load(),
		w.webhooks.Load(), w.events.Load(), w.gaps.Load(), 2*listeners, len(w.faults.list), len(w.storms.list),
		w.stale.Load(), w.oldest[0].Round(time.Millisecond), w.oldest[1].Round(time.Millisecond), at(0.5), at(0.99))
}

// trouble has things go wrong: in each cycle Drift for a third of it, and in each
// third cycle Redis before that.
func (w *world) trouble(ctx context.Context, cycle time.Duration) error {
	for i := 0; ; i++ {
		if !pause(ctx, cycle/3) {
			return nil
		}
		if i%3 == 1 {
			w.storms.begin()
			w.redis.Kill()
			pause(ctx, min(cycle/10, 3*time.Second))
			if err := w.redis.Run(); err != nil {
				return err
			}
			w.storms.end()
		}
		if !pause(ctx, cycle/3) {
			return nil
		}
		faults, err := sandbox.ParseFaults(troubles[i%len(troubles)])
		if err != nil {
			return err
		}
		w.faults.begin()
		w.drift.Inject(faults...)
		pause(ctx, cycle/3)
		w.drift.ClearFaults()
		w.faults.end()
	}
}

// pause waits, and reports whether the soak goes on.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// between returns a random time.
func between(least, most time.Duration) time.Duration { return least + rand.N(most-least) }

// An answer is what a replica answers.
type answer struct {
	Data   jsontext.Value `json:"data"`
	Errors []struct {
		Message    string `json:"message"`
		Extensions struct {
			Code string `json:"code"`
		} `json:"extensions"`
	} `json:"errors"`

	replica         *watch
	asked, answered time.Time
}

// query asks a replica, and reads the data into v. Only while Drift fails may
// there be errors; then ok is false.
func (w *world) query(ctx context.Context, replica *watch, text string, v any) (a *answer, ok bool, err error) {
	body, err := json.Marshal(map[string]string{"query": text})
	if err != nil {
		return nil, false, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, replica.process.URL, bytes.NewReader(body))
	if err != nil {
		return nil, false, err
	}
	req.Header.Set("Content-Type", "application/json")
	a = &answer{replica: replica, asked: time.Now()}
	res, err := w.asker.Do(req)
	if err != nil {
		return nil, false, err
	}
	defer res.Body.Close()
	reply, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, false, err
	}
	a.answered = time.Now()
	if err := json.Unmarshal(reply, a); err != nil {
		return nil, false, fmt.Errorf("%s answers %s to %s: %.300s", replica.name, res.Status, text, reply)
	}
	for _, e := range a.Errors {
		code := e.Extensions.Code
		if (strings.HasPrefix(code, "UPSTREAM_") || code == "TIMEOUT") && w.faults.touch(a.asked, a.answered, forgiven) {
			continue
		}
		return nil, false, fmt.Errorf("%s answers %s to %s while nothing is wrong: %.500s", replica.name, res.Status, text, reply)
	}
	if len(a.Data) > 0 {
		if err := json.Unmarshal(a.Data, v); err != nil {
			return nil, false, fmt.Errorf("%s answers %s: %w: %.300s", replica.name, text, err, reply)
		}
	}
	return a, len(a.Errors) == 0, nil
}

// judge holds a version in an answer against the truth.
func (w *world) judge(h *history, n int, a *answer) error {
	storm := 0
	age, err := h.judge(n, a.asked, a.answered, func(replaced time.Time) time.Duration {
		if w.storms.touch(replaced.Add(-time.Second), replaced.Add(time.Second), staleCalm) { // the webhook of one shortly before may be lost
			storm = 1
			return staleStorm
		}
		return staleCalm
	})
	if err != nil {
		return fmt.Errorf("at %s, asked %s: %w", a.replica.name, a.asked.Format(time.StampMilli), err)
	}
	if age > 0 {
		w.stale.Add(1)
		w.mu.Lock()
		w.oldest[storm] = max(w.oldest[storm], age)
		w.mu.Unlock()
	}
	return nil
}

// mark is how a version is written in Drift.
const mark = "soak-"

// versionOf reads a version; what is no mark is from before the first.
func versionOf(text *string) int {
	if text == nil {
		return 0
	}
	number, ok := strings.CutPrefix(*text, mark)
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return -1
	}
	return n
}

type contact struct {
	DriftID string  `json:"driftId"`
	Phone   *string `json:"phone"`
}

type conversation struct {
	DriftID  string   `json:"driftId"`
	Contact  *contact `json:"contact"`
	Messages *struct {
		Nodes []struct {
			Body *string `json:"body"`
		} `json:"nodes"`
	} `json:"messages"`
}

// check holds what an answer says of contacts and conversations against the truth.
func (w *world) check(a *answer, contacts []*contact, conversations []*conversation) error {
	for _, c := range conversations {
		if c == nil {
			continue
		}
		contacts = append(contacts, c.Contact)
		w.mu.Lock()
		h := w.threads[c.DriftID]
		w.mu.Unlock()
		if h == nil || c.Messages == nil || len(c.Messages.Nodes) == 0 {
			continue
		}
		if err := w.judge(h, versionOf(c.Messages.Nodes[len(c.Messages.Nodes)-1].Body), a); err != nil {
			return err
		}
	}
	for _, c := range contacts {
		if c == nil {
			continue
		}
		if h := w.byID[c.DriftID]; h != nil {
			if err := w.judge(h, versionOf(c.Phone), a); err != nil {
				return err
			}
		}
	}
	return nil
}

// ask asks one query after the other.
func (w *world) ask(ctx context.Context) error {
	ids := w.drift.Fixtures().ContactIDs
	for pause(ctx, between(10*time.Millisecond, 40*time.Millisecond)) {
		replica := w.replicas[rand.IntN(2)]
		var text string
		switch w.mu.Lock(); {
		case rand.IntN(10) == 0:
			text = "{ conversations(first: 10) { nodes { driftId contact { driftId phone account { name } } messages(last: 1) { nodes { body } } participants { name } } } }"
		case rand.IntN(3) == 0 && len(w.recent) > 0:
			text = fmt.Sprintf("{ conversation(id: %q) { driftId messages(last: 1) { nodes { body } } } }", w.recent[rand.IntN(len(w.recent))])
		case rand.IntN(5) == 0: // of those that do not change, there are many
			text = fmt.Sprintf("{ a: contact(id: %d) { driftId phone } }", ids[rand.IntN(len(ids))])
		default:
			text = fmt.Sprintf("{ a: contact(id: %d) { driftId phone } b: contact(id: %d) { driftId phone } }",
				w.contacts[rand.IntN(len(w.contacts))].id, w.contacts[rand.IntN(len(w.contacts))].id)
		}
		w.mu.Unlock()
		var data struct {
			A             *contact      `json:"a"`
			B             *contact      `json:"b"`
			Conversation  *conversation `json:"conversation"`
			Conversations *struct {
				Nodes []*conversation `json:"nodes"`
			} `json:"conversations"`
		}
		a, ok, err := w.query(ctx, replica, text, &data)
		if err != nil {
			return err
		}
		conversations := []*conversation{data.Conversation}
		if data.Conversations != nil {
			conversations = append(conversations, data.Conversations.Nodes...)
		}
		if err := w.check(a, []*contact{data.A, data.B}, conversations); err != nil {
			return err
		}
		if w.queries.Add(1); !ok {
			w.failed.Add(1)
		}
		w.mu.Lock()
		if took := a.answered.Sub(a.asked); len(w.latency) < 100_000 {
			w.latency = append(w.latency, took)
		} else {
			w.latency[rand.IntN(len(w.latency))] = took
		}
		w.mu.Unlock()
	}
	return nil
}

// mutate changes contacts by the gateway, and asks for them at once.
func (w *world) mutate(ctx context.Context) error {
	for pause(ctx, between(500*time.Millisecond, 1500*time.Millisecond)) {
		if err := w.mutateOne(ctx, w.contacts[rand.IntN(len(w.contacts))], w.replicas[rand.IntN(2)]); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) mutateOne(ctx context.Context, r *record, replica *watch) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	n := r.begin()
	var data struct {
		UpdateContact *struct {
			Contact *contact `json:"contact"`
		} `json:"updateContact"`
		Contact *contact `json:"contact"`
	}
	text := fmt.Sprintf(`mutation { updateContact(input: {id: "%d", attributes: {phone: "%s%d"}}) { contact { driftId phone } userErrors { message } } }`, r.id, mark, n)
	a, ok, err := w.query(ctx, replica, text, &data)
	if err != nil {
		return err
	}
	w.mutations.Add(1)
	if !ok { // whether it was made, Drift knows
		made, err := w.made(ctx, r, n)
		if made {
			r.settle(n)
		}
		return err
	}
	r.settle(n)
	if data.UpdateContact == nil || data.UpdateContact.Contact == nil || versionOf(data.UpdateContact.Contact.Phone) != n {
		return fmt.Errorf("%s changes %s to version %d, and answers %s", replica.name, r.name, n, a.Data)
	}
	a, ok, err = w.query(ctx, replica, fmt.Sprintf("{ contact(id: %d) { driftId phone } }", r.id), &data)
	if err == nil && ok && (data.Contact == nil || versionOf(data.Contact.Phone) != n) {
		err = fmt.Errorf("%s changes %s to version %d, and then answers %s", replica.name, r.name, n, a.Data)
	}
	return err
}

// made reports whether Drift has a version.
func (w *world) made(ctx context.Context, r *record, n int) (bool, error) {
	for pause(ctx, 10*time.Millisecond) { // it fails now and then
		body, err := w.send(ctx, http.MethodGet, fmt.Sprintf("/contacts/%d", r.id), "")
		if err == nil && bytes.HasSuffix(bytes.TrimSpace(body), []byte("}}}")) {
			return bytes.Contains(body, fmt.Appendf(nil, `"%s%d"`, mark, n)), nil
		}
	}
	return false, nil
}

// send calls Drift as somebody else than the gateway.
func (w *world) send(ctx context.Context, method, path, body string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, w.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer somebody")
	req.Header.Set("Content-Type", "application/json")
	res, err := w.asker.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s %.300s", method, path, res.Status, text)
	}
	return text, err
}

// change changes contacts in Drift.
func (w *world) change(ctx context.Context) error {
	for pause(ctx, between(100*time.Millisecond, 300*time.Millisecond)) {
		r := w.contacts[rand.IntN(len(w.contacts))]
		r.writing.Lock()
		n := r.begin()
		_, err := w.send(ctx, http.MethodPatch, fmt.Sprintf("/contacts/%d", r.id), fmt.Sprintf(`{"attributes":{"phone":"%s%d"}}`, mark, n))
		if err == nil {
			r.settle(n)
		}
		r.writing.Unlock()
		if err != nil {
			return err
		}
		w.changes.Add(1)
	}
	return nil
}

// chat writes messages into a few conversations at a time.
func (w *world) chat(ctx context.Context) error {
	var threads [liveThreads]string
	for i := 0; pause(ctx, between(300*time.Millisecond, 500*time.Millisecond)); i = (i + 1) % liveThreads {
		w.mu.Lock()
		h := w.threads[threads[i]]
		if h == nil || h.latest() >= longThread {
			threads[i] = strconv.FormatInt(w.unused[0], 10)
			w.unused = append(w.unused[1:], w.unused[0]) // one that is written to again goes on where it was
			if h = w.threads[threads[i]]; h == nil {
				h = newHistory("the last message of conversation " + threads[i])
				w.threads[threads[i]] = h
			}
			w.recent = append(w.recent, threads[i])
			w.recent = w.recent[max(0, len(w.recent)-2*liveThreads):]
		}
		w.mu.Unlock()
		n := h.begin()
		written := time.Now()
		if _, err := w.send(ctx, http.MethodPost, "/conversations/"+threads[i]+"/messages", fmt.Sprintf(`{"type":"chat","body":"%s%d"}`, mark, n)); err != nil {
			return err
		}
		h.settle(n)
		w.changes.Add(1)
		if err := w.overdue(message{threads[i], n, written}); err != nil {
			return err
		}
	}
	return nil
}

// A message is one that was written.
type message struct {
	conversation string
	n            int
	at           time.Time
}

// overdue has all listeners wait for a message, and returns an error if one has
// waited for another too long.
func (w *world) overdue(m message) error {
	w.mu.Lock()
	all := w.listener
	w.mu.Unlock()
	for _, l := range all {
		if err := l.expect(m); err != nil {
			return err
		}
	}
	return nil
}

// A listener subscribes to all messages.
type listener struct {
	world   *world
	replica *watch
	conn    *websocket.Conn

	mu      sync.Mutex
	last    map[string]int // message that was told, by conversation
	waiting []message
	gap     time.Time // the last one
}

// listen subscribes at a replica.
func (w *world) listen(ctx context.Context, replica *watch) (*listener, error) {
	conn, _, err := websocket.Dial(ctx, replica.process.URL, &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		return nil, err
	}
	w.stops = append(w.stops, func() { _ = conn.CloseNow() })
	l := &listener{world: w, replica: replica, conn: conn, last: map[string]int{}, gap: time.Now()}
	for _, text := range []string{
		`{"type":"connection_init"}`,
		`{"type":"subscribe","id":"1","payload":{"query":"subscription { messageAdded { body conversation { driftId } } }"}}`,
	} {
		if err := conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			return nil, err
		}
	}
	w.mu.Lock()
	w.listener = append(w.listener, l)
	w.mu.Unlock()
	return l, nil
}

// expect has the listener wait for a message. It returns an error if one that was
// written while all was well is overdue.
func (l *listener) expect(m message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.waiting) > 0 && time.Since(l.waiting[0].at) > toldWithin {
		late := l.waiting[0]
		l.waiting = l.waiting[1:]
		now := time.Now()
		if l.last[late.conversation] >= late.n || l.gap.After(late.at.Add(-time.Second)) ||
			l.world.faults.touch(late.at, now, forgiven) || l.world.storms.touch(late.at, now, forgiven) {
			continue
		}
		return fmt.Errorf("%s has not told of message %d of conversation %s, which was written %s ago", l.replica.name, late.n, late.conversation, now.Sub(late.at))
	}
	l.waiting = append(l.waiting, m)
	return nil
}

// hear takes what is told.
func (l *listener) hear(ctx context.Context) error {
	for {
		_, text, err := l.conn.Read(ctx)
		if err != nil {
			return fmt.Errorf("a subscriber of %s: %w", l.replica.name, err)
		}
		now := time.Now()
		var m struct {
			Type    string `json:"type"`
			Payload struct {
				Data struct {
					MessageAdded *struct {
						Body         *string       `json:"body"`
						Conversation *conversation `json:"conversation"`
					} `json:"messageAdded"`
				} `json:"data"`
				Errors     []struct{} `json:"errors"`
				Extensions struct {
					Gap *struct{} `json:"gap"`
				} `json:"extensions"`
			} `json:"payload"`
		}
		if err := json.Unmarshal(text, &m); err != nil {
			return fmt.Errorf("%s tells %.300s: %w", l.replica.name, text, err)
		}
		told := m.Payload.Data.MessageAdded
		switch {
		case m.Type == "connection_ack":
		case m.Type != "next", len(m.Payload.Errors) > 0 && !l.world.faults.touch(now, now, forgiven):
			return fmt.Errorf("%s tells %.500s", l.replica.name, text)
		case m.Payload.Extensions.Gap != nil:
			l.world.gaps.Add(1)
			l.mu.Lock()
			l.gap = now
			l.mu.Unlock()
		case told != nil && told.Conversation != nil && told.Body != nil:
			l.world.events.Add(1)
			n := versionOf(told.Body)
			l.mu.Lock()
			last := l.last[told.Conversation.DriftID]
			l.last[told.Conversation.DriftID] = max(last, n)
			l.mu.Unlock()
			if n <= last {
				return fmt.Errorf("%s tells of message %d of conversation %s after message %d", l.replica.name, n, told.Conversation.DriftID, last)
			}
		}
	}
}
