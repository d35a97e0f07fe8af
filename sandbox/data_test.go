package sandbox_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/sandbox"
)

// seeds are those that the tests of the made-up data try.
var seeds = []uint64{0, 1, 1 << 60}

// TestFixtures looks at each fixture through the API.
func TestFixtures(t *testing.T) {
	for _, seed := range seeds {
		s, c := serve(t, sandbox.Config{Seed: seed})
		f := s.Fixtures()
		person := func(id int64) map[string]any {
			return data[contact](t, c.get(fmt.Sprint("/contacts/", id))).Attributes
		}
		talk := func(id int64) conversation { return data[conversation](t, c.get(fmt.Sprint("/conversations/", id))) }
		firm := func(id string) account { return data[account](t, c.get("/accounts/"+id)) }
		check := func(what string, holds bool) {
			t.Helper()
			if !holds {
				t.Errorf("seed %d: %s", seed, what)
			}
		}

		check("30 users, one removed", len(f.UserIDs) == 29 && !slices.Contains(f.UserIDs, f.RemovedUserID))
		check("200 contacts", len(f.ContactIDs) == 200 && slices.IsSorted(f.ContactIDs))
		check("120 accounts", len(f.AccountIDs)+len(f.DeletedAccountIDs) == 120 && len(f.DeletedAccountIDs) >= 5)
		check("600 conversations", len(f.ConversationIDs) == 600)

		check("AnonymousContactID", person(f.AnonymousContactID)["email"] == nil && person(f.AnonymousContactID)["name"] == nil)
		check("EmailOnlyContactID", person(f.EmailOnlyContactID)["email"] != nil && person(f.EmailOnlyContactID)["name"] == nil && person(f.EmailOnlyContactID)["ip"] == nil)
		enriched := person(f.EnrichedContactID)
		check("EnrichedContactID", len(enriched["socialProfiles"].(map[string]any)) > 10 && len(enriched["tags"].([]any)) > 0 && enriched["plan_tier"] != nil)
		check("FreemailContactID", strings.HasSuffix(person(f.FreemailContactID)["email"].(string), "@gmail.com") && person(f.FreemailContactID)["employment_domain"] == nil)
		check("EmployedContactID", "48213_"+person(f.EmployedContactID)["employment_domain"].(string) == f.EmployerAccountID)
		check("its email is private", !strings.HasSuffix(person(f.EmployedContactID)["email"].(string), ".example"))
		check("EmployerAccountID", slices.Contains(f.AccountIDs, f.EmployerAccountID))
		deleted := person(f.DeletedContactID)["email"]
		check("DeletedContactID", deleted == nil || !slices.Contains(contactIDs(data[[]contact](t, c.get("/contacts?email="+deleted.(string)))), f.DeletedContactID))
		check("SharedEmail", len(f.SharedEmailContacts) > 1)
		shared := map[any]bool{}
		for _, id := range f.SharedEmailContacts {
			shared[person(id)["externalId"]] = true
		}
		check("who share an email have different external ids", len(shared) == len(f.SharedEmailContacts))
		check("ExternalIDs", len(f.ExternalIDs) > 80)

		check("OrphanAccountID", firm(f.OrphanAccountID).OwnerID == f.RemovedUserID)
		check("FreemailAccountID", firm(f.FreemailAccountID).Domain == "gmail.com")

		messages, _ := listMessages(t, c, f.LongConversationID)
		check("LongConversationID", len(messages) > 100 && len(messages) <= 150)
		check("BareConversationID", !strings.Contains(string(c.get(fmt.Sprint("/conversations/", f.BareConversationID)).body), "participants"))
		check("EmptyConversationID", strings.Contains(string(c.get(fmt.Sprint("/conversations/", f.EmptyConversationID)).body), `"participants":[]`))
		check("BulkConversationID", talk(f.BulkConversationID).Status == "bulk_sent")
		check("DanglingConversationID", talk(f.DanglingConversationID).ContactID == f.MissingContactID)
		c.refused(c.do("GET", fmt.Sprint("/contacts/", f.MissingContactID), nil), 404, "CONTACT-1")
		check("OrphanConversationID", slices.Contains(talk(f.OrphanConversationID).Participants, f.RemovedUserID))
		check("its transcript calls them null", strings.Contains(string(c.get(fmt.Sprint("/conversations/", f.OrphanConversationID, "/transcript")).body), " UTC null: "))
		check("UnlistedPlaybookID", f.UnlistedPlaybookID != 0 && !strings.Contains(string(c.get("/playbooks/list").body), fmt.Sprint(f.UnlistedPlaybookID)))
		unlisted := slices.ContainsFunc(f.ConversationIDs, func(id int64) bool { return talk(id).RelatedPlaybookID == f.UnlistedPlaybookID })
		check("a conversation names it", unlisted)
		messages, _ = listMessages(t, c, f.AttachmentConversation)
		check("AttachmentID", slices.ContainsFunc(messages, func(m message) bool { return len(m.Attachments) > 0 && m.Attachments[0].ID == f.AttachmentID }))
	}
}

