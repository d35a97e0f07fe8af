package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/loaders"
	"github.com/driftgraph/driftgraph/metrics"
	"github.com/driftgraph/driftgraph/queue"
	"github.com/driftgraph/driftgraph/sandbox"
)

// A complaint is what an error tells.
type complaint struct {
	code    string
	path    string // names and numbers, joined by dots
	message string // a part of it
}

// TestRequestErrors asks what cannot be answered: it is refused before it runs,
// and costs Drift nothing.
func TestRequestErrors(t *testing.T) {
	g := newGateway(t, sandbox.Config{}, "--max-list-depth=6")
	deep := strings.Repeat("contact { conversations { nodes { ", 6)
	tests := map[string]struct {
		query     string
		variables map[string]any
		code      string
		message   string
	}{
		"not a document":         {`{ viewer { caller }`, nil, graph.CodeParseFailed, "Expected Name"},
		"not GraphQL":            {`hello`, nil, graph.CodeParseFailed, "Unexpected"},
		"too many tokens":        {"{" + strings.Repeat("viewer{caller}", 500) + "}", nil, graph.CodeQueryTooComplex, "at most 2000"},
		"unknown field":          {`{ contct(id: 5) { name } }`, nil, graph.CodeValidationFailed, `"contct"`},
		"unknown argument":       {`{ contact(ident: 5) { name } }`, nil, graph.CodeValidationFailed, `"ident"`},
		"missing argument":       {`{ contact { name } }`, nil, graph.CodeValidationFailed, `"id"`},
		"wrong literal":          {`{ users(first: "two") { nodes { id } } }`, nil, graph.CodeValidationFailed, "Int"},
		"wrong enum":             {`{ users(role: KING) { nodes { id } } }`, nil, graph.CodeValidationFailed, "KING"},
		"no selection":           {`{ contact(id: 5) }`, nil, graph.CodeValidationFailed, "selection of subfields"},
		"unused fragment":        {`{ viewer { caller } } fragment F on Contact { name }`, nil, graph.CodeValidationFailed, `"F"`},
		"fragment in itself":     {`{ contact(id: 5) { ...F } } fragment F on Contact { conversations { nodes { contact { ...F } } } }`, nil, graph.CodeValidationFailed, `"F"`},
		"impossible fragment":    {`{ contact(id: 5) { ... on User { name } } }`, nil, graph.CodeValidationFailed, "User"},
		"conflicting fields":     {`{ a: contact(id: 5) { name } a: contact(id: 6) { name } }`, nil, graph.CodeValidationFailed, "alias"},
		"several operations":     {`query A { viewer { caller } } query B { viewer { caller } }`, nil, graph.CodeValidationFailed, "operationName"},
		"missing variable":       {`query($id: ID!) { contact(id: $id) { name } }`, nil, graph.CodeValidationFailed, "variable $id: "},
		"null variable":          {`query($ids: [ID!]!) { nodes(ids: $ids) { id } }`, map[string]any{"ids": []any{"Contact:1", nil}}, graph.CodeValidationFailed, "variable $ids[1]: "},
		"variable of other type": {`query($n: Int) { users(first: $n) { nodes { id } } }`, map[string]any{"n": "two"}, graph.CodeValidationFailed, "variable $n: "},
		"variable of no enum":    {`query($s: [ConversationStatus!]) { conversations(status: $s) { nodes { id } } }`, map[string]any{"s": []any{"OPN"}}, graph.CodeValidationFailed, "variable $s[0]: OPN"},
		"unknown input field": {`query($i: ConversationReportInput!) { conversationReport(input: $i) { count } }`,
			map[string]any{"i": map[string]any{"filters": []any{}, "metrics": []any{}, "metric": 1}}, graph.CodeValidationFailed, "variable $i.metric: "},
		"too deep": {`{ conversations { nodes { ` + deep + ` id ` + strings.Repeat("}", 3*6+3), nil, graph.CodeQueryTooComplex, "at most 12"},
		"too deep in a fragment": {`{ conversations { nodes { ...A } } } fragment A on Conversation { ` + deep + ` id ` + strings.Repeat("}", 3*6+1),
			nil, graph.CodeQueryTooComplex, "at most 12"},
		"too deep an introspection": {`{ __schema { types { ` + strings.Repeat("fields { type { ", 3) + "name" + strings.Repeat(" } }", 3) + ` } } }`, nil, graph.CodeValidationFailed, "introspection depth"},
		"too many aliases":          {"{" + aliases(31) + "}", nil, graph.CodeQueryTooComplex, "at most 30"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := g.ask(t, tt.query, tt.variables)
			if len(r.Errors) == 0 || r.Errors[0].Extensions["code"] != tt.code || !strings.Contains(r.Errors[0].Message, tt.message) {
				t.Errorf("errors are %+v, want a %s with %q", r.Errors, tt.code, tt.message)
			}
			if r.Data != nil || r.Status != http.StatusOK {
				t.Errorf("status %d, data %s; want 200 and no data", r.Status, r.Data)
			}
			for _, e := range r.Errors {
				if e.Path != nil {
					t.Errorf("an error before the operation runs has the path %v", e.Path)
				}
			}
			if n := g.calls(); n != 0 {
				t.Errorf("it cost %d calls", n)
			}
		})
	}
	g.get(t, "{"+aliases(30)+"}")
}

