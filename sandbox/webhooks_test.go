package sandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/sandbox"
)

// An event is what a receiver was posted.
type event struct {
	Type, Token string
	OrgID       int64
	Data        json.RawMessage

	header http.Header
	body   []byte
}

// A receiver takes events over HTTP, and remembers those that it accepts.
type receiver struct {
	url    string
	refuse func(n int, w http.ResponseWriter, r *http.Request) bool // answers the nth post itself; nil for none

	mu     sync.Mutex
	posts  int
	events []event
}

// receive starts a receiver. What it is told to refuse must be set before the first post.
func receive(t *testing.T) *receiver {
	t.Helper()
	in := &receiver{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the sandbox gave up
		}
		in.mu.Lock()
		in.posts++
		n := in.posts
		in.mu.Unlock()
		if in.refuse != nil && in.refuse(n, w, r) {
			return
		}
		e := event{header: r.Header, body: body}
		if err := json.Unmarshal(body, &e); err != nil || r.Method != "POST" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %v: %s", r.Method, r.Header.Get("Content-Type"), err, body)
		}
		in.mu.Lock()
		defer in.mu.Unlock()
		in.events = append(in.events, e)
	}))
	t.Cleanup(server.Close)
	in.url = server.URL + "/webhooks/drift"
	return in
}

// announce starts a sandbox that posts to a receiver.
func announce(t *testing.T, in *receiver, cfg sandbox.Config) (*sandbox.Sandbox, *client) {
	t.Helper()
	cfg.Webhooks = in.url
	if cfg.Conversations == 0 {
		cfg.Conversations = 40
	}
	s, c := serve(t, cfg)
	t.Cleanup(s.Close)
	return s, c
}

// take waits for all events and forgets them.
func (in *receiver) take(t *testing.T, s *sandbox.Sandbox) []event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Drain(ctx); err != nil {
		t.Fatal("events are still on their way: ", err)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	events := in.events
	in.events = nil
	return events
}

func types(events []event) (types []string) {
	for _, e := range events {
		types = append(types, e.Type)
	}
	return types
}

// of returns the events of a type.
func of(events []event, kind string) []event {
	return slices.DeleteFunc(slices.Clone(events), func(e event) bool { return e.Type != kind })
}

// content reads the data of an event.
func content[T any](t *testing.T, e event) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(e.Data, &v); err != nil {
		t.Fatalf("%v: %s", err, e.Data)
	}
	return v
}

