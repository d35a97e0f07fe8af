package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/driftgraph/driftgraph/auth"
	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/sandbox"
	"github.com/driftgraph/driftgraph/schema"
)

// TestPermissionsStated walks the whole schema: each field states what it takes, by
// itself or by its type, in permissions that there are and in its description; and
// one that can be refused alone can be null.
func TestPermissionsStated(t *testing.T) {
	known := map[string]bool{}
	for _, p := range auth.Permissions() {
		known[string(p)] = true
	}
	s, fields := schema.Schema(), 0
	for _, typ := range s.Types {
		if typ.Kind != ast.Object || typ.BuiltIn {
			continue
		}
		own := schema.Permissions(schema.Place{Type: typ.Name})
		for _, p := range own {
			if !strings.Contains(typ.Description, "`"+p+"`") {
				t.Errorf("%s takes %s, which its description does not say", typ.Name, p)
			}
		}
		for _, f := range typ.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			fields++
			if typ.Directives.ForName("requires") == nil && f.Directives.ForName("requires") == nil {
				t.Errorf("%s.%s does not state what it takes", typ.Name, f.Name)
			}
			more := 0
			for _, p := range schema.Permissions(schema.Place{Type: typ.Name, Field: f.Name}) {
				if !known[p] {
					t.Errorf("%s.%s takes %s, which is no permission", typ.Name, f.Name, p)
				}
				if slices.Contains(own, p) {
					continue
				}
				more++
				if !strings.Contains(f.Description, "`"+p+"`") {
					t.Errorf("%s.%s takes %s, which its description does not say: %s", typ.Name, f.Name, p, f.Description)
				}
			}
			abstract := s.Types[f.Type.Name()].IsAbstractType()
			innermost := f.Type
			for innermost.Elem != nil && abstract { // each entry of a list is refused alone
				innermost = innermost.Elem
			}
			if (more > 0 || abstract) && innermost.NonNull {
				t.Errorf("%s.%s can be refused alone and cannot be null", typ.Name, f.Name)
			}
		}
	}
	if fields < 200 {
		t.Errorf("%d fields are too few to be all", fields)
	}
	if !strings.Contains(schema.SDL(), "Takes the permission `contact_read`.") {
		t.Error("the SDL does not say what takes which permission")
	}
}

// without returns all permissions but some.
func without(missing ...auth.Permission) []auth.Permission {
	return slices.DeleteFunc(auth.Permissions(), func(p auth.Permission) bool { return slices.Contains(missing, p) })
}

// TestPermissions asks each query of testdata as callers who lack one permission
// for reading. The sandbox says by which route that shows, on its own: no call that
// takes the scope may reach it, and what remains of the answer is what everybody gets.
func TestPermissions(t *testing.T) {
	lacking := []auth.Permission{auth.ContactRead, auth.AllContactRead, auth.ConversationRead, auth.UserRead, auth.AccountRead, auth.PlaybookRead}
	refusals := make([]int, len(lacking))
	t.Run("all", func(t *testing.T) {
		for i, missing := range lacking {
			t.Run(string(missing), func(t *testing.T) {
				t.Parallel()
				scopes := []string{}
				for _, p := range without(missing) {
					scopes = append(scopes, string(p))
				}
				g := assemble(t, parts{drift: newSandbox(sandbox.Config{Scopes: scopes}), caller: &auth.Caller{Name: "some", Permissions: without(missing)}})
				for _, q := range goldens(t) {
					r := g.ask(t, q.query, q.variables)
					for _, c := range g.drift.Calls() {
						if c.Status == http.StatusForbidden {
							t.Errorf("%s: Drift was asked by %s", q.path, c.Route)
						}
					}
					g.drift.ResetCalls()
					forbidden := [][]any{}
					untold := 0 // of what is forbidden beside that
					for _, e := range r.Errors {
						omitted, _ := e.Extensions["omitted"].(map[string]any)
						switch {
						case len(omitted) == 1 && omitted[graph.CodeForbidden] != nil:
							untold = int(omitted[graph.CodeForbidden].(float64))
						case e.Extensions["code"] == graph.CodeForbidden && strings.Contains(e.Message, string(missing)):
							forbidden = append(forbidden, e.Path)
							refusals[i]++
						case e.Extensions["code"] == graph.CodeForbidden, strings.HasPrefix(fmt.Sprint(e.Extensions["code"]), "UPSTREAM"):
							t.Errorf("%s: %+v", q.path, e)
						}
					}
					var got any
					if err := json.Unmarshal(r.Data, &got); err != nil {
						t.Fatal(err)
					}
					compare(t, filepath.Base(q.path), nil, goldenData(t, q), got, forbidden, &untold)
				}
			})
		}
	})
	for i, n := range refusals {
		if n == 0 {
			t.Errorf("no query of testdata takes %s", lacking[i])
		}
	}
}

