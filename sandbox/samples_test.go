package sandbox_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/sandbox"
)

// notSent are the samples of bodies that the sandbox never sends.
var notSent = map[string]string{
	"conversation.message.create.list-variant.json": "sources split on the envelope; the single object is sent",
	"conversation.transcript.wrapped.json":          "sources split on the envelope; plain text is sent",
	"error.legacy-errors-array.json":                "an older form of errors, on no route of today",
}

// documented are parts of keys that a sample lacks: those that other samples have, and those that only Drift's documentation
// and clients know.
var documented = map[string][]string{
	"contact": {
		"attributes.employment_domain string", "attributes.employment_role string", "attributes.avatarUrl string",
		"attributes.lead_create_source string", "attributes.linkedin_handle string", "attributes.is_partner bool",
		"attributes.renewal_at number", "attributes.first_invoice string", "attributes.city string",
		"attributes.original_referer_url string", "attributes.recent_referer_url string",
		"attributes.externalId null", "attributes.external_id null",
		"attributes.socialProfiles.employment.seniority null",
	},
	"profile":     {"attributes.socialProfiles.", "attributes.tags[]"},
	"account":     {"customProperties[].value[] string", "customProperties[].value array"},
	"properties":  {"customProperties[]"},
	"attachments": {"messages[].attachments"},
	"developer":   {"messages[].attributes.developer_app_id string"},
	"messages":    {"messages[].buttons", "messages[].context", "messages[].attributes.preMessages", "pagination.next string"},
	"NaN":         {"data[].metrics[] string"},
	"scim":        {"phoneNumbers[].value string", "photos[].value string"},
}

