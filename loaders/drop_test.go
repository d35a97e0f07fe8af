package loaders_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/redis/go-redis/v9"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/internal/redistest"
	"github.com/driftgraph/driftgraph/loaders"
	"github.com/driftgraph/driftgraph/sandbox"
)

// TestDrop has two replicas read all there is, changes something in Drift and
// drops it by one of them: then both read what Drift has, and nothing else is
// asked of it again.
func TestDrop(t *testing.T) {
	type change struct {
		what string
		make func(*testing.T, *house) loaders.Change
		news []string // of what is read, what must have changed
	}
	for _, c := range []change{
		{"a contact", func(t *testing.T, h *house) loaders.Change {
			must(h.api.UpdateContact(t.Context(), h.contact, jsontext.Value(`{"name":"Somebody Else","email":"new@example.com"}`)))(t)
			return loaders.Change{Contacts: []drift.ID{h.contact}}
		}, []string{"contact", "by e-mail", "by new e-mail", "by external id", "transcript"}},
		{"a new contact", func(t *testing.T, h *house) loaders.Change {
			made := must(h.api.CreateContact(t.Context(), drift.NewContact{Email: "new@example.com", ExternalID: "new"}))(t)
			return loaders.Change{Contacts: []drift.ID{made.ID}}
		}, []string{"by new e-mail", "by new external id"}},
		{"a deleted contact", func(t *testing.T, h *house) loaders.Change {
			if err := h.api.DeleteContact(t.Context(), h.contact); err != nil {
				t.Fatal(err)
			}
			return loaders.Change{Contacts: []drift.ID{h.contact}}
		}, []string{"by e-mail", "by external id"}},
		{"a message", func(t *testing.T, h *house) loaders.Change {
			must(h.api.SendMessage(t.Context(), h.conversation, drift.NewMessage{Body: "news"}))(t)
			return loaders.Change{Conversations: []drift.ID{h.conversation}}
		}, []string{"conversation", "messages", "transcript", "conversations", "threads", "report"}},
		{"a new conversation", func(t *testing.T, h *house) loaders.Change {
			made := must(h.api.StartConversation(t.Context(), drift.NewConversation{Email: h.email, Body: "news"}))(t)
			return loaders.Change{Conversations: []drift.ID{made.ID}, Contacts: []drift.ID{h.contact}}
		}, []string{"conversations", "stats", "threads", "report"}},
		{"a user", func(t *testing.T, h *house) loaders.Change {
			must(h.api.UpdateUser(t.Context(), h.user, drift.UserChanges{Name: drift.Set(new("Somebody Else"))}))(t)
			return loaders.Change{Users: []drift.ID{h.user}}
		}, []string{"user", "users"}},
		{"an account", func(t *testing.T, h *house) loaders.Change {
			must(h.api.UpdateAccount(t.Context(), h.account, drift.AccountChanges{OwnerID: h.user, Name: drift.Set(new("Something Else"))}))(t)
			return loaders.Change{Accounts: []string{h.account}}
		}, []string{"account", "accounts", "account page"}},
		{"a deleted account", func(t *testing.T, h *house) loaders.Change {
			if err := h.api.DeleteAccount(t.Context(), h.account); err != nil {
				t.Fatal(err)
			}
			return loaders.Change{Accounts: []string{h.account}}
		}, []string{"account", "accounts", "account page"}},
		{"a meeting", func(t *testing.T, h *house) loaders.Change {
			before := must(h.api.Meetings(t.Context(), h.meetings.From, h.meetings.To, drift.MaxMeetings))(t)
			c := loaders.Change{Meetings: true}
			for range 2000 {
				if happened := h.drift.Act(); happened.ConversationID != 0 {
					c.Conversations = append(c.Conversations, drift.ID(happened.ConversationID))
				}
				if len(must(h.api.Meetings(t.Context(), h.meetings.From, h.meetings.To, drift.MaxMeetings))(t)) != len(before) {
					break
				}
			}
			for _, id := range h.drift.Fixtures().ContactIDs {
				c.Contacts = append(c.Contacts, drift.ID(id))
			}
			for _, u := range must(h.api.Users(t.Context()))(t) {
				c.Users = append(c.Users, u.ID)
			}
			return c
		}, []string{"meetings"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			h := newHouse(t, nil)
			before := h.read(t, h.sources[0])
			h.settle(t)
			same(t, "the other replica, before", h.read(t, h.sources[1]), before)

			what := c.make(t, h)
			for i, source := range h.sources { // else the test shows nothing
				same(t, fmt.Sprintf("replica %d, not told of the change", i), h.read(t, source), before)
			}
			h.drop(t, what)
			truth := h.read(t, h.uncached(t))
			for _, name := range c.news {
				if truth[name] == before[name] {
					t.Errorf("%s is as it was before the change: %.200s", name, truth[name])
				}
			}
			for i, source := range h.sources {
				same(t, fmt.Sprintf("replica %d, told of the change", i), h.read(t, source), truth)
			}
		})
	}
}

