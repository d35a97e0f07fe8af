package sandbox_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/driftgraph/driftgraph/sandbox"
)

// twins starts a platform of two organisations whose records have the same ids and other names, and returns a client of each.
func twins(t *testing.T, north, south sandbox.Config) (orgs [2]*sandbox.Sandbox, clients [2]*client) {
	t.Helper()
	for i, cfg := range []sandbox.Config{north, south} {
		cfg.Now, cfg.Conversations = now, 40
		cfg.OrgID, cfg.Mark = []int64{48213, 77001}[i], []string{"NORTHMARK", "SOUTHMARK"}[i]
		cfg.Grants = append(cfg.Grants, sandbox.Grant{Token: []string{"north", "south"}[i]})
		orgs[i] = sandbox.New(cfg)
		t.Cleanup(orgs[i].Close)
	}
	server := httptest.NewServer(sandbox.NewPlatform(orgs[0], orgs[1]))
	t.Cleanup(server.Close)
	for i, token := range []string{"north", "south"} {
		clients[i] = &client{t: t, url: server.URL, token: token}
	}
	return orgs, clients
}

// TestPlatform reads all of two organisations at one address.
func TestPlatform(t *testing.T) {
	orgs, clients := twins(t, sandbox.Config{}, sandbox.Config{})
	equal(t, "ids of contacts", orgs[0].Fixtures().ContactIDs, orgs[1].Fixtures().ContactIDs)
	for i, c := range clients {
		own, other := []string{"NORTHMARK", "SOUTHMARK"}[i], []string{"SOUTHMARK", "NORTHMARK"}[i]
		marks := 0
		for _, path := range everything(orgs[i]) {
			body := string(c.get(path).body)
			if strings.Contains(body, other) || strings.Contains(body, fmt.Sprint([]int64{77001, 48213}[i])) {
				t.Errorf("%s as %s shows something of another organisation: %s", path, c.token, body)
			}
			marks += strings.Count(body, own)
		}
		if marks < 500 {
			t.Errorf("%s sees its mark only %d times", c.token, marks)
		}
		for _, call := range orgs[i].Calls() {
			if call.Token != c.token {
				t.Errorf("%s has a call of %q in its log", c.token, call.Token)
			}
		}
		name := data[user](t, c.get("/users/412077")).Name
		equal(t, "name of a user", name, "Iris Falk "+own)
	}
	nobody := *clients[0]
	for _, nobody.token = range []string{"", "nort", "north "} {
		want := 401
		if nobody.token == "north " { // a blank is no part of it
			want = 200
		}
		equal(t, fmt.Sprintf("status with %q", nobody.token), nobody.do("GET", "/users/list", nil).status, want)
	}

	contact := orgs[0].Fixtures().ContactIDs[0]
	clients[0].patch(fmt.Sprint("/contacts/", contact), object{"attributes": object{"plan_tier": "of the north"}})
	if body := string(clients[1].get(fmt.Sprint("/contacts/", contact)).body); strings.Contains(body, "of the north") {
		t.Errorf("a change shows in the other organisation: %s", body)
	}
}

