package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/sandbox"
)

// A list is a connection as tests walk it.
type list struct {
	name     string
	query    string // with ARGS where the arguments that page go
	path     string // of the connection in the data
	backward bool   // whether it takes last and before
	atLeast  int    // entries that it must have for the test to mean something
}

// walked is a sandbox whose lists are worth paging through.
var walked = sandbox.Config{Conversations: 150, Contacts: 60}

// lists are all connections of the schema, on data that fill several pages.
func lists(t testing.TB, emulator *sandbox.Sandbox) []list {
	t.Helper()
	f := emulator.Fixtures()
	busiest := byConversations(t, emulator)
	messages := func(name string, conversation int64, types string, atLeast int) list {
		return list{name, fmt.Sprintf("conversation(id: %d) { c: messages(ARGS%s) { BODY } }", conversation, types), "conversation.c", true, atLeast}
	}
	return []list{
		{"users", "c: users(ARGS) { BODY }", "c", false, 20},
		{"users of a role", "c: users(ARGS, role: AGENT, isBot: false) { BODY }", "c", false, 8},
		{"accounts", "c: accounts(ARGS) { BODY }", "c", false, 100},
		{"accounts beside their directory", `c: accounts(ARGS) { BODY } accountByDomain(domain: "gmail.com") { id }`, "c", false, 100},
		{"targeted accounts", "c: accounts(ARGS, targeted: true) { BODY }", "c", false, 10},
		{"accounts of an owner", "c: accounts(ARGS, ownerId: 412080) { BODY }", "c", false, 3},
		{"owned accounts", "user(id: 412080) { c: ownedAccounts(ARGS) { BODY } }", "user.c", false, 3},
		{"conversations", "c: conversations(ARGS) { BODY }", "c", false, 140},
		{"open conversations", "c: conversations(ARGS, status: [OPEN, PENDING]) { BODY }", "c", false, 10},
		{"contacts by email", fmt.Sprintf("c: contactsByEmail(email: %q, ARGS) { BODY }", f.SharedEmail), "c", false, 3},
		{"conversations of a contact", fmt.Sprintf("contact(id: %d) { c: conversations(ARGS) { BODY } }", busiest[0]), "contact.c", false, 4},
		{"conversations of another contact", fmt.Sprintf("contact(id: %d) { c: conversations(ARGS) { BODY } }", busiest[1]), "contact.c", false, 3},
		messages("messages", f.LongConversationID, "", 101),
		messages("messages of a type", f.LongConversationID, ", types: [PRIVATE_NOTE, EDIT]", 3),
		messages("messages of another conversation", f.AttachmentConversation, "", 3),
	}
}

// byConversations returns the contacts of a sandbox, those with the most
// conversations first.
func byConversations(t testing.TB, emulator *sandbox.Sandbox) []int64 {
	t.Helper()
	count := map[int64]int{}
	for _, id := range emulator.Fixtures().ConversationIDs {
		answer := httptest.NewRecorder()
		emulator.ServeHTTP(answer, authorized(httptest.NewRequest(http.MethodGet, fmt.Sprint("/conversations/", id), nil)))
		var c struct {
			Data struct{ ContactID int64 }
		}
		if err := json.Unmarshal(answer.Body.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		if c.Data.ContactID != emulator.Fixtures().MissingContactID {
			count[c.Data.ContactID]++
		}
	}
	emulator.ResetCalls()
	return slices.SortedFunc(maps.Keys(count), func(a, b int64) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b))
	})
}

func authorized(r *http.Request) *http.Request {
	r.Header.Set("Authorization", "Bearer any")
	return r
}

// body is what is asked of each page.
const body = `edges { cursor node { id } } nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }`

// A shown is what a connection shows of its list.
type shown struct {
	ids, cursors   []string
	next, previous bool
}

// ask reads a page of a list; ok is false if the list refused the arguments.
func (l list) ask(t *testing.T, g *gateway, args string) (p shown, ok bool) {
	t.Helper()
	r := g.ask(t, "{"+strings.Replace(strings.Replace(l.query, "ARGS", args, 1), "BODY", body, 1)+"}")
	if len(r.Errors) > 0 {
		r.mustComplain(t, complaint{graph.CodeBadUserInput, l.path, "a cursor"})
		return shown{}, false
	}
	c := at(r.data(t), l.path)
	p.ids, p.cursors = texts(at(c, "edges.node.id")), texts(at(c, "edges.cursor"))
	p.next, p.previous = at(c, "pageInfo.hasNextPage") == true, at(c, "pageInfo.hasPreviousPage") == true
	if nodes := texts(at(c, "nodes.id")); !slices.Equal(nodes, p.ids) {
		t.Fatalf("%s(%s): nodes are %v, edges are %v", l.name, args, nodes, p.ids)
	}
	var ends []any
	if n := len(p.cursors); n > 0 {
		ends = []any{p.cursors[0], p.cursors[n-1]}
	} else {
		ends = []any{nil, nil}
	}
	if got := []any{at(c, "pageInfo.startCursor"), at(c, "pageInfo.endCursor")}; !slices.Equal(got, ends) {
		t.Fatalf("%s(%s): the page's ends are %v, its edges' %v", l.name, args, got, ends)
	}
	return p, true
}