// aliases are so many fields with an alias, which cost nothing.
func aliases(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%d: __typename ", i)
	}
	return b.String()
}

// TestInputErrors gives arguments that are out of range: the field is null, the
// error names what the argument takes, and the neighbour is answered.
func TestInputErrors(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	accounts := at(g.get(t, `{ accounts(first: 1) { pageInfo { endCursor } } }`), "accounts.pageInfo.endCursor")
	conversations := at(g.get(t, `{ conversations(first: 1, status: OPEN) { pageInfo { endCursor } } }`), "conversations.pageInfo.endCursor")
	long := g.drift.Fixtures().LongConversationID
	contact := g.drift.Fixtures().EnrichedContactID
	in := func(field string) string { return fmt.Sprintf("conversation(id: %d) { %s }", long, field) }
	of := func(field string) string { return fmt.Sprintf("contact(id: %d) { %s }", contact, field) }
	tests := []struct {
		field   string
		path    string
		message string
	}{
		{`users(first: -1) { nodes { id } }`, "users", "first is -1; it takes 0 to 100"},
		{`users(first: 101) { nodes { id } }`, "users", "first is 101; it takes 0 to 100"},
		{`users(first: 99999999999) { nodes { id } }`, "users", "it takes 0 to 100"},
		{`users(after: "x") { nodes { id } }`, "users", "after is not a cursor of this list"},
		{fmt.Sprintf(`users(after: %q) { nodes { id } }`, conversations), "users", "after is not a cursor of this list"},
		{`accounts(first: 101) { nodes { id } }`, "accounts", "it takes 0 to 100"},
		{`accounts(after: "") { nodes { id } }`, "accounts", "after is not a cursor"},
		{`accounts(ownerId: "Contact:5") { nodes { id } }`, "accounts", "User"},
		{`conversations(first: 101) { nodes { id } }`, "conversations", "it takes 0 to 100"},
		{`conversations(status: UNKNOWN) { nodes { id } }`, "conversations", "OPEN, CLOSED and PENDING"},
		{`conversations(status: [OPEN, BULK_SENT]) { nodes { id } }`, "conversations", "OPEN, CLOSED and PENDING"},
		{fmt.Sprintf(`conversations(after: %q) { nodes { id } }`, accounts), "conversations", "after is not a cursor"},
		{fmt.Sprintf(`conversations(after: %q) { nodes { id } }`, conversations), "conversations", "another status"},
		{in(`messages(first: 101) { nodes { id } }`), "conversation.messages", "first is 101; it takes 0 to 100"},
		{in(`messages(last: -5) { nodes { id } }`), "conversation.messages", "last is -5; it takes 0 to 100"},
		{in(`messages(first: 1, last: 1) { nodes { id } }`), "conversation.messages", "first and after, or last and before"},
		{in(`messages(before: "x") { nodes { id } }`), "conversation.messages", "before goes with last"},
		{in(`messages(last: 1, before: "x") { nodes { id } }`), "conversation.messages", "before is not a cursor"},
		{in(`messages(last: 1, after: "x") { nodes { id } }`), "conversation.messages", "last goes with before"},
		{in(fmt.Sprintf(`messages(after: %q) { nodes { id } }`, accounts)), "conversation.messages", "after is not a cursor"},
		{of(`conversations(first: 101) { nodes { id } }`), "contact.conversations", "it takes 0 to 100"},
		{of(fmt.Sprintf(`conversations(after: %q) { nodes { id } }`, conversations)), "contact.conversations", "after is not a cursor"},
		{`user(id: 412077) { ownedAccounts(first: 101) { nodes { id } } }`, "user.ownedAccounts", "it takes 0 to 100"},
		{`user(id: 412077) { meetings(from: "2026-03-09") { slug } }`, "user.meetings", "from: a DateTime takes RFC 3339"},
		{`meetings(from: "2020-01-01T00:00:00Z") { slug }`, "meetings", "2026-02-07T14:30:00Z or later"},
		{`meetings(to: "2020-01-01T00:00:00Z") { slug }`, "meetings", "an instant after from"},
		{`meetings(to: "tomorrow") { slug }`, "meetings", "to: a DateTime takes RFC 3339"},
		{`contact(id: "x") { name }`, "contact", `id "x" is not that of a Contact`},
		{`contact(id: "User:5") { name }`, "contact", `id "User:5" is not that of a Contact`},
		{`contact(id: 0) { name }`, "contact", "Contact"},
		{`contact(id: "-7") { name }`, "contact", "Contact"},
		{`contact(id: "99999999999999999999") { name }`, "contact", "Contact"},
		{`contact(id: "17035536800\n") { name }`, "contact", "Contact"},
		{`contact(id: "` + strings.Repeat("é", 500) + `") { name }`, "contact", "…"},
		{`user(id: "Contact:5") { name }`, "user", "User"},
		{`conversation(id: "Message:5:6") { id }`, "conversation", "Conversation"},
		{`account(id: "example.com") { name }`, "account", "48213_example.com"},
		{`account(id: "48213_../users/list") { name }`, "account", "48213_example.com"},
		{`account(id: "User:5") { name }`, "account", "Account"},
		{`node(id: "5") { id }`, "node", "not a global id"},
		{`node(id: "Robot:5") { id }`, "node", "Account, Contact, Conversation, Message, Playbook, Team, User"},
		{`node(id: "Message:5") { id }`, "node", "Message"},
		{`nodes(ids: ["Team:7301", "Robot:5"]) { id }`, "nodes.1", "of no type"},
		{`contactsByEmail(email: "maya") { nodes { id } }`, "contactsByEmail", "e-mail address"},
		{`contactsByEmail(email: "a@b.example", first: 101) { nodes { id } }`, "contactsByEmail", "it takes 0 to 100"},
		{`contactsByExternalId(externalIds: ["a", ""]) { id }`, "contactsByExternalId", "an empty one"},
		{`contactsByExternalId(externalIds: [` + strings.Repeat(`"a" `, 101) + `]) { id }`, "contactsByExternalId", "at most 100"},
		{`conversationReport(input: {filters: [{property: "no such property", operation: HAS_PROPERTY}], metrics: ["status"]}) { count }`, "conversationReport", "input"},
		{`conversationReport(input: {filters: [], metrics: ["no such metric"]}) { count }`, "conversationReport", "input"},
		{`conversationReport(input: {filters: [{property: "createdAt", operation: BETWEEN, values: [1]}], metrics: ["status"]}) { count }`, "conversationReport", "BETWEEN"},
	}
	for _, tt := range tests {
		t.Run(tt.field, func(t *testing.T) {
			r := g.ask(t, "{ "+tt.field+" viewer { caller } }")
			r.mustComplain(t, complaint{graph.CodeBadUserInput, tt.path, tt.message})
			data := r.data(t)
			if at(data, "viewer.caller") == nil {
				t.Errorf("the neighbour was not answered: %s", r.Text)
			}
			if got := at(data, strings.TrimSuffix(tt.path, ".1")); got != nil && !strings.HasSuffix(tt.path, ".1") {
				t.Errorf("%s is %v, want null", tt.path, got)
			}
		})
	}
}

