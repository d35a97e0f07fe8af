package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/sandbox"
)

// The tokens of TestTokens and others: of two organisations whose records have the
// same ids and other marks.
const (
	northToken   = "north-token-that-nobody-may-see"
	northerToken = "norther-token-that-nobody-may-see"
	southToken   = "south-token-that-nobody-may-see"
)

// A world is two organisations of Drift at one address, and a gateway over it to
// which callers bring tokens of their own.
type world struct {
	*gateway
	north, south *sandbox.Sandbox
	clock        *handClock
}

// A handClock is moved by hand.
type handClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// newWorld starts one. The parts must not have a sandbox.
func newWorld(t testing.TB, p parts, args ...string) *world {
	t.Helper()
	w := newOrganisations(t)
	w.gateway = w.replica(t, p, args...)
	return w
}

// newOrganisations makes a world without a gateway.
func newOrganisations(t testing.TB) *world {
	t.Helper()
	w := &world{clock: &handClock{now: time.Now()}}
	w.north = newSandbox(sandbox.Config{OrgID: 48213, Mark: "NORTHMARK", Grants: []sandbox.Grant{{Token: northToken}, {Token: northerToken}}})
	w.south = newSandbox(sandbox.Config{OrgID: 77001, Mark: "SOUTHMARK", Grants: []sandbox.Grant{{Token: southToken}}})
	return w
}

// replica starts a gateway over the organisations.
func (w *world) replica(t testing.TB, p parts, args ...string) *gateway {
	t.Helper()
	front := p.front
	p.drift, p.now = w.north, w.clock.Now
	p.front = func(http.Handler) http.Handler {
		var drift http.Handler = sandbox.NewPlatform(w.north, w.south)
		if front != nil {
			drift = front(drift)
		}
		return drift
	}
	return assemble(t, p, append([]string{"--auth=drift-token"}, args...)...)
}

// calls returns the calls of both organisations since it was last asked, by token
// and route.
func (w *world) calls() map[string]int {
	calls := map[string]int{}
	for _, s := range []*sandbox.Sandbox{w.north, w.south} {
		for _, c := range s.Calls() {
			calls[strings.TrimSuffix(c.Token, "-token-that-nobody-may-see")+" "+c.Route]++
		}
		s.ResetCalls()
	}
	return calls
}

// knockWith asks with a token.
func (g *gateway) knockWith(t testing.TB, token, query string) refusal {
	t.Helper()
	return g.knock(t, query, "Bearer "+token)
}

// TestTokens asks by the tokens of two organisations: each caller is answered what
// their own organisation has, by calls with their own token, and one call in a
// minute says what a token is.
func TestTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, parts{})
	contact := fmt.Sprintf("{ contact(id: %d) { name } users(first: 3) { nodes { name } } viewer { caller organizationId scopes } }", w.north.Fixtures().EnrichedContactID)
	for round := range 3 {
		for token, want := range map[string][2]string{
			northToken: {"NORTHMARK", "48213"}, northerToken: {"NORTHMARK", "48213"}, southToken: {"SOUTHMARK", "77001"},
		} {
			got := w.knockWith(t, token, contact)
			other := strings.NewReplacer("NORTHMARK", "SOUTHMARK", "SOUTHMARK", "NORTHMARK").Replace(want[0])
			if got.Status != http.StatusOK || strings.Contains(got.Body, "errors") || strings.Contains(got.Body, other) || !strings.Contains(got.Body, want[0]) ||
				!strings.Contains(got.Body, `"organizationId":"`+want[1]+`"`) || !strings.Contains(got.Body, `"caller":"organisation `+want[1]+`, app app_5521"`) {
				t.Errorf("round %d: %s is answered %+v", round, token, got)
			}
		}
		want := map[string]int{}
		if round == 0 {
			for _, who := range []string{"north", "norther", "south"} {
				want[who+" /contacts/{id}"], want[who+" /users/list"], want[who+" /app/token_info"] = 1, 1, 1
			}
		} else if round == 2 {
			want = map[string]int{"north /app/token_info": 1, "norther /app/token_info": 1, "south /app/token_info": 1}
		}
		if got := w.calls(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("round %d: the calls are %v, want %v", round, got, want)
		}
		if round == 1 {
			w.clock.pass(time.Minute)
		}
	}
	for _, token := range []string{northToken, northerToken, southToken} {
		if strings.Contains(w.log.String(), token) {
			t.Error("a token is in the log")
		}
	}
}