// TestGrants asks what tokens are, and what they may do, while they are granted and revoked.
func TestGrants(t *testing.T) {
	few := sandbox.Grant{Token: "few", Scopes: []string{"user_read", "contact_read"}, Lifetime: time.Hour}
	orgs, clients := twins(t, sandbox.Config{Grants: []sandbox.Grant{few}}, sandbox.Config{})
	type info struct {
		UserID    string `json:"authenticated_userid"`
		Scope     string
		ExpiresIn int64 `json:"expires_in"`
	}
	as := func(token string) *client { return &client{t: t, url: clients[0].url, token: token} }
	about := func(token string) (got info) {
		t.Helper()
		read(t, as(token).post("/app/token_info", object{"access_token": token}), &got)
		return got
	}
	equal(t, "few", about("few"), info{"orgId:48213", "user_read contact_read", 3_600_000})
	south := about("south")
	equal(t, "organisation of south", south.UserID, "orgId:77001")
	equal(t, "scopes of south", len(strings.Fields(south.Scope)), 12)
	as("north").refused(as("north").do("POST", "/app/token_info", object{"access_token": "south"}), 404, "not_found")

	as("few").get("/users/list")
	as("few").refused(as("few").do("GET", "/accounts", nil), 403, "authentication_error")
	as("north").get("/accounts")
	orgs[0].Grant(sandbox.Grant{Token: "few", Scopes: []string{"account_read"}})
	as("few").get("/accounts")
	as("few").refused(as("few").do("GET", "/users/list", nil), 403, "authentication_error")

	orgs[0].Revoke("few")
	as("few").refused(as("few").do("GET", "/accounts", nil), 401, "authentication_error")
	as("few").refused(as("few").do("POST", "/app/token_info", object{"access_token": "few"}), 401, "authentication_error")
	as("north").get("/accounts")
	calls := orgs[0].Calls()
	equal(t, "the call with what was revoked", calls[len(calls)-2].Token, "few")
	orgs[0].Grant(sandbox.Grant{Token: "few"})
	as("few").get("/users/list")

	as("south").post("/app/uninstall?clientId=a&clientSecret=b", nil)
	as("south").refused(as("south").do("GET", "/users/list", nil), 401, "authentication_error")
	as("north").get("/users/list")
	for _, call := range orgs[0].Calls() {
		if call.Token == "south" {
			t.Errorf("%s %s as south came to the other organisation", call.Method, call.URL)
		}
	}

	lax := sandbox.New(sandbox.Config{})
	lax.Revoke("one")
	for token, want := range map[string]int{"one": 401, "two": 200} {
		r := httptest.NewRequest("GET", "/users/list", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		lax.ServeHTTP(w, r)
		equal(t, "where any token is good, status of "+token, w.Code, want)
	}
}

func TestGrantEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sandbox.New(sandbox.Config{Now: now, Grants: []sandbox.Grant{{Token: "brief", Lifetime: time.Minute}}})
		status := func() int {
			r := httptest.NewRequest("GET", "/users/list", nil)
			r.Header.Set("Authorization", "Bearer brief")
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			return w.Code
		}
		time.Sleep(time.Minute - 1)
		equal(t, "status just before the end", status(), 200)
		time.Sleep(time.Nanosecond)
		equal(t, "status at the end", status(), 401)
		s.Grant(sandbox.Grant{Token: "brief", Lifetime: time.Minute})
		equal(t, "status after another grant", status(), 200)
	})
}

// TestPlatformEvents has both organisations post all events there are.
func TestPlatformEvents(t *testing.T) {
	for i, mark := range []string{"NORTHMARK", "SOUTHMARK"} {
		in := receive(t)
		cfg := [2]sandbox.Config{{}, {}}
		cfg[i].Webhooks = in.url
		orgs, clients := twins(t, cfg[0], cfg[1])
		for j, c := range clients {
			c.post("/conversations/new", object{"email": "somebody@example.com", "message": object{"body": "Hello"}})
			orgs[j].PostSamples()
			for range 100 {
				orgs[j].Act()
			}
		}
		events := in.take(t, orgs[i])
		own, other := []int64{48213, 77001}[i], []string{"77001", "48213"}[i]
		for _, e := range events {
			if e.OrgID != own || strings.Contains(string(e.body), other) {
				t.Errorf("the organisation %d posts %s", own, e)
			}
		}
		marked := 0
		for _, e := range of(events, "new_message") {
			if strings.Contains(string(e.body), mark) {
				marked++
			}
		}
		if marked < 10 {
			t.Errorf("only %d messages of %d bear its mark", marked, own)
		}
	}
}

func TestSplit(t *testing.T) {
	cfg := sandbox.Config{Seed: 7, Token: "gone", Users: 9}
	got, err := cfg.Split("a-1@2, b@1:user_read+contact_read/30m,c@d@2\n")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "configurations", got, []sandbox.Config{
		{Seed: 7, Users: 9, OrgID: 2, Grants: []sandbox.Grant{{Token: "a-1"}, {Token: "c@d"}}},
		{Seed: 8, Users: 9, OrgID: 1, Grants: []sandbox.Grant{{Token: "b", Scopes: []string{"user_read", "contact_read"}, Lifetime: 30 * time.Minute}}},
	})
	if got, err := cfg.Split(" , "); len(got) != 0 || err != nil {
		t.Errorf("nothing is read as %v, %v", got, err)
	}
	for list, want := range map[string]string{
		"hidden":                  "ORGANISATION",
		"hidden@":                 "ORGANISATION",
		"hidden@org":              "ORGANISATION",
		"hidden@0":                "above 0",
		"@1":                      "ORGANISATION",
		"fine@1, hidden@1:":       "token 2",
		"hidden@1:user_red":       `"user_red"`,
		"hidden@1:user_read+":     "scope",
		"hidden@1/soon":           `"soon"`,
		"hidden@1/0s":             `"0s"`,
		"hidden@1, hidden@2":      "twice",
		"hidden@1/1h:user_read":   "TOKEN",
		"hid\tden@1, hidd\x00n@1": "token",
	} {
		if _, err := cfg.Split(list); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%q: the error is %v, want one with %q and without the token", list, err, want)
		}
	}
}