// mustComplain ends the test unless the errors are those, in any order.
func (r *reply) mustComplain(t *testing.T, want ...complaint) {
	t.Helper()
	if r.Status != http.StatusOK {
		t.Errorf("status %d, want 200", r.Status)
	}
	if len(r.Errors) != len(want) {
		t.Fatalf("%d errors, want %d: %s", len(r.Errors), len(want), r.Text)
	}
	for _, e := range r.Errors {
		var steps []string
		for _, step := range e.Path {
			steps = append(steps, fmt.Sprint(step))
		}
		i := slices.IndexFunc(want, func(w complaint) bool {
			return w.path == strings.Join(steps, ".") && w.code == e.Extensions["code"] && strings.Contains(e.Message, w.message)
		})
		if i < 0 {
			t.Errorf("error %+v is none of %+v", e, want)
			continue
		}
		want = slices.Delete(slices.Clone(want), i, i+1)
	}
}

// TestUpstreamErrors has Drift fail in each way it can. The field that needed
// the answer is null and its error tells the kind of failure; all else is
// answered; and nothing that Drift said, nor the token, nor where Drift is,
// reaches the client, or Drift's words the log.
func TestUpstreamErrors(t *testing.T) {
	tests := map[string]string{
		"429":         graph.CodeUpstreamRateLimited,
		"429:7s":      graph.CodeUpstreamRateLimited,
		"401":         graph.CodeUpstreamUnauthorized,
		"403":         graph.CodeUpstreamForbidden,
		"400":         graph.CodeUpstreamInvalidResponse,
		"500":         graph.CodeUpstreamUnavailable,
		"502":         graph.CodeUpstreamUnavailable,
		"503":         graph.CodeUpstreamUnavailable,
		"notjson:502": graph.CodeUpstreamUnavailable,
		"notjson":     graph.CodeUpstreamInvalidResponse,
		"empty":       graph.CodeUpstreamInvalidResponse,
		"cut":         graph.CodeUpstreamInvalidResponse,
		"drop":        graph.CodeUpstreamUnavailable,
		"hang":        graph.CodeUpstreamTimeout,
		"slow:1h":     graph.CodeUpstreamTimeout,
	}
	for fault, code := range tests {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			faults, err := sandbox.ParseFaults("GET /contacts/{id}=" + fault + ", GET /users/{id}=" + fault)
			if err != nil {
				t.Fatal(err)
			}
			drift, args := sandbox.Config{Faults: faults}, []string(nil)
			switch code {
			case graph.CodeUpstreamTimeout:
				args = []string{"--drift-timeout=1500ms"} // in which a busy machine answers the rest
			case graph.CodeUpstreamRateLimited:
				args = []string{"--operation-timeout=4s"}
				var rest sync.WaitGroup // what begins after a refusal waits, too
				rest.Add(2)
				conversation, teams := sync.OnceFunc(rest.Done), sync.OnceFunc(rest.Done)
				drift.Gate = func(r *http.Request) {
					switch path := r.URL.Path; {
					case path == "/teams/org":
						teams()
					case strings.HasPrefix(path, "/conversations/"):
						conversation()
					default:
						rest.Wait()
					}
				}
			}
			g := newGateway(t, drift, args...)
			r := g.ask(t, `{
				contact(id: 21840002652) { name }
				user(id: 412077) { name }
				conversation(id: 4513196014) { status contact { id name } participants { name } }
				teams { name }
			}`)
			word := "Drift"
			if code == graph.CodeUpstreamForbidden {
				word = "scope"
			}
			r.mustComplain(t,
				complaint{code, "contact", word}, complaint{code, "user", word},
				complaint{code, "conversation.contact", word}, complaint{code, "conversation.participants", word},
			)
			data := r.data(t)
			if at(data, "conversation.status") != "PENDING" || len(at(data, "teams").([]any)) == 0 {
				t.Errorf("what Drift did answer is lost: %s", r.Text)
			}
			for _, e := range r.Errors {
				wait, _ := e.Extensions["retryAfterMs"].(float64)
				least, most := 0.0, 0.0
				switch fault {
				case "429:7s":
					least, most = 3000, 10_000 // less what went by meanwhile
				case "429":
					least, most = 1, 10_000
				}
				if wait < least || wait > most {
					t.Errorf("retryAfterMs is %v, want %v to %v", wait, least, most)
				}
			}
			mustNotLeak(t, g, r)
			if log := g.log.String(); !strings.Contains(log, code) || !strings.Contains(log, "drift: GET /contacts/{id}: ") {
				t.Errorf("the log does not tell what failed: %s", log)
			}
		})
	}
}

