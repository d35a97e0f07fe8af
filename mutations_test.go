package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/driftgraph/driftgraph/auth"
	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/sandbox"
)

// Records of the sandbox of tests.
const (
	someContact      = "Contact:21840002652"
	someUser         = "User:412077"
	someConversation = "Conversation:4513196014"
	someAccount      = "Account:48213_amberbridge.example"
	someEmail        = "jamal.horvat@brightway.example"
)

// TestChangesAreRead has two gateways share a Redis. Both have read what a
// mutation, sent to the first, will change: afterwards the first answers what
// Drift has now, and so does the second as soon as it has heard.
func TestChangesAreRead(t *testing.T) {
	server := startRedis(t)
	tests := map[string]struct {
		mutation string
		query    string
		path     string
		want     any
	}{
		"contact": {`updateContact(input: {id: "` + someContact + `", attributes: {name: "New"}}) { userErrors { code } }`,
			`{ contact(id: "` + someContact + `") { name } }`, "contact.name", "New"},
		"contact by external id": {`updateContact(input: {externalId: "crm-525630", attributes: {name: "New"}}) { userErrors { code } }`,
			`{ contactsByExternalId(externalIds: ["crm-525630"]) { name } }`, "contactsByExternalId.name", []any{"New"}},
		"new contact by e-mail": {`createContact(input: {email: "new@example.com", attributes: {name: "New"}}) { userErrors { code } }`,
			`{ contactsByEmail(email: "new@example.com") { nodes { name } } }`, "contactsByEmail.nodes.name", []any{"New"}},
		"new contact by external id": {`createContact(input: {email: "` + someEmail + `", externalId: "crm-new"}) { userErrors { code } }`,
			`{ contactsByExternalId(externalIds: ["crm-new"]) { email } }`, "contactsByExternalId.email", []any{someEmail}},
		"contact of a new conversation": {`startConversation(input: {email: "new@example.com", body: "Hello"}) { userErrors { code } }`,
			`{ contactsByEmail(email: "new@example.com") { nodes { email } } }`, "contactsByEmail.nodes.email", []any{"new@example.com"}},
		"count of conversations": {`startConversation(input: {email: "` + someEmail + `", body: "Hello"}) { userErrors { code } }`,
			`{ conversationStats { open } }`, "conversationStats.open", nil},
		"message": {`sendMessage(input: {conversationId: "` + someConversation + `", body: "New"}) { userErrors { code } }`,
			`{ conversation(id: "` + someConversation + `") { messages(last: 1) { nodes { body } } } }`, "conversation.messages.nodes.body", []any{"New"}},
		"contact of a message": {`sendMessage(input: {conversationId: "` + someConversation + `", body: "New", authorId: 412077}) { userErrors { code } }`,
			`{ conversation(id: "` + someConversation + `") { contact { lastContactedAt } } }`, "conversation.contact.lastContactedAt", nil},
		"user": {`updateUser(input: {id: "` + someUser + `", name: "New"}) { userErrors { code } }`,
			`{ user(id: "` + someUser + `") { name } }`, "user.name", "New"},
		"user in the list": {`updateUser(input: {id: "` + someUser + `", availability: AVAILABLE}) { userErrors { code } }`,
			`{ users(availability: AVAILABLE, first: 100) { nodes { id } } }`, "users.nodes.id", nil},
		"account": {`updateAccount(input: {id: "` + someAccount + `", name: "New"}) { userErrors { code } }`,
			`{ account(id: "` + someAccount + `") { name } }`, "account.name", "New"},
		"new account by domain": {`createAccount(input: {ownerId: "` + someUser + `", name: "New", domain: "new.example"}) { userErrors { code } }`,
			`{ accountByDomain(domain: "new.example") { name } }`, "accountByDomain.name", "New"},
		"deleted account": {`deleteAccount(input: {id: "` + someAccount + `"}) { userErrors { code } }`,
			`{ account(id: "` + someAccount + `") { deleted } }`, "account.deleted", true},
		"deleted account by domain": {`deleteAccount(input: {id: "` + someAccount + `"}) { userErrors { code } }`,
			`{ accountByDomain(domain: "amberbridge.example") { name } accounts(first: 0) { nodes { id } } }`, "accountByDomain", nil},
		"forgotten person": {`requestDataDeletion(input: {email: "` + someEmail + `"}) { userErrors { code } }`,
			`{ contactsByEmail(email: "` + someEmail + `") { nodes { name } } }`, "contactsByEmail.nodes.name", []any{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			server.client(t).FlushAll(t.Context())
			first := assemble(t, parts{redis: server.client(t)})
			second := assemble(t, parts{redis: server.client(t), drift: first.drift})
			before := first.get(t, tt.query)
			second.get(t, tt.query)
			changed := first.get(t, "mutation { m: "+tt.mutation+" }")
			if errors := at(changed, "m.userErrors"); len(errors.([]any)) > 0 {
				t.Fatalf("the mutation was refused: %v", errors)
			}
			got := first.get(t, tt.query)
			if cmp.Equal(got, before) {
				t.Fatalf("the gateway that made the change answers what was there before: %v", got)
			}
			if tt.want != nil && !cmp.Equal(at(got, tt.path), tt.want) {
				t.Errorf("it answers %v, want %v", at(got, tt.path), tt.want)
			}
			for deadline := time.Now().Add(20 * time.Second); !cmp.Equal(second.get(t, tt.query), got); {
				if time.Now().After(deadline) {
					t.Fatalf("the other gateway still answers %v", second.get(t, tt.query))
				}
			}
		})
	}
}

