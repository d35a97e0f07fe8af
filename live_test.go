package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"go.uber.org/goleak"

	"github.com/driftgraph/driftgraph/events"
	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/sandbox"
)

// TestSubscriptions listens to each field over both transports while things
// happen in the sandbox.
func TestSubscriptions(t *testing.T) {
	g := newLiveGateway(t, sandbox.Config{}, parts{})
	f := g.drift.Fixtures()
	fields := []struct{ field, path, want string }{
		{fmt.Sprintf("messageAdded(conversationId: %d) { body conversation { contact { id } } }", f.LongConversationID), "messageAdded.body", "hello from outside"},
		{fmt.Sprintf(`conversationUpdated(conversationId: "Conversation:%d") { driftId messages(last: 1) { nodes { body } } }`, f.LongConversationID), "conversationUpdated.driftId", fmt.Sprint(f.LongConversationID)},
		{fmt.Sprintf("contactUpdated(contactId: %d) { phone account { name } }", f.EnrichedContactID), "contactUpdated.phone", "555-0101"},
		{fmt.Sprintf("userAvailabilityChanged(userId: %d) { driftId availability teams { name } }", f.UserIDs[0]), "userAvailabilityChanged.driftId", fmt.Sprint(f.UserIDs[0])},
		{fmt.Sprintf(`messageAdded(conversationId: "%d") { body }`, f.LongConversationID), "messageAdded.body", "hello from outside"},
	}
	var listeners []listener
	for _, tt := range fields {
		query := "subscription { " + tt.field + " }"
		listeners = append(listeners, g.listenBySocket(t, query), g.listenByEvents(t, query))
	}
	g.subscribed(t, len(listeners))

	// What happens to others first is told to those who listen to all.
	all := []listener{
		g.listenByEvents(t, "subscription { aliased: messageAdded { body } }"),
		g.listenBySocket(t, "subscription { conversationStarted { contact { email } } }"),
	}
	g.subscribed(t, len(listeners)+len(all))
	g.write(t, "POST", "/conversations/new", `{"email":"newcomer@example.com","message":{"body":"Hello"}}`)
	if got := at(all[0].next(t).data(t), "aliased.body"); got != "Hello" {
		t.Errorf("the first message of all is %v", got)
	}
	if got := at(all[1].next(t).data(t), "conversationStarted.contact.email"); got != "newcomer@example.com" {
		t.Errorf("the first conversation is that of %v", got)
	}

	availability := "OFFLINE"
	if at(g.get(t, fmt.Sprintf("{ user(id: %d) { availability } }", f.UserIDs[0])), "user.availability") == availability {
		availability = "AVAILABLE"
	}
	g.write(t, "POST", fmt.Sprintf("/conversations/%d/messages", f.LongConversationID), `{"type":"chat","body":"hello from outside"}`)
	g.write(t, "PATCH", fmt.Sprintf("/contacts/%d", f.EnrichedContactID), `{"attributes":{"phone":"555-0101"}}`)
	g.write(t, "PATCH", fmt.Sprintf("/users/update?userId=%d", f.UserIDs[0]), fmt.Sprintf(`{"availability":%q}`, availability))
	for i, l := range listeners {
		tt := fields[i/2]
		r := l.next(t)
		if got := at(r.data(t), tt.path); len(r.Errors) > 0 || fmt.Sprint(got) != tt.want {
			t.Errorf("%s tells %s, want %s", tt.field, r.Text, tt.want)
		}
	}
}