func texts(list any) []string {
	var all []string
	for _, v := range list.([]any) {
		all = append(all, v.(string))
	}
	return all
}

// whole reads all of a list by the largest pages.
func (l list) whole(t *testing.T, g *gateway) []string {
	t.Helper()
	var all []string
	for args := "first: 100"; ; {
		p, ok := l.ask(t, g, args)
		if !ok {
			t.Fatalf("%s does not take its own cursor", l.name)
		}
		all = append(all, p.ids...)
		if !p.next {
			return all
		}
		if len(p.cursors) == 0 {
			t.Fatalf("%s: a page has a next one but no end", l.name)
		}
		args = fmt.Sprintf("first: 100, after: %q", p.cursors[len(p.cursors)-1])
	}
}

// TestCursors reads pages of random sizes from random cursors, forwards and
// backwards: each is that part of the list, with nothing left out or twice, and
// tells rightly whether there is more.
func TestCursors(t *testing.T) {
	g := newGateway(t, walked)
	for _, l := range lists(t, g.drift) {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			all := l.whole(t, g)
			if len(all) < l.atLeast {
				t.Fatalf("%d entries are too few to page through", len(all))
			}
			sorted := slices.Clone(all)
			slices.Sort(sorted)
			if len(slices.Compact(sorted)) != len(all) {
				t.Fatalf("an entry stands twice in %v", all)
			}
			type place struct {
				index  int
				cursor string
			}
			var places []place // met so far, by pages of all sizes
			rapid.Check(t, func(rt *rapid.T) {
				size := rapid.OneOf(rapid.IntRange(0, 7), rapid.IntRange(0, 100)).Draw(rt, "size")
				back := l.backward && rapid.Bool().Draw(rt, "backward")
				from := -1
				var cursor string
				if len(places) > 0 && rapid.IntRange(0, 9).Draw(rt, "front") > 0 {
					p := places[rapid.IntRange(0, len(places)-1).Draw(rt, "place")]
					from, cursor = p.index, p.cursor
				}
				first, after, start, end := "first", "after", from+1, min(from+1+size, len(all))
				if back {
					first, after, end = "last", "before", from
					if from < 0 {
						end = len(all)
					}
					start = max(0, end-size)
				}
				args := fmt.Sprintf("%s: %d", first, size)
				if from >= 0 {
					args += fmt.Sprintf(", %s: %q", after, cursor)
				}
				p, ok := l.ask(t, g, args)
				if !ok {
					rt.Fatalf("%s(%s) is refused; the cursor is that of entry %d", l.name, args, from)
				}
				if !slices.Equal(p.ids, all[start:end]) {
					rt.Fatalf("%s(%s) from entry %d gives\n%v, want\n%v", l.name, args, from, p.ids, all[start:end])
				}
				if size > 0 && (p.next != (end < len(all)) || p.previous != (start > 0)) {
					rt.Fatalf("%s(%s) from entry %d: hasNextPage %t, hasPreviousPage %t for %d to %d of %d", l.name, args, from, p.next, p.previous, start, end, len(all))
				}
				for i, c := range p.cursors {
					places = append(places, place{start + i, c})
				}
			})
		})
	}
}

// TestForeignCursors gives each list the cursors of all others.
func TestForeignCursors(t *testing.T) {
	g := newGateway(t, walked)
	all := lists(t, g.drift)
	family := func(l list) string { // lists of one family are one list
		if strings.HasPrefix(l.name, "messages") && !strings.HasSuffix(l.name, "another conversation") {
			return "messages"
		}
		return strings.TrimSuffix(l.name, " beside their directory")
	}
	for _, from := range all {
		p, ok := from.ask(t, g, "first: 1")
		if !ok || len(p.cursors) == 0 {
			t.Errorf("%s has no cursor", from.name)
			continue
		}
		for _, to := range all {
			_, taken := to.ask(t, g, fmt.Sprintf("first: 1, after: %q", p.cursors[0]))
			if taken != (family(from) == family(to)) {
				t.Errorf("%s takes a cursor of %s: %t", to.name, from.name, taken)
			}
		}
	}
}

// FuzzCursor gives the lists text that may be no cursor: it is refused or it
// leads somewhere, and never breaks anything.
func FuzzCursor(f *testing.F) {
	for _, seed := range []string{"", "x", "MWwAMABVc2VyOjQxMDAwMw", "MQ", "MWw", "MW0AADAAMQ", "MXUvLy8ALTEAeA", "MXUvLy8AOTk5OTk5OTk5OTk5OTk5OTk5OTkAeA", strings.Repeat("A", 5000)} {
		f.Add(seed)
	}
	emulator := newSandbox(walked)
	all := lists(f, emulator)
	f.Fuzz(func(t *testing.T, cursor string) {
		g := assemble(t, parts{drift: emulator})
		for _, l := range all {
			query := "query($c: String) {" + strings.Replace(strings.Replace(l.query, "ARGS", "first: 2, after: $c", 1), "BODY", "nodes { id }", 1) + "}"
			for _, e := range g.ask(t, query, map[string]any{"c": cursor}).Errors {
				if e.Extensions["code"] != graph.CodeBadUserInput {
					t.Errorf("%s(after: %q): %+v", l.name, cursor, e)
				}
			}
		}
	})
}