// TestTokensRefused shows what is no token: the answer is the same in all it says,
// whatever is wrong, and Drift is asked at most once.
func TestTokensRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, parts{})
	revoked, expired, past := northerToken, "expired-token-that-nobody-may-see", "past-token-that-nobody-may-see"
	w.north.Grant(sandbox.Grant{Token: expired, Lifetime: time.Nanosecond})
	w.north.Grant(sandbox.Grant{Token: past, Lifetime: time.Hour})
	if got := w.knockWith(t, revoked, whoAmI); got.Status != http.StatusOK {
		t.Fatalf("before it is revoked: %+v", got)
	}
	if got := w.knockWith(t, past, whoAmI); got.Status != http.StatusOK {
		t.Fatalf("before its end: %+v", got)
	}
	w.north.Revoke(revoked)
	w.clock.pass(2 * time.Hour) // so that it is asked anew what the one is, and the other has ended
	w.calls()
	absent := w.knock(t, whoAmI)
	if absent.Status != http.StatusUnauthorized || !strings.Contains(absent.Header, "Www-Authenticate:[Bearer]") || !strings.Contains(absent.Body, `"code":"UNAUTHENTICATED"`) {
		t.Errorf("without a token: %+v", absent)
	}
	for name, authorization := range map[string][]string{
		"wrong": {"Bearer wrong-token-that-nobody-may-see"}, "revoked": {"Bearer " + revoked}, "expired": {"Bearer " + expired}, "past its end": {"Bearer " + past},
		"empty": {"Bearer "}, "with a blank": {"Bearer " + northToken + " x"}, "with another sign": {"Bearer " + northToken + "ü"},
		"another scheme": {"Basic " + northToken}, "two": {"Bearer " + northToken, "Bearer " + southToken}, "long": {"Bearer " + strings.Repeat("a", 9000)},
	} {
		if got := w.knock(t, whoAmI, authorization...); got != absent {
			t.Errorf("with a token that is %s: %+v, want what is told without any, %+v", name, got, absent)
		}
	}
	if got, want := fmt.Sprint(w.calls()), fmt.Sprint(map[string]int{"expired /app/token_info": 1, "norther /app/token_info": 1, "wrong /app/token_info": 1}); got != want {
		t.Errorf("the calls are %v, want %v", got, want)
	}
}

// TestTokenRefusedAgain shows a token twice that is none: Drift is asked once, and
// again some time later, when it may be one.
func TestTokenRefusedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, parts{})
	const late = "late-token-that-nobody-may-see"
	for i := range 2 {
		if got := w.knockWith(t, late, whoAmI); got.Status != http.StatusUnauthorized {
			t.Errorf("time %d: %+v", i, got)
		}
	}
	if got := fmt.Sprint(w.calls()); got != "map[late /app/token_info:1]" {
		t.Errorf("the calls are %s", got)
	}
	w.north.Grant(sandbox.Grant{Token: late})
	w.clock.pass(refusalLife)
	if got := w.knockWith(t, late, whoAmI); got.Status != http.StatusOK {
		t.Errorf("once it is good, it is answered %+v", got)
	}
}

// TestTokenLockout tries many tokens from one address: Drift is no longer asked
// about what is not known, and those who are known are let in.
func TestTokenLockout(t *testing.T) {
	t.Parallel()
	w := newWorld(t, parts{})
	if got := w.knockWith(t, northToken, whoAmI); got.Status != http.StatusOK {
		t.Fatalf("%+v", got)
	}
	w.calls()
	statuses := map[int]int{}
	var last refusal
	for i := range 40 {
		last = w.knockWith(t, fmt.Sprint("guess-", i), whoAmI)
		statuses[last.Status]++
	}
	asked := 0
	for _, n := range w.calls() {
		asked += n
	}
	if statuses[401] < 10 || statuses[429] < 10 || statuses[401]+statuses[429] != 40 || !strings.Contains(last.Header, "Retry-After") {
		t.Errorf("40 guesses are answered %v, the last %+v", statuses, last)
	}
	if asked > statuses[401]+1 {
		t.Errorf("they cost %d calls, and %d were not locked out", asked, statuses[401])
	}
	w.clock.pass(tokenLife)
	if got := w.knockWith(t, northToken, whoAmI); got.Status != http.StatusOK {
		t.Errorf("who was known before is answered %+v", got)
	}
	if got := w.knockWith(t, southToken, whoAmI); got.Status != http.StatusTooManyRequests {
		t.Errorf("who was not is answered %+v", got)
	}
}