// TestLiveIDs subscribes to nothing but ids, which the events tell: that costs no call.
func TestLiveIDs(t *testing.T) {
	g := newLiveGateway(t, sandbox.Config{}, parts{})
	f := g.drift.Fixtures()
	contact, conversation := f.EnrichedContactID, f.LongConversationID
	tests := []struct {
		subscription, event, want string
	}{
		{"contactUpdated { id driftId }", fmt.Sprintf(`{"type":"contact_updated","data":{"endUserId":%d}}`, contact),
			fmt.Sprintf(`{"contactUpdated":{"id":"Contact:%[1]d","driftId":"%[1]d"}}`, contact)},
		{"conversationUpdated { id }", fmt.Sprintf(`{"type":"conversation_inactive","data":{"conversationId":%d}}`, conversation),
			fmt.Sprintf(`{"conversationUpdated":{"id":"Conversation:%d"}}`, conversation)},
		{"conversationStarted { id }", fmt.Sprintf(`{"type":"new_conversation","data":{"id":%d}}`, conversation),
			fmt.Sprintf(`{"conversationStarted":{"id":"Conversation:%d"}}`, conversation)},
		{"messageAdded { id conversation { id } }", fmt.Sprintf(`{"type":"new_message","data":{"id":17,"conversationId":%d}}`, conversation),
			fmt.Sprintf(`{"messageAdded":{"id":"Message:%[1]d:17","conversation":{"id":"Conversation:%[1]d"}}}`, conversation)},
		{"userAvailabilityChanged { id }", fmt.Sprintf(`{"type":"user_availability_updated","data":{"userId":%d}}`, f.UserIDs[0]),
			fmt.Sprintf(`{"userAvailabilityChanged":{"id":"User:%d"}}`, f.UserIDs[0])},
	}
	for _, tt := range tests {
		l := g.listenByEvents(t, "subscription { "+tt.subscription+" }")
		g.post(t, "POST", webhookSecret, tt.event)
		if got := string(l.next(t).Data); got != tt.want {
			t.Errorf("%s is answered %s, want %s", tt.subscription, got, tt.want)
		}
	}
	if n := g.calls(); n != 0 {
		t.Errorf("they cost %d calls", n)
	}
}

// TestThousandSubscribers has a thousand subscribers of one conversation hear of
// one event: that costs a call for the conversation and one for its contact.
func TestThousandSubscribers(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	id := g.drift.Fixtures().ConversationIDs[0]
	var sockets []*socket
	const connections, each = 20, 50
	for range connections {
		s := g.dial(t)
		sockets = append(sockets, s)
		for i := range each {
			s.subscribe(t, fmt.Sprint(i), fmt.Sprintf("subscription { conversationUpdated(conversationId: %d) { status contact { name } } }", id))
		}
	}
	g.subscribed(t, connections*each)
	g.calls()
	g.post(t, "POST", webhookSecret, fmt.Sprintf(`{"type":"conversation_status_updated","data":{"conversationId":%d,"status":"closed","changedAt":1}}`, id))
	for _, s := range sockets {
		for range each {
			if m := s.read(t); m.Type != "next" || bytes.Contains(m.Payload, []byte("errors")) {
				t.Fatalf("a subscriber gets %s %s", m.Type, m.Payload)
			}
		}
	}
	routes := g.routes()
	if diff := cmp.Diff(map[string]int{"/conversations/{id}": 1, "/contacts/{id}": 1}, routes); diff != "" {
		t.Errorf("they do not cost the conversation and the contact once each (-want +got):\n%s", diff)
	}
}

// TestReplicas posts to one replica and listens at another.
func TestReplicas(t *testing.T) {
	server := startRedis(t)
	a := newLiveGateway(t, sandbox.Config{}, parts{redis: server.client(t)}, "--cache-ttl-contact=1h")
	b := assemble(t, parts{redis: server.client(t), drift: a.drift}, "--cache-ttl-contact=1h")
	id := a.drift.Fixtures().EnrichedContactID
	listener := b.listenBySocket(t, fmt.Sprintf("subscription { contactUpdated(contactId: %d) { phone } }", id))
	b.subscribed(t, 1)
	for i := range 50 { // each time the other replica has the record, and must not answer it
		b.get(t, fmt.Sprintf("{ contact(id: %d) { phone } }", id))
		phone := fmt.Sprintf("555-%04d", i)
		a.write(t, "PATCH", fmt.Sprintf("/contacts/%d", id), fmt.Sprintf(`{"attributes":{"phone":%q}}`, phone))
		r := listener.next(t)
		for r.gap() != "" { // it may only now have begun to hear
			if i > 0 {
				t.Errorf("event %d: a gap", i)
			}
			r = listener.next(t)
		}
		if got := at(r.data(t), "contactUpdated.phone"); got != phone {
			t.Errorf("event %d tells of %v, want %s", i, got, phone)
		}
	}
}

