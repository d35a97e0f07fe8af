package sandbox

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A FaultKind is a way in which a call can go wrong.
type FaultKind string

const (
	Status  FaultKind = "status"  // an error with the given status, as Drift writes it; the kind of a fault that has none
	NotJSON FaultKind = "notjson" // an HTML page, as from a proxy in between
	Empty   FaultKind = "empty"   // no body
	Cut     FaultKind = "cut"     // the right answer, but the connection ends in the middle of its body
	Drop    FaultKind = "drop"    // the connection ends without an answer, and nothing was done
	Hang    FaultKind = "hang"    // no answer until the client gives up, and nothing is done
	Slow    FaultKind = "slow"    // the right answer, but late
	Short   FaultKind = "short"   // half of the right answer, with a Content-Length that makes it the whole
	Tail    FaultKind = "tail"    // the right answer, of which the second half comes late
)

// A Fault makes calls go wrong. It strikes before the token and the limits are looked at.
type Fault struct {
	Route string // "/contacts/{id}", "GET /contacts/{id}", or "*" for all, also those that do not exist
	Match string // what path and query, as sent, must contain; empty fits all
	Kind  FaultKind

	Status     int           // of the answer: 0 means 500 for Status, and 200 for NotJSON and Empty
	RetryAfter time.Duration // sent as a header with Status, in whole seconds; 0 sends none
	Delay      time.Duration // of Slow and Tail

	Count       int     // how many calls it strikes; 0 means all
	Probability float64 // of striking a call that fits; 0 means always. The seed decides which of them
}

// answer is what the client gets for the kinds that have an answer of their own.
func (f Fault) answer() answer {
	switch f.Kind {
	case NotJSON:
		return answer{
			status: cmp.Or(f.Status, http.StatusOK), contentType: "text/html; charset=utf-8",
			body: []byte("<!doctype html>\n<title>Bad gateway</title>\n<h1>sandbox: injected page</h1>\n"),
		}
	case Empty:
		return answer{status: cmp.Or(f.Status, http.StatusOK), contentType: "application/json"}
	}
	refused := &refusal{cmp.Or(f.Status, http.StatusInternalServerError), "internal_error", "sandbox: injected failure", f.RetryAfter}
	switch refused.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		refused.kind = "authentication_error"
	case http.StatusNotFound:
		refused.kind = "not_found"
	case http.StatusTooManyRequests:
		refused.kind = "rate_limit"
	default:
		if refused.status < 500 {
			refused.kind = "validation_error"
		}
	}
	return refused.answer(true)
}

// check says what is wrong with the fault itself.
func (f Fault) check() error {
	known := f.Route == "*" || slices.ContainsFunc(routes(), func(rt route) bool { return rt.is(f.Route) })
	switch {
	case !known:
		return fmt.Errorf("no route %q", f.Route)
	case !slices.Contains([]FaultKind{Status, NotJSON, Empty, Cut, Drop, Hang, Slow, Short, Tail}, f.Kind):
		return fmt.Errorf("no fault of kind %q", f.Kind)
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("status %d is not from 200 to 599", f.Status)
	case f.Probability < 0 || f.Probability > 1:
		return fmt.Errorf("probability %v is not from 0 to 1", f.Probability)
	}
	return nil
}

// is reports whether name, with or without a method, means this route.
func (rt route) is(name string) bool {
	return name == "*" || name == rt.path || name == rt.method+" "+rt.path
}

// A liveFault counts its strikes.
type liveFault struct {
	Fault
	struck int
	rng    *rand.Rand
}

// A faultList is the faults in force.
type faultList struct {
	mu     sync.Mutex
	faults []*liveFault
	added  uint64 // ever, so that each has its own random numbers
}

// Inject adds faults. Of several that strike one call, delays add up and the first of another kind counts. It panics if a
// fault names a route, a kind or a number that makes no sense.
func (s *Sandbox) Inject(faults ...Fault) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	for _, f := range faults {
		f.Kind = cmp.Or(f.Kind, Status)
		if err := f.check(); err != nil {
			panic(fmt.Sprintf("sandbox: fault %+v: %v", f, err))
		}
		s.faults.added++
		s.faults.faults = append(s.faults.faults, &liveFault{Fault: f, rng: rand.New(rand.NewPCG(s.cfg.Seed, s.faults.added))})
	}
}

// ClearFaults removes all faults.
func (s *Sandbox) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.faults = nil
}

// next says what strikes this call: the zero fault if nothing does, and how long it is held up.
func (l *faultList) next(rt route, uri string) (strikes Fault, slow time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.faults {
		if !rt.is(f.Route) || !strings.Contains(uri, f.Match) || f.Count > 0 && f.struck >= f.Count {
			continue
		}
		if f.Probability > 0 && f.rng.Float64() >= f.Probability {
			continue
		}
		f.struck++
		if f.Kind != Slow {
			return f.Fault, slow
		}
		slow += f.Delay
	}
	return Fault{}, slow
}

// faultSyntax is one fault as ParseFaults reads it: where, kind, argument, count, probability.
var faultSyntax = regexp.MustCompile(`^(.+)=(\d{3}|[a-z]+)(?::([^*@]+))?(?:\*(\d+))?(?:@([0-9.]+))?$`)

// ParseFaults reads faults from one line, separated by commas:
//
//	WHERE=WHAT[:ARGUMENT][*COUNT][@PROBABILITY]
//
// WHERE is a route as in Fault.Route, and may go on with "~" and a text that the URL must contain. WHAT is a status such as
// 503, or a kind of fault. ARGUMENT is how late a slow answer or its tail is, what to send as Retry-After with a status, or the status of
// notjson and empty. For example:
//
//	GET /contacts/{id}=500@0.1, /users/list=hang*1, *=slow:250ms, /accounts~index=65=429:2s, /playbooks/list=notjson:502
func ParseFaults(line string) ([]Fault, error) {
	var faults []Fault
	for item := range strings.SplitSeq(line, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		f, err := parseFault(item)
		if err != nil {
			return nil, err
		}
		faults = append(faults, f)
	}
	return faults, nil
}

func parseFault(item string) (Fault, error) {
	parts := faultSyntax.FindStringSubmatch(item)
	if parts == nil {
		return Fault{}, fmt.Errorf("sandbox: fault %q is not WHERE=WHAT[:ARGUMENT][*COUNT][@PROBABILITY]", item)
	}
	var f Fault
	f.Route, f.Match, _ = strings.Cut(parts[1], "~")
	f.Kind = FaultKind(parts[2])
	if status, err := strconv.Atoi(parts[2]); err == nil {
		f.Kind, f.Status = Status, status
	}
	var err error
	switch argument := parts[3]; {
	case argument == "" && f.Kind != Slow && f.Kind != Tail:
	case f.Kind == Slow, f.Kind == Tail:
		f.Delay, err = time.ParseDuration(argument)
	case f.Kind == Status:
		f.RetryAfter, err = time.ParseDuration(argument)
	case f.Kind == NotJSON, f.Kind == Empty:
		f.Status, err = strconv.Atoi(argument)
	default:
		err = fmt.Errorf("%s takes no argument", f.Kind)
	}
	if err == nil && parts[4] != "" {
		f.Count, err = strconv.Atoi(parts[4])
	}
	if err == nil && parts[5] != "" {
		f.Probability, err = strconv.ParseFloat(parts[5], 64)
	}
	if err == nil {
		err = f.check()
	}
	if err != nil {
		return Fault{}, fmt.Errorf("sandbox: fault %q: %w", item, err)
	}
	return f, nil
}
