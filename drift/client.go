package drift

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/go-json-experiment/json"
)

// Options are the settings of a [Client]. Only Auth is required; the zero value
// of any other stands for its default.
type Options struct {
	BaseURL      string                                     // where the API is; default https://driftapi.com
	Auth         Auth                                       // where tokens come from: a [StaticToken] or an [OAuth]
	Timeout      time.Duration                              // of one call, its body included; default 10 s
	Concurrency  int                                        // calls under way at once, others wait; default 64
	Budget       Budget                                     // how often Drift may be called; nil for any number, and then a 429 is final
	ReportBudget Budget                                     // how often, beside that, it may be asked for a report; nil for any number
	MaxBodyBytes int64                                      // of an answer, longer ones are an [ErrInvalid]; default 16 MiB
	UserAgent    string                                     // default driftgraph
	Transport    *http.Transport                            // a [NewTransport] that clients share; nil for one of its own
	Admit        func(ctx context.Context, call Call) error // asked before each HTTP request, with the context of the caller; an error keeps it from being sent; may be nil
	OnCall       func(ctx context.Context, call Call)       // told of each HTTP request when it has ended, with the context of the caller; may be nil
}

// defaultBaseURL is where Drift's API is.
const defaultBaseURL = "https://driftapi.com"

// A Call is an HTTP request that is or was sent to Drift. Admit sees no more of
// it than what is asked.
type Call struct {
	Method   string
	Route    string        // without ids, such as /contacts/{id}
	Keys     int           // ids that were asked for; 0 for a list
	Attempt  int           // 0, or more if it is sent again
	Status   int           // of the answer; 0 if none came
	Bytes    int           // of the answer's body
	Err      error         // nil if the answer was read; else an *[Error]
	Start    time.Time     // when it was sent, after any wait for its turn
	Duration time.Duration // until its answer was read
}

// A Client calls Drift's REST API for one organisation. It is safe for use by
// many goroutines at once.
//
// It sends its token to the host of the base URL only, and follows no redirect.
//
// A call whose token was not accepted is sent again once if a new token is to be
// had. A read is sent again if Drift refused it because there were too many, twice
// at most, when the Budget allows; and once if it failed for a reason that may
// pass, unless many calls fail. A write is only if nothing of it was sent before:
// it fails by an [ErrOutcomeUnknown] if Drift neither answered well nor refused it.
//
// Routes that keep failing are left alone for a while: see [Stats].
type Client struct {
	base      string // without a slash at its end
	auth      Auth
	http      *http.Client
	own       bool // no others share its connections
	turns     *turns
	reports   *turns // of reports, which wait for a turn here first
	retries   failsafe.Executor[any]
	breakers  breakers
	counts    counts
	timeout   time.Duration
	maxBody   int64
	userAgent string
	admit     func(context.Context, Call) error
	onCall    func(context.Context, Call)
}

// New returns a client with the given settings, or an error that names the
// setting that makes no sense. It calls nobody.
func New(o Options) (*Client, error) {
	base, err := baseURL(o.BaseURL)
	if err != nil {
		return nil, err
	}
	switch token, static := o.Auth.(StaticToken); {
	case o.Auth == nil:
		return nil, errors.New("drift: Auth is missing")
	case static && !validToken(string(token)):
		return nil, errors.New("drift: the token is blank or holds characters that a token cannot have")
	case o.Timeout < 0:
		return nil, fmt.Errorf("drift: Timeout is %v; it must be above 0", o.Timeout)
	case o.Concurrency < 0:
		return nil, fmt.Errorf("drift: Concurrency is %d; it must be above 0", o.Concurrency)
	case o.MaxBodyBytes < 0:
		return nil, fmt.Errorf("drift: MaxBodyBytes is %d; it must be above 0", o.MaxBodyBytes)
	}
	concurrency := cmp.Or(o.Concurrency, 64)
	own := o.Transport == nil
	if own {
		o.Transport = NewTransport(concurrency)
	}
	c := &Client{
		base:      base,
		auth:      o.Auth,
		http:      newHTTPClient(o.Transport),
		own:       own,
		turns:     newTurns(concurrency, o.Budget),
		reports:   newTurns(concurrency, o.ReportBudget),
		retries:   newRetries(),
		timeout:   cmp.Or(o.Timeout, 10*time.Second),
		maxBody:   cmp.Or(o.MaxBodyBytes, 16<<20),
		userAgent: cmp.Or(o.UserAgent, "driftgraph"),
		admit:     o.Admit,
		onCall:    o.OnCall,
	}
	c.breakers.opened = c.bar
	return c, nil
}