// TestReplicasOnLaterPages has a replica keep all pages of a long conversation. A
// new message comes to another replica, which knows of none of them.
func TestReplicasOnLaterPages(t *testing.T) {
	server := startRedis(t)
	a := newLiveGateway(t, sandbox.Config{}, parts{redis: server.client(t)}, "--cache-ttl-message=1h")
	b := assemble(t, parts{redis: server.client(t), drift: a.drift}, "--cache-ttl-message=1h")
	id := a.drift.Fixtures().LongConversationID
	listeners := []listener{}
	for range 20 {
		listeners = append(listeners, b.listenBySocket(t, fmt.Sprintf("subscription { messageAdded(conversationId: %d) { body author { __typename ... on User { name } } } }", id)))
	}
	b.subscribed(t, len(listeners))
	awaitHearing(t, a, b)
	b.get(t, fmt.Sprintf("{ conversation(id: %d) { messages(last: 1) { nodes { body } } } }", id))
	b.calls()
	a.write(t, "POST", fmt.Sprintf("/conversations/%d/messages", id), `{"type":"chat","body":"on a later page"}`)
	for _, l := range listeners {
		r := l.next(t)
		for r.gap() != "" {
			r = l.next(t)
		}
		if got := at(r.data(t), "messageAdded.body"); got != "on a later page" {
			t.Fatalf("a subscriber is told %s", r.Text)
		}
	}
	if n := b.routes()["/conversations/{id}/messages"]; n > 10 {
		t.Errorf("%d calls for messages; %d subscribers should share them", n, len(listeners))
	}
}

// TestRedisLostTellsOfAGap has Redis die and come back: subscribers hear that
// they may have missed something, both times, and then of events again.
func TestRedisLostTellsOfAGap(t *testing.T) {
	server := startRedis(t)
	a := newLiveGateway(t, sandbox.Config{}, parts{redis: server.client(t)})
	b := assemble(t, parts{redis: server.client(t), drift: a.drift})
	id := a.drift.Fixtures().EnrichedContactID
	listener := b.listenBySocket(t, fmt.Sprintf("subscription { contactUpdated(contactId: %d) { phone } }", id))
	b.subscribed(t, 1)
	change := func(phone string) {
		a.write(t, "PATCH", fmt.Sprintf("/contacts/%d", id), fmt.Sprintf(`{"attributes":{"phone":%q}}`, phone))
	}
	until := func(phone string) { // told, and then changed again until it is
		t.Helper()
		for {
			if r := listener.next(t); r.gap() == "" && at(r.data(t), "contactUpdated.phone") == phone {
				return
			}
		}
	}
	gap := func() {
		t.Helper()
		for {
			if r := listener.next(t); r.gap() == string(events.Disconnected) {
				return
			}
		}
	}
	awaitHearing(t, a, b)
	change("555-0001")
	until("555-0001")
	server.Kill()
	gap()
	change("555-0002") // nobody can tell b
	server.Restart(t)
	gap()
	awaitHearing(t, a, b)
	change("555-0003")
	until("555-0003")
}

// awaitHearing returns once b hears what a publishes.
func awaitHearing(t *testing.T, a, b *gateway) {
	t.Helper()
	s := b.bus.Subscribe(events.Filter{Kind: events.UserAvailabilityChanged, Of: 1})
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		a.bus.Publish(events.Event{Kind: events.UserAvailabilityChanged, User: 1})
		soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		e, err := s.Next(soon)
		cancel()
		if err == nil && e.Kind != events.Gap {
			return
		}
	}
	t.Fatal("one replica does not hear the other")
}

