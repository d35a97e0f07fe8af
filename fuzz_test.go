package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/relay"
	"github.com/driftgraph/driftgraph/sandbox"
)

// FuzzRequest sends documents with variables. Whatever they are, the answer is
// JSON, its status is one of GraphQL's, and nothing fails inside.
func FuzzRequest(f *testing.F) {
	for _, folder := range []string{"queries", "readme", "mutations"} {
		for _, q := range readGoldens(f, folder) {
			variables, err := json.Marshal(q.variables)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(q.query, string(variables))
		}
	}
	f.Add(`query($id: ID!, $n: Int = 3) { contact(id: $id) { conversations(first: $n) { nodes { ...F } } } } fragment F on Conversation { messages(last: $n) { nodes { body } } }`, `{"id":"Contact:1","n":null}`)
	f.Add(`mutation($i: UpdateContactInput!) { updateContact(input: $i) { userErrors { code } } }`, `{"i":{"id":5,"externalId":"x","attributes":{"a":[1e999]}}}`)
	f.Add(`subscription { messageAdded { body } }`, `{}`)
	f.Add(`{ __schema { types { fields { type { ofType { name } } } } } }`, `[]`)
	f.Add("{ a: nodes(ids: [\"Message:1:2\", \"User:9223372036854775808\", \"\u0000\"]) @include(if: false) @skip(if: true) { id } }", `{"\ud800":1}`)
	g := newGateway(f, sandbox.Config{Contacts: 10, Users: 6, Accounts: 5, Conversations: 10, MaxMessages: 5})
	f.Fuzz(func(t *testing.T, document, variables string) {
		body, err := json.Marshal(map[string]any{"query": document, "variables": json.RawMessage(variables)})
		if err != nil {
			body = []byte(`{"query":` + document + `,"variables":` + variables + `}`) // no JSON, then
		}
		res, err := http.Post(g.url+"/graphql", "application/json", strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains([]int{http.StatusOK, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge}, res.StatusCode) {
			t.Errorf("the status is %s: %s", res.Status, text)
		}
		var answer reply
		if err := json.Unmarshal(text, &answer); err != nil || answer.Data == nil && answer.Errors == nil {
			t.Fatalf("the answer is %q, %v", text, err)
		}
		for _, e := range answer.Errors {
			if code := e.Extensions["code"]; code == nil || code == graph.CodeInternalServerError {
				t.Errorf("an error is %+v", e)
			}
		}
	})
}

// allowed is all that may be asked of Drift for an id or a cursor: the path as
// it is sent, and the names in the query.
var allowed = map[*regexp.Regexp][]string{
	regexp.MustCompile(`^(GET|DELETE) /contacts/[1-9]\d{0,18}$`):                    nil,
	regexp.MustCompile(`^GET /contacts$`):                                           {"email", "idType", "id", "limit"},
	regexp.MustCompile(`^GET /users/[1-9]\d{0,18}$`):                                nil,
	regexp.MustCompile(`^GET /users$`):                                              {"userId"},
	regexp.MustCompile(`^PATCH /users/update$`):                                     {"userId"},
	regexp.MustCompile(`^GET /(users/list|teams/org|playbooks/list)$`):              nil,
	regexp.MustCompile(`^GET /conversations/list$`):                                 {"limit", "page_token", "statusId"},
	regexp.MustCompile(`^GET /conversations/[1-9]\d{0,18}$`):                        nil,
	regexp.MustCompile(`^(GET|POST) /conversations/[1-9]\d{0,18}/messages$`):        {"next"},
	regexp.MustCompile(`^GET /conversations/[1-9]\d{0,18}/transcript$`):             nil,
	regexp.MustCompile(`^POST /reports/conversations$`):                             nil,
	regexp.MustCompile(`^(GET|DELETE) /accounts/[1-9]\d{0,18}_[^/?#\\\x00-\x20]+$`): nil,
	regexp.MustCompile(`^GET /accounts$`):                                           {"index", "size"},
	regexp.MustCompile(`^PATCH /accounts/update$`):                                  nil,
}

// FuzzReach puts texts where ids, cursors and names go. Whatever they are, Drift is
// only ever asked for what the field is about.
func FuzzReach(f *testing.F) {
	for _, text := range []string{
		"5", "Contact:5", "User:412077", "Account:48213_amberbridge.example", "48213_..", "48213_.", "48213_../../users/list", "48213_%2e%2e%2fusers", "48213_a%00b",
		"48213_a?x=1", "48213_a#b", "48213_a;b=c", "48213_\\..\\users", "48213_ä.example", "48213_a@evil.example", "48213_//evil.example/", "1_" + strings.Repeat("a", 400),
		"Message:5:6", "Message:5:6/../7", "../users/list", "5/../6", "5?x=1", "5#", "0x5", "+5", "05", "5\x00", "５", "9223372036854775807", "9223372036854775808", "-1", "1e3", "",
		"a&id=b&idType=email", "x\r\nHost: evil.example", "email=a&email=b", "//evil.example/", "http://evil.example/", "%", "\xff",
	} {
		f.Add(text, text)
		f.Add("Contact:"+text, relay.Cursor{"c", "1", "50", text, "-1", "5"}.String())
		f.Add("Account:"+text, relay.Cursor{"m", "4513196014", text, "0", "7"}.String())
	}
	var mu sync.Mutex
	var strays []string
	g := assemble(f, parts{
		drift: newSandbox(sandbox.Config{Contacts: 10, Users: 6, Accounts: 5, Conversations: 10, MaxMessages: 5}),
		front: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if stray := strayed(r); stray != "" {
					mu.Lock()
					strays = append(strays, stray)
					mu.Unlock()
				}
				next.ServeHTTP(w, r)
			})
		},
	})
	const document = `query($x: String!, $id: ID!, $after: String!) {
		contact(id: $id) { name } user(id: $id) { name } account(id: $id) { name } conversation(id: $id) { status transcript messages(after: $after) { nodes { body } } }
		node(id: $id) { id ... on Contact { name } ... on User { name } ... on Account { name } ... on Message { body } ... on Conversation { status } ... on Team { name } ... on Playbook { name } }
		contactsByEmail(email: $x) { nodes { name } } contactsByExternalId(externalIds: [$x]) { name } accountByDomain(domain: $x) { name }
		accounts(ownerId: $id) { nodes { name } } a: accounts(after: $after) { nodes { name } } conversations(after: $after) { nodes { id } }
		long: conversation(id: 4513196014) { messages(after: $after) { nodes { body } } m: messages(last: 2, before: $after) { nodes { body } } }
	}`
	const change = `mutation($id: ID!) {
		deleteAccount(input: {id: $id}) { deletedId } deleteContact(input: {id: $id}) { deletedId } updateUser(input: {id: $id, name: "x"}) { user { id } }
		updateAccount(input: {id: $id, name: "x"}) { account { id } } sendMessage(input: {conversationId: $id, body: "x"}) { message { id } }
	}`
	f.Fuzz(func(t *testing.T, id, after string) {
		variables := map[string]any{"id": id, "x": id, "after": after}
		for _, text := range []string{document, change} {
			for _, e := range g.ask(t, text, variables).Errors {
				if e.Extensions["code"] == graph.CodeInternalServerError || e.Extensions["code"] == graph.CodeValidationFailed {
					t.Errorf("an error is %+v", e)
				}
			}
			delete(variables, "x")
			delete(variables, "after")
		}
		mu.Lock()
		defer mu.Unlock()
		for _, stray := range strays {
			t.Errorf("%q and %q lead to %s", id, after, stray)
		}
		strays = nil
	})
}