// TestBelievable reads all the data and checks what makes it hang together.
func TestBelievable(t *testing.T) {
	for _, seed := range seeds {
		s, c := serve(t, sandbox.Config{Seed: seed})
		f := s.Fixtures()
		users := map[int64]user{}
		for _, u := range data[[]user](t, c.get("/users/list")) {
			users[u.ID] = u
		}
		contacts := map[int64]contact{}
		for _, id := range f.ContactIDs {
			contacts[id] = data[contact](t, c.get(fmt.Sprint("/contacts/", id)))
		}
		present := now.UnixMilli()
		var newest, oldest int64 = 0, present
		short, dangling := 0, 0
		seen := map[int64]bool{}
		for _, id := range f.ConversationIDs {
			talk := data[conversation](t, c.get(fmt.Sprint("/conversations/", id)))
			messages, _ := listMessages(t, c, id)
			first, last := messages[0], messages[len(messages)-1]
			newest, oldest = max(newest, talk.UpdatedAt), min(oldest, talk.CreatedAt)
			if len(messages) < 3 || len(messages) > 150 {
				t.Errorf("conversation %d has %d messages", id, len(messages))
			}
			if len(messages) <= 20 {
				short++
			}
			if talk.CreatedAt != first.CreatedAt || talk.UpdatedAt != last.CreatedAt {
				t.Errorf("conversation %d is from %d to %d, its messages from %d to %d", id, talk.CreatedAt, talk.UpdatedAt, first.CreatedAt, last.CreatedAt)
			}
			person, known := contacts[talk.ContactID]
			if !known {
				dangling++
			} else if person.CreatedAt > talk.CreatedAt {
				t.Errorf("contact %d is younger than their conversation %d", person.ID, id)
			}
			for i, m := range messages {
				if seen[m.ID] || i > 0 && (m.CreatedAt <= messages[i-1].CreatedAt || m.ID <= messages[i-1].ID) {
					t.Errorf("conversation %d, message %d is out of order: %+v", id, i, m)
				}
				seen[m.ID] = true
				u, listed := users[m.Author.ID]
				switch {
				case m.Author.Type == "contact" && m.Author.ID != talk.ContactID:
					t.Errorf("conversation %d, message %d is from another contact", id, i)
				case m.Author.Type == "user" && !slices.Contains(talk.Participants, m.Author.ID):
					t.Errorf("conversation %d, message %d is from user %d, who takes no part", id, i, m.Author.ID)
				case m.Author.Type == "user" && !listed && m.Author.ID != f.RemovedUserID:
					t.Errorf("conversation %d, message %d is from user %d, who does not exist", id, i, m.Author.ID)
				case m.Author.Bot != (m.Author.Type == "user" && u.Bot):
					t.Errorf("conversation %d, message %d: bot %v", id, i, m.Author.Bot)
				case strings.ContainsAny(m.Body, "${}") || m.Body == "" && len(m.Attachments) == 0:
					t.Errorf("conversation %d, message %d says %q", id, i, m.Body)
				case m.Type == "private_note" && m.Author.Type != "user":
					t.Errorf("conversation %d, message %d: a note from a contact", id, i)
				case m.Author.Type == "user" && m.Type == "chat" && m.Body != "" && !strings.HasPrefix(m.Body, "<p>"):
					t.Errorf("conversation %d, message %d is no HTML: %q", id, i, m.Body)
				}
			}
			if i := slices.IndexFunc(messages, func(m message) bool { return m.Author.Type == "contact" }); i >= 0 && messages[i].Context == nil {
				t.Errorf("conversation %d: the first message of the contact has no context", id)
			}
			if first.Author.Bot && (len(first.Buttons) < 3 || strings.Contains(first.Body, "I'm ") && !strings.Contains(first.Body, users[first.Author.ID].Name)) {
				t.Errorf("conversation %d greets so: %+v", id, first)
			}
		}
		if age := time.Duration(present-newest) * time.Millisecond; age < time.Minute || age > 10*time.Minute {
			t.Errorf("seed %d: the newest conversation is %v old", seed, age)
		}
		if days := (present - oldest) / 86_400_000; days < 50 || days > 61 {
			t.Errorf("seed %d: the oldest conversation is %d days old", seed, days)
		}
		if short < 450 || dangling < 3 || dangling > 40 {
			t.Errorf("seed %d: %d conversations are short, %d have no contact", seed, short, dangling)
		}
		checkContacts(t, c, f, contacts)
	}
}

