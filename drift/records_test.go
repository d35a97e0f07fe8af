package drift_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

func TestParseID(t *testing.T) {
	for s, want := range map[string]drift.ID{
		"1":                   1,
		"17035536800":         17035536800,
		"9223372036854775807": 9223372036854775807,
	} {
		got, err := drift.ParseID(s)
		if got != want || err != nil {
			t.Errorf("ParseID(%q) = %v, %v, want %v", s, got, err, want)
		}
		if got.String() != s {
			t.Errorf("ParseID(%q) prints as %q", s, got)
		}
	}
	for _, s := range []string{"", "0", "-1", "+1", "01", " 1", "1 ", "1.0", "1e3", "0x1", "1_000", "９", "9223372036854775808", "Contact:1"} {
		if got, err := drift.ParseID(s); err == nil {
			t.Errorf("ParseID(%q) = %v, want an error", s, got)
		}
	}
}

func TestIDs(t *testing.T) {
	tests := []struct {
		json string
		want drift.ID
	}{
		{`1`, 1},
		{`0`, 0},
		{`-0`, 0},
		{`null`, 0},
		{`""`, 0},
		{`"0"`, 0},
		{`"21840017345"`, 21840017345},
		{`9007199254740993`, 9007199254740993}, // is no float64
		{`"9223372036854775807"`, 9223372036854775807},
	}
	for _, tt := range tests {
		id := drift.ID(7)
		if err := json.Unmarshal([]byte(tt.json), &id); err != nil || id != tt.want {
			t.Errorf("%s gives %v, %v, want %v", tt.json, id, err, tt.want)
		}
	}
	for _, bad := range []string{`true`, `{}`, `[1]`, `"x"`, `1.5`, `9223372036854775808`, `"1e3"`} {
		var id drift.ID
		if err := json.Unmarshal([]byte(bad), &id); err == nil {
			t.Errorf("%s gives %v, want an error", bad, id)
		}
	}
}

func TestMillis(t *testing.T) {
	tests := []struct {
		json string
		want drift.Millis
	}{
		{`1718704800000`, 1718704800000},
		{`"1718704800000"`, 1718704800000},
		{`1.7e12`, 1700000000000},
		{`1718704800000.75`, 1718704800000},
		{`"1.7e12"`, 1700000000000},
		{`-1`, -1},
		{`0`, 0},
		{`null`, 0},
		{`""`, 0},
	}
	for _, tt := range tests {
		m := drift.Millis(7)
		if err := json.Unmarshal([]byte(tt.json), &m); err != nil || m != tt.want {
			t.Errorf("%s gives %v, %v, want %v", tt.json, m, err, tt.want)
		}
	}
	for _, bad := range []string{`true`, `{}`, `"soon"`, `1e30`, `"NaN"`, `"Inf"`} {
		var m drift.Millis
		if err := json.Unmarshal([]byte(bad), &m); err == nil {
			t.Errorf("%s gives %v, want an error", bad, m)
		}
	}

	instant := time.Date(2024, 6, 18, 12, 0, 0, 345_000_000, time.FixedZone("", 7200))
	m := drift.MillisOf(instant.Add(999 * time.Nanosecond))
	if got := m.Time(); !got.Equal(instant) || got.Location() != time.UTC {
		t.Errorf("%v comes back as %v", instant, got)
	}
	if m := drift.MillisOf(time.Time{}); m != 0 || !m.Time().IsZero() {
		t.Errorf("no time is %v and comes back as %v", m, m.Time())
	}
}

func TestRefs(t *testing.T) {
	tests := []struct {
		record interface{ Ref() string }
		want   string
	}{
		{&drift.Contact{ID: 17035536800}, "Contact:17035536800"},
		{&drift.User{ID: 412077}, "User:412077"},
		{&drift.Conversation{ID: 4512203877}, "Conversation:4512203877"},
		{&drift.Message{ID: 618840021171, ConversationID: 4512203877}, "Message:4512203877:618840021171"},
		{&drift.Account{ID: "123458_example.com"}, "Account:123458_example.com"},
		{&drift.Team{ID: 7301}, "Team:7301"},
		{&drift.Playbook{ID: 2210457}, "Playbook:2210457"},
	}
	for _, tt := range tests {
		if got := tt.record.Ref(); got != tt.want {
			t.Errorf("the ref of a %T is %q, want %q", tt.record, got, tt.want)
		}
	}
}

