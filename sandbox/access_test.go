package sandbox_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/driftgraph/driftgraph/sandbox"
)

func TestToken(t *testing.T) {
	tests := []struct {
		accepted, header string
		status           int
	}{
		{"", "Bearer anything", 200},
		{"", "bearer anything", 200},
		{"", "BEARER  anything", 200},
		{"", "", 401},
		{"", "Bearer", 401},
		{"", "Bearer ", 401},
		{"", "Basic anything", 401},
		{"right", "Bearer right", 200},
		{"right", "Bearer wrong", 401},
		{"right", "Bearer righ", 401},
	}
	for _, tt := range tests {
		s := sandbox.New(sandbox.Config{Token: tt.accepted, Conversations: -1, Contacts: -1, Accounts: -1})
		r := httptest.NewRequest("GET", "/users/list", nil)
		r.Header.Set("Authorization", tt.header)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != tt.status {
			t.Errorf("token %q, header %q: status %d, want %d", tt.accepted, tt.header, w.Code, tt.status)
		}
	}
}

// TestScopes calls every route with a token that may do everything but what the route needs, and then with one that may do
// nothing else.
func TestScopes(t *testing.T) {
	routes := map[string][]string{
		"contact_read":  {"GET /contacts", "GET /contacts/1", "GET /contacts/1/tags"},
		"contact_write": {"POST /contacts", "PATCH /contacts/1", "DELETE /contacts/1", "PATCH /contacts/normalize", "POST /contacts/timeline", "POST /emails/unsubscribe", "POST /contacts/1/tags", "DELETE /contacts/1/tags/vip", "POST /contacts/1/tags/delete/_bulk"},

		"all_contact_read":   {"GET /contacts/attributes"},
		"user_read":          {"GET /users", "GET /users/1", "GET /users/list", "GET /users/meetings/org", "GET /teams/org", "GET /teams/users/1"},
		"user_write":         {"PATCH /users/update"},
		"conversation_read":  {"GET /conversations/1", "GET /conversations/list", "GET /conversations/stats", "GET /conversations/1/messages", "GET /conversations/1/transcript", "GET /conversations/1/json_transcript", "GET /attachments/1/data", "POST /reports/conversations"},
		"conversation_write": {"POST /conversations/new", "POST /conversations/1/messages"},
		"account_read":       {"GET /accounts", "GET /accounts/1"},
		"account_write":      {"POST /accounts/create", "PATCH /accounts/update", "DELETE /accounts/1"},
		"playbook_read":      {"GET /playbooks/list", "GET /playbooks/clp"},
		"gdpr_read":          {"POST /gdpr/retrieve"},
		"gdpr_write":         {"POST /gdpr/delete"},
	}
	var tested []string
	for scope, names := range routes {
		var others []string
		for other := range routes {
			if other != scope {
				others = append(others, other)
			}
		}
		_, without := serve(t, sandbox.Config{Scopes: others})
		_, with := serve(t, sandbox.Config{Scopes: []string{scope}})
		for _, name := range names {
			tested = append(tested, name+" "+scope)
			method, path, _ := strings.Cut(name, " ")
			without.refused(without.do(method, path, nil), 403, "authentication_error")
			if got := with.do(method, path, nil); got.status == 403 {
				t.Errorf("%s with %s: %s", name, scope, got.body)
			}
			if got := without.do(method, path, nil); !strings.Contains(string(got.body), scope) {
				t.Errorf("%s: the message does not name %s: %s", name, scope, got.body)
			}
		}
	}

	var listed []string
	_, index := serve(t, sandbox.Config{})
	for line := range strings.Lines(string(index.get("/").body)) {
		if words := strings.Fields(line); len(words) == 3 && strings.HasPrefix(words[1], "/") {
			words[1] = strings.NewReplacer("{id}", "1", "{name}", "vip").Replace(words[1])
			listed = append(listed, strings.Join(words, " "))
		}
	}
	slices.Sort(tested)
	slices.Sort(listed)
	equal(t, "routes with a scope in the index", listed, tested)
}