// TestSlowSubscriber holds the answer to one event while many others happen: the
// subscriber hears of a gap in their place, and goes on.
func TestSlowSubscriber(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var holding atomic.Bool
	g := assemble(t, parts{drift: newSandbox(sandbox.Config{Gate: func(r *http.Request) {
		if holding.Load() && strings.HasPrefix(r.URL.Path, "/contacts/") {
			once.Do(func() { close(asked) })
			<-release
		}
	}})})
	id := g.drift.Fixtures().EnrichedContactID
	listener := g.listenByEvents(t, fmt.Sprintf("subscription { contactUpdated(contactId: %d) { id name } }", id))
	g.subscribed(t, 1)
	event := func(i int) string {
		return fmt.Sprintf(`{"type":"contact_updated","data":{"endUserId":%d,"timestamp":%d,"diff":[]}}`, id, i)
	}
	holding.Store(true)
	g.post(t, "POST", webhookSecret, event(0))
	<-asked
	for i := 1; g.bus.Stats().Overflows == 0; i++ {
		if i > 1000 {
			t.Fatal("the queue of a subscriber has no bound")
		}
		g.post(t, "POST", webhookSecret, event(i))
	}
	holding.Store(false)
	close(release)
	if r := listener.next(t); r.gap() != "" {
		t.Errorf("the first result is %s", r.Text)
	}
	if r := listener.next(t); r.gap() != string(events.Overflow) || string(r.Data) != `{"contactUpdated":null}` {
		t.Errorf("after it comes %s", r.Text)
	}
	g.post(t, "POST", webhookSecret, event(-1))
	if r := listener.next(t); r.gap() != "" || at(r.data(t), "contactUpdated.id") == nil {
		t.Errorf("after the gap comes %s", r.Text)
	}
}

// TestSubscriptionFailures asks for what cannot be listened to, and has Drift
// fail for an event.
func TestSubscriptionFailures(t *testing.T) {
	g := newGateway(t, sandbox.Config{Faults: []sandbox.Fault{{Route: "GET /contacts/{id}", Status: 403}}})
	tests := []struct{ query, code string }{
		{"subscription { nothing }", graph.CodeValidationFailed},
		{"subscription { messageAdded }", graph.CodeValidationFailed},
		{"subscription {", graph.CodeParseFailed},
		{"subscription { conversationStarted { id } contactUpdated { id } }", graph.CodeValidationFailed},
		{`subscription { messageAdded(conversationId: "Contact:1") { id } }`, graph.CodeBadUserInput},
		{`subscription { contactUpdated(contactId: "x") { id } }`, graph.CodeBadUserInput},
		{`subscription { __typename }`, graph.CodeValidationFailed},
	}
	s := g.dial(t)
	for _, tt := range tests {
		s.subscribe(t, "1", tt.query)
		m := s.read(t)
		var list []fault
		if m.Type != "error" || json.Unmarshal(m.Payload, &list) != nil || len(list) == 0 || list[0].Extensions["code"] != tt.code {
			t.Errorf("%s: by WebSocket %s %s, want %s", tt.query, m.Type, m.Payload, tt.code)
		}
		l := g.listenByEvents(t, tt.query)
		if r := l.next(t); len(r.Errors) == 0 || r.Errors[0].Extensions["code"] != tt.code || r.Data != nil {
			t.Errorf("%s: as events %s, want %s", tt.query, r.Text, tt.code)
		}
		if !l.ended(t) {
			t.Errorf("%s: the stream goes on", tt.query)
		}
	}
	s.subscribe(t, "1", "subscription { contactUpdated { name } }")
	g.subscribed(t, 1)
	g.post(t, "POST", webhookSecret, `{"type":"contact_updated","data":{"endUserId":7}}`)
	if m := s.read(t); m.Type != "next" || !bytes.Contains(m.Payload, []byte(`"data":{"contactUpdated":null}`)) || !bytes.Contains(m.Payload, []byte(graph.CodeUpstreamForbidden)) {
		t.Errorf("an event that cannot be read is %s %s", m.Type, m.Payload)
	}
	if r := g.ask(t, "subscription { contactUpdated { name } }"); r.Status != http.StatusMethodNotAllowed {
		t.Errorf("a plain POST gives %d", r.Status)
	}
}

