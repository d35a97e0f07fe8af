package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/driftgraph/driftgraph/sandbox"
)

// TestMain fails if a sandbox leaves a goroutine behind.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// eventsOf are the events that each kind of happening has, some of which only at times.
var eventsOf = map[sandbox.HappeningKind]string{
	sandbox.ConversationStarted: `^(contact_identified )?new_conversation new_message( button_clicked)?$`,
	sandbox.VisitorWrote:        `^new_message( conversation_status_updated)?$`,
	sandbox.AgentAnswered:       `^(conversation_participant_added )?new_message$`,
	sandbox.DetailsLeft:         `^new_message( conversation_status_updated)?( phone_captured)?( contact_identified)? contact_updated$`,
	sandbox.MeetingBooked:       `^new_meeting( playbook_goal_met)?$`,
	sandbox.StatusChanged:       `^conversation_status_updated$`,
	sandbox.AvailabilityChanged: `^user_availability_updated$`,
	sandbox.ContactChanged:      `^contact_updated$`,
}

// TestActs looks through the API at each thing that happens, and at its events.
func TestActs(t *testing.T) {
	in := receive(t)
	s, c := announce(t, in, sandbox.Config{Seed: 2})
	seen := map[sandbox.HappeningKind]int{}
	var last int64
	statuses := map[string]bool{}
	for i := range 400 {
		h := s.Act()
		seen[h.Kind]++
		if got := strings.Join(h.Events, " "); !regexp.MustCompile(eventsOf[h.Kind]).MatchString(got) {
			t.Errorf("%d: %s has the events %q", i, h.Kind, got)
		}
		events := in.take(t, s)
		equal(t, fmt.Sprint(i, ": number of events"), len(events), len(h.Events))
		switch h.Kind {
		case sandbox.ConversationStarted, sandbox.VisitorWrote, sandbox.AgentAnswered, sandbox.DetailsLeft, sandbox.StatusChanged:
			got := data[conversation](t, c.get(fmt.Sprint("/conversations/", h.ConversationID)))
			top := data[[]conversation](t, c.get("/conversations/list?limit=1"))[0]
			if top.ID != h.ConversationID || got.UpdatedAt <= last {
				t.Errorf("%d: %s in %d, updated at %d after %d; the list begins with %d", i, h.Kind, h.ConversationID, got.UpdatedAt, last, top.ID)
			}
			last = got.UpdatedAt
			checkConversation(t, c, h, got, events)
			if h.Kind == sandbox.StatusChanged {
				statuses[h.Text] = true
				if got.Status != h.Text {
					t.Errorf("%d: status %s instead of %s", i, got.Status, h.Text)
				}
			}
		case sandbox.MeetingBooked:
			meetings := c.get("/users/meetings/org?min_start_time=0&max_start_time=9999999999999&limit=1000")
			event := content[struct{ EventID, Slug string }](t, of(events, "new_meeting")[0])
			if !strings.Contains(string(meetings.body), event.EventID) || !strings.Contains(string(meetings.body), event.Slug) {
				t.Errorf("%d: the meeting %+v is not in the list", i, event)
			}
		case sandbox.AvailabilityChanged:
			got := data[struct {
				Availability string
				UpdatedAt    int64
			}](t, c.get(fmt.Sprint("/users/", h.UserID)))
			event := content[availability](t, events[0])
			if got.Availability != h.Text || event.UserID != h.UserID || event.UpdatedAt != got.UpdatedAt {
				t.Errorf("%d: %+v, event %+v, user %+v", i, h, event, got)
			}
		case sandbox.ContactChanged:
			event := content[contactUpdate](t, events[0])
			name, value, _ := strings.Cut(h.Text, ": ")
			attributes := data[struct{ Attributes map[string]json.RawMessage }](t, c.get(fmt.Sprint("/contacts/", h.ContactID))).Attributes
			if len(event.Diff) != 1 || event.Diff[0].Name != "attributes."+name || strings.Trim(string(attributes[name]), `"`) != value {
				t.Errorf("%d: %+v, event %+v, attribute %s", i, h, event, attributes[name])
			}
		}
	}
	for kind := range eventsOf {
		if seen[kind] == 0 {
			t.Errorf("%s never happened in %v", kind, seen)
		}
	}
	if seen[sandbox.VisitorWrote]+seen[sandbox.AgentAnswered] < 150 || !statuses["closed"] || !statuses["pending"] {
		t.Errorf("it was %v with statuses %v", seen, statuses)
	}
}