// compare holds that an answer is what everybody gets, but for null at the given
// paths, and at so many others.
func compare(t *testing.T, query string, path []any, want, got any, forbidden [][]any, untold *int) {
	t.Helper()
	if i := slices.IndexFunc(forbidden, func(p []any) bool { return reflect.DeepEqual(p, path) }); i >= 0 {
		if got != nil {
			t.Errorf("%s: %v is forbidden and is %v", query, path, got)
		}
		return
	}
	if got == nil && want != nil && *untold > 0 {
		*untold--
		return
	}
	below := func(step any) []any { return append(slices.Clone(path), step) }
	switch want := want.(type) {
	case map[string]any:
		object, _ := got.(map[string]any)
		if len(object) != len(want) {
			t.Errorf("%s: %v is %v, want %v", query, path, got, want)
			return
		}
		for name, v := range want {
			if name == "scopes" || name == "permissions" || name == "caller" {
				continue // of the viewer, who is another
			}
			compare(t, query, below(name), v, object[name], forbidden, untold)
		}
	case []any:
		list, _ := got.([]any)
		if len(list) != len(want) {
			t.Errorf("%s: %v is %v, want %v", query, path, got, want)
			return
		}
		for i, v := range want {
			compare(t, query, below(float64(i)), v, list[i], forbidden, untold)
		}
	default:
		if got != want {
			t.Errorf("%s: %v is %v, want %v", query, path, got, want)
		}
	}
}

// goldenData returns the data of a golden answer.
func goldenData(t *testing.T, q golden) any {
	t.Helper()
	var answer struct{ Data any }
	text, err := os.ReadFile(q.path + ".json")
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil {
		t.Fatal(err)
	}
	return answer.Data
}