// TestUserErrors sends inputs that can be mended: each is told by its place and
// code, nothing is changed, and what Drift would refuse anyway costs no call.
func TestUserErrors(t *testing.T) {
	many := strings.TrimSuffix(strings.Repeat(`"a@example.com", `, 101), ", ")
	tests := []struct {
		mutation string
		calls    int
		want     []string // code and field of each
	}{
		{`createContact(input: {email: "maya"})`, 0, []string{"INVALID_EMAIL email"}},
		{`createContact(input: {email: "Maya <maya@example.com>"})`, 0, []string{"INVALID_EMAIL email"}},
		{`createContact(input: {email: "", externalId: " "})`, 0, []string{"INVALID_EMAIL email", "REQUIRED externalId"}},
		{`createContact(input: {email: "a@example.com", attributes: "x"})`, 0, []string{"INVALID attributes"}},
		{`createContact(input: {email: "a@example.com", attributes: {name: null, email: "b@example.com"}})`, 0, []string{"NOT_CLEARABLE attributes.name", "CONFLICT attributes.email"}},
		{`createContact(input: {email: "a@example.com", externalId: "x", attributes: {external_id: "y"}})`, 0, []string{"CONFLICT attributes.external_id"}},
		{`createContact(input: {email: "` + someEmail + `"})`, 1, []string{"TAKEN email"}},
		{`createContact(input: {email: "` + someEmail + `", externalId: "crm-525630"})`, 1, []string{"TAKEN externalId"}},
		{`createContact(input: {email: "a@example.com", attributes: {tags: [{name: "no such tag"}]}})`, 1, []string{"INVALID attributes.tags"}},
		{`updateContact(input: {attributes: {name: "x"}})`, 0, []string{"REQUIRED id"}},
		{`updateContact(input: {id: null, externalId: null, attributes: {name: "x"}})`, 0, []string{"REQUIRED id"}},
		{`updateContact(input: {id: 5, externalId: "x", attributes: {name: "x"}})`, 0, []string{"CONFLICT externalId"}},
		{`updateContact(input: {id: 5, attributes: {}})`, 0, []string{"REQUIRED attributes"}},
		{`updateContact(input: {id: 5, attributes: {phone: null}})`, 0, []string{"NOT_CLEARABLE attributes.phone"}},
		{`updateContact(input: {id: 5, attributes: {email: "x"}})`, 0, []string{"INVALID_EMAIL attributes.email"}},
		{`updateContact(input: {id: "User:5", attributes: {name: "x"}})`, 0, []string{"INVALID id"}},
		{`updateContact(input: {id: 5, attributes: {name: "x"}})`, 1, []string{"NOT_FOUND id"}},
		{`updateContact(input: {externalId: "no such", attributes: {name: "x"}})`, 1, []string{"NOT_FOUND externalId"}},
		{`updateContact(input: {id: "` + someContact + `", attributes: {externalId: "crm-525630"}})`, 1, []string{"TAKEN attributes.externalId"}},
		{`deleteContact(input: {id: "x"})`, 0, []string{"INVALID id"}},
		{`deleteContact(input: {id: 5})`, 1, []string{"NOT_FOUND id"}},
		{`unsubscribeEmails(input: {emails: []})`, 0, []string{"REQUIRED emails"}},
		{`unsubscribeEmails(input: {emails: [` + many + `]})`, 0, []string{"TOO_MANY emails"}},
		{`unsubscribeEmails(input: {emails: ["a@example.com", "b"]})`, 0, []string{"INVALID_EMAIL emails.1"}},
		{`createTimelineEvent(input: {event: " "})`, 0, []string{"REQUIRED event", "REQUIRED contactId"}},
		{`createTimelineEvent(input: {contactId: 5, event: "x"})`, 1, []string{"NOT_FOUND contactId"}},
		{`createTimelineEvent(input: {externalId: "no such", event: "x"})`, 1, []string{"NOT_FOUND externalId"}},
		{`startConversation(input: {email: "x", body: "", autoAssigneeId: "Contact:5"})`, 0, []string{"INVALID_EMAIL email", "REQUIRED body", "INVALID autoAssigneeId"}},
		{`startConversation(input: {email: "a@example.com", body: "x", autoAssigneeId: 5})`, 1, []string{"NOT_FOUND autoAssigneeId"}},
		{`sendMessage(input: {conversationId: "` + someConversation + `"})`, 0, []string{"REQUIRED body"}},
		{`sendMessage(input: {conversationId: "` + someConversation + `", body: "", type: EDIT})`, 0, []string{"REQUIRED body", "INVALID type"}},
		{`sendMessage(input: {conversationId: "` + someConversation + `", buttons: [{label: "", type: UNKNOWN, reaction: {type: UNKNOWN}}]})`, 0,
			[]string{"REQUIRED buttons.0.label", "INVALID buttons.0.reaction.type", "INVALID buttons.0.type"}},
		{`sendMessage(input: {conversationId: 5, body: "x"})`, 1, []string{"NOT_FOUND conversationId"}},
		{`sendMessage(input: {conversationId: "` + someConversation + `", body: "x", authorId: 5})`, 1, []string{"NOT_FOUND authorId"}},
		{`updateUser(input: {id: 5})`, 0, []string{"REQUIRED "}},
		{`updateUser(input: {id: 5, name: null, alias: null})`, 0, []string{"NOT_CLEARABLE name", "NOT_CLEARABLE alias"}},
		{`updateUser(input: {id: 5, email: "x", availability: ON_CALL})`, 0, []string{"INVALID_EMAIL email", "INVALID availability"}},
		{`updateUser(input: {id: 5, name: "x"})`, 1, []string{"NOT_FOUND id"}},
		{`createAccount(input: {ownerId: "x", name: "", domain: ""})`, 0, []string{"INVALID ownerId", "REQUIRED name", "REQUIRED domain"}},
		{`createAccount(input: {ownerId: 412077, name: "x", customProperties: [{name: "", type: UNKNOWN}]})`, 0,
			[]string{"REQUIRED customProperties.0.name", "INVALID customProperties.0.type"}},
		{`createAccount(input: {ownerId: 412077, name: "x", domain: "amberbridge.example"})`, 1, []string{"TAKEN domain"}},
		{`createAccount(input: {ownerId: 412077, name: "x"})`, 1, []string{"INVALID domain"}},
		{`updateAccount(input: {id: "` + someAccount + `"})`, 0, []string{"REQUIRED "}},
		{`updateAccount(input: {id: "` + someAccount + `", ownerId: null, name: null, domain: null, targeted: null, customProperties: null})`, 0,
			[]string{"NOT_CLEARABLE name", "NOT_CLEARABLE domain", "NOT_CLEARABLE targeted", "NOT_CLEARABLE ownerId", "NOT_CLEARABLE customProperties"}},
		{`updateAccount(input: {id: "48213_no.such", name: "x"})`, 1, []string{"NOT_FOUND id"}},
		{`updateAccount(input: {id: "48213_no.such", name: "x", ownerId: 412077})`, 1, []string{"NOT_FOUND id"}},
		{`updateAccount(input: {id: "` + someAccount + `", domain: "lindengate.example", ownerId: 412077})`, 1, []string{"TAKEN domain"}},
		{`deleteAccount(input: {id: "amberbridge.example"})`, 0, []string{"INVALID id"}},
		{`deleteAccount(input: {id: "48213_no.such"})`, 1, []string{"NOT_FOUND id"}},
		{`requestDataRetrieval(input: {email: "x"})`, 0, []string{"INVALID_EMAIL email"}},
		{`requestDataDeletion(input: {email: "x"})`, 0, []string{"INVALID_EMAIL email"}},
	}
	g := newGateway(t, sandbox.Config{})
	for _, tt := range tests {
		t.Run(tt.mutation, func(t *testing.T) {
			g.calls()
			r := g.ask(t, "mutation { m: "+tt.mutation+" { userErrors { code field message } } }")
			r.mustSucceed(t)
			var got []string
			for _, e := range at(r.data(t), "m.userErrors").([]any) {
				field := make([]string, 0)
				for _, name := range at(e, "field").([]any) {
					field = append(field, name.(string))
				}
				if field[0] != "input" {
					t.Errorf("a field is %v, want one below input", field)
				}
				got = append(got, at(e, "code").(string)+" "+strings.Join(field[1:], "."))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("the errors differ (-want +got):\n%s\n%s", diff, r.Text)
			}
			if bytes.Contains(r.Text, []byte("sandbox")) {
				t.Errorf("Drift's own words are told: %s", r.Text)
			}
			if n := g.calls(); n != tt.calls {
				t.Errorf("it cost %d calls, want %d", n, tt.calls)
			}
		})
	}
}