// TestTokenScopes has a token that may do little, then other things: callers may
// do what their token may, and are told so.
func TestTokenScopes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, parts{})
	const few = "few-token-that-nobody-may-see"
	w.north.Grant(sandbox.Grant{Token: few, Scopes: []string{"user_read", "gdpr_read"}})
	query := fmt.Sprintf("{ contact(id: %d) { name } users(first: 1) { nodes { name } } viewer { permissions scopes } __schema { queryType { name } } }", w.north.Fixtures().EnrichedContactID)
	got := w.knockWith(t, few, query)
	for _, want := range []string{`"contact":null`, `"code":"FORBIDDEN"`, "NORTHMARK", `"permissions":["user_read","gdpr_read","plan_read","introspect"]`, `"name":"Query"`} {
		if !strings.Contains(got.Body, want) {
			t.Errorf("the answer lacks %s: %s", want, got.Body)
		}
	}
	if calls := w.calls(); calls["few /contacts/{id}"] != 0 {
		t.Errorf("Drift is asked for what is forbidden: %v", calls)
	}
	w.north.Grant(sandbox.Grant{Token: few, Scopes: []string{"contact_read"}})
	w.clock.pass(tokenLife)
	got = w.knockWith(t, few, query)
	for _, want := range []string{`"users":null`, `"code":"FORBIDDEN"`, "NORTHMARK", `"permissions":["contact_read","plan_read","introspect"]`, `"scopes":["contact_read"]`} {
		if !strings.Contains(got.Body, want) {
			t.Errorf("with other scopes the answer lacks %s: %s", want, got.Body)
		}
	}
}

// TestTokenRevoked revokes a token within its minute: the first call that Drift
// refuses has the gateway ask anew before the next operation.
func TestTokenRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, parts{})
	ids := w.north.Fixtures().ContactIDs
	ask := func(id int64) refusal {
		return w.knockWith(t, northToken, fmt.Sprintf("{ contact(id: %d) { name } }", id))
	}
	if got := ask(ids[0]); got.Status != http.StatusOK || strings.Contains(got.Body, "errors") {
		t.Fatalf("%+v", got)
	}
	w.north.Revoke(northToken)
	if got := ask(ids[1]); got.Status != http.StatusOK || !strings.Contains(got.Body, "UPSTREAM_UNAUTHORIZED") {
		t.Errorf("the operation that Drift refuses is answered %+v", got)
	}
	for _, id := range ids[:2] {
		if got := ask(id); got.Status != http.StatusUnauthorized {
			t.Errorf("the next is answered %+v", got)
		}
	}
	eventually(t, func() bool { return w.open() == 0 })
}

// TestTokensWhileDriftIsDown lets in who was known a short while ago, and nobody else.
func TestTokensWhileDriftIsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, parts{})
	query := fmt.Sprintf("{ contact(id: %d) { name } }", w.north.Fixtures().EnrichedContactID)
	if got := w.knockWith(t, northToken, query); got.Status != http.StatusOK {
		t.Fatalf("%+v", got)
	}
	for _, s := range []*sandbox.Sandbox{w.north, w.south} {
		s.Inject(sandbox.Fault{Route: "*", Status: 503})
	}
	w.calls()
	w.clock.pass(tokenLife)
	for range 3 {
		if got := w.knockWith(t, northToken, query); got.Status != http.StatusOK || !strings.Contains(got.Body, "NORTHMARK") {
			t.Errorf("who was known is answered %+v", got)
		}
	}
	if n := w.calls()["north /app/token_info"]; n < 1 || n > 2 { // it is tried again once
		t.Errorf("Drift, which is down, is asked %d times what the token is", n)
	}
	stranger := w.knockWith(t, southToken, query)
	if stranger.Status != http.StatusServiceUnavailable || !strings.Contains(stranger.Header, "Retry-After") || !strings.Contains(stranger.Body, "UPSTREAM_UNAVAILABLE") {
		t.Errorf("who was not is answered %+v", stranger)
	}
	w.clock.pass(tokenGrace)
	if got := w.knockWith(t, northToken, query); got != stranger {
		t.Errorf("who was known long ago is answered %+v", got)
	}
	for _, s := range []*sandbox.Sandbox{w.north, w.south} {
		s.ClearFaults()
	}
	for _, token := range []string{northToken, southToken} {
		eventually(t, func() bool { return w.knockWith(t, token, query).Status == http.StatusOK })
	}
}