// TestRoundTrip writes what was read of Drift's JSON, with the options that
// anybody has, and reads it again.
func TestRoundTrip(t *testing.T) {
	tests := []struct {
		name string
		zero any // a pointer to the type
		json string
	}{
		{"contact", new(drift.Contact), `{"id":9007199254740993,"createdAt":1,"attributes":{"email":"a@example.com","externalId":42,"x":[1.0,1e400,{"y":null}]}}`},
		{"contact without attributes", new(drift.Contact), `{"id":1}`},
		{"contact with broken attributes", new(drift.Contact), "{\"id\":1,\"attributes\":{ \"a\\u002fb\":\"\\u00e9\\ud800 \xff\", \"x\":{\"y\":1,\"y\":2}, \"email\":\"a\", \"email\":\"b\" } }"},
		{"user", new(drift.User), `{"id":"412077","name":"","verified":false,"availability":"ONLINE","role":"owner"}`},
		{"conversation", new(drift.Conversation), `{"id":1,"status":"SNOOZED","participants":[],"conversationTags":[{"name":"a"}],"relatedPlaybookId":"7"}`},
		{"conversation row", new(drift.Conversation), `{"id":1,"status":"OPEN","participants":null}`},
		{"message", new(drift.Message), `{"id":1,"conversationId":2,"body":null,"author":{"id":3,"type":"CONTACT"},"attributes":{ "a": [1, 2] },"attachment":[{"url":"https://driftapi.com/attachments/5/data"}],"buttons":[{"label":"x"}],"context":{"location":{"latitude":0}}}`},
		{"account", new(drift.Account), `{"accountId":"1_a.com","customProperties":[{"name":" my number ","value":{ "a" : 1 }},{"name":"b","value":null}]}`},
		{"team", new(drift.Team), `{"id":1,"members":[1,"2"],"owner":null,"status":"enabled","main":true}`},
		{"playbook", new(drift.Playbook), `{"id":1,"meta":{"a":1,"a":2},"goals":[{"id":"x"},{}]}`},
		{"landing page", new(drift.LandingPage), `{"playbookId":1,"landingPageUrl":"https://example.com"}`},
		{"meeting", new(drift.Meeting), `{"agentId":1,"status":"canceled","conferenceDetails":{"join_url":"https://example.com","password":"x"},"isPrivate":true}`},
		{"meeting elsewhere", new(drift.Meeting), `{"agentId":1,"conferenceDetails":null}`},
		{"contact attribute", new(drift.ContactAttribute), `{"name":"a","displayName":"A","type":"numeric"}`},
		{"stats", new(drift.ConversationStats), `{"OPEN":1,"closed":2,"Pending":3}`},
		{"report", new(drift.Report), `{"count":1,"data":[{"conversationId":1,"metrics":["NaN",null,1,"open"]}]}`},
		{"token", new(drift.TokenInfo), `{"access_token":"x","authenticated_userid":"orgId:1","credential_id":7,"expires_in":7200000,"scope":"a  b","created_at":"5"}`},
	}
	lenient := json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			again := reflect.New(reflect.TypeOf(tt.zero).Elem()).Interface()
			if err := json.Unmarshal([]byte(tt.json), tt.zero, lenient); err != nil {
				t.Fatal(err)
			}
			written, err := json.Marshal(tt.zero)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(written, again); err != nil {
				t.Fatalf("%s: %v", written, err)
			}
			if diff := cmp.Diff(tt.zero, again); diff != "" {
				t.Errorf("it comes back changed from %s (-before +after):\n%s", written, diff)
			}
		})
	}
}