// TestEitherInput names a contact by each way in which either of two fields may,
// written in the document and given by variables: one and no more of them counts,
// and null is as good as nothing.
func TestEitherInput(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	contact := fmt.Sprint(g.drift.Fixtures().EnrichedContactID)
	const external = "crm-525630"
	const absent = "-"
	for _, mutation := range []struct{ name, id, more string }{
		{"updateContact", "id", `attributes: {name: "Ada"}`},
		{"createTimelineEvent", "contactId", `event: "met"`},
	} {
		neither, both := []string{"REQUIRED input " + mutation.id}, []string{"CONFLICT input externalId"}
		for _, tt := range []struct {
			id, external string // as JSON
			want         []string
		}{
			{`"` + contact + `"`, absent, nil},
			{absent, `"` + external + `"`, nil},
			{`"` + contact + `"`, "null", nil},
			{"null", `"` + external + `"`, nil},
			{`"` + contact + `"`, `"` + external + `"`, both},
			{"null", "null", neither},
			{absent, "null", neither},
			{"null", absent, neither},
			{absent, absent, neither},
		} {
			literal, variables := "", map[string]any{}
			for name, value := range map[string]string{mutation.id: tt.id, "externalId": tt.external} {
				if value != absent {
					literal += name + ": " + value + ", "
					variables[name] = json.RawMessage(value)
				}
			}
			input := map[string]any{"attributes": map[string]string{"name": "Ada"}}
			if mutation.name == "createTimelineEvent" {
				input = map[string]any{"event": "met"}
			}
			for name, value := range variables {
				input[name] = value
			}
			payload := "{ userErrors { code field } }"
			kind := strings.ToUpper(mutation.name[:1]) + mutation.name[1:] + "Input!"
			for how, ask := range map[string]func() *reply{
				"literals": func() *reply {
					return g.ask(t, "mutation { "+mutation.name+"(input: {"+literal+mutation.more+"}) "+payload+" }")
				},
				"a variable for each": func() *reply {
					return g.ask(t, "mutation($"+mutation.id+": ID, $externalId: String) { "+mutation.name+"(input: {"+
						mutation.id+": $"+mutation.id+", externalId: $externalId, "+mutation.more+"}) "+payload+" }", variables)
				},
				"a variable for all": func() *reply {
					return g.ask(t, "mutation($input: "+kind+") { "+mutation.name+"(input: $input) "+payload+" }", map[string]any{"input": input})
				},
			} {
				g.calls()
				r := ask()
				r.mustSucceed(t)
				var got []string
				for _, e := range at(r.data(t), mutation.name+".userErrors").([]any) {
					got = append(got, fmt.Sprint(at(e, "code"), " ", strings.Trim(fmt.Sprint(at(e, "field")), "[]")))
				}
				if fmt.Sprint(got) != fmt.Sprint(tt.want) {
					t.Errorf("%s with %s %s and externalId %s, by %s: %q, want %q", mutation.name, mutation.id, tt.id, tt.external, how, got, tt.want)
				}
				if calls := g.calls(); (calls > 0) != (tt.want == nil) {
					t.Errorf("%s with %s %s and externalId %s, by %s, costs %d calls", mutation.name, mutation.id, tt.id, tt.external, how, calls)
				}
			}
		}
	}
}

