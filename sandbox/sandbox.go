// Package sandbox is Drift's REST API in memory: an http.Handler with the routes, envelopes, errors, limits and oddities
// that Drift documents, over an organisation that it makes up from a seed. Tests run against it, and it stands in for Drift
// where there is no account to try things on.
//
// It is written from Drift's documentation alone and shares no code with the client in package drift, so a mistake in one of
// them cannot hide behind the same mistake in the other.
//
// Writes change what later reads show. Nothing leaves the process but the events that Config.Webhooks asks for, and nothing is
// kept when it ends. The messages of its errors start with "sandbox: ", so that nobody takes them for Drift's own.
package sandbox

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// OrgID is the organisation of a sandbox whose Config names no other.
const OrgID = 48213

// A Config says what a sandbox holds and how it behaves. The zero value is a quick and healthy Drift that takes any token.
type Config struct {
	// Seed picks the made-up organisation. The same Seed and the same Now give the same bodies, byte for byte.
	Seed uint64

	// Now is the sandbox's present: the newest conversation is some minutes old, the oldest some 60 days. Time then stands
	// still, but for a millisecond with each write. If it is zero the present is the clock's.
	Now time.Time

	OrgID int64  // the organisation's id; 0 means the constant OrgID
	Mark  string // put behind the names and texts that are made up, so that two organisations of one Seed can be told apart

	Users         int // how many, with two bots and one removed user; 0 means 30, and there are at least 6
	Contacts      int // 0 means 200, less than 0 none
	Accounts      int // with the deleted ones; 0 means 120, less than 0 none
	Conversations int // 0 means 600, less than 0 none
	MinMessages   int // in a conversation; 0 means 3
	MaxMessages   int // in a conversation; 0 means 150. Most conversations stay far below

	Token  string       // a bearer token to accept; without it, Grants and OAuth any token will do
	Grants []Grant      // further tokens to accept; see also Sandbox.Grant
	Scopes []string     // what tokens may do, and which events the app gets; nil means everything
	OAuth  *OAuthClient // if set, POST /oauth2/token gives this client tokens, which are accepted beside Token

	Latency time.Duration // how long each answer takes
	Jitter  time.Duration // up to so much is added to Latency

	Rate       float64 // calls a second that each token may make; 0 means any number. Above it Drift answers 429
	Burst      float64 // calls that may be saved up under Rate; 0 means those of one second, at least one
	ReportRate float64 // calls a minute of POST /reports/conversations; 0 means any number. Drift documents 60
	RetryAfter bool    // send Retry-After with 429; Drift is not known to

	Shuffle           bool // mix up the rows of GET /users/list and of contacts by external id: their order is not promised
	StrictLimits      bool // refuse a limit or size above Drift's maximum, instead of lowering it
	ContactsByDriftID bool // let GET /contacts?idType=drift&id= work; nobody is known to have tried it on Drift

	Faults []Fault // what goes wrong; see Inject

	// Gate, if set, is called with each request once it is in the log and before anything else is done with it. A test holds
	// a request back by not returning. The request's body has been read by then.
	Gate func(*http.Request)

	CallLog int // how many of the latest calls to remember; 0 means 100,000, less than 0 none

	Webhooks     string        // URL that events are posted to, for writes and for what happens by itself; empty posts none
	WebhookToken string        // the verification token of events; empty means DefaultWebhookToken
	Delivery     Delivery      // how events are posted
	Activity     time.Duration // how often something happens by itself, on average; 0 means never. See Act

	Log *slog.Logger // gets a line for each event that is dropped or given up, and all calls at level debug; nil means none
}

// A Sandbox is an http.Handler that answers as Drift does. Its methods may be called at the same time. One that posts events
// or is active by itself must be closed.
//
// Where a fault cuts the connection, or the client is gone before the answer, it panics with http.ErrAbortHandler as
// net/http wants it.
type Sandbox struct {
	cfg      Config
	routes   []route
	access   *access
	limit    *limiter // all calls
	reports  *limiter // POST /reports/conversations
	calls    callLog
	faults   faultList
	dice     dice
	log      *slog.Logger
	fixtures Fixtures
	courier  *courier // nil if no events are posted

	active sync.WaitGroup // what makes things happen
	stop   context.CancelFunc

	mu      sync.RWMutex // guards org and what follows
	org     *org
	life    *life
	emitted *[]string // gets the type of each event; nil if nobody wants to know
}