// grant is the answer to POST /oauth2/token in both dialects.
type grant struct {
	Access       string `json:"access_token"`
	Refresh      string `json:"refresh_token"`
	ExpiresIn    int    `json:"expires_in"`
	CamelAccess  string `json:"accessToken"`
	CamelRefresh string `json:"refreshToken"`
	OrgID        int    `json:"orgId"`
}

func TestOAuth(t *testing.T) {
	_, c := serve(t, sandbox.Config{Token: "fixed", OAuth: &sandbox.OAuthClient{
		ID: "id", Secret: "secret", RefreshToken: "first", Code: "code", Lifetime: 30 * time.Minute,
	}})
	status := func(token string) int {
		c.token = token
		return c.do("GET", "/users/list", nil).status
	}
	form := func(fields string) reply { return c.form("client_id=id&client_secret=secret&" + fields) }
	var byCode, second, third grant
	read(t, form("grant_type=authorization_code&code=code"), &byCode)
	read(t, form("grant_type=refresh_token&refresh_token=first"), &second)
	if byCode.Access == second.Access || second.Refresh == "first" || second.ExpiresIn != 1800 || second.OrgID != sandbox.OrgID {
		t.Errorf("grants %+v, %+v", byCode, second)
	}
	for _, token := range []string{"fixed", byCode.Access, second.Access} {
		equal(t, "with "+token, status(token), 200)
	}
	equal(t, "with a refresh token", status(second.Refresh), 401)
	equal(t, "with an unknown token", status("unknown"), 401)

	read(t, c.post("/oauth2/token", object{"clientId": "id", "clientSecret": "secret", "grantType": "refresh_token", "refreshToken": second.Refresh}), &third)
	equal(t, "with the replaced token", status(second.Access), 401)
	equal(t, "with the new token", status(third.CamelAccess), 200)
	equal(t, "with the token of the code", status(byCode.Access), 200)

	for _, fields := range []string{
		"grant_type=authorization_code&code=code", "grant_type=authorization_code", "grant_type=refresh_token&refresh_token=first",
		"grant_type=refresh_token&refresh_token=" + second.Refresh, "grant_type=refresh_token", "grant_type=password", "", "%zz",
	} {
		c.refused(form(fields), 400, "validation_error")
	}
	c.refused(c.do("POST", "/oauth2/token", "no JSON"), 400, "validation_error")
	c.refused(c.form("client_id=id&client_secret=wrong&grant_type=refresh_token&refresh_token="+third.CamelRefresh), 401, "authentication_error")

	var info struct {
		ExpiresIn int64  `json:"expires_in"`
		Scope     string `json:"scope"`
	}
	read(t, c.post("/app/token_info", object{"accessToken": third.CamelAccess}), &info)
	if info.ExpiresIn != 1_800_000 || !strings.Contains(info.Scope, "contact_read contact_write") {
		t.Errorf("token_info: %+v", info)
	}
	read(t, c.post("/app/token_info", object{"access_token": "fixed"}), &info)
	equal(t, "expires_in of a token that never expires", info.ExpiresIn, 0)
	c.refused(c.do("POST", "/app/token_info", object{"access_token": second.Access}), 404, "not_found")
	c.refused(c.do("POST", "/app/token_info", object{}), 400, "validation_error")
	c.refused(c.do("POST", "/app/token_info", "no JSON"), 400, "validation_error")

	c.refused(c.do("POST", "/app/uninstall", nil), 400, "validation_error")
	c.refused(c.do("POST", "/app/uninstall?clientId=id&clientSecret=wrong", nil), 401, "authentication_error")
	c.post("/app/uninstall?clientId=id&clientSecret=secret", nil)
	for _, token := range []string{"fixed", byCode.Access, third.CamelAccess} {
		equal(t, "after the app was removed, with "+token, status(token), 401)
	}
	c.refused(form("grant_type=refresh_token&refresh_token="+third.CamelRefresh), 400, "validation_error")

	_, none := serve(t, sandbox.Config{})
	none.refused(none.form("client_id=&client_secret=&grant_type=refresh_token"), 401, "authentication_error")
	none.post("/app/uninstall?clientId=id&clientSecret=secret", nil)
	equal(t, "status after the app was removed", none.do("GET", "/users/list", nil).status, 401)
	none.token = "another"
	none.get("/users/list")
}