// strayed returns what is wrong with a request to Drift, "" if nothing is.
func strayed(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	for match, names := range allowed {
		if !match.MatchString(r.Method + " " + path) {
			continue
		}
		query := r.URL.Query()
		for name, values := range query {
			if !slices.Contains(names, name) || len(values) != 1 && name != "id" && name != "userId" && name != "statusId" {
				return fmt.Sprintf("%s %s with the query %q", r.Method, path, query)
			}
		}
		if strings.Contains(path+"/", "/../") || strings.Contains(path+"/", "/./") {
			break
		}
		return ""
	}
	return r.Method + " " + r.RequestURI
}

// TestStrayed holds that FuzzReach would see it.
func TestStrayed(t *testing.T) {
	for request, want := range map[string]bool{
		"GET /contacts/5": false, "GET /accounts/48213_a%2Fb": false, "GET /contacts?email=a&limit=1": false, "GET /users?userId=1&userId=2": false,
		"GET /contacts/05": true, "GET /contacts/5/": true, "GET /contacts/5?x=1": true, "GET /accounts/..": true, "GET /accounts/48213_a/../x": true,
		"GET /contacts?email=a&email=b": true, "PUT /contacts/5": true, "GET /accounts/48213_a\\b": true, "GET //evil.example/contacts/5": true,
	} {
		method, target, _ := strings.Cut(request, " ")
		r := httptest.NewRequest(method, "/", nil)
		r.RequestURI = target
		if _, query, ok := strings.Cut(target, "?"); ok {
			r.URL.RawQuery = query
		}
		if got := strayed(r); (got != "") != want {
			t.Errorf("%s: %q, want one: %t", request, got, want)
		}
	}
}