// TestWriteEvents makes each write and looks at the events for it.
func TestWriteEvents(t *testing.T) {
	in := receive(t)
	s, c := announce(t, in, sandbox.Config{Seed: 1, WebhookToken: "vt"})
	f := s.Fixtures()
	contact := fmt.Sprint("/contacts/", f.EnrichedContactID)
	conversation := fmt.Sprint("/conversations/", f.ConversationIDs[0], "/messages")
	fresh := fmt.Sprint("/conversations/", f.EmptyConversationID, "/messages")
	agent := f.UserIDs[len(f.UserIDs)-1]
	c.patch(fmt.Sprint("/users/update?userId=", agent), object{"availability": "OFFLINE"})
	in.take(t, s)

	tests := []struct {
		name  string
		write func() reply
		types []string
		holds func(body reply, events []event) bool
	}{
		{"contact created", func() reply { return c.post("/contacts", object{"attributes": object{"email": "new@example.com"}}) },
			[]string{"contact_identified"}, func(body reply, events []event) bool {
				var made struct{ Data json.RawMessage }
				read(t, body, &made)
				return string(made.Data) == string(events[0].Data)
			}},
		{"contact changed", func() reply {
			return c.patch(contact, object{"attributes": object{"seats": 251, "favourite": "tea", "socialProfiles": object{"twitter": "maya"}}})
		}, []string{"contact_updated"}, func(_ reply, events []event) bool {
			got := content[contactUpdate](t, events[0])
			names := []string{}
			for _, d := range got.Diff {
				names = append(names, d.Name)
			}
			return got.EndUserID == f.EnrichedContactID && got.Timestamp > now.UnixMilli() &&
				slices.Equal(names, []string{"attributes.favourite", "attributes.seats", "socialProfiles.twitter"}) &&
				got.Diff[0].Previous == nil && got.Diff[0].Updated == "tea" && got.Diff[1].Previous != nil && got.Diff[1].Updated == 251.0
		}},
		{"contact changed to what it is", func() reply { return c.patch(contact, object{"attributes": object{"seats": 251}}) }, nil, nil},
		{"contact gets an email", func() reply {
			return c.patch(fmt.Sprint("/contacts/", f.AnonymousContactID), object{"attributes": object{"email": "a@example.com"}})
		}, []string{"contact_identified", "contact_updated"}, nil},
		{"tags", func() reply {
			return c.post(fmt.Sprint("/contacts/", f.ContactIDs[0], "/tags"), []object{{"name": "vip"}})
		},
			[]string{"contact_updated"}, func(_ reply, events []event) bool {
				return content[contactUpdate](t, events[0]).Diff[0].Name == "attributes.tags"
			}},
		{"contact deleted", func() reply { return c.do("DELETE", fmt.Sprint("/contacts/", f.ContactIDs[1]), nil) }, nil, nil},
		{"unsubscribed", func() reply { return c.post("/emails/unsubscribe", []string{f.SharedEmail, "nobody@example.com"}) },
			slices.Repeat([]string{"user_unsubscribed"}, len(f.SharedEmailContacts)), nil},
		{"timeline", func() reply {
			return c.post("/contacts/timeline", object{"contactId": f.EnrichedContactID, "event": "Paid"})
		}, nil, nil},
		{"agent comes", func() reply {
			return c.patch(fmt.Sprint("/users/update?userId=", agent), object{"availability": "AVAILABLE"})
		}, []string{"user_availability_updated"}, func(body reply, events []event) bool {
			got := content[availability](t, events[0])
			return got == availability{agent, data[struct{ UpdatedAt int64 }](t, body).UpdatedAt, "ONLINE"}
		}},
		{"agent gets a phone", func() reply {
			return c.patch(fmt.Sprint("/users/update?userId=", agent), object{"phone": "555-010-9090"})
		}, nil, nil},
		{"conversation of a new contact", func() reply {
			return c.post("/conversations/new", object{"email": "other@example.com", "message": object{"body": "Hello", "attributes": object{"autoAssigneeId": agent}}})
		}, []string{"contact_identified", "conversation_participant_added", "new_conversation", "new_message"}, func(body reply, events []event) bool {
			var made struct{ ID, ContactID int64 }
			read(t, body, &made)
			started, said := content[conversationEvent](t, of(events, "new_conversation")[0]), content[message](t, of(events, "new_message")[0])
			return started.ID == made.ID && started.ContactID == made.ContactID && started.Participants != nil && said.ConversationID == made.ID &&
				said.Author.ID == made.ContactID && slices.Equal(types(of(events, "new_conversation")), []string{"new_conversation"})
		}},
		{"agent joins and writes", func() reply {
			return c.post(fresh, object{"type": "chat", "body": "<p>Hi</p>", "userId": agent})
		}, []string{"conversation_participant_added", "new_message"}, func(body reply, events []event) bool {
			got := content[message](t, events[1])
			return got.ID == data[message](t, body).ID && got.Body == "<p>Hi</p>" && content[participants](t, events[0]).AddedParticipants[0] == agent
		}},
		{"agent writes again", func() reply {
			return c.post(fresh, object{"type": "private_note", "body": "a note", "userId": agent})
		}, []string{"new_message"}, nil},
		{"command", func() reply {
			return c.post(fresh, object{"type": "private_note", "body": "/lookup maya", "userId": agent})
		}, []string{"new_command_message"}, nil},
		{"refused", func() reply { return c.do("POST", conversation, object{"type": "shout", "body": "Hi"}) }, nil, nil},
		{"account", func() reply { return c.post("/accounts/create", object{"ownerId": agent, "domain": "new.example"}) }, nil, nil},
		{"person deleted", func() reply { return c.post("/gdpr/delete", object{"email": "new@example.com"}) }, []string{"gdpr_delete_requested"}, nil},
		{"app removed", func() reply { return c.post("/app/uninstall?clientId=a&clientSecret=b", nil) }, []string{"app_disconnected"}, nil},
	}
	for _, tt := range tests {
		body := tt.write()
		events := in.take(t, s)
		got := types(events)
		slices.Sort(got) // only one conversation's, and one contact's, are in order
		equal(t, tt.name, got, tt.types)
		if tt.holds != nil && len(events) == len(tt.types) && !tt.holds(body, events) {
			t.Errorf("%s: %s", tt.name, events)
		}
		for _, e := range events {
			if e.OrgID != sandbox.OrgID || e.Token != "vt" || e.header.Get("X-Verification-Token") != "vt" {
				t.Errorf("%s: organisation or token are wrong: %s", tt.name, e.body)
			}
		}
	}
}