// TestTokensTogether shows a token many times at once: one call says what it is.
func TestTokensTogether(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	w := newWorld(t, parts{front: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/app/token_info" {
				<-held
			}
			next.ServeHTTP(rw, r)
		})
	}})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if got := w.knockWith(t, northToken, whoAmI); got.Status != http.StatusOK {
				t.Errorf("%+v", got)
			}
		})
	}
	close(held)
	all.Wait()
	if got := w.calls(); got["north /app/token_info"] != 1 {
		t.Errorf("the calls are %v", got)
	}
}

// TestTenantsEvicted has one tenant at a time while callers of two organisations
// ask: what is under way when a tenant is closed goes on, and none is answered
// anything of the other.
func TestTenantsEvicted(t *testing.T) {
	t.Parallel()
	b := barrier{token: northToken, path: "/contacts/", gate: make(chan struct{})}
	w := newWorld(t, parts{front: b.front}, "--max-tenants=1")
	query := fmt.Sprintf("{ contact(id: %d) { name } conversations(first: 3) { nodes { contact { name } } } }", w.north.Fixtures().EnrichedContactID)
	var first sync.WaitGroup
	var got refusal
	first.Go(func() { got = w.knockWith(t, northToken, query) })
	eventually(t, func() bool { return b.held.Load() > 0 })
	if south := w.knockWith(t, southToken, query); south.Status != http.StatusOK || !strings.Contains(south.Body, "SOUTHMARK") || strings.Contains(south.Body, "NORTHMARK") {
		t.Errorf("the second is answered %+v", south)
	}
	close(b.gate)
	first.Wait()
	if got.Status != http.StatusOK || strings.Contains(got.Body, "errors") || !strings.Contains(got.Body, "NORTHMARK") || strings.Contains(got.Body, "SOUTHMARK") {
		t.Errorf("the first, whose tenant was closed meanwhile, is answered %+v", got)
	}
	eventually(t, func() bool { return w.open() == 1 && !strings.Contains(inMemory(w.gateway), "NORTHMARK") })
	if !strings.Contains(inMemory(w.gateway), "SOUTHMARK") {
		t.Error("the process holds nothing of the tenant that is open")
	}
	var all sync.WaitGroup
	for i := range 40 {
		token, own, other := northToken, "NORTHMARK", "SOUTHMARK"
		if i%2 == 0 {
			token, own, other = southToken, other, own
		}
		all.Go(func() {
			if got := w.knockWith(t, token, query); got.Status != http.StatusOK || !strings.Contains(got.Body, own) || strings.Contains(got.Body, other) {
				t.Errorf("%s is answered %+v", token, got)
			}
		})
	}
	all.Wait()
	w.clock.pass(tenantIdle)
	w.tenants.bearers.sweep()
	eventually(t, func() bool { return w.open() == 0 && inMemory(w.gateway) == "" })
}

// A barrier holds calls to Drift back that bear a token and whose path begins so,
// until its gate is closed.
type barrier struct {
	token, path string
	gate        chan struct{}
	held        atomic.Int64
}

func (b *barrier) front(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer "+b.token && strings.HasPrefix(r.URL.Path, b.path) {
			b.held.Add(1)
			<-b.gate
		}
		next.ServeHTTP(w, r)
	})
}