// TestSamples compares the names and the types in the sandbox's bodies with those in samples of Drift's: nothing of a sample
// may be missing, and nothing may be there that is neither in the sample nor otherwise documented.
func TestSamples(t *testing.T) {
	s, c := serve(t, sandbox.Config{Seed: 1})
	f := s.Fixtures()
	contact := func(id int64) string { return fmt.Sprint("/contacts/", id) }
	conversation := func(id int64, rest string) string { return fmt.Sprint("/conversations/", id, rest) }
	get := func(paths ...string) (replies []reply) {
		for _, p := range paths {
			replies = append(replies, c.get(p))
		}
		return replies
	}
	var contacts, users, accounts, conversations, messages, deleted []string
	for _, id := range f.ContactIDs {
		contacts = append(contacts, contact(id))
	}
	for _, id := range f.UserIDs {
		users = append(users, fmt.Sprint("/users/", id))
	}
	for _, id := range f.AccountIDs {
		accounts = append(accounts, "/accounts/"+id)
	}
	for _, id := range f.DeletedAccountIDs {
		deleted = append(deleted, "/accounts/"+id)
	}
	for _, id := range f.ConversationIDs {
		conversations = append(conversations, conversation(id, ""))
		messages = append(messages, conversation(id, "/messages"))
	}
	_, oauth := serve(t, sandbox.Config{OAuth: &sandbox.OAuthClient{ID: "id", Secret: "secret", RefreshToken: "one", Code: "code"}})
	created := data[struct{ ID int64 }](t, c.post("/contacts", object{"attributes": object{
		"email": "tomas.ek@example.com", "name": "Tomas Ek", "externalId": "crm-c0ffee",
	}})).ID
	change := object{"attributes": object{"phone": "555-010-8844", "plan_tier": "silver"}}
	account := object{
		"ownerId": f.UserIDs[3], "name": "Northwind Tools", "domain": "northwind.example.com", "targeted": true,
		"customProperties": []object{{"label": "Annual revenue", "name": "annual_revenue", "value": 1250000, "type": "NUMBER"}, {"label": "Segment", "name": "segment", "value": "Mid-market", "type": "STRING"}},
	}
	report := object{"metrics": []string{"timeToCloseMillis", "timeToAgentResponseMillis", "firstAgentMessageAt", "relatedPlaybookId"}}

	// Tests run in order: some read what others write.
	tests := []struct {
		sample  string
		replies func() []reply
		allowed string // names in documented; partial: the sample's attributes may be missing
	}{
		{"contact.get.json", func() []reply { return get(contacts...) }, "contact profile"},
		{"contact.get.enriched.json", func() []reply { return get(contacts...) }, "contact"},
		{"contacts.by-email.json", func() []reply {
			return get("/contacts?email="+f.SharedEmail, "/contacts?email="+email(t, c, f.EnrichedContactID))
		}, "contact profile partial"},
		{"contacts.by-email.empty.json", func() []reply { return get("/contacts?email=nobody@example.com") }, ""},
		{"contacts.by-external-id.json", func() []reply {
			return get("/contacts?idType=external&id=" + strings.Join(f.ExternalIDs[:90], "&id="))
		}, "contact profile"},
		{"contact.create.json", func() []reply {
			return []reply{c.post("/contacts", object{"attributes": object{"email": "e@example.com", "name": "E", "externalId": "e"}})}
		}, ""},
		{"contact.update.json", func() []reply { return []reply{c.patch(contact(created), change)} }, ""},
		{"contact.update-normalized.json", func() []reply {
			return []reply{c.patch("/contacts/normalize?idType=external&id=crm-c0ffee", change)}
		}, ""},
		{"contact.tags.legacy.json", func() []reply { return get(contact(f.EnrichedContactID) + "/tags") }, ""},
		{"contacts.attributes.json", func() []reply { return get("/contacts/attributes") }, ""},
		{"contacts.timeline.create.json", func() []reply {
			return []reply{c.post("/contacts/timeline", object{"contactId": created, "event": "Invoice paid"})}
		}, ""},
		{"emails.unsubscribe.json", func() []reply { return []reply{c.post("/emails/unsubscribe", []string{"a@example.com"})} }, ""},
		{"contact.delete.json", func() []reply { return []reply{c.do("DELETE", contact(created), nil)} }, ""},

		{"user.get.json", func() []reply { return get(users...) }, ""},
		{"users.by-ids.json", func() []reply { return get(fmt.Sprintf("/users?userId=%d&userId=%d", f.UserIDs[2], f.UserIDs[3])) }, ""},
		{"users.list.json", func() []reply { return get("/users/list") }, ""},
		{"users.meetings.org.json", func() []reply {
			return get("/users/meetings/org?min_start_time=0&max_start_time=9999999999999&limit=1000")
		}, ""},
		{"teams.org.json", func() []reply { return get("/teams/org") }, ""},
		{"teams.users.json", func() []reply { return get(fmt.Sprint("/teams/users/", f.UserIDs[2])) }, ""},
		{"user.update.json", func() []reply {
			return []reply{c.patch(fmt.Sprint("/users/update?userId=", f.UserIDs[3]), object{"phone": "555-010-9090"})}
		}, ""},

		{"conversation.get.json", func() []reply { return get(conversations...) }, ""},
		{"conversation.get.minimal.json", func() []reply { return get(conversation(f.BareConversationID, "")) }, ""},
		{"conversations.list.json", func() []reply { return get("/conversations/list?limit=2") }, ""},
		{"conversations.list.last-page.json", func() []reply {
			_, few := serve(t, sandbox.Config{Conversations: 3})
			return []reply{few.get("/conversations/list")}
		}, ""},
		{"conversations.list.legacy.json", func() []reply { return get("/conversations/list?next=") }, ""},
		{"conversations.stats.json", func() []reply { return get("/conversations/stats") }, ""},
		{"conversation.messages.json", func() []reply { return get(conversation(f.LongConversationID, "/messages")) }, "attachments developer"},
		{"conversation.messages.last-page.json", func() []reply { return get(messages...) }, "messages"},
		{"conversation.transcript.txt", func() []reply { return get(conversation(f.LongConversationID, "/transcript")) }, ""},
		{"conversation.json_transcript.json", func() []reply { return get(conversation(f.LongConversationID, "/json_transcript")) }, ""},
		{"reports.conversations.json", func() []reply { return []reply{c.post("/reports/conversations", report)} }, "NaN"},
		{"conversation.message.create.json", func() []reply {
			return []reply{c.post(conversation(f.LongConversationID, "/messages"), object{
				"type": "chat", "body": "Hi", "buttons": []object{{"label": "Book a call", "value": "Book a call", "type": "reply"}},
			})}
		}, ""},
		{"conversation.new.json", func() []reply {
			return []reply{c.post("/conversations/new", object{
				"email": f.SharedEmail, "message": object{"body": "Hi", "attributes": object{"autoAssigneeId": f.UserIDs[3]}},
			})}
		}, ""},

		{"accounts.list.json", func() []reply { return get("/accounts?size=65") }, "account"},
		{"accounts.list.last-page.json", func() []reply { return get("/accounts?size=65&index=65") }, "account properties"},
		{"account.get.json", func() []reply { return get(accounts...) }, "account"},
		{"account.get.deleted.json", func() []reply { return get(deleted...) }, "account properties"},
		{"account.create.json", func() []reply { return []reply{c.post("/accounts/create", account)} }, ""},
		{"account.update.json", func() []reply {
			return []reply{c.patch("/accounts/update", object{"accountId": "48213_northwind.example.com", "ownerId": f.UserIDs[3], "name": "Northwind Tools AB"})}
		}, ""},
		{"error.400.account-duplicate-domain.json", func() []reply { return []reply{c.do("POST", "/accounts/create", account)} }, ""},
		{"account.delete.json", func() []reply { return []reply{c.do("DELETE", "/accounts/48213_northwind.example.com", nil)} }, ""},

		{"playbooks.list.json", func() []reply { return get("/playbooks/list") }, ""},
		{"playbooks.clp.json", func() []reply { return get("/playbooks/clp") }, ""},
		{"gdpr.retrieve.json", func() []reply { return []reply{c.post("/gdpr/retrieve", object{"email": "a@example.com"})} }, ""},
		{"gdpr.delete.json", func() []reply { return []reply{c.post("/gdpr/delete", object{"email": "a@example.com"})} }, ""},
		{"scim.users.list.json", func() []reply { return get("/scim/Users") }, "scim"},
		{"scim.user.get.json", func() []reply { return get(fmt.Sprint("/scim/Users/", f.UserIDs[3])) }, "scim"},

		{"oauth2.token.json", func() []reply {
			return []reply{oauth.form("client_id=id&client_secret=secret&grant_type=authorization_code&code=code")}
		}, ""},
		{"oauth2.token.legacy-camel.json", func() []reply {
			return []reply{oauth.post("/oauth2/token", object{"clientId": "id", "clientSecret": "secret", "grantType": "refresh_token", "refreshToken": "one"})}
		}, ""},
		{"app.token_info.json", func() []reply { return []reply{c.post("/app/token_info", object{"access_token": "sandbox"})} }, ""},
		{"app.uninstall.json", func() []reply {
			_, gone := serve(t, sandbox.Config{})
			return []reply{gone.post("/app/uninstall?clientId=a&clientSecret=b", nil)}
		}, ""},

		{"error.400.validation.json", func() []reply { return []reply{c.do("GET", "/conversations/list?limit=0", nil)} }, ""},
		{"error.400.contact-no-email.json", func() []reply { return []reply{c.do("POST", "/contacts", object{"attributes": object{}})} }, ""},
		{"error.400.contact-no-attributes.json", func() []reply { return []reply{c.do("POST", "/contacts", object{})} }, ""},
		{"error.401.invalid-token.json", func() []reply {
			_, strict := serve(t, sandbox.Config{Token: "other"})
			return []reply{strict.do("GET", "/users/list", nil)}
		}, ""},
		{"error.403.missing-scope.json", func() []reply {
			_, lesser := serve(t, sandbox.Config{Scopes: []string{"contact_read"}})
			return []reply{lesser.do("POST", "/contacts", object{})}
		}, ""},
		{"error.404.contact.json", func() []reply { return []reply{c.do("GET", contact(1), nil)} }, ""},
		{"error.404.not-found.json", func() []reply { return []reply{c.do("GET", conversation(1, ""), nil)} }, ""},
		{"error.409.contact-conflict.json", func() []reply {
			return []reply{c.do("POST", "/contacts", object{"attributes": object{"email": f.SharedEmail}})}
		}, ""},
		{"error.429.rate-limit.json", func() []reply {
			_, slow := serve(t, sandbox.Config{Rate: 1e-6, Burst: 1})
			slow.get("/users/list")
			return []reply{slow.do("GET", "/users/list", nil)}
		}, ""},
		{"error.500.internal.json", func() []reply {
			s.Inject(sandbox.Fault{Route: "/users/list", Status: 500, Count: 1})
			return []reply{c.do("GET", "/users/list", nil)}
		}, ""},
	}

	covered := maps.Clone(notSent)
	for _, tt := range tests {
		covered[tt.sample] = "tested"
		t.Run(tt.sample, func(t *testing.T) {
			sample, err := os.ReadFile(filepath.Join("testdata", "samples", tt.sample))
			if err != nil {
				t.Fatal(err)
			}
			replies := tt.replies()
			if path.Ext(tt.sample) == ".txt" {
				checkTranscript(t, string(sample), string(replies[0].body))
				return
			}
			if kind, ok := strings.CutPrefix(tt.sample, "error."); ok {
				checkError(t, kind[:3], sample, replies[0])
			}
			compareShapes(t, sample, replies, tt.allowed)
		})
	}

	files, err := os.ReadDir(filepath.Join("testdata", "samples"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if covered[file.Name()] == "" && !strings.HasPrefix(file.Name(), "webhook.") { // those are TestEventSamples'
			t.Errorf("%s is in no test", file.Name())
		}
	}
}

// checkError compares status and type with the sample of an error.
func checkError(t *testing.T, status string, sample []byte, got reply) {
	t.Helper()
	var want, have struct {
		Error struct{ Type, Message string }
	}
	if err := json.Unmarshal(sample, &want); err != nil {
		t.Fatal(err)
	}
	read(t, got, &have)
	if fmt.Sprint(got.status) != status || have.Error.Type != want.Error.Type {
		t.Errorf("got %d %s, want %s %s", got.status, have.Error.Type, status, want.Error.Type)
	}
	if status == "401" && have.Error.Message != want.Error.Message {
		t.Errorf("got message %q, want Drift's own %q", have.Error.Message, want.Error.Message)
	}
}

// checkTranscript compares the form of lines.
func checkTranscript(t *testing.T, sample, got string) {
	t.Helper()
	for _, text := range []string{sample, got} {
		for line := range strings.Lines(text) {
			stamp, rest, _ := strings.Cut(line, " AM ")
			if rest == "" {
				stamp, rest, _ = strings.Cut(line, " PM ")
			}
			if _, err := time.Parse("Jan 2, 03:04:05", stamp); err != nil {
				t.Fatalf("line %q: %v", line, err)
			}
			zone, said, _ := strings.Cut(rest, " ")
			if name, text, ok := strings.Cut(said, ": "); len(zone) != 3 || !ok || name == "" || text == "" || strings.Contains(text, "<p>") {
				t.Fatalf("line %q is not like those of the sample", line)
			}
		}
	}
	if !strings.Contains(got, " (Agent): ") {
		t.Error("no bot is marked as in the sample")
	}
}

// compareShapes compares a sample with what several replies have together.
func compareShapes(t *testing.T, sample []byte, replies []reply, allowed string) {
	t.Helper()
	want, got := shape{}, shape{}
	want.addJSON(t, sample)
	for _, r := range replies {
		if r.status/100 != 2 && len(replies) > 1 {
			t.Fatalf("status %d: %s", r.status, r.body)
		}
		if kind := r.header.Get("Content-Type"); kind != "application/json" {
			t.Fatalf("content type %q", kind)
		}
		got.addJSON(t, r.body)
	}
	for _, key := range want.sorted() {
		if !got[key] && !(strings.Contains(allowed, "partial") && strings.Contains(key, "attributes.")) {
			t.Errorf("missing: %s", key)
		}
	}
	for _, key := range got.sorted() {
		if !want[key] && !isDocumented(key, allowed) {
			t.Errorf("not in the sample: %s", key)
		}
	}
}

// isDocumented reports whether a key may be there though the sample lacks it.
func isDocumented(key, allowed string) bool {
	for word := range strings.FieldsSeq(allowed) {
		if slices.ContainsFunc(documented[word], func(part string) bool { return strings.Contains(key, part) }) {
			return true
		}
	}
	return false
}

// A shape is the set of the paths in JSON, each with a type: "data[].id number".
type shape map[string]bool

func (s shape) sorted() []string { return slices.Sorted(maps.Keys(s)) }

func (s shape) addJSON(t *testing.T, body []byte) {
	t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	s.add("", v)
}

func (s shape) add(path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		s[path+" object"] = true
		for name, member := range v {
			if strings.Trim(name, "0123456789") == "" {
				name = "<id>"
			}
			s.add(strings.TrimPrefix(path+"."+name, "."), member)
		}
	case []any:
		s[path+" array"] = true
		for _, element := range v {
			s.add(path+"[]", element)
		}
	case string:
		s[path+" string"] = true
	case float64:
		s[path+" number"] = true
	case bool:
		s[path+" bool"] = true
	case nil:
		s[path+" null"] = true
	}
}

// email reads the email of a contact.
func email(t *testing.T, c *client, id int64) string {
	t.Helper()
	return data[struct{ Attributes struct{ Email string } }](t, c.get(fmt.Sprint("/contacts/", id))).Attributes.Email
}

// form posts a form for a pair of tokens.
func (c *client) form(body string) reply {
	c.t.Helper()
	answer, err := http.Post(c.url+"/oauth2/token", "application/x-www-form-urlencoded", strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	return drain(c.t, answer)
}
