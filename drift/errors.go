package drift

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// The kinds of failure that a caller may act on, for [errors.Is]. An [Error] is
// of at most one kind. A call that its caller gave up is of none: it is a
// [context.Canceled] or a [context.DeadlineExceeded].
var (
	ErrNotFound     = errors.New("not found")             // 404: Drift has no such record, or does not show it to this token
	ErrUnauthorized = errors.New("token not accepted")    // 401, or no new token was to be had
	ErrForbidden    = errors.New("scope missing")         // 403: the token may not be used for this
	ErrRateLimited  = errors.New("too many calls")        // 429
	ErrRefused      = errors.New("refused")               // other 4xx: something is wrong with the call
	ErrTimeout      = errors.New("no answer in time")     // within the client's own limit for a call
	ErrUnavailable  = errors.New("unavailable")           // 5xx, or no connection
	ErrInvalid      = errors.New("answer cannot be read") // not JSON, cut, too large, of another shape, or a redirect
)

// ErrOutcomeUnknown says that a write was sent and may have taken effect, though
// it failed: its answer was lost, could not be read or is a fault of the server.
// It comes beside the kind of the failure or the error of the context, and never
// with a read, a refusal or a call that was not sent. Whoever would send the
// write again must first look whether it has been carried out.
var ErrOutcomeUnknown = errors.New("it may have taken effect")

// ErrLate comes beside [ErrRateLimited] where a call is not made, or not again,
// because its turn would come after the end of the operation that it is for. One
// that has more time may have it made.
var ErrLate = errors.New("its turn would come too late")

// An Error is a call to Drift that failed.
//
// Its text holds nothing that Drift said, no query, no id and no token, so it
// may be logged. Message, Param and Others may not.
type Error struct {
	Method     string        // of the request
	Route      string        // of the request, such as /contacts/{id}
	Status     int           // HTTP status of the answer; 0 if none came
	Type       string        // what Drift calls the failure, such as validation_error; blank if it did not say
	Code       string        // CONTACT- and a number, on contacts; blank if there is none
	Message    string        // what Drift said; may be blank, may name people
	Param      string        // the parameter that Drift complains of; blank if it did not say
	Others     []Problem     // what else Drift complained of in the same answer; nil if nothing
	RetryAfter time.Duration // how long Drift asks us to wait; 0 if it did not say
	Err        error         // why there is no answer, or none that can be read; nil if Drift refused

	OutcomeUnknown bool // see [ErrOutcomeUnknown]
}

// A Problem is one thing of several that Drift complained of. Its fields are
// those of an [Error], and may not be logged either.
type Problem struct {
	Type    string
	Code    string
	Message string
	Param   string
}

// Error returns the text of e for a log.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "drift: %s %s: ", e.Method, e.Route)
	if e.Err != nil {
		b.WriteString(e.Err.Error())
	} else {
		b.WriteString(kindOf(e.Status).Error())
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, " (status %d)", e.Status)
	}
	if e.Code != "" {
		fmt.Fprintf(&b, " (%s)", e.Code)
	}
	if e.OutcomeUnknown {
		fmt.Fprintf(&b, "; %v", ErrOutcomeUnknown)
	}
	return b.String()
}

// Is reports whether e is a failure of the given kind, such as [ErrNotFound], or
// one that leaves a write as [ErrOutcomeUnknown] says.
func (e *Error) Is(kind error) bool {
	return kind == ErrOutcomeUnknown && e.OutcomeUnknown || e.Err == nil && kind == kindOf(e.Status)
}

// Unwrap returns e.Err, which wraps the kind of failure where the status does
// not tell it.
func (e *Error) Unwrap() error { return e.Err }

// kindOf returns the kind of failure that a status outside the 200s tells of.
func kindOf(status int) error {
	switch {
	case status == http.StatusNotFound:
		return ErrNotFound
	case status == http.StatusUnauthorized:
		return ErrUnauthorized
	case status == http.StatusForbidden:
		return ErrForbidden
	case status == http.StatusTooManyRequests:
		return ErrRateLimited
	case refused(status):
		return ErrRefused
	case status >= 500:
		return ErrUnavailable
	}
	return ErrInvalid
}

// errPage returns the error for a page that no answer named.
func errPage(method, route string) error {
	return &Error{Method: method, Route: route, Err: fmt.Errorf("%w: there is no such page", ErrRefused)}
}

// errKeys returns the error for a call that asks for too many ids.
func errKeys(method, route string, n, limit int) error {
	return &Error{Method: method, Route: route, Err: fmt.Errorf("%w: %d ids in a call that takes %d", ErrRefused, n, limit)}
}

// contactCode is how Drift numbers its refusals on contacts.
var contactCode = regexp.MustCompile(`\bCONTACT-\d{1,6}\b`)

// problemJSON is a problem on the wire.
type problemJSON struct {
	Type    text `json:"type"`
	Code    text `json:"code"`
	Message text `json:"message"`
	Param   text `json:"param"`
}

// problem returns p with its code, wherever it stands: that is not documented.
func (p problemJSON) problem() Problem {
	find := func(t text) string { return contactCode.FindString(string(t)) }
	code := cmp.Or(find(p.Type), find(p.Code), find(p.Message))
	return Problem{string(p.Type), code, string(p.Message), string(p.Param)}
}

// readProblem sets what the body of a refusal says: {"error": {…}}, or the older
// {"errors": [{…}]}, or nothing that can be read.
//
// https://devdocs.drift.com/docs/data-and-errors
func (e *Error) readProblem(body []byte) {
	var said struct {
		Error  loose[problemJSON]          `json:"error"`
		Errors loose[[]loose[problemJSON]] `json:"errors"`
	}
	if json.Unmarshal(body, &said, lenient) != nil {
		return
	}
	var problems []Problem
	for _, p := range append([]loose[problemJSON]{said.Error}, said.Errors.V...) {
		if p.V != (problemJSON{}) {
			problems = append(problems, p.V.problem())
		}
	}
	if len(problems) == 0 {
		return
	}
	first := problems[0]
	e.Type, e.Code, e.Message, e.Param = first.Type, first.Code, first.Message, first.Param
	if len(problems) > 1 {
		e.Others = problems[1:]
	}
}

// maxRetryAfter is the longest wait that is believed.
const maxRetryAfter = 24 * time.Hour

// retryAfter returns how long the headers ask to wait: in seconds, or until an
// instant by the clock that also wrote the Date header.
func retryAfter(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return min(max(until.Sub(now), 0), maxRetryAfter)
}