// mustNotLeak holds that neither the answer nor the log has what Drift said or
// the token, and that the answer does not say where Drift is.
func mustNotLeak(t *testing.T, g *gateway, r *reply) {
	t.Helper()
	for place, text := range map[string]string{"answer": string(r.Text), "log": g.log.String()} {
		for _, secret := range []string{testToken, "sandbox:", "injected", "doctype", "Bearer"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q stands in the %s: %s", secret, place, text)
			}
		}
	}
	if where := strings.TrimPrefix(g.upstream, "http://"); strings.Contains(string(r.Text), where) {
		t.Errorf("the answer says where Drift is: %s", r.Text)
	}
}

// TestUpstreamShapes has Drift answer JSON of another shape than documented.
func TestUpstreamShapes(t *testing.T) {
	const marker = "sandbox: a secret of somebody's"
	for _, body := range []string{
		`null`, `[]`, `{}`, `{"data":null}`, `{"data":[]}`, `{"data":{}}`, `{"data":{"id":"` + marker + `"}}`, `{"data":"` + marker + `"}`,
		`{"data":{"id":21840002653,"attributes":{"name":"` + marker + `"}}}`, // another contact
		`{"error":{"type":"` + marker + `","message":"` + marker + `"}}`, `"` + marker + `"`, "\xff\xfe", strings.Repeat("[", 20000),
	} {
		t.Run(fmt.Sprintf("%.40q", body), func(t *testing.T) {
			g := assemble(t, parts{front: rewriting(func(r *http.Request, _ []byte) []byte {
				if strings.HasPrefix(r.URL.Path, "/contacts/") {
					return []byte(body)
				}
				return nil
			})})
			r := g.ask(t, `{ contact(id: 21840002652) { name } viewer { organizationId } }`)
			r.mustComplain(t, complaint{graph.CodeUpstreamInvalidResponse, "contact", "Drift's answer could not be read"})
			if at(r.data(t), "viewer.organizationId") != "48213" {
				t.Errorf("the neighbour was not answered: %s", r.Text)
			}
			mustNotLeak(t, g, r)
		})
	}
}