// TestQueriesOverLiveConnections asks what is no subscription.
func TestQueriesOverLiveConnections(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	s := g.dial(t)
	s.subscribe(t, "q", "{ viewer { caller } }")
	if m := s.read(t); m.Type != "next" || string(m.Payload) != `{"data":{"viewer":{"caller":"anonymous"}}}` {
		t.Errorf("it is %s %s", m.Type, m.Payload)
	}
	if m := s.read(t); m.Type != "complete" || m.ID != "q" {
		t.Errorf("then %+v", m)
	}
	l := g.listenByEvents(t, "{ viewer { caller } }")
	if r := l.next(t); at(r.data(t), "viewer.caller") != "anonymous" || !l.ended(t) {
		t.Errorf("as events it is %s", r.Text)
	}
}

// revocable refuses operations once it is told to.
type revocable struct{ revoked *atomic.Bool }

func (revocable) ExtensionName() string                   { return "Revocable" }
func (revocable) Validate(graphql.ExecutableSchema) error { return nil }
func (r revocable) MutateOperationContext(context.Context, *graphql.OperationContext) *gqlerror.Error {
	if r.revoked.Load() {
		return &gqlerror.Error{Message: "no longer", Extensions: map[string]any{"code": "FORBIDDEN"}}
	}
	return nil
}

// TestRevoked takes away a subscriber's right: the next event is not told, and
// ends the subscription.
func TestRevoked(t *testing.T) {
	var revoked atomic.Bool
	g := assemble(t, parts{use: revocable{&revoked}})
	s := g.dial(t)
	s.subscribe(t, "1", "subscription { contactUpdated { id } }")
	l := g.listenByEvents(t, "subscription { contactUpdated { id } }")
	g.subscribed(t, 2)
	revoked.Store(true)
	g.post(t, "POST", webhookSecret, `{"type":"contact_updated","data":{"endUserId":7}}`)
	if m := s.read(t); m.Type != "error" || !bytes.Contains(m.Payload, []byte("FORBIDDEN")) {
		t.Errorf("by WebSocket it is %s %s", m.Type, m.Payload)
	}
	if r := l.next(t); len(r.Errors) == 0 || !l.ended(t) {
		t.Errorf("as events it is %s", r.Text)
	}
	g.subscribed(t, 0)
	if n := g.calls(); n != 0 {
		t.Errorf("it costs %d calls", n)
	}
}