// New makes a sandbox. It panics if a fault in cfg names a route that does not exist, as Inject does.
func New(cfg Config) *Sandbox {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Sandbox{
		cfg:     cfg,
		routes:  routes(),
		access:  newAccess(cfg),
		limit:   newLimiter(cfg.Rate, cfg.Burst),
		reports: newLimiter(cfg.ReportRate/60, cfg.ReportRate),
		calls:   callLog{keep: or(cfg.CallLog, 100_000)},
		dice:    dice{rng: rand.New(rand.NewPCG(cfg.Seed, 0xd1ce))},
		log:     cfg.Log,
	}
	s.org, s.life = seed(cfg)
	s.fixtures = s.org.fixtures()
	s.Inject(cfg.Faults...)
	if cfg.Webhooks != "" {
		s.courier = newCourier(cfg.Webhooks, cmp.Or(cfg.WebhookToken, DefaultWebhookToken), cfg.Delivery, s.log)
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	if cfg.Activity > 0 {
		s.active.Go(func() { s.live(ctx) })
	}
	return s
}

// Close ends the activity and the delivery of events; those that wait are dropped. Calls are still answered.
func (s *Sandbox) Close() {
	s.stop()
	s.active.Wait()
	if s.courier != nil {
		s.courier.close()
	}
}

// maxBody is how many bytes of a request's body are read, far above anything that Drift takes.
const maxBody = 1 << 20

// ServeHTTP answers as Drift does.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rt, vars := s.match(r.Method, r.URL)
	body, bodyErr := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	req := &request{vars: vars, query: r.URL.Query(), body: body, header: r.Header, host: r.Host, token: bearer(r.Header)}
	call := s.calls.start(Call{
		Method: r.Method, Route: rt.path, URL: r.URL.RequestURI(), Token: req.token, Body: string(body[:min(len(body), keptBody)]),
	})
	if s.cfg.Gate != nil {
		s.cfg.Gate(r)
	}

	fault, slow := s.faults.next(rt, call.URL)
	if !wait(r.Context(), s.cfg.Latency+s.dice.upTo(s.cfg.Jitter)+slow) {
		s.finish(call, 0)
		panic(http.ErrAbortHandler)
	}
	var a answer
	switch fault.Kind {
	case Hang, Drop:
		if fault.Kind == Hang {
			<-r.Context().Done()
		}
		s.finish(call, 0)
		panic(http.ErrAbortHandler)
	case Status, NotJSON, Empty:
		a = fault.answer()
	default:
		a = s.answer(rt, req, bodyErr)
	}
	if fault.Kind == Short {
		a.body = a.body[:len(a.body)/2]
	}

	// The call ends before its answer is sent, so that what a client does next is later in the log.
	s.finish(call, a.status)
	header := w.Header()
	for name, value := range a.header {
		header.Set(name, value)
	}
	header.Set("Content-Type", a.contentType)
	header.Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	if fault.Kind == Cut {
		w.Write(a.body[:len(a.body)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	if fault.Kind == Tail {
		w.Write(a.body[:len(a.body)/2])
		http.NewResponseController(w).Flush()
		a.body = a.body[len(a.body)/2:]
		if !wait(r.Context(), fault.Delay) {
			panic(http.ErrAbortHandler)
		}
	}
	w.Write(a.body)
}

// answer does what the request asks for, or says why not.
func (s *Sandbox) answer(rt route, r *request, bodyErr error) answer {
	a, err := s.do(rt, r, bodyErr)
	if err == nil {
		return a
	}
	refused, ok := errors.AsType[*refusal](err)
	if !ok {
		refused = &refusal{http.StatusInternalServerError, "internal_error", "sandbox: " + err.Error(), 0}
	}
	return refused.answer(s.cfg.RetryAfter)
}

// do checks the request as Drift does before it looks at a resource, and then runs its handler.
func (s *Sandbox) do(rt route, r *request, bodyErr error) (answer, error) {
	if rt.scope != noToken {
		if err := s.access.check(r.token, rt.scope); err != nil {
			return answer{}, err
		}
		if err := s.limit.take(r.token); err != nil {
			return answer{}, err
		}
	}
	switch {
	case rt.handle == nil:
		return answer{}, notFound("no such route")
	case bodyErr != nil:
		return answer{}, invalid("the body cannot be read or is longer than %d bytes", maxBody)
	}
	if err := rt.checkQuery(r.query); err != nil {
		return answer{}, err
	}
	if rt.writes {
		s.mu.Lock()
		defer s.mu.Unlock()
	} else {
		s.mu.RLock()
		defer s.mu.RUnlock()
	}
	return rt.handle(s, r)
}

// finish ends a call in the log. Status 0 means that it got no answer.
func (s *Sandbox) finish(call *Call, status int) {
	s.calls.finish(call, status)
	s.log.Debug("call", "method", call.Method, "url", call.URL, "status", status)
}

// A request is what a handler is told.
type request struct {
	vars   map[string]string // what stands in the path for {id} and {name}
	query  map[string][]string
	body   []byte
	header http.Header
	host   string
	token  string
}

// get returns the first value of a query parameter.
func (r *request) get(name string) string {
	if values := r.query[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// has reports whether the query has the parameter, be it empty.
func (r *request) has(name string) bool {
	_, ok := r.query[name]
	return ok
}

// pageSize reads how many rows are wanted. What is above the maximum is lowered to it, unless limits are strict.
func (s *Sandbox) pageSize(r *request, name string, usual, most int) (int, error) {
	text := r.get(name)
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most && s.cfg.StrictLimits {
		return 0, invalid("%s must be between 1 and %d", name, most)
	}
	return min(n, most), nil
}

// id reads the {id} of the path. What is not a number is no record's id: ok is false.
func (r *request) id() (id int64, ok bool) {
	id, err := strconv.ParseInt(r.vars["id"], 10, 64)
	return id, err == nil
}

// bearer returns the token that the header carries. Drift takes the word in either case.
func bearer(h http.Header) string {
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// wait reports whether d passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// dice are random numbers for what depends on the order of calls.
type dice struct {
	mu  sync.Mutex
	rng *rand.Rand
}

// upTo returns a random duration from 0 to most.
func (d *dice) upTo(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Duration(d.rng.Int64N(int64(most) + 1))
}

// shuffle mixes up n things.
func (d *dice) shuffle(n int, swap func(i, j int)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rng.Shuffle(n, swap)
}

// or returns n, or usual if n is 0, and never less than 0.
func or(n, usual int) int {
	if n == 0 {
		return usual
	}
	return max(n, 0)
}