// TestPartialFailure has one contact of an inbox fail: that contact is null in
// each of its places, with an error at each, and all others are there.
func TestPartialFailure(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	query := `{ conversations(first: 40) { nodes { status contact { driftId name email } } } }`
	whole := at(g.get(t, query), "conversations.nodes").([]any)
	broken := at(whole[3], "contact.driftId")
	var want []complaint
	for i, c := range whole {
		if at(c, "contact.driftId") == broken {
			c.(map[string]any)["contact"] = nil
			want = append(want, complaint{graph.CodeUpstreamUnavailable, fmt.Sprintf("conversations.nodes.%d.contact", i), "Drift"})
		}
	}
	failing := newGateway(t, sandbox.Config{Faults: []sandbox.Fault{{Route: "/contacts/{id}", Match: fmt.Sprint("/contacts/", broken)}}})
	r := failing.ask(t, query)
	r.mustComplain(t, want...)
	if diff := cmp.Diff(whole, at(r.data(t), "conversations.nodes")); diff != "" {
		t.Errorf("the others differ (-want +got):\n%s", diff)
	}

	// A failure is not kept: the next operation asks again.
	failing.drift.ClearFaults()
	failing.get(t, query)
	if n := failing.calls(); n == 0 {
		t.Error("the failure was kept")
	}
}

// TestRootFailure has the call of a root field fail: it alone is null.
func TestRootFailure(t *testing.T) {
	routes := map[string]string{ // by root field, with its selection
		`users { nodes { id } }`:                                 "/users/list",
		`user(id: 412077) { id }`:                                "/users/{id}",
		`contact(id: 5) { id }`:                                  "/contacts/{id}",
		`contactsByEmail(email: "a@b.example") { nodes { id } }`: "/contacts",
		`contactsByExternalId(externalIds: ["a"]) { id }`:        "/contacts",
		`contactAttributes { name }`:                             "/contacts/attributes",
		`conversations { nodes { id } }`:                         "/conversations/list",
		`conversation(id: 5) { id }`:                             "/conversations/{id}",
		`conversationStats { open }`:                             "/conversations/stats",
		`conversationReport(input: {filters: [{property: "status", operation: HAS_PROPERTY}], metrics: ["status"]}) { count }`: "/reports/conversations",
		`account(id: "48213_a.example") { id }`:       "/accounts/{id}",
		`accounts { nodes { id } }`:                   "/accounts",
		`accountByDomain(domain: "a.example") { id }`: "/accounts",
		`teams { name }`:                              "/teams/org",
		`playbooks { name }`:                          "/playbooks/list",
		`landingPages { playbookName }`:               "/playbooks/clp",
		`meetings { slug }`:                           "/users/meetings/org",
		`node(id: "Message:5:6") { id }`:              "/conversations/{id}/messages",
	}
	for field, route := range routes {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, sandbox.Config{Faults: []sandbox.Fault{{Route: route, Status: 503}}})
			name := regexp.MustCompile(`^\w+`).FindString(field)
			r := g.ask(t, "{ "+field+" viewer { scopes } }")
			r.mustComplain(t, complaint{graph.CodeUpstreamUnavailable, name, "Drift"})
			data := r.data(t)
			if at(data, name) != nil || at(data, "viewer.scopes") == nil {
				t.Errorf("want null for %s and the neighbour answered: %s", name, r.Text)
			}
		})
	}
}

