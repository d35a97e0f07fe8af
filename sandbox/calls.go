package sandbox

import "sync"

// keptBody is how many bytes of a request's body the log keeps.
const keptBody = 4 << 10

// A Call is one request that the sandbox was sent.
//
// Start and End come from one counter that every start and every end moves on: a call that started after another had ended
// has a Start above the other's End, and two calls that were under way together have each a Start below the other's End.
type Call struct {
	Method string
	Route  string // such as "/contacts/{id}"; empty if there is no such route
	URL    string // path and query, as sent
	Token  string // the bearer token
	Body   string // the first 4 KiB
	Status int    // 0 if it got no answer, or none yet
	Start  int64
	End    int64 // 0 while the call is under way
}

// A callLog remembers the latest calls.
type callLog struct {
	keep int // how many

	mu       sync.Mutex
	sequence int64
	calls    []*Call // a ring once it is full
	oldest   int     // where the ring begins
}

// start adds a call that is under way.
func (l *callLog) start(c Call) *Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sequence++
	c.Start = l.sequence
	switch {
	case len(l.calls) < l.keep:
		l.calls = append(l.calls, &c)
	case l.keep > 0:
		l.calls[l.oldest] = &c
		l.oldest = (l.oldest + 1) % l.keep
	}
	return &c
}

// finish writes down how a call ended.
func (l *callLog) finish(c *Call, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sequence++
	c.End, c.Status = l.sequence, status
}

// Calls returns the requests since the last ResetCalls in the order of their arrival, at most as many as Config.CallLog
// says. Those that have no answer yet are among them.
func (s *Sandbox) Calls() []Call {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	calls := make([]Call, 0, len(s.calls.calls))
	for i := range s.calls.calls {
		calls = append(calls, *s.calls.calls[(s.calls.oldest+i)%len(s.calls.calls)])
	}
	return calls
}

// ResetCalls forgets all calls, also those under way.
func (s *Sandbox) ResetCalls() {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	s.calls.calls, s.calls.oldest = nil, 0
}
