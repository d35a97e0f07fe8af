package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/sandbox"
)

// forever is how long what is not under test may take.
const forever = "=1h"

// TestTimeouts has Drift hang: each kind of operation is given up when its own time
// is over, and tells so at its fields.
func TestTimeouts(t *testing.T) {
	hang := func(t *testing.T, route string, args ...string) *gateway {
		t.Helper()
		untilEnd := func(next http.Handler) http.Handler { // loads may go on for as long as a mutation may
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx, cancel := context.WithCancel(r.Context())
				defer context.AfterFunc(t.Context(), cancel)()
				next.ServeHTTP(w, r.WithContext(ctx))
			})
		}
		emulator := newSandbox(sandbox.Config{Faults: []sandbox.Fault{{Route: route, Kind: sandbox.Hang}}})
		return assemble(t, parts{drift: emulator, front: untilEnd}, append(args, "--drift-timeout"+forever)...)
	}
	const late = "the operation took longer than it may"
	t.Run("query", func(t *testing.T) {
		t.Parallel()
		g := hang(t, "GET /contacts/{id}", "--operation-timeout=200ms", "--mutation-timeout"+forever)
		r := g.ask(t, `{ contact(id: 5) { name } viewer { caller } }`)
		r.mustComplain(t, complaint{graph.CodeTimeout, "contact", late})
		if at(r.data(t), "viewer.caller") == nil {
			t.Errorf("what was there is lost: %s", r.Text)
		}
	})
	t.Run("change", func(t *testing.T) {
		t.Parallel()
		g := hang(t, "PATCH /contacts/{id}", "--operation-timeout"+forever, "--mutation-timeout=3s")
		r := g.ask(t, fmt.Sprintf(`mutation { updateContact(input: {id: %d, attributes: {name: "Ada"}}) { contact { name } } }`, g.drift.Fixtures().EnrichedContactID))
		r.mustComplain(t, complaint{graph.CodeTimeout, "updateContact", late})
		if r.Errors[0].Extensions["outcome"] != "UNKNOWN" {
			t.Errorf("nothing tells that the change may have been made: %s", r.Text)
		}
	})
	t.Run("what a change reads", func(t *testing.T) {
		t.Parallel()
		g := hang(t, "GET /contacts/{id}", "--operation-timeout"+forever, "--mutation-timeout=5s")
		r := g.ask(t, fmt.Sprintf(`mutation { createTimelineEvent(input: {contactId: %d, event: "met"}) { event { event } contact { name } } }`, g.drift.Fixtures().EnrichedContactID))
		r.mustComplain(t, complaint{graph.CodeTimeout, "createTimelineEvent.contact", late})
		if at(r.data(t), "createTimelineEvent.event.event") != "met" {
			t.Errorf("the change that was made is lost: %s", r.Text)
		}
	})
	t.Run("event", func(t *testing.T) {
		t.Parallel()
		g := hang(t, "GET /contacts/{id}", "--operation-timeout=200ms", "--mutation-timeout"+forever)
		listener := g.listenByEvents(t, `subscription { contactUpdated { id name } }`)
		g.subscribed(t, 1)
		for id := 5; id < 7; id++ { // the subscription goes on after the first
			g.post(t, http.MethodPost, webhookSecret, fmt.Sprintf(`{"type":"contact_updated","data":{"endUserId":%d}}`, id))
			listener.next(t).mustComplain(t, complaint{graph.CodeTimeout, "contactUpdated", late})
		}
	})
}

// TestMutationTimeout holds that a mutation goes on for longer than a query may take:
// what it reads is awaited until after a query that waits for as much has been given
// up.
func TestMutationTimeout(t *testing.T) {
	held, released := make(chan struct{}, 10), make(chan struct{})
	release := sync.OnceFunc(func() { close(released) })
	g := newGateway(t, sandbox.Config{Gate: func(r *http.Request) {
		if r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/contacts/") {
			held <- struct{}{}
			<-released
		}
	}}, "--operation-timeout=300ms", "--mutation-timeout"+forever, "--drift-timeout"+forever)
	defer release()
	changed := make(chan *reply)
	f := g.drift.Fixtures()
	go func() {
		changed <- g.ask(t, fmt.Sprintf(`mutation { createTimelineEvent(input: {contactId: %d, event: "met"}) { contact { name } } }`, f.EnrichedContactID))
	}()
	<-held
	g.ask(t, `{ contact(id: 5) { name } }`).mustComplain(t, complaint{graph.CodeTimeout, "contact", "the operation took longer than it may"})
	release()
	r := <-changed
	r.mustSucceed(t)
	if at(r.data(t), "createTimelineEvent.contact.name") == nil {
		t.Errorf("what was read is lost: %s", r.Text)
	}
}