// TestOperationTimeout has a contact hang for longer than an operation may
// take: what is there by then is answered.
func TestOperationTimeout(t *testing.T) {
	t.Parallel()
	g := newGateway(t, sandbox.Config{Faults: []sandbox.Fault{{Route: "/contacts/{id}", Kind: sandbox.Hang}}}, "--operation-timeout=3s", "--drift-timeout=1m")
	r := g.ask(t, `{ conversations(first: 3) { nodes { status contact { id name } tags { name } } } }`)
	var want []complaint
	for i := range 3 {
		want = append(want, complaint{graph.CodeTimeout, fmt.Sprintf("conversations.nodes.%d.contact", i), "the operation took longer than it may"})
	}
	r.mustComplain(t, want...)
	for _, c := range at(r.data(t), "conversations.nodes").([]any) {
		if at(c, "status") == nil || at(c, "tags") == nil {
			t.Errorf("what was there is lost: %s", r.Text)
		}
	}
}

// TestInternalErrors has a part of the gateway break: the client learns an id
// and nothing else, and finds the cause in the log by that id.
func TestInternalErrors(t *testing.T) {
	var c cli
	parser, err := c.parser(io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(nil); err != nil {
		t.Fatal(err)
	}
	book := new(logbook)
	log := slog.New(slog.NewJSONHandler(book, nil))
	records := cache.New(cache.Options{Log: log})
	t.Cleanup(records.Close)
	store, err := loaders.NewStore(records, c.Serve.CacheTTL.loaders(), c.Serve.CacheStale)
	if err != nil {
		t.Fatal(err)
	}
	broken := loaders.NewSource(store, nil, drift.StaticToken(testToken)) // without a client: each call panics
	h := &health{metrics: metrics.New("test"), queue: queue.New(c.Serve.queue())}
	server := httptest.NewServer(newHandler(&c.Serve, newExecutor(&c.Serve, func(context.Context) *loaders.Source { return broken }, nil, log), nil, nil, nil, log, h))
	t.Cleanup(server.Close)
	for _, field := range []string{"contact(id: 5) { name }", `contactsByExternalId(externalIds: ["a"]) { name }`, "conversationStats { open }"} {
		r := (&gateway{url: server.URL}).ask(t, "{ "+field+" viewer { caller } }")
		mustBeInternal(t, r, regexp.MustCompile(`^\w+`).FindString(field), book.String())
	}
}

// mustBeInternal holds that the field alone failed, with nothing but an id that
// the log has with the cause.
func mustBeInternal(t *testing.T, r *reply, field, log string) {
	t.Helper()
	r.mustComplain(t, complaint{graph.CodeInternalServerError, field, "internal error"})
	e := r.Errors[0]
	if e.Message != "internal error" || len(e.Extensions) != 2 {
		t.Errorf("the error tells more than an id: %+v", e)
	}
	id, _ := e.Extensions["errorId"].(string)
	found := false
	for line := range strings.Lines(log) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		found = found || entry["errorId"] == id && strings.Contains(fmt.Sprint(entry["error"]), "panic")
	}
	if id == "" || !found {
		t.Errorf("errorId %q is not in the log with the cause: %s", id, log)
	}
	if at(r.data(t), "viewer.caller") != "anonymous" {
		t.Errorf("the neighbour was not answered: %s", r.Text)
	}
}