// checkContacts checks how contacts are mixed, and that what is made up cannot be real.
func checkContacts(t *testing.T, c *client, f sandbox.Fixtures, contacts map[int64]contact) {
	t.Helper()
	domains := map[string]bool{}
	for _, id := range f.AccountIDs {
		domain := strings.TrimPrefix(id, "48213_")
		if domains[domain] || domain != "gmail.com" && !strings.HasSuffix(domain, ".example") {
			t.Errorf("account %s", id)
		}
		domains[domain] = true
	}
	var anonymous, matching, custom, minimal int
	for _, person := range contacts {
		address, _ := person.Attributes["email"].(string)
		_, domain, _ := strings.Cut(strings.ToLower(address), "@")
		if address == "" && person.Attributes["name"] == nil {
			anonymous++
		}
		if domain != "gmail.com" && domains[domain] {
			matching++
		}
		if person.Attributes["seats"] != nil {
			custom++
		}
		if address != "" && person.Attributes["name"] == nil && person.Attributes["ip"] == nil {
			minimal++
		}
		if domain != "" && !strings.HasSuffix(domain, ".example") && !regexp.MustCompile(`^[a-z]+\d{8}@`).MatchString(address) {
			t.Errorf("somebody might really have the email %s", address)
		}
		if person.Attributes["start_date"] != float64(person.CreatedAt) {
			t.Errorf("contact %d starts at %v", person.ID, person.Attributes["start_date"])
		}
	}
	if anonymous < 20 || anonymous > 30 || matching < 80 || custom < 40 || minimal < 4 {
		t.Errorf("of %d contacts %d are anonymous, %d match an account, %d have custom attributes, %d are minimal", len(contacts), anonymous, matching, custom, minimal)
	}
}

// TestTranscripts reads both transcripts of a conversation and compares them with its messages.
func TestTranscripts(t *testing.T) {
	s, c := serve(t, sandbox.Config{Seed: 1})
	id := s.Fixtures().LongConversationID
	messages, _ := listMessages(t, c, id)
	var said []int64
	for _, m := range messages {
		if m.Type == "chat" {
			said = append(said, m.ID)
		}
	}
	if len(said) == len(messages) {
		t.Fatal("no private notes in the longest conversation")
	}
	var ids []int64
	for _, line := range data[struct{ Messages []message }](t, c.get(fmt.Sprint("/conversations/", id, "/json_transcript"))).Messages {
		ids = append(ids, line.ID)
	}
	equal(t, "json_transcript", ids, said)
	got := c.get(fmt.Sprint("/conversations/", id, "/transcript"))
	equal(t, "lines of the transcript", strings.Count(string(got.body), "\n"), len(said))
	equal(t, "content type", got.header.Get("Content-Type"), "text/plain; charset=utf-8")
}

// TestSizes makes sandboxes of odd sizes.
func TestSizes(t *testing.T) {
	for _, cfg := range []sandbox.Config{
		{Users: 1, Contacts: 1, Accounts: 1, Conversations: 1},
		{Contacts: -1, Accounts: -1},
		{Accounts: -1, Contacts: 300},
		{Conversations: -1},
		{Users: 500, Contacts: 3000, Accounts: 2000, Conversations: 2000},
		{MinMessages: 1, MaxMessages: 1, Conversations: 100},
		{MinMessages: 2, MaxMessages: 4, Conversations: 100},
		{MinMessages: 60, MaxMessages: 60, Conversations: 100},
		{MinMessages: 200, Conversations: 30},
	} {
		s, c := serve(t, cfg)
		f := s.Fixtures()
		least, most := max(cfg.MinMessages, 1), 150
		if cfg.MinMessages == 0 {
			least = 3
		}
		if cfg.MaxMessages > 0 {
			most = cfg.MaxMessages
		}
		for i, id := range f.ConversationIDs {
			if i == 150 {
				break
			}
			if messages, _ := listMessages(t, c, id); len(messages) < least || len(messages) > max(most, least) {
				t.Errorf("%+v: a conversation of %d messages", cfg, len(messages))
			}
		}
		want := map[string]int{"users": max(cfg.Users, 6) - 1, "contacts": cfg.Contacts, "accounts": cfg.Accounts, "conversations": cfg.Conversations}
		if cfg.Users == 0 {
			want["users"] = 29
		}
		for name, usual := range map[string]int{"contacts": 200, "accounts": 120, "conversations": 600} {
			if want[name] == 0 {
				want[name] = usual
			}
			want[name] = max(want[name], 0)
		}
		if want["contacts"] == 0 {
			want["conversations"] = 0
		}
		ids, _ := listAccounts(t, c, "/accounts?size=65")
		listed, _ := listConversations(t, c, "/conversations/list?limit=100")
		equal(t, fmt.Sprintf("%+v", cfg), map[string]int{
			"users": len(f.UserIDs), "contacts": len(f.ContactIDs), "accounts": len(ids) + len(f.DeletedAccountIDs), "conversations": len(listed),
		}, want)
		seen := map[string]bool{}
		for _, id := range ids {
			if seen[id] {
				t.Errorf("%+v: two accounts %s", cfg, id)
			}
			seen[id] = true
		}
	}
}

// TestJSON reads all bodies with a parser that the sandbox does not use.
func TestJSON(t *testing.T) {
	s, c := serve(t, sandbox.Config{Seed: 3})
	for _, path := range everything(s) {
		if got := c.get(path); got.header.Get("Content-Type") == "application/json" && !json.Valid(got.body) {
			t.Errorf("%s: %s", path, got.body)
		}
	}
}