type contactUpdate struct {
	EndUserID, Timestamp int64
	Diff                 []struct {
		Name              string
		Previous, Updated any
	}
}

type availability struct {
	UserID, UpdatedAt int64
	Availability      string
}

type participants struct {
	ConversationID, ChangedAt              int64
	AddedParticipants, RemovedParticipants []int64
}

type conversationEvent = conversation

func (e event) String() string { return string(e.body) }

// TestEventScopes gives an app only the events of its scope, and what needs none.
func TestEventScopes(t *testing.T) {
	in := receive(t)
	s, _ := announce(t, in, sandbox.Config{Scopes: []string{"user_read"}})
	equal(t, "told", s.PostSamples(), []string{"user_unsubscribed", "user_unsubscribe", "user_availability_updated", "user_availability_updated", "app_disconnected"})
	equal(t, "posted", len(in.take(t, s)), 5)
}

// TestEventSamples compares the events with samples of Drift's, which must all be sent: the same names and types.
func TestEventSamples(t *testing.T) {
	in := receive(t)
	s, _ := announce(t, in, sandbox.Config{Seed: 1, Conversations: 600})
	told := s.PostSamples()
	events := in.take(t, s)
	got := types(events)
	slices.Sort(got)
	equal(t, "told and posted", got, slices.Sorted(slices.Values(told)))

	files, err := filepath.Glob(filepath.Join("testdata", "samples", "webhook.*.json"))
	if err != nil || len(files) < 20 {
		t.Fatalf("%d samples: %v", len(files), err)
	}
	sampled := map[string]bool{"user_unsubscribe": true}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var sample event
		if err := json.Unmarshal(text, &sample); err != nil {
			t.Fatal(err)
		}
		sampled[sample.Type] = true
		want := shape{}
		want.addJSON(t, text)
		var why []string
		if !slices.ContainsFunc(of(events, sample.Type), func(e event) bool {
			have := shape{}
			have.addJSON(t, e.body)
			why = nil
			for _, key := range want.sorted() {
				if !have[key] && !free(key) {
					why = append(why, "missing: "+key)
				}
			}
			for _, key := range have.sorted() {
				if !want[key] && !free(key) {
					why = append(why, "not in the sample: "+key)
				}
			}
			return len(why) == 0
		}) {
			t.Errorf("%s: none of %d like it: %s", filepath.Base(file), len(of(events, sample.Type)), strings.Join(why, ", "))
		}
	}
	for kind := range maps.Keys(sampled) {
		if !slices.Contains(told, kind) {
			t.Errorf("%s is not posted", kind)
		}
	}
	for _, kind := range told {
		if !sampled[kind] {
			t.Errorf("%s has no sample", kind)
		}
	}
	words := map[string]bool{}
	for _, e := range of(events, "user_availability_updated") {
		words[content[availability](t, e).Availability] = true
	}
	equal(t, "words of availability", words, map[string]bool{"ONLINE": true, "AVAILABLE": true})
}