// TestSamplesRoundTrip does the same for all that the samples hold.
func TestSamplesRoundTrip(t *testing.T) {
	for _, tt := range samples() {
		if _, failed := tt.want.(error); failed || tt.want == nil {
			continue
		}
		t.Run(tt.file, func(t *testing.T) {
			client := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Write(read(t, tt.file)) })
			value, err := tt.ask(t.Context(), client)
			if err != nil {
				t.Fatal(err)
			}
			written, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			again := reflect.New(reflect.TypeOf(value))
			if err := json.Unmarshal(written, again.Interface()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(value, again.Elem().Interface()); diff != "" {
				t.Errorf("it comes back changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestContactAttributes(t *testing.T) {
	tests := []struct {
		name       string
		attributes string
		want       drift.Contact
	}{
		{"none", `{}`, drift.Contact{}},
		{"null", `null`, drift.Contact{}},
		{"all null", `{"email":null,"name":null,"externalId":null,"external_id":null,"last_active":null,"socialProfiles":null}`, drift.Contact{}},
		{"all blank", `{"email":"","name":"","display_name":"","first_name":"","last_name":"","phone":"","externalId":"","avatarUrl":""}`, drift.Contact{}},
		{"name", `{"name":"A","display_name":"B","first_name":"C","last_name":"D"}`, drift.Contact{Name: new("A")}},
		{"display name", `{"display_name":"B","first_name":"C","last_name":"D"}`, drift.Contact{Name: new("B")}},
		{"first and last name", `{"name":"","first_name":"C","last_name":"D"}`, drift.Contact{Name: new("C D")}},
		{"last name", `{"last_name":"D"}`, drift.Contact{Name: new("D")}},
		{"external id", `{"externalId":"a","external_id":"b"}`, drift.Contact{ExternalID: new("a")}},
		{"external id in snake case", `{"externalId":null,"external_id":"b"}`, drift.Contact{ExternalID: new("b")}},
		{"external id that is a number", `{"externalId":9007199254740993}`, drift.Contact{ExternalID: new("9007199254740993")}},
		{"external id that is a float", `{"external_id":1.2e6}`, drift.Contact{ExternalID: new("1200000")}},
		{"phone that is a number", `{"phone":5550102231}`, drift.Contact{Phone: new("5550102231")}},
		{"times", `{"last_active":"1719482400000","last_contacted":1.7e12}`, drift.Contact{LastActiveAt: 1719482400000, LastContactedAt: 1700000000000}},
		{"employment", `{"employment_domain":"a.com","socialProfiles":{"employment":{"domain":"b.com"}}}`, drift.Contact{EmploymentDomain: "a.com"}},
		{"employment in profiles", `{"employment_domain":"","socialProfiles":{"employment":{"domain":"b.com"}}}`, drift.Contact{EmploymentDomain: "b.com"}},
		{"unexpected types", `{"email":{"a":1},"phone":[1],"name":true,"last_active":"yesterday","socialProfiles":[],"avatarUrl":"x"}`, drift.Contact{AvatarURL: new("x")}},
		{"profiles of an unexpected type", `{"socialProfiles":{"employment":"b.com"},"email":"x"}`, drift.Contact{Email: new("x")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprintf(w, `{"data":{"id":5,"attributes":%s}}`, tt.attributes)
			})
			got, err := client.Contact(t.Context(), 5)
			if err != nil {
				t.Fatal(err)
			}
			tt.want.ID = 5
			tt.want.Attributes = jsontext.Value(tt.attributes)
			if tt.attributes == "null" {
				tt.want.Attributes = jsontext.Value("{}")
			}
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Errorf("the contact is not as expected (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSloppyJSON reads what a strict reader of JSON would refuse.
func TestSloppyJSON(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "{\"data\":{\"id\":5,\"id\":5,\"extra\":{},\"createdAt\":\"7\","+
			"\"attributes\":{\"name\":\"caf\xe9\",\"name\":\"tea\",\"list\":[{\"a\":1,\"b\":2,\"a\":{\"c\":[]}}]}}}")
	})
	got, err := client.Contact(t.Context(), 5)
	if err != nil {
		t.Fatal(err)
	}
	want := &drift.Contact{
		ID:         5,
		CreatedAt:  7,
		Name:       new("caf\uFFFD"),
		Attributes: jsontext.Value("{\"name\":\"caf\uFFFD\",\"list\":[{\"a\":1,\"b\":2}]}"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the contact is not as expected (-want +got):\n%s", diff)
	}
}

func TestEnums(t *testing.T) {
	tests := []struct {
		json string
		into any
		want string
	}{
		{`"ONLINE"`, new(drift.UserAvailability), "AVAILABLE"},
		{`"on_call"`, new(drift.UserAvailability), "ON_CALL"},
		{`"AWAY"`, new(drift.UserAvailability), "AWAY"},
		{`"Admin"`, new(drift.UserRole), "admin"},
		{`"OPEN"`, new(drift.ConversationStatus), "open"},
		{`"BULK_SENT"`, new(drift.ConversationStatus), "bulk_sent"},
		{`"Snoozed"`, new(drift.ConversationStatus), "Snoozed"},
		{`1`, new(drift.ConversationStatus), "1"},
		{`null`, new(drift.ConversationStatus), ""},
		{`"CHAT"`, new(drift.MessageType), "chat"},
		{`"User"`, new(drift.AuthorType), "user"},
		{`"archived"`, new(drift.TeamStatus), "ARCHIVED"},
		{`"always_online"`, new(drift.TeamAvailabilityMode), "ALWAYS_ONLINE"},
		{`"active"`, new(drift.MeetingStatus), "ACTIVE"},
		{`"Date"`, new(drift.ContactAttributeType), "DATE"},
	}
	for _, tt := range tests {
		if err := json.Unmarshal([]byte(tt.json), tt.into); err != nil {
			t.Errorf("%s as a %T: %v", tt.json, tt.into, err)
		}
		if got := reflect.ValueOf(tt.into).Elem().String(); got != tt.want {
			t.Errorf("%s as a %T is %q, want %q", tt.json, tt.into, got, tt.want)
		}
	}
	var status drift.ConversationStatus
	if err := json.Unmarshal([]byte(`{}`), &status); err == nil {
		t.Error("an object is taken for a status")
	}
}

func TestAttachments(t *testing.T) {
	tests := []struct {
		json string
		want drift.ID
	}{
		{`{"id":7,"url":"https://driftapi.com/attachments/5/data"}`, 7},
		{`{"url":"https://driftapi.com/attachments/5/data"}`, 5},
		{`{"url":"https://driftapi.com/attachments/5/data?x=1"}`, 5},
		{`{"url":"https://files.example.com/5/data"}`, 0},
		{`{"url":"/attachments//data"}`, 0},
		{`{}`, 0},
	}
	for _, tt := range tests {
		for _, key := range []string{"attachment", "attachments"} {
			var m drift.Message
			if err := json.Unmarshal(fmt.Appendf(nil, `{"id":1,%q:[%s]}`, key, tt.json), &m); err != nil {
				t.Fatal(err)
			}
			if len(m.Attachments) != 1 || m.Attachments[0].ID != tt.want {
				t.Errorf("%s under %q gives %v, want the id %v", tt.json, key, m.Attachments, tt.want)
			}
		}
	}
}

// TestEnvelopes checks the shapes that sources disagree about, and those that
// nothing can be made of.
func TestEnvelopes(t *testing.T) {
	conversation := func(ctx context.Context, c *drift.Client) error { _, err := c.Conversation(ctx, 5); return err }
	account := func(ctx context.Context, c *drift.Client) error { _, err := c.Account(ctx, "1_A.com"); return err }
	users := func(ctx context.Context, c *drift.Client) error { _, err := c.Users(ctx); return err }
	byID := func(ctx context.Context, c *drift.Client) error {
		_, err := c.UsersByID(ctx, []drift.ID{1})
		return err
	}
	playbooks := func(ctx context.Context, c *drift.Client) error { _, err := c.Playbooks(ctx); return err }
	byEmail := func(ctx context.Context, c *drift.Client) error {
		_, err := c.ContactsByEmail(ctx, drift.ContactQuery{Email: "a"})
		return err
	}
	conversations := func(ctx context.Context, c *drift.Client) error {
		_, err := c.Conversations(ctx, drift.ConversationQuery{})
		return err
	}
	messages := func(ctx context.Context, c *drift.Client) error { _, err := c.Messages(ctx, 5, ""); return err }
	accounts := func(ctx context.Context, c *drift.Client) error { _, err := c.Accounts(ctx, 10, 0); return err }
	stats := func(ctx context.Context, c *drift.Client) error { _, err := c.ConversationStats(ctx); return err }
	attributes := func(ctx context.Context, c *drift.Client) error { _, err := c.ContactAttributes(ctx); return err }
	report := func(ctx context.Context, c *drift.Client) error {
		_, err := c.ConversationReport(ctx, drift.ReportQuery{})
		return err
	}
	info := func(ctx context.Context, c *drift.Client) error { _, err := c.TokenInfo(ctx); return err }
	transcript := func(ctx context.Context, c *drift.Client) error { _, err := c.Transcript(ctx, 5); return err }

	tests := []struct {
		name string
		ask  func(context.Context, *drift.Client) error
		body string
		ok   bool
	}{
		{"wrapped conversation", conversation, `{"data":{"id":5}}`, true},
		{"bare conversation", conversation, `{"id":5}`, true},
		{"another conversation", conversation, `{"data":{"id":6}}`, false},
		{"conversation without id", conversation, `{"data":{"status":"open"}}`, false},
		{"conversation that is null", conversation, `{"data":null}`, false},
		{"conversation that is a list", conversation, `{"data":[{"id":5}]}`, false},
		{"null", conversation, `null`, false},
		{"string", conversation, `"x"`, false},
		{"empty", conversation, ``, false},
		{"blank", conversation, ` `, false},
		{"HTML", conversation, `<html>Sign in</html>`, false},
		{"cut", conversation, `{"data":{"id":5`, false},
		{"two values", conversation, `{"data":{"id":5}}{}`, false},
		{"id that is no number", conversation, `{"data":{"id":"five"}}`, false},
		{"deep", conversation, strings.Repeat(`{"data":`, 100_000), false},
		{"account in another case", account, `{"data":{"accountId":"1_a.com"}}`, true},
		{"another account", account, `{"data":{"accountId":"1_b.com"}}`, false},
		{"no users", users, `{"data":[]}`, true},
		{"users that are null", users, `{"data":null}`, false},
		{"no data", users, `{}`, false},
		{"a user that is null", users, `{"data":[{"id":1},null]}`, false},
		{"a user without id", users, `{"data":[{"id":1},{}]}`, false},
		{"no users by id", byID, `{"data":{}}`, true},
		{"users by another id", byID, `{"data":{"1":{"id":2}}}`, false},
		{"a user by id that is null", byID, `{"data":{"1":null}}`, false},
		{"users by id in a list", byID, `{"data":[{"id":1}]}`, false},
		{"users by id without data", byID, `{}`, false},
		{"bare playbooks", playbooks, ` [{"id":1}]`, true},
		{"wrapped playbooks", playbooks, `{"data":[{"id":1}]}`, true},
		{"contact for contacts", byEmail, `{"data":{"id":1}}`, true},
		{"conversations without data", conversations, `{"links":{}}`, false},
		{"conversations with a broken link", conversations, `{"data":[],"links":{"next":":"}}`, false},
		{"messages without list", messages, `{"data":{}}`, false},
		{"message of another conversation", messages, `{"data":{"messages":[{"id":1,"conversationId":6}]}}`, false},
		{"accounts without list", accounts, `{"data":{}}`, false},
		{"accounts with a broken link", accounts, `{"data":{"accounts":[],"next":":"}}`, false},
		{"accounts with a link without index", accounts, `{"data":{"accounts":[],"next":"/accounts?size=2"}}`, false},
		{"accounts that go back", accounts, `{"data":{"accounts":[],"next":"/accounts?index=10"}}`, false},
		{"accounts with a null link", accounts, `{"data":{"accounts":[],"next":null}}`, true},
		{"no stats", stats, `{}`, false},
		{"no attributes", attributes, `{"data":{}}`, false},
		{"no report", report, `{"count":0}`, false},
		{"report of nothing", report, `{"data":[{"metrics":[]}]}`, false},
		{"token of nobody", info, `{"authenticated_userid":"me"}`, false},
		{"token without user", info, `{}`, false},
		{"wrapped token", info, `{"data":{"authenticated_userid":"orgId:7"}}`, true},
		{"empty transcript", transcript, ``, true},
		{"transcript that is HTML", transcript, `<!doctype html>`, false},
		{"transcript that is a list", transcript, `[]`, false},
		{"transcript of another shape", transcript, `{"data":{}}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, tt.body) })
			err := tt.ask(t.Context(), client)
			if tt.ok && err != nil {
				t.Errorf("%s: %v", tt.body, err)
			}
			if !tt.ok && !errors.Is(err, drift.ErrInvalid) {
				t.Errorf("%.100s: got %v, want %v", tt.body, err, drift.ErrInvalid)
			}
		})
	}
}