// TestAbsentIsNotNull looks at what is sent to Drift: what is left out of an
// input is left out there too.
func TestAbsentIsNotNull(t *testing.T) {
	tests := map[string]struct{ mutation, want string }{
		"user": {`updateUser(input: {id: 412077, alias: "Ann", phone: ""})`, `{"alias":"Ann","phone":""}`},
		"account": {`updateAccount(input: {id: "` + someAccount + `", ownerId: 412078, targeted: false})`,
			`{"accountId":"48213_amberbridge.example","ownerId":412078,"targeted":false}`},
		"account without its properties": {`updateAccount(input: {id: "` + someAccount + `", ownerId: 412078, customProperties: []})`,
			`{"accountId":"48213_amberbridge.example","ownerId":412078,"customProperties":[]}`},
		"contact": {`updateContact(input: {id: "` + someContact + `", attributes: {seats: 9007199254740993, vip: false}})`,
			`{"attributes":{"seats":9007199254740993,"vip":false}}`},
		"new contact": {`createContact(input: {email: "a@example.com", externalId: null, attributes: null})`, `{"attributes":{"email":"a@example.com"}}`},
		"new account": {`createAccount(input: {ownerId: 412077, name: "New", domain: "new.example", targeted: null, customProperties: null})`,
			`{"ownerId":412077,"name":"New","domain":"new.example"}`},
		"message": {`sendMessage(input: {conversationId: "` + someConversation + `", body: "Hi", authorId: null, buttons: null})`, `{"type":"chat","body":"Hi"}`},
		"conversation": {`startConversation(input: {email: "a@example.com", body: "Hi", integrationSource: null})`,
			`{"email":"a@example.com","message":{"body":"Hi"}}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, sandbox.Config{})
			g.get(t, "mutation { m: "+tt.mutation+" { userErrors { code } } }")
			if calls := g.drift.Calls(); len(calls) != 1 || calls[0].Body != tt.want {
				t.Errorf("Drift was sent %+v, want one call with %s", calls, tt.want)
			}
		})
	}
	t.Run("in variables", func(t *testing.T) {
		g := newGateway(t, sandbox.Config{})
		document := `mutation($input: UpdateUserInput!, $a: String) { m: updateUser(input: $input) { userErrors { field } } n: updateUser(input: {id: 412077, alias: $a, name: "New"}) { user { name } } }`
		got := g.get(t, document, map[string]any{"input": map[string]any{"id": "412077", "alias": nil}})
		if field := fmt.Sprint(at(got, "m.userErrors.field")); field != "[[input alias]]" || at(got, "n.user.name") != "New" {
			t.Errorf("null is answered %v; want an error about the alias, and none without the variable", got)
		}
	})
}

// everyMutation holds one of each, and the route of its write.
var everyMutation = map[string]struct{ route, mutation string }{
	"createContact":        {"POST /contacts", `createContact(input: {email: "new@example.com"}) { contact { id } }`},
	"updateContact":        {"PATCH /contacts/{id}", `updateContact(input: {id: "` + someContact + `", attributes: {name: "New"}}) { contact { id } }`},
	"updateContact2":       {"PATCH /contacts/normalize", `updateContact(input: {externalId: "crm-525630", attributes: {name: "New"}}) { contact { id } }`},
	"deleteContact":        {"DELETE /contacts/{id}", `deleteContact(input: {id: "Contact:21840000576"}) { deletedId }`},
	"unsubscribeEmails":    {"POST /emails/unsubscribe", `unsubscribeEmails(input: {emails: ["` + someEmail + `"]}) { emails }`},
	"createTimelineEvent":  {"POST /contacts/timeline", `createTimelineEvent(input: {contactId: "` + someContact + `", event: "x"}) { event { event } }`},
	"startConversation":    {"POST /conversations/new", `startConversation(input: {email: "` + someEmail + `", body: "x"}) { conversation { id } }`},
	"sendMessage":          {"POST /conversations/{id}/messages", `sendMessage(input: {conversationId: "` + someConversation + `", body: "New"}) { message { id } }`},
	"updateUser":           {"PATCH /users/update", `updateUser(input: {id: "` + someUser + `", name: "New"}) { user { id } }`},
	"createAccount":        {"POST /accounts/create", `createAccount(input: {ownerId: "` + someUser + `", name: "New", domain: "new.example"}) { account { id } }`},
	"updateAccount":        {"PATCH /accounts/update", `updateAccount(input: {id: "` + someAccount + `", name: "New"}) { account { id } }`},
	"deleteAccount":        {"DELETE /accounts/{id}", `deleteAccount(input: {id: "48213_lindengate.example"}) { deletedId }`},
	"requestDataRetrieval": {"POST /gdpr/retrieve", `requestDataRetrieval(input: {email: "` + someEmail + `"}) { message }`},
	"requestDataDeletion":  {"POST /gdpr/delete", `requestDataDeletion(input: {email: "` + someEmail + `"}) { message }`},
}

// TestNeverSentTwice has each write go wrong in each way: it is sent once, and
// the error says whether it may have been made.
func TestNeverSentTwice(t *testing.T) {
	faults := map[string]struct {
		fault   sandbox.Fault
		code    string
		unknown bool
	}{
		"cut":          {sandbox.Fault{Kind: sandbox.Cut}, graph.CodeUpstreamInvalidResponse, true},
		"dropped":      {sandbox.Fault{Kind: sandbox.Drop}, graph.CodeUpstreamUnavailable, true},
		"hanging":      {sandbox.Fault{Kind: sandbox.Hang}, graph.CodeUpstreamTimeout, true},
		"not JSON":     {sandbox.Fault{Kind: sandbox.NotJSON}, graph.CodeUpstreamInvalidResponse, true},
		"broken":       {sandbox.Fault{Status: 503}, graph.CodeUpstreamUnavailable, true},
		"rate limited": {sandbox.Fault{Status: 429}, graph.CodeUpstreamRateLimited, false},
		"forbidden":    {sandbox.Fault{Status: 403}, graph.CodeUpstreamForbidden, false},
		"unauthorized": {sandbox.Fault{Status: 401}, graph.CodeUpstreamUnauthorized, false},
	}
	for name, m := range everyMutation {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			quick, calm := newGateway(t, sandbox.Config{}, "--drift-timeout=1s"), newGateway(t, sandbox.Config{})
			for kind, tt := range faults {
				g := calm
				if kind == "hanging" {
					g = quick
				}
				tt.fault.Route = m.route
				g.drift.Inject(tt.fault)
				g.calls()
				r := g.ask(t, "mutation { m: "+m.mutation+" }")
				g.drift.ClearFaults()
				if n := sent(g, m.route); n != 1 {
					t.Errorf("%s: it was sent %d times", kind, n)
				}
				if len(r.Errors) != 1 || r.Errors[0].Extensions["code"] != tt.code {
					t.Fatalf("%s: the answer is %s, want a %s", kind, r.Text, tt.code)
				}
				e := r.Errors[0]
				if told := strings.Contains(e.Message, "may or may not have been made, and was not sent again"); told != tt.unknown || (e.Extensions["outcome"] == "UNKNOWN") != tt.unknown {
					t.Errorf("%s: the error is %+v, want one that says so if it may have been made", kind, e)
				}
			}
		})
	}
}

// sent returns how many calls of a route Drift had.
func sent(g *gateway, route string) int {
	n := 0
	for _, c := range g.drift.Calls() {
		if c.Method+" "+c.Route == route {
			n++
		}
	}
	return n
}

// TestLostAnswer has Drift make a change whose answer is lost: what is read
// afterwards is new all the same.
func TestLostAnswer(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	for route, tt := range map[string]struct{ mutation, query, path, want string }{
		"PATCH /contacts/{id}": {`updateContact(input: {id: "` + someContact + `", attributes: {name: "New"}}) { contact { name } }`,
			`{ contact(id: "` + someContact + `") { name } }`, "contact.name", "New"},
		"POST /contacts": {`createContact(input: {email: "new@example.com", attributes: {name: "New"}}) { contact { name } }`,
			`{ contactsByEmail(email: "new@example.com") { nodes { name } } }`, "contactsByEmail.nodes.name", "[New]"},
		"PATCH /users/update": {`updateUser(input: {id: "` + someUser + `", name: "New"}) { user { name } }`,
			`{ user(id: "` + someUser + `") { name } }`, "user.name", "New"},
		"POST /accounts/create": {`createAccount(input: {ownerId: "` + someUser + `", name: "New", domain: "new.example"}) { account { id } }`,
			`{ accountByDomain(domain: "new.example") { name } }`, "accountByDomain.name", "New"},
	} {
		t.Run(route, func(t *testing.T) {
			g.get(t, tt.query)
			g.drift.Inject(sandbox.Fault{Route: route, Kind: sandbox.Cut})
			defer g.drift.ClearFaults()
			if r := g.ask(t, "mutation { "+tt.mutation+" }"); len(r.Errors) == 0 {
				t.Fatalf("the answer was not lost: %s", r.Text)
			}
			if got := fmt.Sprint(at(g.get(t, tt.query), tt.path)); got != tt.want {
				t.Errorf("afterwards it is %s, want %s", got, tt.want)
			}
		})
	}
}

// TestMutationPlan holds what the plan tells of mutations against what the
// sandbox counted, and against the prediction.
func TestMutationPlan(t *testing.T) {
	for _, q := range changes(t) {
		t.Run(filepath.Base(q.path), func(t *testing.T) {
			g := newGateway(t, sandbox.Config{})
			dry := g.askPlan(t, "dry-run", q.query, nil)
			if n := g.calls(); n != 0 || dry.Extensions.REST == nil || dry.Extensions.REST.Predicted == nil {
				t.Fatalf("the dry run made %d calls and told %+v", n, dry)
			}
			predicted := dry.Extensions.REST.Predicted
			r := g.askPlan(t, "full", q.query, nil)
			calls := g.drift.Calls()
			spent := r.Extensions.REST
			if len(r.Errors) > 0 || spent.Calls != len(calls) || len(spent.Plan) < len(calls) {
				t.Fatalf("the plan tells of %d calls in %d steps, the sandbox had %d; errors %+v", spent.Calls, len(spent.Plan), len(calls), r.Errors)
			}
			if spent.Calls < predicted.Min || spent.Calls > predicted.Max {
				t.Errorf("%d calls are not in the predicted range %+v", spent.Calls, *predicted)
			}
			for i, c := range calls[1:] {
				writes := c.Method != http.MethodGet && !strings.HasPrefix(c.Route, "/reports/")
				if writes && slices.ContainsFunc(calls[:i+1], func(before sandbox.Call) bool { return before.End > c.Start }) {
					t.Errorf("%s %s was sent before all that came before it had ended", c.Method, c.Route)
				}
			}
		})
	}
	t.Run("reads follow the write", func(t *testing.T) {
		g := newGateway(t, sandbox.Config{})
		r := g.askPlan(t, "full", `mutation { startConversation(input: {email: "`+someEmail+`", body: "x"}) { conversation { status contact { name } } } }`, nil)
		var got []string
		for _, s := range r.Extensions.REST.Plan {
			got = append(got, fmt.Sprintf("%d: %s %s after %v", s.ID, s.Method, s.Route, s.After))
		}
		want := []string{"1: POST /conversations/new after []", "2: GET /conversations/{id} after [1]", "3: GET /contacts/{id} after [2]"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the plan differs (-want +got):\n%s", diff)
		}
	})
}

// TestDryRunChangesNothing sends every mutation as a dry run.
func TestDryRunChangesNothing(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	for name, m := range everyMutation {
		if r := g.askPlan(t, "dry-run", "mutation { "+m.mutation+" }", nil); r.Extensions.REST == nil || r.Extensions.REST.Predicted == nil || r.Extensions.REST.Predicted.Min < 1 {
			t.Errorf("%s: the dry run told %+v", name, r)
		}
	}
	if n := g.calls(); n != 0 {
		t.Errorf("dry runs made %d calls", n)
	}
}

// TestMutationBudget has an operation of two mutations cost more than it may:
// neither is made. One that turns out to cost more ends where it must.
func TestMutationBudget(t *testing.T) {
	g := newGateway(t, sandbox.Config{}, "--max-rest-calls=4")
	r := g.ask(t, `mutation { a: updateUser(input: {id: 412077, name: "A"}) { user { teams { owner { name } } } } b: updateUser(input: {id: 412077, name: "B"}) { user { teams { owner { name } } } } }`)
	if len(r.Errors) != 1 || r.Errors[0].Extensions["code"] != graph.CodeRESTBudgetExceeded || r.Data != nil || g.calls() != 0 {
		t.Errorf("the answer is %s, want a refusal before anything is changed", r.Text)
	}
	r = g.ask(t, `mutation { requestDataDeletion(input: {email: "`+someEmail+`"}) { message } updateUser(input: {id: 412077, name: "A"}) { user { name } } }`)
	r.mustSucceed(t)
	if n := g.calls(); n != 4 {
		t.Errorf("it cost %d calls, want the 4 that it may", n)
	}
}

// TestMutationByGet refuses to change anything by GET.
func TestMutationByGet(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	for name, m := range everyMutation {
		res, err := http.Get(g.url + "/graphql?query=" + url.QueryEscape("mutation { "+m.mutation+" }"))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "POST" {
			t.Errorf("%s: status %d, Allow %q; want 405 and POST", name, res.StatusCode, res.Header.Get("Allow"))
		}
	}
	if n := g.calls(); n != 0 {
		t.Errorf("mutations by GET made %d calls", n)
	}
}

// TestGDPRPermission refuses who has not the permission, before anything is
// asked of Drift, and lets pass who has it.
func TestGDPRPermission(t *testing.T) {
	const query = `mutation { a: requestDataRetrieval(input: {email: "` + someEmail + `"}) { message } b: requestDataDeletion(input: {email: "` + someEmail + `"}) { message } }`
	stranger := assemble(t, parts{caller: &auth.Caller{Name: "stranger", Permissions: without(auth.GDPRRead, auth.GDPRWrite)}})
	r := stranger.ask(t, query)
	if len(r.Errors) != 2 || r.Errors[0].Extensions["code"] != graph.CodeForbidden || r.Errors[1].Extensions["code"] != graph.CodeForbidden || stranger.calls() != 0 {
		t.Errorf("a caller without the permission is answered %s", r.Text)
	}
	stranger.get(t, `mutation { updateUser(input: {id: 412077, name: "A"}) { user { name } } }`)
	if name := at(stranger.get(t, `{ viewer { caller } }`), "viewer.caller"); name != "stranger" {
		t.Errorf("the caller is %v", name)
	}
	officer := assemble(t, parts{caller: &auth.Caller{Name: "officer", Permissions: []auth.Permission{auth.GDPRRead, auth.GDPRWrite}}})
	officer.get(t, query)
	for _, g := range []*gateway{stranger, officer} {
		for _, line := range auditLines(t, g.log.String()) {
			if want := map[bool]string{true: "forbidden", false: "accepted"}[g == stranger]; line["result"] != want {
				t.Errorf("the audit log has %v, want the result %s", line, want)
			}
		}
	}
}

// TestAuditLog holds what is noted of each request about a person, and that
// neither log, nor a key or value of Redis, tells who it was.
func TestAuditLog(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	server := startRedis(t)
	g := assemble(t, parts{redis: server.client(t), caller: &auth.Caller{Name: "officer", Permissions: []auth.Permission{auth.GDPRRead, auth.GDPRWrite}}},
		"--audit-log="+file, "--audit-key=a key", "--drift-timeout=3s")
	const upper = "Jamal.Horvat@Brightway.example"
	ask := func(operation, email string) {
		g.ask(t, `mutation($email: String!) { `+operation+`(input: {email: $email}) { message userErrors { code } } }`, map[string]any{"email": email})
	}
	ask("requestDataRetrieval", someEmail)
	ask("requestDataRetrieval", upper)
	for _, f := range []sandbox.Fault{{Kind: sandbox.Hang}, {Status: 400}, {Status: 429}} {
		f.Route = "/gdpr/delete"
		g.drift.Inject(f)
		ask("requestDataDeletion", "nobody@example.com")
		g.drift.ClearFaults()
	}
	ask("requestDataDeletion", someEmail)

	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	persons := map[any]bool{}
	for _, line := range auditLines(t, string(text)) {
		got = append(got, fmt.Sprint(line["caller"], " ", line["operation"], " ", line["result"]))
		persons[line["person"]] = true
		if id, _ := line["requestId"].(string); id == "" || line["time"] == nil {
			t.Errorf("%v tells not when, or by which request", line)
		}
	}
	want := []string{
		"officer requestDataRetrieval accepted", "officer requestDataRetrieval accepted",
		"officer requestDataDeletion unknown", "officer requestDataDeletion refused", "officer requestDataDeletion failed",
		"officer requestDataDeletion accepted",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the audit log differs (-want +got):\n%s", diff)
	}
	if len(persons) != 2 {
		t.Errorf("the audit log tells of %d persons, want 2", len(persons))
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v, %v; want 0600", info.Mode(), err)
	}
	all := strings.ToLower(string(text) + g.log.String())
	g.records.Wait()
	client := server.client(t)
	for _, key := range client.Keys(t.Context(), "*").Val() {
		all += strings.ToLower(key + client.Get(t.Context(), key).Val())
	}
	for _, personal := range []string{"jamal", "horvat", "brightway", "nobody@", "%40"} {
		if strings.Contains(all, personal) {
			t.Errorf("%q is told", personal)
		}
	}
	if len(auditLines(t, g.log.String())) > 0 {
		t.Error("the log has what belongs into the file")
	}

	again := assemble(t, parts{drift: g.drift}, "--audit-log="+file, "--audit-key=a key")
	again.get(t, `mutation { requestDataRetrieval(input: {email: "`+someEmail+`"}) { message } }`)
	text, _ = os.ReadFile(file)
	lines := auditLines(t, string(text))
	if len(lines) != 7 || lines[6]["person"] != lines[0]["person"] || lines[6]["caller"] != "anonymous" {
		t.Errorf("a second process with the key left %v", lines)
	}
}

// auditLines returns the lines of the audit log in a text.
func auditLines(t *testing.T, text string) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for line := range strings.Lines(text) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("a line is not JSON: %v\n%s", err, line)
		}
		if fields["audit"] == true {
			lines = append(lines, fields)
		}
	}
	return lines
}