// checkConversation compares what was said with the conversation, and with whom it is.
func checkConversation(t *testing.T, c *client, h sandbox.Happening, got conversation, events []event) {
	t.Helper()
	if h.MessageID == 0 {
		return
	}
	messages, _ := listMessages(t, c, h.ConversationID)
	last := messages[len(messages)-1]
	posted := content[message](t, of(events, "new_message")[0])
	if last.ID != h.MessageID || last.Body != h.Text || posted.ID != last.ID || posted.Body != last.Body || posted.CreatedAt != last.CreatedAt {
		t.Errorf("%+v: the last message is %+v, the event %+v", h, last, posted)
	}
	if strings.Contains(last.Body, "$") || last.Body == "" && len(last.Attachments) == 0 {
		t.Errorf("%+v says %q", h, last.Body)
	}
	if h.Kind == sandbox.AgentAnswered {
		if !slices.Contains(got.Participants, h.UserID) || last.Author.ID != h.UserID {
			t.Errorf("%+v: author %d, participants %v", h, last.Author.ID, got.Participants)
		}
		return
	}
	who := data[struct {
		Attributes struct {
			LastActive int64 `json:"last_active"`
		}
	}](t, c.get(fmt.Sprint("/contacts/", h.ContactID)))
	if got.ContactID != h.ContactID || last.Author.ID != h.ContactID || got.Status != "open" || who.Attributes.LastActive != last.CreatedAt {
		t.Errorf("%+v: conversation %+v, contact %+v", h, got, who)
	}
}

// TestActsAreSeeded has the same things happen twice, and others with another seed.
func TestActsAreSeeded(t *testing.T) {
	act := func(seed uint64) string {
		s, _ := serve(t, sandbox.Config{Seed: seed, Conversations: 40})
		var all strings.Builder
		for range 100 {
			fmt.Fprintln(&all, s.Act())
		}
		return all.String()
	}
	first := act(1)
	equal(t, "the same seed", act(1), first)
	if act(3) == first {
		t.Error("another seed makes the same happen")
	}
}

// TestActsInOddSandboxes must find something to do, or say that there is nothing, wherever they are.
func TestActsInOddSandboxes(t *testing.T) {
	for _, cfg := range []sandbox.Config{
		{Users: 1, Contacts: 1, Accounts: 1, Conversations: 1},
		{Contacts: -1, Accounts: -1},
		{Conversations: -1},
		{Contacts: -1, Users: 1, Scopes: []string{"playbook_read"}},
	} {
		s, c := serve(t, cfg)
		for i := range 100 {
			h := s.Act()
			if h.Kind == sandbox.Nothing && i <= 50 {
				t.Fatalf("%+v: nothing happens", cfg)
			}
			if (h.Kind == sandbox.ConversationStarted || h.Kind == sandbox.VisitorWrote || h.Kind == sandbox.AvailabilityChanged) && i > 60 {
				t.Errorf("%+v: %+v, where nobody answers", cfg, h)
			}
			if i == 50 { // those of the beginning are forgotten, and everybody who answers leaves
				for _, id := range s.Fixtures().ContactIDs {
					c.do("DELETE", fmt.Sprint("/contacts/", id), nil)
				}
				for _, id := range s.Fixtures().UserIDs {
					c.do("DELETE", fmt.Sprint("/scim/Users/", id), nil)
				}
			}
		}
	}
}

// TestActivity waits for things that happen by themselves, while clients read and write.
func TestActivity(t *testing.T) {
	in := receive(t)
	came := make(chan struct{}, 1000)
	in.refuse = func(int, http.ResponseWriter, *http.Request) bool {
		select {
		case came <- struct{}{}:
		default:
		}
		return false
	}
	s, c := announce(t, in, sandbox.Config{Activity: time.Millisecond})
	for range 30 {
		<-came
		c.get("/conversations/list?limit=5")
		say(t, c, s.Fixtures().LongConversationID, 1)
	}
	s.Close()
	posts := s.Deliveries()
	list := string(c.get("/conversations/list").body)
	if s.Deliveries() != posts || string(c.get("/conversations/list").body) != list {
		t.Error("something happened after the end")
	}
}
