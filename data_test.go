package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/driftgraph/driftgraph/sandbox"
)

// TestOncePerObject asks for the same objects on many paths, under aliases and
// in fragments: each is fetched once.
func TestOncePerObject(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	id := g.drift.Fixtures().EnrichedContactID
	g.get(t, `query($id: ID!, $node: ID!) {
		contact(id: $id) { ...Whole }
		again: contact(id: $node) { ... on Contact { phone account { domain } } }
		node(id: $node) { ... on Contact { createdAt account { owner { name } } } }
		nodes(ids: [$node, $node]) { ...Whole }
	}
	fragment Whole on Contact {
		name
		account { name owner { name } }
		conversations {
			nodes {
				tags { name }
				contact { email }
				account { name }
				participants { name }
				messages(first: 5) { nodes { body author { ... on Contact { name } ... on User { name } } conversation { tags { name } contact { name } } } }
				early: messages(first: 2) { nodes { body } }
				late: messages(last: 2) { nodes { body } }
			}
		}
	}`, map[string]any{"id": fmt.Sprint(id), "node": fmt.Sprint("Contact:", id)})
	seen := map[string]bool{}
	for _, c := range g.drift.Calls() {
		key := c.Method + " " + c.URL + c.Body
		if seen[key] {
			t.Errorf("%s was called twice", key)
		}
		seen[key] = true
	}
	want := map[string]int{
		"/contacts/{id}": 1, "/reports/conversations": 1, "/conversations/{id}": 1, "/conversations/{id}/messages": 1, "/accounts": 2, "/users/list": 1,
	}
	if diff := cmp.Diff(want, g.routes()); diff != "" {
		t.Errorf("the calls differ (-want +got):\n%s", diff)
	}
}

// TestAliases asks for one field with several arguments: each alias gets what
// its own arguments ask for.
func TestAliases(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	ids := g.drift.Fixtures().ContactIDs[:8]
	var query strings.Builder
	for i, id := range ids {
		fmt.Fprintf(&query, "c%d: contact(id: %d) { driftId one: attributes(names: [\"email\"]) two: attributes(names: []) conversations(first: %d) { nodes { driftId contact { driftId } } } }\n", i, id, i)
	}
	data := g.get(t, "{"+query.String()+"}")
	for i, id := range ids {
		c := at(data, fmt.Sprintf("c%d", i))
		if at(c, "driftId") != fmt.Sprint(id) {
			t.Errorf("c%d is %v, want contact %d", i, at(c, "driftId"), id)
		}
		if two := at(c, "two").(map[string]any); len(two) != 0 {
			t.Errorf("attributes of no names are %v", two)
		}
		if one := at(c, "one").(map[string]any); len(one) > 1 {
			t.Errorf("attributes of one name are %v", one)
		}
		nodes := at(c, "conversations.nodes").([]any)
		if len(nodes) > i {
			t.Errorf("c%d has %d conversations, %d were asked for", i, len(nodes), i)
		}
		for _, owner := range at(nodes, "contact.driftId").([]any) {
			if owner != fmt.Sprint(id) {
				t.Errorf("a conversation of contact %d says that it is of %v", id, owner)
			}
		}
	}
}

// TestShuffledReplies shows that the order in which Drift answers has no part
// in what is put where.
func TestShuffledReplies(t *testing.T) {
	calm := newGateway(t, sandbox.Config{})
	mixed := newGateway(t, sandbox.Config{Shuffle: true})
	inbox := readQuery(t, "10-inbox")
	if diff := cmp.Diff(string(calm.ask(t, inbox).Text), string(mixed.ask(t, inbox).Text)); diff != "" {
		t.Errorf("the inbox is another when Drift mixes up its rows (-calm +mixed):\n%s", diff)
	}
	askByExternalID(t, mixed, func(string) bool { return false })
}

// TestShortReplies shows that rows which Drift leaves out, and rows that nobody
// asked for, put nothing on the wrong object.
func TestShortReplies(t *testing.T) {
	dropped := func(key string) bool { return key[len(key)-1]%2 == 0 }
	g := assemble(t, parts{front: rewriting(func(r *http.Request, body []byte) []byte {
		switch {
		case r.URL.Path == "/contacts" && r.URL.Query().Get("idType") == "external":
			var answer struct {
				Data []map[string]any `json:"data"`
			}
			read(t, body, &answer)
			stranger := answer.Data[0]
			answer.Data = slices.DeleteFunc(answer.Data, func(row map[string]any) bool { return dropped(at(row, "attributes.externalId").(string)) })
			other := map[string]any{}
			for name, value := range stranger {
				other[name] = value
			}
			other["id"], other["attributes"] = 1, map[string]any{"externalId": "a stranger", "email": "stranger@example.com"}
			answer.Data = slices.Insert(answer.Data, 0, other)
			return written(t, answer)
		case r.URL.Path == "/users" && r.URL.Query().Has("userId"):
			var answer struct {
				Data map[string]any `json:"data"`
			}
			read(t, body, &answer)
			for id := range answer.Data {
				if dropped(id) {
					delete(answer.Data, id)
				}
			}
			return written(t, answer)
		}
		return nil
	})})
	askByExternalID(t, g, dropped)

	ids := g.drift.Fixtures().UserIDs[:12]
	var query strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&query, "u%d: user(id: %d) { driftId }\n", id, id)
	}
	data := g.get(t, "{"+query.String()+"}")
	if routes := g.routes(); routes["/users"] != 1 || routes["/users/{id}"]+routes["/users/list"] != 0 {
		t.Errorf("twelve users took the calls %v, want one of /users", routes)
	}
	for _, id := range ids {
		var want any = fmt.Sprint(id)
		if dropped(fmt.Sprint(id)) {
			want = nil
		}
		if got := at(data, fmt.Sprintf("u%d.driftId", id)); got != want {
			t.Errorf("user %d is %v, want %v", id, got, want)
		}
	}
}