// free reports whether a key depends on the record at hand: what a contact has, and what a message or a conversation may have.
func free(key string) bool {
	for _, part := range []string{
		"data.attributes.", "data.diff[].previous", "data.diff[].updated", "data.context", "data.buttons", "data.attachments",
		"data.participants[]", "data.relatedPlaybookId", "data.conversationTags", "data.button.style",
	} {
		if strings.HasPrefix(key, part) {
			return true
		}
	}
	return false
}

// TestTokenPlaces leaves the verification token out where it is told to.
func TestTokenPlaces(t *testing.T) {
	for place, want := range map[sandbox.TokenPlace][2]string{
		sandbox.Everywhere: {"sandbox", "sandbox"}, sandbox.InHeader: {"sandbox", ""},
		sandbox.InBody: {"", "sandbox"}, sandbox.Nowhere: {"", ""},
	} {
		in := receive(t)
		s, c := announce(t, in, sandbox.Config{Delivery: sandbox.Delivery{TokenIn: place}})
		c.post("/gdpr/delete", object{"email": "a@example.com"})
		e := in.take(t, s)[0]
		equal(t, string("token in "+place), [2]string{e.header.Get("X-Verification-Token"), e.Token}, want)
		if want[1] == "" && strings.Contains(string(e.body), "token") {
			t.Errorf("an empty token in %s", e.body)
		}
	}
}

// TestOtherForms sends what older clients know.
func TestOtherForms(t *testing.T) {
	in := receive(t)
	s, c := announce(t, in, sandbox.Config{Delivery: sandbox.Delivery{OtherForms: true}})
	f := s.Fixtures()
	c.post("/contacts", object{"attributes": object{"email": "new@example.com"}})
	c.post("/emails/unsubscribe", []string{f.SharedEmail})
	for _, availability := range []string{"AVAILABLE", "OFFLINE"} {
		c.patch(fmt.Sprint("/users/update?userId=", f.UserIDs[3]), object{"availability": availability})
	}
	events := in.take(t, s)
	identified := content[struct{ ID, EndUserID int64 }](t, of(events, "contact_identified")[0])
	if identified.ID != 0 || identified.EndUserID == 0 {
		t.Errorf("identified: %+v", identified)
	}
	equal(t, "user_unsubscribe", len(of(events, "user_unsubscribe")), len(f.SharedEmailContacts))
	for _, e := range of(events, "user_availability_updated") {
		if content[availability](t, e).Availability == "ONLINE" {
			t.Errorf("%s", e.body)
		}
	}
}

// say posts so many messages into a conversation and returns their ids.
func say(t *testing.T, c *client, conversation int64, n int) (ids []int64) {
	t.Helper()
	for i := range n {
		r := c.post(fmt.Sprint("/conversations/", conversation, "/messages"), object{"type": "chat", "body": fmt.Sprint("line ", i)})
		ids = append(ids, data[message](t, r).ID)
	}
	return ids
}