// TestSocketProtocol breaks the rules of graphql-transport-ws, one at a time.
func TestSocketProtocol(t *testing.T) {
	g, hasty := assemble(t, parts{}), assemble(t, parts{live: graph.LiveOptions{Patience: time.Millisecond}})
	const subscribe = `{"type":"subscribe","id":"1","payload":{"query":"subscription { contactUpdated { id } }"}}`
	const begin = `{"type":"connection_init"}`
	tests := []struct {
		name     string
		messages []string
		want     websocket.StatusCode
	}{
		{"nothing", nil, 4408},
		{"begun twice", []string{begin, begin}, 4429},
		{"not begun", []string{subscribe}, 4401},
		{"no JSON", []string{"hello"}, 4400},
		{"no type", []string{begin, "{}"}, 4400},
		{"of the older protocol", []string{begin, `{"type":"start","id":"1"}`}, 4400},
		{"no id", []string{begin, `{"type":"subscribe","payload":{"query":"{ viewer { caller } }"}}`}, 4400},
		{"no payload", []string{begin, `{"type":"subscribe","id":"1"}`}, 4400},
		{"no query", []string{begin, `{"type":"subscribe","id":"1","payload":{}}`}, 4400},
		{"an id twice", []string{begin, subscribe, subscribe}, 4409},
		{"too long", []string{begin, `{"type":"ping","payload":"` + strings.Repeat("x", 300<<10) + `"}`}, websocket.StatusMessageTooBig},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := g.connect(t)
			if tt.messages == nil {
				s = hasty.connect(t)
			}
			for _, text := range tt.messages {
				if err := s.conn.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
					break
				}
			}
			for {
				_, _, err := s.conn.Read(t.Context())
				if err == nil {
					continue
				}
				if got := websocket.CloseStatus(err); got != tt.want {
					t.Errorf("it ends with %d, want %d: %v", got, tt.want, err)
				}
				return
			}
		})
	}

	s := g.dial(t)
	s.write(t, wireMessage{Type: "ping", Payload: json.RawMessage(`{"a":1}`)})
	if m := s.read(t); m.Type != "pong" || string(m.Payload) != `{"a":1}` {
		t.Errorf("a ping is answered by %+v", m)
	}
	s.write(t, wireMessage{Type: "pong"})
	for range 3 { // an id may be used again once it is free
		s.subscribe(t, "1", "subscription { contactUpdated { id } }")
		g.subscribed(t, 1)
		s.write(t, wireMessage{Type: "complete", ID: "1"})
		g.subscribed(t, 0)
	}

	for name, options := range map[string]*websocket.DialOptions{
		"no subprotocol":      {},
		"another subprotocol": {Subprotocols: []string{"graphql-ws"}},
	} {
		conn, _, err := websocket.Dial(t.Context(), g.url+"/graphql", options)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != 4406 {
			t.Errorf("%s ends with %v, want 4406", name, err)
		}
	}
	_, res, err := websocket.Dial(t.Context(), g.url+"/graphql", &websocket.DialOptions{
		Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: http.Header{"Origin": {"https://elsewhere.example"}},
	})
	if err == nil || res.StatusCode != http.StatusForbidden {
		t.Errorf("a page of another site: %v, %v", res, err)
	}
}

// TestEventsFromOtherSites asks by GET as a page of another site would.
func TestEventsFromOtherSites(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	for site, want := range map[string]int{"": 200, "same-origin": 200, "cross-site": 403} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url+"/graphql?query=%7Bviewer%7Bcaller%7D%7D", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/event-stream")
		req.Header.Set("Sec-Fetch-Site", site)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != want || want == 200 && string(text) != "event: next\ndata: {\"data\":{\"viewer\":{\"caller\":\"anonymous\"}}}\n\nevent: complete\ndata:\n\n" {
			t.Errorf("%q: status %d, %q", site, res.StatusCode, text)
		}
	}
}

// TestEventsAmongOtherMedia asks as urql does, which accepts events in every
// request: only what cannot be answered at once may come as events.
func TestEventsAmongOtherMedia(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	for _, tt := range []struct{ query, accept, want string }{
		{"{ viewer { caller } }", "application/graphql-response+json, application/json, text/event-stream, multipart/mixed", "application/graphql-response+json"},
		{"{ viewer { caller } }", "text/event-stream, application/json", "application/json"},
		{"{ viewer { caller } }", "text/event-stream, multipart/mixed", "text/event-stream"},
		{"subscription { messageAdded { id } }", "application/graphql-response+json, application/json, text/event-stream, multipart/mixed", "text/event-stream"},
	} {
		body, err := json.Marshal(map[string]string{"query": tt.query})
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url+"/graphql", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", tt.accept)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if media, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";"); res.StatusCode != http.StatusOK || media != tt.want {
			t.Errorf("%s, which accepts %s: status %d, %s; want %s", tt.query, tt.accept, res.StatusCode, media, tt.want)
		}
	}
}