// Close closes the connections that are idle, unless others share them. Calls
// under way end as they would.
func (c *Client) Close() {
	if c.own {
		c.http.CloseIdleConnections()
	}
}

// baseURL returns the URL that paths are put behind, or an error that says what
// is wrong with it.
func baseURL(s string) (string, error) {
	if s == "" {
		return defaultBaseURL, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("drift: the base URL must be like https://driftapi.com, without user, query and fragment")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// A call is a request to be made.
type call struct {
	method string                 // blank for GET
	route  string                 // such as /contacts/{id}
	id     string                 // that stands for {id} in the route, or that the answer must have
	query  url.Values             // may be nil
	body   func(token string) any // returns what is sent as JSON; nil if nothing is
	keys   int                    // see [Call]
	reads  bool                   // it changes nothing although it is no GET, so it may be sent again
}

// writes reports whether the call may change something, or send a mail.
func (cl call) writes() bool { return cl.method != http.MethodGet && !cl.reads }

// An answer is what Drift sent with a status in the 200s.
type answer struct {
	id     string // of the call
	status int
	header http.Header
	body   []byte // lent: a reader copies what it keeps
}

// fetch makes a call and returns what read makes of the answer. An error of
// read's says that the answer cannot be read, and why, in words of our own or of
// the JSON package.
func fetch[T any](ctx context.Context, c *Client, cl call, read func(answer) (T, error)) (T, error) {
	var got T
	err := c.do(ctx, cl, func(a answer) (err error) {
		got, err = read(a)
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return got, nil
}

// do waits for its turn, makes a call and hands the answer to read. It makes the
// call again if that may help.
func (c *Client) do(ctx context.Context, cl call, read func(answer) error) error {
	cl.method = cmp.Or(cl.method, http.MethodGet)
	t := &try{ctx: ctx, call: cl, breaker: c.breakers.of(cl.route), read: read}
	err := c.retries.Run(func() error {
		t.err = c.attempt(t)
		return t.err
	})
	if errors.Is(err, budget.ErrExceeded) {
		return t.err
	}
	return err
}

// A try is a call that is being made, for the first time or again.
type try struct {
	call
	ctx     context.Context
	breaker *breaker
	read    func(answer) error
	sent    int   // how often it has been sent so far
	err     error // of the last attempt
}

// attempt makes a call, and a read again after a pause if Drift refuses it
// because there were too many.
func (c *Client) attempt(t *try) error {
	var refused *Error
	for refusals := 0; ; refusals++ {
		queue, err := c.acquire(t)
		if late, ok := errors.AsType[*lateTurn](err); ok {
			if refused == nil {
				refused = &Error{Method: t.method, Route: t.route}
			}
			refused.Err = fmt.Errorf("%w: %w", ErrRateLimited, err)
			refused.RetryAfter = cmp.Or(refused.RetryAfter, late.wait)
			return refused
		} else if err != nil {
			return err
		}
		begun := time.Now()
		err = c.inTurn(t)
		if !errors.As(err, &refused) || !errors.Is(err, ErrRateLimited) {
			queue.meter.count()
			return err
		}
		c.counts.refused.Add(1)
		if queue.budget == nil {
			return err
		}
		wait := queue.budget.Refused(begun, refused.RetryAfter, queue.meter.rate())
		if refusals == mostRefusals || t.writes() || !awaited(t.ctx) {
			refused.RetryAfter = cmp.Or(refused.RetryAfter, wait)
			return err
		}
	}
}

// acquire waits for the turn of a call, unless its group is left alone. It
// returns the queue whose budget the call is bound by.
func (c *Client) acquire(t *try) (queue *turns, err error) {
	if wait := t.breaker.shut(); wait > 0 {
		return nil, t.leftAlone(wait)
	}
	queue = c.turns
	if t.route == reportRoute {
		queue = c.reports
		if err = queue.acquire(t.ctx, t.breaker.group); err == nil {
			queue.release() // it is a token that it waited for
		}
	}
	if err == nil {
		err = c.turns.acquire(t.ctx, t.breaker.group)
	}
	switch {
	case errors.Is(err, errLeftAlone):
		return nil, t.leftAlone(t.breaker.shut())
	case err != nil:
		return nil, &Error{Method: t.method, Route: t.route, Err: err}
	}
	return queue, nil
}

// inTurn sends a call whose turn it is, and gives the turn back.
func (c *Client) inTurn(t *try) error {
	defer c.turns.release()
	return c.authorised(t)
}

// leftAlone returns the error of a call that is not made because its group is
// left alone for so long.
func (t *try) leftAlone(wait time.Duration) error {
	return &Error{Method: t.method, Route: t.route, RetryAfter: wait, Err: fmt.Errorf("%w: %w", ErrUnavailable, errLeftAlone)}
}

// authorised sends a call with a token, and again with a new one if that is not
// accepted.
func (c *Client) authorised(t *try) error {
	token, err := c.auth.Token(t.ctx)
	if err != nil {
		return authError(t.call, err)
	}
	err = c.send(t, token)
	if !errors.Is(err, ErrUnauthorized) {
		return err
	}
	renewed, renewErr := c.auth.Renew(t.ctx, token)
	if renewErr != nil {
		return authError(t.call, renewErr)
	}
	if renewed == token {
		return err
	}
	return c.send(t, renewed)
}

// authError returns the error of a call that got no token. One that tells of a
// request of its own is left as it is.
func authError(cl call, err error) error {
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	return &Error{Method: cl.method, Route: cl.route, Err: err}
}

// send makes one HTTP request and hands its answer to read.
func (c *Client) send(t *try, token string) (err error) {
	era, wait := t.breaker.enter()
	if wait > 0 {
		return t.leftAlone(wait)
	}
	before := t.sent
	defer func() { t.breaker.settle(era, t.sent > before, err) }()
	return c.once(t, token)
}

// once is send for a group that is not left alone.
func (c *Client) once(t *try, token string) error {
	done := Call{Method: t.method, Route: t.route, Keys: t.keys, Attempt: t.sent, Start: time.Now()}
	if c.admit != nil {
		if err := c.admit(t.ctx, done); err != nil {
			return &Error{Method: t.method, Route: t.route, Err: err}
		}
	}
	t.sent++
	c.counts.calls.Add(1)
	if done.Attempt > 0 {
		c.counts.retries.Add(1)
	}
	err := c.roundTrip(t, token, &done)
	if err != nil {
		done.Err = err
	}
	if c.onCall != nil {
		done.Duration = time.Since(done.Start)
		c.onCall(t.ctx, done)
	}
	return err
}

// roundTrip is once without telling of it; it notes in done what it sees.
func (c *Client) roundTrip(t *try, token string, done *Call) error {
	ctx, cl := t.ctx, t.call
	failed := &Error{Method: cl.method, Route: cl.route}
	limited, cancel := context.WithTimeout(ctx, c.timeFor(t))
	defer cancel()
	var sent atomic.Bool // stays false for a read
	if cl.writes() {
		limited = watch(limited, &sent)
	}
	req, err := c.request(limited, cl, token)
	if err != nil {
		failed.Err = err
		return failed
	}
	body := buffers.Get().(*bytes.Buffer)
	defer putBuffer(body)
	resp, err := exchange(ctx, c.http, req, c.maxBody, body)
	if resp != nil {
		failed.Status = resp.StatusCode
		done.Status = resp.StatusCode
		done.Bytes = body.Len()
	}
	failed.OutcomeUnknown = sent.Load() && !refused(failed.Status)
	switch {
	case resp != nil && !succeeded(resp.StatusCode):
		failed.RetryAfter = retryAfter(resp.Header)
		failed.readProblem(body.Bytes())
		return failed
	case err != nil:
		failed.Err = err
		return failed
	}
	if err := t.read(answer{cl.id, resp.StatusCode, resp.Header, body.Bytes()}); err != nil {
		failed.Err = fmt.Errorf("%w: %w", ErrInvalid, explain(err))
		return failed
	}
	return nil
}

// request returns the HTTP request of a call.
func (c *Client) request(ctx context.Context, cl call, token string) (*http.Request, error) {
	if !validToken(token) {
		return nil, ErrUnauthorized
	}
	target := c.base + strings.Replace(cl.route, "{id}", url.PathEscape(cl.id), 1)
	if len(cl.query) > 0 {
		target += "?" + cl.query.Encode()
	}
	var body []byte
	if cl.body != nil {
		var err error
		if body, err = json.Marshal(cl.body(token)); err != nil {
			return nil, fmt.Errorf("%w: the call cannot be written as JSON", ErrRefused)
		}
	}
	req, err := http.NewRequestWithContext(ctx, cl.method, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%w: the call has no URL", ErrRefused)
	}
	req.Header.Set("Accept", "application/json, text/plain;q=0.5")
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("User-Agent", c.userAgent)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if cl.reads {
		// Sends nothing, but says that this POST is a read: if the connection
		// turns out to be closed, it may go out on another.
		req.Header["Idempotency-Key"] = nil
	}
	return req, nil
}