// said returns the ids of the messages of a conversation that events tell, in the order of their coming.
func said(t *testing.T, events []event, conversation int64) (ids []int64) {
	t.Helper()
	for _, e := range of(events, "new_message") {
		if m := content[message](t, e); m.ConversationID == conversation {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// quick retries at once.
var quick = []time.Duration{0, time.Microsecond, time.Microsecond}

// TestRetry refuses posts in all ways, and the events come nevertheless, in order.
func TestRetry(t *testing.T) {
	in := receive(t)
	in.refuse = func(n int, w http.ResponseWriter, r *http.Request) bool {
		switch n % 6 {
		case 0:
			w.WriteHeader(http.StatusInternalServerError)
		case 1:
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		case 2:
			panic(http.ErrAbortHandler)
		case 3:
			<-r.Context().Done() // longer than the sandbox waits
		default:
			return false
		}
		return true
	}
	pauses := slices.Repeat([]time.Duration{0}, 20)
	s, c := announce(t, in, sandbox.Config{Delivery: sandbox.Delivery{Pauses: pauses, Timeout: 100 * time.Millisecond}})
	one, other := s.Fixtures().ConversationIDs[0], s.Fixtures().ConversationIDs[1]
	first, second := say(t, c, one, 4), say(t, c, other, 4)
	events := in.take(t, s)
	// An answer that came too late for the sandbox makes an event come twice.
	equal(t, "one conversation", slices.Compact(said(t, events, one)), first)
	equal(t, "the other", slices.Compact(said(t, events, other)), second)
	got := s.Deliveries()
	if got.Accepted < 8 || got.Retried < 4 || got.GivenUp != 0 || got.Dropped != 0 {
		t.Errorf("%d events, %+v", len(events), got)
	}
}

// TestGivenUp refuses all, which must hold nothing up and be told in the log.
func TestGivenUp(t *testing.T) {
	in := receive(t)
	in.refuse = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	log := &lines{}
	s, c := announce(t, in, sandbox.Config{
		Delivery: sandbox.Delivery{Pauses: quick}, WebhookToken: "secret-of-the-app", Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	c.post("/gdpr/delete", object{"email": "a@example.com"})
	equal(t, "accepted", len(in.take(t, s)), 0)
	equal(t, "deliveries", s.Deliveries(), sandbox.Deliveries{Retried: 3, GivenUp: 1})
	equal(t, "posts", in.posts, 4)
	text := log.String()
	if !strings.Contains(text, "webhook given up") || !strings.Contains(text, "status 503") || strings.Contains(text, "secret-of-the-app") {
		t.Errorf("the log says %q", text)
	}
}

// TestQueue holds the receiver up: writes are answered all the same, and what is too much is dropped. Close does not wait.
func TestQueue(t *testing.T) {
	in := receive(t)
	in.refuse = func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return true
	}
	log := &lines{}
	s, c := announce(t, in, sandbox.Config{
		Delivery: sandbox.Delivery{Queue: 3, Timeout: time.Hour}, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	say(t, c, s.Fixtures().EmptyConversationID, 6) // the bot joins, and six messages
	equal(t, "dropped", s.Deliveries().Dropped, 4)
	if got := strings.Count(log.String(), "webhook dropped"); got != 4 {
		t.Errorf("%d lines in the log", got)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Drain(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("drained with %v while events wait", err)
	}
	s.Close()
	equal(t, "after the end", s.Deliveries(), sandbox.Deliveries{Dropped: 7})
	say(t, c, s.Fixtures().EmptyConversationID, 1)
	equal(t, "a write after the end", s.Deliveries(), sandbox.Deliveries{Dropped: 8})
	if err := s.Drain(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestTwiceAndMixedUp delivers as badly as a receiver has to bear.
func TestTwiceAndMixedUp(t *testing.T) {
	in := receive(t)
	s, c := announce(t, in, sandbox.Config{Delivery: sandbox.Delivery{Twice: true, Reorder: 6}})
	id := s.Fixtures().LongConversationID
	say(t, c, id, 1) // with which the bot may join
	in.take(t, s)
	ids := say(t, c, id, 4)
	equal(t, "each twice, the third first", said(t, in.take(t, s), id), []int64{ids[2], ids[2], ids[1], ids[1], ids[0], ids[0], ids[3], ids[3]})
}

// TestNoWebhooks has nothing to wait for.
func TestNoWebhooks(t *testing.T) {
	s, c := serve(t, sandbox.Config{Conversations: 10})
	c.post("/gdpr/delete", object{"email": "a@example.com"})
	if err := s.Drain(t.Context()); err != nil || s.Deliveries() != (sandbox.Deliveries{}) {
		t.Errorf("%v, %+v", err, s.Deliveries())
	}
	s.Close()
	s.Close()
	c.get("/users/list")
}