// TestSubscriptionLimits opens one connection and one subscription too many.
func TestSubscriptionLimits(t *testing.T) {
	g := assemble(t, parts{}, "--max-subscriptions=2")
	s := g.dial(t)
	const query = "subscription { contactUpdated { id } }"
	s.subscribe(t, "1", query)
	s.subscribe(t, "2", query)
	g.subscribed(t, 2)
	s.subscribe(t, "3", query)
	if m := s.read(t); m.Type != "error" || m.ID != "3" || !bytes.Contains(m.Payload, []byte(graph.CodeRateLimited)) {
		t.Errorf("the third is %+v", m)
	}
	g.dial(t)
	_, res, err := websocket.Dial(t.Context(), g.url+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err == nil || res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("the third connection: %v, %v", res, err)
	}
	if got := g.live.Stats(); got != (graph.LiveStats{Connections: 2, Subscriptions: 2, Refused: 2}) {
		t.Errorf("it counts %+v", got)
	}
}

// TestKeepAlive is quiet for a while on both transports.
func TestKeepAlive(t *testing.T) {
	g := assemble(t, parts{live: graph.LiveOptions{KeepAlive: 5 * time.Millisecond}})
	pings := make(chan struct{}, 1000)
	conn, _, err := websocket.Dial(t.Context(), g.url+"/graphql", &websocket.DialOptions{
		Subprotocols: []string{"graphql-transport-ws"},
		OnPingReceived: func(context.Context, []byte) bool {
			select {
			case pings <- struct{}{}:
			default:
			}
			return true
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	go func() { _, _, _ = conn.Read(t.Context()) }()
	<-pings
	<-pings
	l := g.listenByEvents(t, "subscription { contactUpdated { id } }")
	for quiet := 0; quiet < 3; {
		line, err := l.lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == ":\n" {
			quiet++
		}
	}
}

// TestLiveDrain stops the program while clients listen: each is told to connect
// again, and nothing is left behind.
func TestLiveDrain(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	defer http.DefaultClient.CloseIdleConnections()
	p := start(t, "--listen-addr=127.0.0.1:0", "--sandbox-activity=5ms")
	g := &gateway{url: p.url}
	s := g.dial(t)
	s.subscribe(t, "1", "subscription { messageAdded { body author { ... on Contact { name } ... on User { name } } } }")
	l := g.listenByEvents(t, "subscription { conversationUpdated { status contact { name } } }")
	if m := s.read(t); m.Type != "next" {
		t.Errorf("the sandbox is alive, and %s %s comes", m.Type, m.Payload)
	}
	l.next(t)
	p.stop()
	for {
		if _, _, err := s.conn.Read(t.Context()); err != nil {
			if websocket.CloseStatus(err) != websocket.StatusServiceRestart {
				t.Errorf("the connection ends with %v, want 1012", err)
			}
			break
		}
	}
	for name := "next"; name == "next"; {
		if name, _ = l.event(t); name == "complete" {
			t.Error("the stream says that nothing more is to come")
		}
	}
	if err := <-p.ended; err != nil {
		t.Errorf("it ends with %v", err)
	}
}

// TestLiveLeaks has clients vanish without a word.
func TestLiveLeaks(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	g.get(t, "{ viewer { caller } }")
	for range 20 {
		s := g.dial(t)
		s.subscribe(t, "1", "subscription { contactUpdated { id } }")
		l := g.listenByEvents(t, "subscription { contactUpdated { id } }")
		g.subscribed(t, 2)
		_ = s.conn.CloseNow()
		l.body.Close()
		g.subscribed(t, 0)
	}
	for deadline := time.Now().Add(10 * time.Second); g.live.Stats() != (graph.LiveStats{}); {
		if g.get(t, "{ viewer { caller } }"); time.Now().After(deadline) {
			t.Fatalf("it still counts %+v", g.live.Stats())
		}
	}
}

// A listener hears the results of a subscription.
type listener interface{ next(t *testing.T) *reply }

// gap returns the reason of a gap, "" if the result is none.
func (r *reply) gap() string {
	var told struct {
		Extensions struct{ Gap struct{ Reason string } }
	}
	_ = json.Unmarshal(r.Text, &told)
	return told.Extensions.Gap.Reason
}

func readReply(t *testing.T, text []byte) *reply {
	t.Helper()
	r := &reply{Status: http.StatusOK, Text: text}
	if err := json.Unmarshal(text, r); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return r
}

// subscribed waits until there are so many subscriptions.
func (g *gateway) subscribed(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); g.bus.Stats().Subscribers != n; {
		if g.get(t, "{ viewer { caller } }"); time.Now().After(deadline) {
			t.Fatalf("%d subscribers, want %d", g.bus.Stats().Subscribers, n)
		}
	}
}

// A socket is a client by WebSocket.
type socket struct{ conn *websocket.Conn }

type wireMessage struct {
	Type    string          `json:"type"`
	ID      string          `json:"id,omitempty"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// connect opens a connection, and says nothing.
func (g *gateway) connect(t *testing.T) *socket {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), g.url+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(1 << 20)
	return &socket{conn}
}

// dial opens a connection and begins.
func (g *gateway) dial(t *testing.T) *socket {
	t.Helper()
	s := g.connect(t)
	s.write(t, wireMessage{Type: "connection_init"})
	if m := s.read(t); m.Type != "connection_ack" {
		t.Fatalf("it begins with %+v", m)
	}
	return s
}

func (s *socket) write(t *testing.T, m wireMessage) {
	t.Helper()
	text, err := json.Marshal(m)
	if err == nil {
		err = s.conn.Write(t.Context(), websocket.MessageText, text)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (s *socket) read(t *testing.T) (m wireMessage) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, text, err := s.conn.Read(ctx)
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (s *socket) subscribe(t *testing.T, id, query string) {
	t.Helper()
	payload, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, wireMessage{Type: "subscribe", ID: id, Payload: payload})
}

// next returns the next result.
func (s *socket) next(t *testing.T) *reply {
	t.Helper()
	m := s.read(t)
	if m.Type != "next" {
		t.Fatalf("not a result but %s %s", m.Type, m.Payload)
	}
	return readReply(t, m.Payload)
}

// listenBySocket subscribes on a connection of its own.
func (g *gateway) listenBySocket(t *testing.T, query string) *socket {
	t.Helper()
	s := g.dial(t)
	s.subscribe(t, "1", query)
	return s
}

// A stream is a client by server-sent events.
type stream struct {
	lines *bufio.Reader
	body  io.Closer
}

// listenByEvents subscribes by server-sent events.
func (g *gateway) listenByEvents(t *testing.T, query string) *stream {
	t.Helper()
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url+"/graphql", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("status %d, %s", res.StatusCode, res.Header.Get("Content-Type"))
	}
	return &stream{bufio.NewReader(res.Body), res.Body}
}

// event returns the next event: its name and its data.
func (s *stream) event(t *testing.T) (name, data string) {
	t.Helper()
	for {
		line, err := s.lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return "", ""
		} else if err != nil {
			t.Fatal(err)
		}
		switch field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":"); field {
		case "event":
			name = strings.TrimSpace(value)
		case "data":
			data = strings.TrimSpace(value)
		default:
			if name != "" && line == "\n" {
				return name, data
			}
		}
	}
}

// next returns the next result.
func (s *stream) next(t *testing.T) *reply {
	t.Helper()
	name, data := s.event(t)
	if name != "next" {
		t.Fatalf("not a result but %q %q", name, data)
	}
	return readReply(t, []byte(data))
}

// ended reports whether the stream ends as it should, after further results.
func (s *stream) ended(t *testing.T) bool {
	t.Helper()
	for {
		switch name, _ := s.event(t); name {
		case "next":
		case "complete":
			rest, _ := s.event(t)
			return rest == ""
		default:
			return false
		}
	}
}