// TestTime runs on a clock of its own.
func TestTime(t *testing.T) {
	call := func(s *sandbox.Sandbox, token, path string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w
	}
	t.Run("tokens expire", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := sandbox.New(sandbox.Config{OAuth: &sandbox.OAuthClient{ID: "id", Secret: "secret", Code: "code"}})
			r := httptest.NewRequest("POST", "/oauth2/token", strings.NewReader("client_id=id&client_secret=secret&grant_type=authorization_code&code=code"))
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			var g grant
			read(t, reply{body: w.Body.Bytes()}, &g)
			equal(t, "lifetime", g.ExpiresIn, 7200)
			time.Sleep(2*time.Hour - 1)
			equal(t, "status just before the end", call(s, g.Access, "/users/list").Code, 200)
			time.Sleep(time.Nanosecond)
			equal(t, "status at the end", call(s, g.Access, "/users/list").Code, 401)
		})
	})
	t.Run("rate", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := sandbox.New(sandbox.Config{Rate: 0.5, Burst: 2, RetryAfter: true})
			for i, want := range []int{200, 200, 429} {
				equal(t, fmt.Sprint("call ", i), call(s, "a", "/users/list").Code, want)
			}
			equal(t, "another token", call(s, "b", "/users/list").Code, 200)
			equal(t, "Retry-After", call(s, "a", "/users/list").Header().Get("Retry-After"), "2")
			time.Sleep(2 * time.Second)
			equal(t, "after the time that Retry-After said", call(s, "a", "/users/list").Code, 200)
			equal(t, "and again", call(s, "a", "/users/list").Code, 429)
			time.Sleep(time.Hour)
			for i, want := range []int{200, 200, 429} {
				equal(t, fmt.Sprint("after an hour, call ", i), call(s, "a", "/users/list").Code, want)
			}
			for i := range 3000 { // idle buckets are forgotten, this one is not
				call(s, fmt.Sprint("token ", i), "/users/1")
			}
			equal(t, "after many others", call(s, "a", "/users/list").Code, 429)
		})
	})
	t.Run("no Retry-After unless asked for", func(t *testing.T) {
		s := sandbox.New(sandbox.Config{Rate: 1e-6})
		call(s, "a", "/users/list")
		if w := call(s, "a", "/users/list"); w.Code != 429 || w.Header().Get("Retry-After") != "" {
			t.Errorf("status %d, header %v", w.Code, w.Header())
		}
	})
	t.Run("latency", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := sandbox.New(sandbox.Config{Latency: 50 * time.Millisecond, Jitter: 10 * time.Millisecond})
			var took []time.Duration
			for range 20 {
				start := time.Now()
				call(s, "a", "/users/list")
				took = append(took, time.Since(start))
			}
			differ := false
			for _, d := range took {
				differ = differ || d != took[0]
				if d < 50*time.Millisecond || d > 60*time.Millisecond {
					t.Errorf("a call took %v", d)
				}
			}
			if !differ {
				t.Error("no jitter")
			}
		})
	})
	t.Run("the clock", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for _, frozen := range []bool{false, true} {
				cfg := sandbox.Config{}
				if frozen {
					cfg.Now = time.Now()
				}
				s := sandbox.New(cfg)
				before := time.Now()
				time.Sleep(time.Hour)
				r := httptest.NewRequest(http.MethodPost, "/contacts", strings.NewReader(`{"attributes":{"email":"a@example.com"}}`))
				r.Header.Set("Authorization", "Bearer a")
				w := httptest.NewRecorder()
				s.ServeHTTP(w, r)
				want := before.Add(time.Hour).UnixMilli()
				if frozen {
					want = before.UnixMilli() + 1
				}
				equal(t, fmt.Sprint("createdAt, frozen ", frozen), data[contact](t, reply{body: w.Body.Bytes()}).CreatedAt, want)
			}
		})
	})
}