// TestForbidden holds some fields that a caller asks for by devious ways.
func TestForbidden(t *testing.T) {
	t.Parallel()
	f := newSandbox(sandbox.Config{}).Fixtures()
	contact, conversation := f.EnrichedContactID, f.ConversationIDs[0]
	tests := []struct {
		name  string
		may   []auth.Permission
		query string
		want  string // the data
		paths string // of what is forbidden
		calls int
	}{
		{"nothing at all", nil, fmt.Sprintf(`{ contact(id: %d) { id } viewer { permissions } }`, contact), `{"contact":null,"viewer":{"permissions":[]}}`, "[[contact]]", 0},
		{"an id alone", without(auth.ContactRead), fmt.Sprintf(`{ conversation(id: %d) { contact { id } } }`, conversation), `{"conversation":{"contact":null}}`, "[[conversation contact]]", 1},
		{"a type's name", without(auth.ContactRead), fmt.Sprintf(`{ contact(id: %d) { __typename } }`, contact), `{"contact":null}`, "[[contact]]", 0},
		{"an alias", without(auth.ContactRead), fmt.Sprintf(`{ a: contact(id: %d) { id } b: contact(id: 1) { id } }`, contact), `{"a":null,"b":null}`, "[[a] [b]]", 0},
		{"node", without(auth.ContactRead), fmt.Sprintf(`{ node(id: "Contact:%d") { id } }`, contact), `{"node":null}`, "[[node]]", 0},
		{"node by a fragment", without(auth.ContactRead), fmt.Sprintf(`{ node(id: "Contact:%d") { ...F } } fragment F on Node { ... on Contact { email } }`, contact), `{"node":null}`, "[[node]]", 0},
		{"nodes", without(auth.ContactRead), fmt.Sprintf(`{ nodes(ids: ["Contact:%d", "Conversation:%d"]) { __typename } }`, contact, conversation), `{"nodes":[null,{"__typename":"Conversation"}]}`, "[[nodes 0]]", 1},
		{"a union", without(auth.ContactRead, auth.UserRead), fmt.Sprintf(`{ conversation(id: %d) { messages(first: 1) { nodes { author { __typename } } } } }`, conversation), `{"conversation":{"messages":{"nodes":[{"author":null}]}}}`, "[[conversation messages nodes 0 author]]", 1 + 1},
		{"one end of a link", without(auth.ConversationRead), fmt.Sprintf(`{ contact(id: %d) { id conversations { nodes { id } } } }`, contact), fmt.Sprintf(`{"contact":{"id":"Contact:%d","conversations":null}}`, contact), "[[contact conversations]]", 1},
		{"what is between", without(auth.ContactRead), fmt.Sprintf(`{ conversation(id: %d) { account { name } } }`, conversation), `{"conversation":{"account":null}}`, "[[conversation account]]", 1},
		{"a change", without(auth.ContactWrite), fmt.Sprintf(`mutation { updateContact(input: {id: %d, attributes: {phone: "1"}}) { contact { id } } }`, contact), `{"updateContact":null}`, "[[updateContact]]", 0},
		{"what has changed", without(auth.ContactRead), fmt.Sprintf(`mutation { updateContact(input: {id: %d, attributes: {phone: "1"}}) { contact { phone } userErrors { code } } }`, contact), `{"updateContact":{"contact":null,"userErrors":[]}}`, "[[updateContact contact]]", 1},
		{"a request under the GDPR", without(auth.GDPRWrite), `mutation { requestDataDeletion(input: {email: "a@example.com"}) { message } }`, `{"requestDataDeletion":null}`, "[[requestDataDeletion]]", 0},
		{"the schema", without(auth.Introspect), `{ __type(name: "Contact") { name } viewer { __typename } }`, `{"__type":null,"viewer":{"__typename":"Viewer"}}`, "[[__type]]", 0},
		{"the whole schema", without(auth.Introspect), `{ __schema { queryType { name } } }`, `null`, "[[__schema]]", 0}, // which cannot be null alone
		{"skipped", without(auth.ContactRead), fmt.Sprintf(`{ contact(id: %d) @skip(if: true) { id } viewer { __typename } }`, contact), `{"viewer":{"__typename":"Viewer"}}`, "[]", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := assemble(t, parts{caller: &auth.Caller{Name: "some", Permissions: tt.may}})
			r := g.ask(t, tt.query)
			paths := [][]any{}
			for _, e := range r.Errors {
				if e.Extensions["code"] != graph.CodeForbidden {
					t.Errorf("%+v", e)
				}
				paths = append(paths, e.Path)
			}
			slices.SortFunc(paths, func(a, b []any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
			if string(r.Data) != tt.want || fmt.Sprint(paths) != tt.paths {
				t.Errorf("it is %s, forbidden are %v; want %s and %s", r.Data, paths, tt.want, tt.paths)
			}
			if n := g.calls(); n != tt.calls {
				t.Errorf("%d calls, want %d", n, tt.calls)
			}
		})
	}
}

// TestForbiddenSubscription refuses a subscription as a whole, and the fields of
// what another tells.
func TestForbiddenSubscription(t *testing.T) {
	t.Parallel()
	g := newLiveGateway(t, sandbox.Config{}, parts{caller: &auth.Caller{Name: "some", Permissions: without(auth.ContactRead)}})
	for _, query := range []string{"subscription { contactUpdated { id } }", "subscription { a: contactUpdated { __typename } }"} {
		s := g.dialAs(t, "")
		s.subscribe(t, "1", query)
		if m := s.read(t); m.Type != "error" || !strings.Contains(string(m.Payload), graph.CodeForbidden) {
			t.Errorf("%s is answered %s %s", query, m.Type, m.Payload)
		}
	}
	conversation := g.drift.Fixtures().ConversationIDs[0]
	s := g.dialAs(t, "")
	s.subscribe(t, "1", "subscription { conversationUpdated { id contact { id } } }")
	g.subscribed(t, 1)
	g.post(t, "POST", webhookSecret, fmt.Sprintf(`{"type":"conversation_inactive","data":{"conversationId":%d}}`, conversation))
	m := s.read(t)
	if m.Type != "next" || !strings.Contains(string(m.Payload), fmt.Sprintf(`{"id":"Conversation:%d","contact":null}`, conversation)) || !strings.Contains(string(m.Payload), graph.CodeForbidden) {
		t.Errorf("an event is told by %s %s", m.Type, m.Payload)
	}
}

// TestPlanPermission holds who is told what an operation costs.
func TestPlanPermission(t *testing.T) {
	t.Parallel()
	const query = `{ contactAttributes { name } }`
	for _, tt := range []struct {
		permissions []auth.Permission
		args        []string
		told        bool
	}{
		{auth.Permissions(), []string{"--drift-token=x"}, true},
		{without(auth.PlanRead), []string{"--drift-token=x"}, false},
		{without(auth.PlanRead), nil, true}, // over the sandbox
	} {
		g := assemble(t, parts{caller: &auth.Caller{Name: "some", Permissions: tt.permissions}}, tt.args...)
		r := g.askPlan(t, "full", query, nil)
		if (r.Extensions.REST != nil) != tt.told || len(r.Errors) != 0 || string(r.Data) == "null" {
			t.Errorf("%v: %+v", tt, r)
		}
		g.calls()
		r = g.askPlan(t, "dry-run", query, nil)
		refused := len(r.Errors) == 1 && r.Errors[0].Extensions["code"] == graph.CodeForbidden
		if (r.Extensions.REST != nil) != tt.told || refused == tt.told || g.calls() != 0 {
			t.Errorf("%v, dry run: %+v", tt, r)
		}
	}
}

// TestForbiddenPrediction holds that what is forbidden is not predicted either.
func TestForbiddenPrediction(t *testing.T) {
	t.Parallel()
	g := assemble(t, parts{caller: &auth.Caller{Name: "some", Permissions: without(auth.ContactRead, auth.UserRead)}})
	predicted := g.askPlan(t, "dry-run", readQuery(t, "10-inbox"), nil).Extensions.REST.Predicted
	g.ask(t, readQuery(t, "10-inbox"))
	if n := g.calls(); predicted == nil || n > predicted.Max || n != 51 {
		t.Errorf("%d calls, predicted were %+v; want 51: the list and the messages", n, predicted)
	}
}

// TestSchemaPermission holds who gets the schema as a file, and suggestions.
func TestSchemaPermission(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		permissions []auth.Permission
		status      int
	}{{auth.Permissions(), 200}, {without(auth.Introspect), 403}} {
		g := assemble(t, parts{caller: &auth.Caller{Name: "some", Permissions: tt.permissions}})
		res, err := http.Get(g.url + "/schema.graphql")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != tt.status || strings.Contains(string(text), "type Contact") != (tt.status == 200) {
			t.Errorf("it is answered %d, %.200s", res.StatusCode, text)
		}
		r := g.ask(t, `{ viewer { calle } }`)
		if strings.Contains(r.Errors[0].Message, "caller") != (tt.status == 200) {
			t.Errorf("a misspelt field is answered %s", r.Text)
		}
	}
}