// A house is two replicas of the gateway's sources that share a Redis, over one
// sandbox.
type house struct {
	drift   *sandbox.Sandbox
	url     string
	api     *drift.Client
	redis   redis.UniversalClient
	caches  []*cache.Cache
	sources []*loaders.Source

	// What read asks for.
	contact      drift.ID
	email        string
	externalID   string
	conversation drift.ID // with the contact
	user         drift.ID
	account      string
	meetings     loaders.MeetingWindow
	report       loaders.Report
}

// token is that of both replicas, which makes them of one tenant.
const token = "token"

func newHouse(t *testing.T, gate func(*http.Request)) *house {
	t.Helper()
	present := time.Date(2026, time.March, 9, 14, 30, 0, 0, time.UTC)
	h := &house{drift: sandbox.New(sandbox.Config{Seed: 1, Now: present, Conversations: 60, Contacts: 40, Accounts: 30, Gate: gate})}
	t.Cleanup(h.drift.Close)
	upstream := httptest.NewServer(h.drift)
	t.Cleanup(upstream.Close)
	h.url = upstream.URL
	server := redistest.Start(t)
	for i := range 3 {
		client, err := cache.ConnectRedis(server.PatientURL())
		if err != nil {
			t.Fatal(err)
		}
		redistest.BePatient(client)
		t.Cleanup(func() { client.Close() })
		if i == 2 {
			h.redis = client
			break
		}
		c := cache.New(cache.Options{Redis: client, Fallback: loaders.Fallback, Log: slog.New(slog.DiscardHandler)})
		h.caches = append(h.caches, c)
		t.Cleanup(c.Close)
		h.sources = append(h.sources, h.source(t, c))
	}
	for _, c := range h.caches {
		await(t, "a replica to hear of drops", func() bool { return !c.Stats().Deaf })
	}
	h.api = h.client(t)

	f := h.drift.Fixtures()
	h.user, h.account = drift.ID(f.UserIDs[0]), f.AccountIDs[0]
	h.meetings = loaders.MeetingWindow{From: drift.Millis(present.AddDate(0, 0, -30).UnixMilli()), To: drift.Millis(present.AddDate(0, 0, 30).UnixMilli())}
	for _, id := range f.ConversationIDs {
		c := must(h.api.Conversation(t.Context(), drift.ID(id)))(t)
		from, err := h.api.Contact(t.Context(), c.ContactID)
		if err == nil && from.Email != nil && from.ExternalID != nil && from.Name != nil &&
			*from.Email != f.SharedEmail && strings.Contains(must(h.api.Transcript(t.Context(), c.ID))(t), *from.Name) {
			h.contact, h.email, h.externalID, h.conversation = from.ID, *from.Email, *from.ExternalID, c.ID
			break
		}
	}
	if h.conversation == 0 {
		t.Fatal("no conversation is with a contact who has an e-mail address and an external id")
	}
	report, err := loaders.NewReport(drift.ReportQuery{
		Filters: []drift.ReportFilter{{Property: "endUserId", Operation: "IN", Values: []any{h.contact}}},
		Metrics: []string{"status", "updatedAt"},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.report = report
	return h
}

func (h *house) client(t *testing.T) *drift.Client {
	t.Helper()
	api, err := drift.New(drift.Options{BaseURL: h.url, Auth: drift.StaticToken(token)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	return api
}

// source returns a source over a cache.
func (h *house) source(t *testing.T, c *cache.Cache) *loaders.Source {
	t.Helper()
	store, err := loaders.NewStore(c, loaders.Hourly, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return loaders.NewSource(store, h.client(t), drift.StaticToken(token))
}

// uncached returns a source that has read nothing yet.
func (h *house) uncached(t *testing.T) *loaders.Source {
	t.Helper()
	c := cache.New(cache.Options{})
	t.Cleanup(c.Close)
	return h.source(t, c)
}

// read returns all that a source reads of what a change can be of, as JSON.
func (h *house) read(t *testing.T, s *loaders.Source) map[string]string {
	t.Helper()
	l := s.Loaders(t.Context(), loaders.Operation{Plan: &loaders.Plan{}}).Alone()
	read := map[string]string{
		"contact":            text(t)(l.Contacts.Load(h.contact)),
		"by e-mail":          text(t)(l.ContactsByEmail.Load(h.email)),
		"by new e-mail":      text(t)(l.ContactsByEmail.Load("new@example.com")),
		"by external id":     text(t)(l.ContactsByExternalID.Load(h.externalID)),
		"by new external id": text(t)(l.ContactsByExternalID.Load("new")),
		"threads":            text(t)(l.ContactConversations.Load(h.contact)),
		"user":               text(t)(l.Users.Load(h.user)),
		"users":              text(t)(l.UserList.Load(loaders.All{})),
		"conversation":       text(t)(l.Conversations.Load(h.conversation)),
		"stats":              text(t)(l.ConversationStats.Load(loaders.All{})),
		"transcript":         text(t)(l.Transcripts.Load(h.conversation)),
		"report":             text(t)(l.Reports.Load(h.report)),
		"account":            text(t)(l.Accounts.Load(h.account)),
		"account page":       text(t)(l.AccountPages.Load(loaders.AccountPage{Index: 0, Size: 10})),
		"accounts":           text(t)(l.AccountDirectory.Load(loaders.All{})),
		"meetings":           text(t)(l.Meetings.Load(h.meetings)),
	}
	for page := (loaders.ConversationPage{Limit: 20}); ; {
		p := must(l.ConversationPages.Load(page))(t)
		read["conversations"] += text(t)(p, nil)
		if p.Next == "" || p.Next == page.Token {
			break
		}
		page.Token = p.Next
	}
	for page := (loaders.MessagePage{Conversation: h.conversation}); ; {
		p := must(l.MessagePages.Load(page))(t)
		read["messages"] += text(t)(p, nil)
		if p.Next == "" || p.Next == page.Marker {
			break
		}
		page.Marker = p.Next
	}
	return read
}

// settle waits until all that was read is in Redis.
func (h *house) settle(t *testing.T) {
	t.Helper()
	await(t, "all to be written", func() bool { return h.caches[0].Wait() && h.caches[1].Wait() })
}

// drop drops a change by the first replica, and waits until the other has heard
// of it. Should Redis have been slow, that one is told again.
func (h *house) drop(t *testing.T, c loaders.Change) {
	t.Helper()
	_ = h.sources[0].Drop(c)
	h.hear(t)
}

// hear waits until the second replica has heard of what the first has dropped.
func (h *house) hear(t *testing.T) {
	t.Helper()
	await(t, "the drop to be heard", func() bool { return h.caches[1].Stats().DropsHeard >= h.caches[0].Stats().DropsSent })
}

func same(t *testing.T, who string, got, want map[string]string) {
	t.Helper()
	for name := range want {
		if !reflect.DeepEqual(got[name], want[name]) {
			t.Errorf("%s reads of %s\n%.300s\nwant\n%.300s", who, name, got[name], want[name])
		}
	}
}

// must returns what gives the value, or fails a test by the error.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// text writes what was read as JSON.
func text(t *testing.T) func(v any, err error) string {
	return func(v any, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(v, json.Deterministic(true))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}

// await waits until something is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for begun := time.Now(); !so(); runtime.Gosched() {
		if time.Since(begun) > time.Minute {
			t.Fatalf("waited for %s", what)
		}
	}
}
