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

	"github.com/go-json-experiment/json"
)

// Options are the settings of a [Client]. Only Auth is required; the zero value
// of any other stands for its default.
type Options struct {
	BaseURL      string                                     // where the API is; default https://driftapi.com
	Auth         Auth                                       // where tokens come from: a [StaticToken] or an [OAuth]
	Timeout      time.Duration                              // of one call, its body included; default 10 s
	Concurrency  int                                        // calls under way at once, others wait; default 64
	MaxBodyBytes int64                                      // of an answer, longer ones are an [ErrInvalid]; default 16 MiB
	UserAgent    string                                     // default driftgraph
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
	Attempt  int           // 0, or 1 if it is sent again with a new token
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
// It does not retry, but for one case: a call whose token was not accepted is
// sent again once if a new token is to be had. So a write that may have reached
// Drift is never sent twice: it fails by an [ErrOutcomeUnknown] if Drift neither
// answered well nor refused it.
type Client struct {
	base      string // without a slash at its end
	auth      Auth
	http      *http.Client
	turns     *turns
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
	return &Client{
		base:      base,
		auth:      o.Auth,
		http:      newHTTPClient(concurrency),
		turns:     newTurns(concurrency),
		timeout:   cmp.Or(o.Timeout, 10*time.Second),
		maxBody:   cmp.Or(o.MaxBodyBytes, 16<<20),
		userAgent: cmp.Or(o.UserAgent, "driftgraph"),
		admit:     o.Admit,
		onCall:    o.OnCall,
	}, nil
}

// Close closes the connections that are idle. Calls under way end as they would.
func (c *Client) Close() { c.http.CloseIdleConnections() }

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

// do waits for its turn, makes a call and hands the answer to read.
func (c *Client) do(ctx context.Context, cl call, read func(answer) error) error {
	cl.method = cmp.Or(cl.method, http.MethodGet)
	if err := c.turns.acquire(ctx); err != nil {
		return &Error{Method: cl.method, Route: cl.route, Err: err}
	}
	defer c.turns.release()

	token, err := c.auth.Token(ctx)
	if err != nil {
		return authError(cl, err)
	}
	err = c.send(ctx, cl, token, 0, read)
	if !errors.Is(err, ErrUnauthorized) {
		return err
	}
	renewed, renewErr := c.auth.Renew(ctx, token)
	if renewErr != nil {
		return authError(cl, renewErr)
	}
	if renewed == token {
		return err
	}
	return c.send(ctx, cl, renewed, 1, read)
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
func (c *Client) send(ctx context.Context, cl call, token string, attempt int, read func(answer) error) error {
	done := Call{Method: cl.method, Route: cl.route, Keys: cl.keys, Attempt: attempt, Start: time.Now()}
	if c.admit != nil {
		if err := c.admit(ctx, done); err != nil {
			return &Error{Method: cl.method, Route: cl.route, Err: err}
		}
	}
	err := c.roundTrip(ctx, cl, token, read, &done)
	if err != nil {
		done.Err = err
	}
	if c.onCall != nil {
		done.Duration = time.Since(done.Start)
		c.onCall(ctx, done)
	}
	return err
}

// roundTrip is send without telling of it; it notes in done what it sees.
func (c *Client) roundTrip(ctx context.Context, cl call, token string, read func(answer) error, done *Call) error {
	failed := &Error{Method: cl.method, Route: cl.route}
	limited, cancel := context.WithTimeout(ctx, c.timeout)
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
	if err := read(answer{cl.id, resp.StatusCode, resp.Header, body.Bytes()}); err != nil {
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
