// Package webhooks receives the events that Drift posts, drops from the cache
// what they are about, and tells subscribers.
//
// Of an event only its type and its ids are used. What has changed is read from
// Drift when somebody asks, so an event that is forged, late, repeated or out of
// order cannot put anything wrong into the cache.
package webhooks

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/events"
	"github.com/driftgraph/driftgraph/loaders"
	"github.com/driftgraph/driftgraph/redact"
)

const (
	// tokenHeader carries the verification token, as the member token of the body does.
	tokenHeader = "X-Verification-Token"

	maxBodyBytes = 1 << 20

	// Events are worked off by so many workers, each of which has a queue.
	workers     = 8
	queueLength = 128

	// A change of any contact empties the lists of contacts and the transcripts. So
	// those that come within contactsPause are forgotten together.
	contactsLength = 1024
	contactsPause  = 100 * time.Millisecond
)

// wellFormed is what may be logged of a type that is not known.
var wellFormed = regexp.MustCompile(`^[a-z_]{1,64}$`)

// Options are the settings of a Receiver.
type Options struct {
	Token string // the verification token of the app in Drift; must not be empty

	// Organisations says that events are of several. Then one that does not tell
	// whose it is does nothing; else all are of the organisation 0.
	Organisations bool

	Drop    func(drift.ID, loaders.Change) error                        // forgets what has changed in an organisation
	Purge   func(ctx context.Context, org drift.ID, email string) error // forgets a person; may take long, and gives up when ctx ends
	Publish func(...events.Event)                                       // tells subscribers
	Log     *slog.Logger
}

// A Receiver is where Drift posts its events to. It answers 200 as soon as an
// event is in a queue, so that Drift does not wait, and 503 when the queue is
// full, so that Drift posts it again.
type Receiver struct {
	Options
	token [sha256.Size]byte // of Options.Token

	mu       sync.RWMutex // guards closed, and the queues from being closed while written to
	closed   bool
	queues   [workers]chan job
	contacts chan job // events about contacts alone
	purges   chan job // those who are to be forgotten, one after another
	stop     context.CancelFunc
	work     sync.WaitGroup

	received, refused, unknown, unread, full, untold, purged, unpurged atomic.Uint64
}

// New returns a Receiver. It must be closed.
func New(o Options) *Receiver {
	r := &Receiver{Options: o, token: sha256.Sum256([]byte(o.Token))}
	for i := range r.queues {
		r.queues[i] = make(chan job, queueLength)
		r.work.Go(func() {
			for j := range r.queues[i] {
				r.do(gather(j, r.queues[i]))
			}
		})
	}
	ctx, stop := context.WithCancel(context.Background())
	r.contacts = make(chan job, contactsLength)
	r.work.Go(func() {
		for j := range r.contacts {
			r.do(gather(j, r.contacts))
			select {
			case <-time.After(contactsPause):
			case <-ctx.Done():
			}
		}
	})
	r.purges, r.stop = make(chan job, queueLength), stop
	r.work.Go(func() {
		for j := range r.purges {
			r.purge(ctx, j)
		}
	})
	return r
}

// Close works off what is in the queues, but tries no purge again. Events that
// come later are answered 503. A nil Receiver is closed.
func (r *Receiver) Close() {
	if r == nil {
		return
	}
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		for _, q := range r.queues {
			close(q)
		}
		close(r.contacts)
		close(r.purges)
		r.stop()
	}
	r.mu.Unlock()
	r.work.Wait()
}

// Stats are numbers of posts since the Receiver was made.
type Stats struct {
	Received uint64 // taken, of which
	Unknown  uint64 // are of types that nothing is known of
	Unread   uint64 // have not the ids that they should have
	Refused  uint64 // answered 401: the token was wrong or missing
	Full     uint64 // answered 503: the queue was full
	Untold   uint64 // drops that other replicas could not be told of
	Purged   uint64 // requests to forget somebody that were worked off, of which
	Unpurged uint64 // are of persons who may not have been forgotten altogether
}

// Stats returns the present numbers.
func (r *Receiver) Stats() Stats {
	return Stats{
		Received: r.received.Load(), Unknown: r.unknown.Load(), Unread: r.unread.Load(),
		Refused: r.refused.Load(), Full: r.full.Load(), Untold: r.untold.Load(), Purged: r.purged.Load(), Unpurged: r.unpurged.Load(),
	}
}