// askByExternalID asks for all contacts with an external id, a hundred at a
// time, and holds each against the id it was asked by.
func askByExternalID(t *testing.T, g *gateway, missing func(id string) bool) {
	t.Helper()
	for ids := range slices.Chunk(g.drift.Fixtures().ExternalIDs, 100) {
		data := g.get(t, `query($ids: [String!]!) { contactsByExternalId(externalIds: $ids) { externalId attributes(names: "externalId") } }`, map[string]any{"ids": ids})
		got := at(data, "contactsByExternalId").([]any)
		if len(got) != len(ids) {
			t.Fatalf("%d contacts for %d ids", len(got), len(ids))
		}
		for i, id := range ids {
			var want any = id
			if missing(id) {
				want = nil
			}
			if at(got[i], "externalId") != want || at(got[i], "attributes.externalId") != want {
				t.Errorf("%s gives %v, want %v", id, got[i], want)
			}
		}
	}
}

// TestUnlistedPlaybook shows that a playbook which is in no list is null,
// though its id is known.
func TestUnlistedPlaybook(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	unlisted := fmt.Sprint("Playbook:", g.drift.Fixtures().UnlistedPlaybookID)
	after, found := any(nil), false
	for !found {
		data := g.get(t, `query($after: String) { conversations(first: 100, after: $after) { nodes { only: relatedPlaybook { id } relatedPlaybook { id name } } pageInfo { hasNextPage endCursor } } }`, map[string]any{"after": after})
		for _, c := range at(data, "conversations.nodes").([]any) {
			if at(c, "only.id") != unlisted {
				continue
			}
			found = true
			if at(c, "relatedPlaybook") != nil {
				t.Errorf("the unlisted playbook is %v, want null", at(c, "relatedPlaybook"))
			}
		}
		if after = at(data, "conversations.pageInfo.endCursor"); at(data, "conversations.pageInfo.hasNextPage") == false {
			break
		}
	}
	if !found {
		t.Error("no conversation names the unlisted playbook")
	}
}

// TestUnknownValues shows that values which Drift may add to its enums are
// UNKNOWN, can be asked for as such, and fail nothing.
func TestUnknownValues(t *testing.T) {
	g := assemble(t, parts{front: rewriting(func(r *http.Request, body []byte) []byte {
		switch {
		case r.URL.Path == "/users/list":
			body = bytes.ReplaceAll(body, []byte(`"ON_CALL"`), []byte(`"ON_THE_MOON"`))
			return bytes.ReplaceAll(body, []byte(`"role":"member"`), []byte(`"role":"astronaut"`))
		case strings.HasSuffix(r.URL.Path, "/messages"):
			body = bytes.ReplaceAll(body, []byte(`"type":"private_note"`), []byte(`"type":"telegram"`))
			return bytes.ReplaceAll(body, []byte(`"type":"contact"`), []byte(`"type":"ghost"`))
		case r.URL.Path == "/conversations/list":
			return bytes.ReplaceAll(body, []byte(`"status":"pending"`), []byte(`"status":"asleep"`))
		}
		return nil
	})})
	data := g.get(t, `{
		all: users(first: 100) { nodes { driftId availability role } }
		away: users(availability: UNKNOWN, first: 100) { nodes { driftId availability } }
		odd: users(role: UNKNOWN, first: 100) { nodes { driftId role } }
		conversations(status: PENDING, first: 1) { nodes { status } }
	}`)
	for alias, field := range map[string]string{"away": "availability", "odd": "role"} {
		var want []any
		for _, u := range at(data, "all.nodes").([]any) {
			if at(u, field) == "UNKNOWN" {
				want = append(want, map[string]any{"driftId": at(u, "driftId"), field: "UNKNOWN"})
			}
		}
		if len(want) == 0 {
			t.Fatalf("no user has an unknown %s", field)
		}
		if diff := cmp.Diff(want, at(data, alias+".nodes")); diff != "" {
			t.Errorf("users with an unknown %s differ (-want +got):\n%s", field, diff)
		}
	}
	if status := at(data, "conversations.nodes.status").([]any)[0]; status != "UNKNOWN" {
		t.Errorf("a status that Drift may add is %v", status)
	}

	data = g.get(t, `query($id: ID!) { conversation(id: $id) {
		messages(first: 100) { nodes { driftId type authorType author { __typename } } }
		odd: messages(first: 100, types: [UNKNOWN]) { nodes { driftId } }
	} }`, map[string]any{"id": fmt.Sprint(g.drift.Fixtures().LongConversationID)})
	var want []any
	for _, m := range at(data, "conversation.messages.nodes").([]any) {
		if at(m, "type") == "UNKNOWN" {
			want = append(want, map[string]any{"driftId": at(m, "driftId")})
		}
		if at(m, "authorType") == "UNKNOWN" && at(m, "author") != nil {
			t.Errorf("an author of an unknown type is %v", at(m, "author"))
		}
	}
	if len(want) == 0 {
		t.Fatal("no message has an unknown type")
	}
	got := at(data, "conversation.odd.nodes").([]any) // those of later messages too
	if diff := cmp.Diff(want, got[:min(len(want), len(got))]); diff != "" {
		t.Errorf("messages of an unknown type differ (-want +got):\n%s", diff)
	}
}

// read reads a body of the sandbox's; numbers stay as they are written.
func read(t *testing.T, body []byte, into any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		t.Errorf("the sandbox's answer cannot be read: %v", err)
	}
}

func written(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Error(err)
	}
	return text
}
