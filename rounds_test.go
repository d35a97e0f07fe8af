package main

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/driftgraph/driftgraph/sandbox"
)

// TestChains shows that a chain of dependent calls takes as many rounds as it
// has links, and that whatever can start with a round does. Nothing of a round
// is answered before all of it has been asked, so a call that waited for another
// of its round would wait until it fails.
func TestChains(t *testing.T) {
	fixtures := newSandbox(sandbox.Config{}).Fixtures()
	for _, c := range []struct {
		name, query string
		rounds      []string // the routes of each round
	}{
		{"inbox", readQuery(t, "10-inbox"), []string{
			"/conversations/list /users/list /accounts?0",
			"/conversations/{id} /conversations/{id}/messages /contacts/{id} /accounts?65",
		}},
		{"contacts of conversations and back", `{ conversations(first: 3) { nodes { contact { name
			conversations(first: 4) { nodes { transcript messages(first: 1) { nodes { id } } } } } } } }`, []string{
			"/conversations/list",
			"/contacts/{id} /reports/conversations",
			"/conversations/{id}/transcript /conversations/{id}/messages",
		}},
		{"lists under lists", fmt.Sprintf(`{ contact(id: "%d") { name conversations(first: 3) { nodes {
			participants { name teams { name members { name } } ownedAccounts { nodes { owner { name } } } } relatedPlaybook { name } } } } }`, fixtures.EnrichedContactID), []string{
			"/contacts/{id} /reports/conversations /users/list /teams/org /accounts?0 /playbooks/list",
			"/conversations/{id} /accounts?65",
		}},
		{"authors by node", fmt.Sprintf(`{ node(id: "Conversation:%d") { ... on Conversation { messages(first: 60) { nodes {
			author { ... on Contact { account { owner { name } } } ... on User { name } } } } } } }`, fixtures.LongConversationID), []string{
			"/conversations/{id} /conversations/{id}/messages /users/list /accounts?0",
			"/conversations/{id}/messages?1 /accounts?65",
			"/contacts/{id}",
		}},
		{"a user of a few accounts", fmt.Sprintf(`{ account(id: "%s") { owner { name meetings { conversation { contact { name } } } } } }`, fixtures.AccountIDs[0]), []string{
			"/accounts/{id}",
			"/users/{id} /users/meetings/org",
			"/conversations/{id}",
			"/contacts/{id}",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			roundOf := map[string]int{}
			for i, routes := range c.rounds {
				for _, route := range strings.Fields(routes) {
					roundOf[route] = i
				}
			}
			free := newGateway(t, sandbox.Config{}, "--drift-concurrency=500")
			free.ask(t, c.query).mustSucceed(t)
			sizes := make([]int64, len(c.rounds))
			asked := map[string]bool{}
			for _, call := range free.drift.Calls() {
				route := step(call.URL)
				round, known := roundOf[route]
				if !known {
					t.Fatalf("%s is in no round", route)
				}
				sizes[round]++
				asked[route] = true
			}
			for route := range roundOf {
				if !asked[route] {
					t.Errorf("%s was not asked", route)
				}
			}
			rounds := make([]*round, len(sizes))
			for i, n := range sizes {
				rounds[i] = newRound(n)
			}
			held := newGateway(t, sandbox.Config{Gate: func(r *http.Request) {
				rounds[roundOf[step(r.URL.RequestURI())]].arrive(r.Context())
			}}, "--drift-concurrency=500", "--drift-timeout=1m", "--operation-timeout=1m")
			held.ask(t, c.query).mustSucceed(t)
		})
	}
}

var (
	idInPath = regexp.MustCompile(`/\d[^/?]*`)
	page     = regexp.MustCompile(`[?&]index=(\d+)`)
)

// step returns the route of a call, with the page of a list that has several.
func step(uri string) string {
	path, _, _ := strings.Cut(uri, "?")
	route := idInPath.ReplaceAllString(path, "/{id}")
	switch {
	case route == "/accounts":
		return route + "?" + page.FindStringSubmatch(uri)[1]
	case strings.HasSuffix(route, "/messages") && strings.Contains(uri, "next=") && !strings.HasSuffix(uri, "next="):
		return route + "?1"
	}
	return route
}