// ServeHTTP takes one event.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "webhooks are posted", http.StatusMethodNotAllowed)
		return
	}
	inHeader := req.Header.Values(tokenHeader)
	for _, token := range inHeader {
		if !r.verify(token) {
			r.refuse(w)
			return
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBodyBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		http.Error(w, "the body is larger than "+strconv.FormatInt(tooLarge.Limit, 10)+" bytes", http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		http.Error(w, "the body could not be read to its end", http.StatusBadRequest)
		return
	}
	envelope := membersOf(body)
	if _, inBody := envelope["token"]; inBody || len(inHeader) == 0 {
		if !r.verify(envelope.text("token")) {
			r.refuse(w)
			return
		}
	}
	kind := envelope.text("type")
	if kind == "" {
		http.Error(w, "the body is no event: a JSON object with type and data", http.StatusBadRequest)
		return
	}
	about, known := subjects[kind]
	if !known {
		r.received.Add(1)
		r.unknown.Add(1)
		r.Log.DebugContext(req.Context(), "an event of Drift's is of no known type", "type", wellFormed.FindString(kind))
		return
	}
	j, ok := read(kind, about, bytes.TrimSpace(envelope["data"]))
	if r.Organisations {
		j.of(envelope.id("orgId"))
		ok = ok && j.org != 0
	}
	if !ok {
		r.received.Add(1)
		r.unread.Add(1)
		r.Log.WarnContext(req.Context(), "an event of Drift's has not the ids that it should", "type", kind)
		return
	}
	if about == app {
		r.Log.WarnContext(req.Context(), "the app was disconnected from Drift: its token is no longer accepted")
	}
	if !r.enqueue(j) {
		r.full.Add(1)
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many events at once; post it again", http.StatusServiceUnavailable)
		return
	}
	r.received.Add(1)
}

// verify compares a token in a time that tells nothing of either, not even its
// length.
func (r *Receiver) verify(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], r.token[:]) == 1
}

func (r *Receiver) refuse(w http.ResponseWriter) {
	r.refused.Add(1)
	http.Error(w, "the verification token is wrong or missing", http.StatusUnauthorized)
}

// enqueue puts a job into the queue of its lane, unless that is full.
func (r *Receiver) enqueue(j job) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.closed {
		return false
	}
	if j.forget != "" {
		select {
		case r.purges <- j:
			return true
		default:
			return false
		}
	}
	queue := r.queues[laneOf(j.lane)]
	if len(j.change.Contacts) > 0 && len(j.change.Conversations) == 0 {
		queue = r.contacts
	}
	select {
	case queue <- j:
		return true
	default:
		return false
	}
}

// laneOf returns the number of the queue that events about an id go into. Ids of
// Drift's may all be multiples of something, so all digits count.
func laneOf(id drift.ID) uint64 {
	return (uint64(id) * 0x9e3779b97f4a7c15) >> 61 // #nosec G115 -- a hash
}

// gather returns a job and those that wait behind it in its queue.
func gather(first job, queue <-chan job) []job {
	jobs := []job{first}
	for range len(queue) {
		j, ok := <-queue // of which only the caller takes any
		if !ok {
			break
		}
		jobs = append(jobs, j)
	}
	return jobs
}

// do forgets what has changed, all of it at once, for most of it is the same
// lists; and then tells subscribers, who read it anew.
func (r *Receiver) do(jobs []job) {
	defer r.survive()
	changes := make(map[drift.ID]loaders.Change)
	for _, j := range jobs {
		all := changes[j.org]
		all.Add(j.change)
		changes[j.org] = all
	}
	for org, all := range changes {
		if err := r.Drop(org, all); err != nil {
			r.untold.Add(1)
		}
	}
	for _, j := range jobs {
		if len(j.events) > 0 {
			r.Publish(j.events...)
		}
	}
}

// survive keeps a panic, which would end the process, to the event that caused it.
func (r *Receiver) survive() {
	if cause := recover(); cause != nil {
		r.Log.Error("an event of Drift's could not be worked off", "error", redact.Panicked(cause))
	}
}

// purge forgets a person. That it failed is logged, for somebody must do it again.
func (r *Receiver) purge(ctx context.Context, j job) {
	defer r.purged.Add(1)
	defer r.survive()
	if err := r.Purge(ctx, j.org, j.forget); err != nil {
		r.unpurged.Add(1)
		r.Log.ErrorContext(ctx, "a person whom Drift is to forget may not be forgotten here altogether; request the deletion again", "error", err)
	}
}