// TestNobody has operations come in by no door, though callers are to bring tokens:
// they read nothing that others have read, and call nobody.
func TestNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, parts{})
	w.gateway = w.replica(t, parts{doorless: true})
	query := fmt.Sprintf("{ contact(id: %d) { name } users(first: 1) { nodes { name } } }", w.north.Fixtures().EnrichedContactID)
	for _, token := range []string{northToken, "x"} {
		if got := w.knockWith(t, token, query); !strings.Contains(got.Body, `"contact":null`) || !strings.Contains(got.Body, "UPSTREAM_UNAUTHORIZED") || len(w.calls()) != 0 {
			t.Errorf("%s is answered %+v", token, got)
		}
	}
}

// open returns how many tenants are.
func (w *world) open() int {
	b := w.tenants.bearers
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tenants.Len()
}

// TestTokenLeaks does with tokens what can be done, and looks for them where they
// must not be: in answers, logs, metrics, and all that goes to Redis.
func TestTokenLeaks(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	client := server.client(t)
	spy := server.spy(t, client)
	w := newWorld(t, parts{redis: client})
	id := w.north.Fixtures().EnrichedContactID
	told := ""
	ask := func(token, query string) {
		got := w.knockWith(t, token, query)
		told += got.Header + got.Body
	}
	everything := fmt.Sprintf(`{ contact(id: %d) { name email } viewer { caller permissions scopes organizationId } }`, id)
	for _, token := range []string{northToken, northerToken, southToken, "wrong-token-that-nobody-may-see"} {
		ask(token, everything)
		ask(token, fmt.Sprintf(`mutation { updateContact(input: {id: %d, attributes: {phone: "1"}}) { contact { phone } } requestDataDeletion(input: {email: "nobody@example.com"}) { message } }`, id))
		ask(token, `{ contact(id: "x") { name } }`)
	}
	w.post(t, http.MethodPost, webhookSecret, fmt.Sprintf(`{"orgId":48213,"type":"contact_updated","data":{"endUserId":%d}}`, id))
	w.north.Revoke(northToken)
	ask(northToken, "{ teams { name } }")
	ask(northToken, "{ teams { name } }")
	w.south.Inject(sandbox.Fault{Route: "*", Status: 503})
	w.clock.pass(tokenGrace)
	ask(southToken, everything)
	for _, code := range []string{"UNAUTHENTICATED", "UPSTREAM_UNAUTHORIZED", "UPSTREAM_UNAVAILABLE", "BAD_USER_INPUT"} {
		if !strings.Contains(told, code) {
			t.Errorf("nobody was told %s", code)
		}
	}
	w.records.Wait()
	res, err := http.Get(w.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	metrics, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	keys, values := dump(t, client)
	for where, text := range map[string]string{
		"an answer": told, "the log": w.log.String(), "a metric": string(metrics), "Redis": keys + values,
		"what goes to Redis": spy.commands.String(), "what is published": spy.published.String(),
	} {
		if len(text) < 100 {
			t.Errorf("%s has little to say: %q", where, text)
		}
		if at := strings.Index(text, secretMark); at >= 0 {
			t.Errorf("%s tells a token: …%s…", where, text[max(0, at-80):at])
		}
	}
}

// TestTenantClosedWhileAsked closes a tenant while what Drift has said of its token
// is noted: it is opened anew, and can be closed once more.
func TestTenantClosedWhileAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, parts{}, "--max-tenants=1")
	var slow atomic.Bool
	noting, release := make(chan struct{}), make(chan struct{})
	b := w.tenants.bearers
	note := b.note
	b.note = func(ctx context.Context, org drift.ID, tenant cache.Tenant) {
		if slow.CompareAndSwap(true, false) {
			close(noting)
			<-release
		}
		note(ctx, org, tenant)
	}
	enters := func(token, org string) {
		t.Helper()
		if got := w.knockWith(t, token, "{ viewer { organizationId } }"); !strings.Contains(got.Body, `"organizationId":"`+org+`"`) {
			t.Errorf("%s is answered %+v", token, got)
		}
	}
	enters(northToken, "48213")
	w.clock.pass(tokenLife)
	slow.Store(true)
	var waiting sync.WaitGroup
	waiting.Go(func() { enters(northToken, "48213") })
	<-noting
	enters(southToken, "77001")
	close(release)
	waiting.Wait()
	enters(southToken, "77001")
	enters(northToken, "48213")
}
