package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"pgregory.net/rapid"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/events"
	"github.com/driftgraph/driftgraph/sandbox"
)

// TestApart has the callers of two organisations, whose records have the same ids,
// ask, change, name documents and listen, in any order and at the same time, at two
// gateways that share a Redis and know fewer callers than there are; while webhooks
// come, Drift fails, tokens are revoked and tenants closed. Whatever happens:
//
//   - an answer, an error or an event is of the caller's own organisation, and what the
//     caller's token may see;
//   - calls are made with the token of who asked, or listens, in its organisation;
//   - a document that one has registered is not found by the others;
//   - a webhook is told to nobody of another organisation.
func TestApart(t *testing.T) {
	h := newHouse(t)
	fewer(t, 25)
	rapid.Check(t, func(rt *rapid.T) {
		focus := rapid.IntRange(0, len(questions)-1).Draw(rt, "question")
		scenes := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) scene { return drawScene(rt, focus) }), 2, 10).Draw(rt, "scenes")
		p := h.begin(t)
		defer p.end()
		for i, s := range scenes {
			rt.Logf("scene %d: %s", i, s)
			if broken := p.play(s); len(broken) > 0 {
				rt.Fatalf("scene %d: %s", i, strings.Join(broken, "\n"))
			}
		}
		if broken := p.hear(); len(broken) > 0 {
			rt.Fatalf("in the end: %s", strings.Join(broken, "\n"))
		}
	})
}

// fewer has rapid make fewer checks than it does by default, unless -rapid.checks
// says how many.
func fewer(t *testing.T, checks int) {
	t.Helper()
	f := flag.Lookup("rapid.checks")
	if f.Value.String() != f.DefValue {
		return
	}
	if err := f.Value.Set(strconv.Itoa(checks)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(f.DefValue) })
}

// A player is one of three who call.
type player int

const (
	north  player = iota // may do everything
	narrow               // of the same organisation, may read users and conversations alone
	south                // of another organisation, may do everything
	players
)

func (p player) String() string { return [...]string{"north", "narrow", "south"}[p] }
func (p player) org() int       { return [...]int{0, 0, 1}[p] }

// What tells the organisations of a house apart.
var (
	brands = [2]string{"NORTHMARK", "SOUTHMARK"}
	orgIDs = [2]int64{48213, 77001}
)

// A deed is what one player does at one gateway.
type deed struct {
	who     player
	replica int
	what    string
	of      int // which question
}

func (d deed) String() string {
	switch d.what {
	case "asks", "registers", "names":
		return fmt.Sprintf("%s/%d %s %s", d.who, d.replica, d.what, questions[d.of].name)
	}
	return fmt.Sprintf("%s/%d %s", d.who, d.replica, d.what)
}

// A scene is deeds at the same time, after something that happens alone.
type scene struct {
	before string // "" for nothing
	of     deed   // who and where that is
	deeds  []deed
	fails  [2]bool // for which organisations Drift does meanwhile
}

func (s scene) String() string {
	var text []string
	if s.before != "" {
		text = append(text, fmt.Sprintf("(%s/%d %s)", s.of.who, s.of.replica, s.before))
	}
	for _, d := range s.deeds {
		text = append(text, d.String())
	}
	for org, fails := range s.fails {
		if fails {
			text = append(text, "Drift fails for "+brands[org])
		}
	}
	return strings.Join(text, " | ")
}

// GoString is how rapid shows a scene.
func (s scene) GoString() string { return s.String() }

// drawScene makes up a scene. Most of its deeds are about one question: those who
// meet are those who could be mixed up.
func drawScene(t *rapid.T, focus int) scene {
	deeds := []string{"asks", "names", "registers"}
	if rapid.Bool().Draw(t, "change") {
		deeds = append(deeds, "webhook", "changes", "asks", "asks by a wrong token")
	}
	draw := func(t *rapid.T) deed {
		d := deed{
			who: player(rapid.IntRange(0, int(players)-1).Draw(t, "who")), replica: rapid.IntRange(0, 1).Draw(t, "replica"),
			what: rapid.SampledFrom(deeds).Draw(t, "what"), of: focus,
		}
		if rapid.IntRange(0, 3).Draw(t, "other") == 3 {
			d.of = rapid.IntRange(0, len(questions)-1).Draw(t, "of")
		}
		return d
	}
	s := scene{deeds: rapid.SliceOfN(rapid.Custom(draw), 1, 6).Draw(t, "deeds")}
	if rapid.Bool().Draw(t, "before") {
		s.before = rapid.SampledFrom([]string{"is revoked", "listens", "is granted", "listens", "sees all tenants closed"}).Draw(t, "what")
		s.of = draw(t)
	}
	if rapid.IntRange(0, 4).Draw(t, "fail") == 4 {
		s.fails[rapid.IntRange(0, 1).Draw(t, "of whom")] = true
	}
	return s
}

// A question is a query that all players ask.
type question struct {
	name  string
	text  string
	needs string // the permission without which there is no data
}

// The contacts that questions ask for by $0 and $1 are those that webhooks of the
// north and the south are about.
var questions = []question{
	{"contact 0", `{ contact(id: "$0") { name phone } }`, "contact_read"},
	{"contact 1", `{ contact(id: "$1") { name phone } }`, "contact_read"},
	{"node", `{ node(id: "Contact:$0") { ... on Contact { name phone } } }`, "contact_read"},
	{"users", `{ users(first: 3) { nodes { name } } }`, "user_read"},
	{"inbox", `{ conversations(first: 3) { nodes { messages(last: 2) { nodes { body author { ... on User { name } } } } } } }`, "conversation_read"},
	{"viewer", `{ viewer { caller organizationId scopes } }`, ""},
}

const listening = "subscription { contactUpdated { driftId name phone } }"

var narrowScopes = []string{"user_read", "conversation_read"}

func (p player) may(q question) bool {
	return p != narrow || q.needs == "" || slices.Contains(narrowScopes, q.needs)
}

// A house is two organisations and two gateways.
type house struct {
	*world
	t        *testing.T
	orgs     [2]*sandbox.Sandbox
	gateways [2]*gateway
	contacts [4]int64 // those of the questions, and one of each organisation that ends a play
	plays    int
	tick     atomic.Int64
	address  atomic.Uint32
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{world: &world{clock: &handClock{now: time.Now()}}, t: t}
	for i := range h.orgs {
		h.orgs[i] = newSandbox(sandbox.Config{
			OrgID: orgIDs[i], Mark: brands[i], Grants: []sandbox.Grant{{Token: "truth-" + brands[i]}}, Jitter: 2 * time.Millisecond,
			Users: 6, Contacts: 12, Accounts: 6, Conversations: 12, MaxMessages: 8,
		})
	}
	h.north, h.south = h.orgs[0], h.orgs[1]
	copy(h.contacts[:], h.north.Fixtures().ContactIDs)
	server := startRedis(t)
	for i := range h.gateways {
		p := parts{redis: server.client(t), guard: h.fromAnywhere}
		h.gateways[i] = h.replica(t, p, "--cache-ttl-contact=1h", "--cache-ttl-user=1h", "--cache-ttl-viewer=1h", "--cache-ttl-conversation=1h",
			"--cache-ttl-conversation-list=1h", "--cache-ttl-message=1h", "--caller-rate=0", "--max-tenants=2", "--drain-delay=0s")
	}
	awaitHearing(t, h.gateways[0], h.gateways[1])
	awaitHearing(t, h.gateways[1], h.gateways[0])
	return h
}

// fromAnywhere has each request come from an address of its own, so that wrong
// tokens lock nobody out.
func (h *house) fromAnywhere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := h.address.Add(1)
		r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1", n>>16&255, n>>8&255, n&255)
		next.ServeHTTP(w, r)
	})
}

// A play is what happens to three tokens that nobody has had before.
type play struct {
	*house
	tokens      [players]string
	revoked     [players]bool
	everRevoked [players]bool
	registered  [players]map[string]bool
	sockets     map[deed]*socket
}

func (h *house) begin(t *testing.T) *play {
	h.plays++
	h.t = t
	p := &play{house: h, sockets: make(map[deed]*socket)}
	for who := range players {
		p.tokens[who] = fmt.Sprintf("%s-%d", who, h.plays)
		p.grant(who)
		p.registered[who] = make(map[string]bool)
	}
	return p
}

func (p *play) end() {
	for _, s := range p.sockets {
		_ = s.conn.CloseNow()
	}
	for _, g := range p.gateways {
		eventually(p.t, func() bool { return g.bus.Stats().Subscribers == 0 })
	}
}

func (p *play) grant(who player) {
	g := sandbox.Grant{Token: p.tokens[who]}
	if who == narrow {
		g.Scopes = narrowScopes
	}
	p.orgs[who.org()].Grant(g)
}

// text is that of a question in this play.
func (p *play) text(of int) string {
	text := strings.NewReplacer("$0", fmt.Sprint(p.contacts[0]), "$1", fmt.Sprint(p.contacts[1])).Replace(questions[of].text)
	return fmt.Sprintf("query Play%d %s", p.plays, text)
}

// A result is what a deed was given.
type result struct {
	deed
	status int
	text   string
	err    error
}

// prepare has happen what happens before the deeds of a scene.
func (p *play) prepare(s scene) (broken []string) {
	who := s.of.who
	switch s.before {
	case "listens":
		at := deed{who: who, replica: s.of.replica}
		if p.revoked[who] || p.sockets[at] != nil {
			return nil
		}
		g := p.gateways[at.replica]
		before := g.bus.Stats().Subscribers
		socket := g.dialWith(p.t, p.tokens[who])
		socket.subscribe(p.t, "1", listening)
		if who == narrow {
			if m := socket.read(p.t); m.Type != "error" && !strings.Contains(string(m.Payload), "FORBIDDEN") {
				broken = append(broken, fmt.Sprintf("narrow listens to contacts: %s %s", m.Type, m.Payload))
			}
			_ = socket.conn.CloseNow()
			return broken
		}
		eventually(p.t, func() bool { return g.bus.Stats().Subscribers == before+1 })
		p.sockets[at] = socket
	case "is revoked":
		p.orgs[who.org()].Revoke(p.tokens[who])
		p.revoked[who], p.everRevoked[who] = true, true
		p.clock.pass(tokenLife)
	case "is granted":
		p.grant(who)
		p.revoked[who] = false
		p.clock.pass(refusalLife)
	case "sees all tenants closed":
		p.clock.pass(tenantIdle)
		for _, g := range p.gateways {
			g.tenants.bearers.sweep()
		}
	}
	return broken
}

// play has a scene happen, and returns what must not have.
func (p *play) play(s scene) (broken []string) {
	report := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	for org, fails := range s.fails {
		p.orgs[org].ResetCalls()
		if fails {
			for _, route := range []string{"GET /contacts/{id}", "GET /users/list"} {
				p.orgs[org].Inject(sandbox.Fault{Route: route, Kind: sandbox.Status, Status: http.StatusGone, Probability: 0.7})
			}
		}
	}
	broken = p.prepare(s)
	results := make([]result, len(s.deeds))
	var deeds sync.WaitGroup
	for i, d := range s.deeds {
		deeds.Go(func() {
			results[i] = result{deed: d}
			results[i].status, results[i].text, results[i].err = p.do(d)
		})
	}
	deeds.Wait()
	for _, org := range p.orgs {
		org.ClearFaults()
	}
	p.settle(s)

	listeners := map[player]bool{}
	for at := range p.sockets {
		listeners[at.who] = true
	}
	for _, r := range results {
		broken = append(broken, p.judge(r, s)...)
	}
	for org, drift := range p.orgs {
		for _, call := range drift.Calls() {
			who := player(slices.Index(p.tokens[:], call.Token))
			switch {
			case strings.HasPrefix(call.Token, "truth-") || strings.HasPrefix(call.Token, "wrong-") && call.Route == "/app/token_info":
			case who < 0 && ownOf(call.Token) == org: // of a listener of the play before
			case who < 0 || who.org() != org:
				report("%s %s was called with the token %s in the organisation of %s", call.Method, call.URL, call.Token, brands[org])
			case call.Route == "/app/token_info":
			case !listeners[who] && !slices.ContainsFunc(s.deeds, func(d deed) bool { return d.who == who }):
				report("%s %s was called with the token of %s, who did not ask", call.Method, call.URL, who)
			}
		}
	}
	p.remember(results)
	return broken
}

// ownOf returns the organisation of a token of any play, -1 for another token.
func ownOf(token string) int {
	for who := range players {
		if strings.HasPrefix(token, who.String()+"-") {
			return who.org()
		}
	}
	return -1
}

// do does a deed. It may be called by any goroutine.
func (p *play) do(d deed) (status int, text string, err error) {
	g, token, query := p.gateways[d.replica], p.tokens[d.who], p.text(d.of)
	request := map[string]any{"query": query}
	switch d.what {
	case "registers":
		request = byHash(sha(query), query)
	case "names":
		request = byHash(sha(query), "")
	case "asks by a wrong token":
		token = fmt.Sprintf("wrong-%d", p.tick.Add(1))
	case "changes":
		request["query"] = fmt.Sprintf(`mutation { updateContact(input: {id: "%d", attributes: {phone: "%d %s"}}) { contact { name phone } userErrors { message } } }`,
			p.contacts[d.who.org()], p.tick.Add(1), brands[d.who.org()])
	case "webhook":
		_, err := p.webhook(d.who.org(), d.replica, p.contacts[d.who.org()])
		return 0, "", err
	}
	body, err := json.Marshal(request)
	if err != nil {
		return 0, "", err
	}
	return p.send(http.MethodPost, g.url+"/graphql", token, string(body))
}

// send makes a request with a token.
func (p *play) send(method, url, token, body string) (status int, text string, err error) {
	req, err := http.NewRequestWithContext(p.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	read, err := io.ReadAll(res.Body)
	return res.StatusCode, string(read), err
}

// webhook changes the phone number of a contact in Drift, and has Drift tell a gateway.
func (p *play) webhook(org, replica int, contact int64) (phone string, err error) {
	n := p.tick.Add(1)
	phone = fmt.Sprintf("%d %s", n, brands[org])
	status, text, err := p.send(http.MethodPatch, fmt.Sprintf("%s/contacts/%d", p.gateways[0].upstream, contact), "truth-"+brands[org],
		fmt.Sprintf(`{"attributes":{"phone":%q}}`, phone))
	if err != nil || status != http.StatusOK {
		return "", fmt.Errorf("changing a contact: %d, %s, %w", status, text, err)
	}
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.gateways[replica].url+webhookPath, strings.NewReader(told(orgIDs[org], contact, int(n))))
	if err != nil {
		return "", err
	}
	req.Header.Set("X-Verification-Token", webhookSecret)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the webhook is answered %d", res.StatusCode)
	}
	return phone, nil
}

// settle waits until all that a scene has caused is done.
func (p *play) settle(s scene) {
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	for replica, g := range p.gateways {
		for org, id := range orgIDs {
			if !slices.ContainsFunc(s.deeds, func(d deed) bool { return d.what == "webhook" && d.replica == replica && d.who.org() == org }) {
				continue
			}
			heard := g.bus.Subscribe(events.Filter{Org: drift.ID(id), Kind: events.ContactUpdated, Of: drift.ID(p.contacts[org])})
			if _, err := p.webhook(org, replica, p.contacts[org]); err != nil {
				p.t.Error(err)
			}
			if _, err := heard.Next(ctx); err != nil {
				p.t.Errorf("a webhook is not worked off: %v", err)
			}
			heard.Close()
		}
	}
	for i, g := range p.gateways {
		other := p.gateways[1-i].records
		eventually(p.t, g.records.Wait)
		eventually(p.t, func() bool { return other.Stats().DropsHeard >= g.records.Stats().DropsSent })
	}
}

// judge holds an answer against who was answered.
func (p *play) judge(r result, s scene) (broken []string) {
	report := func(why string) {
		broken = append(broken, fmt.Sprintf("%s %s: %d %.400s", r.deed, why, r.status, r.text))
	}
	if r.err != nil {
		return []string{fmt.Sprintf("%s: %v", r.deed, r.err)}
	}
	who, org := r.who, r.who.org()
	if r.what == "webhook" {
		return nil
	}
	if r.what == "asks by a wrong token" || p.revoked[who] {
		if r.status != http.StatusUnauthorized || strings.Contains(r.text, "data") {
			report("is let in")
		}
		return broken
	}
	if strings.Contains(r.text, brands[1-org]) || strings.Contains(r.text, fmt.Sprint(orgIDs[1-org])) {
		report("is answered of another organisation")
	}
	var answer struct {
		Data   map[string]json.RawMessage
		Errors []fault
	}
	if err := json.NewDecoder(bytes.NewReader([]byte(r.text))).Decode(&answer); err != nil {
		report("is answered no JSON")
		return broken
	}
	codes := make([]string, len(answer.Errors))
	for i, e := range answer.Errors {
		codes[i] = fmt.Sprint(e.Extensions["code"])
	}
	forbidden := r.what == "changes" && who == narrow || r.what != "changes" && !who.may(questions[r.of])
	notFound := slices.Equal(codes, []string{"PERSISTED_QUERY_NOT_FOUND"})
	switch registered := p.registered[who][p.text(r.of)] || slices.ContainsFunc(s.deeds, func(d deed) bool { return d.who == who && d.what == "registers" && d.of == r.of }); {
	case r.what == "names" && notFound:
		return broken
	case r.what == "names" && !registered:
		report("finds what it has not registered")
	case notFound:
		report("is not found")
	}
	switch fails := s.fails[org]; {
	case forbidden:
		if !slices.Equal(codes, []string{"FORBIDDEN"}) {
			report("may not")
		}
		for _, v := range answer.Data {
			if string(v) != "null" {
				report("is answered what it may not see")
			}
		}
	case slices.ContainsFunc(codes, func(code string) bool {
		return !(fails && strings.HasPrefix(code, "UPSTREAM_")) && !(who == narrow && code == "FORBIDDEN") // the authors who are contacts
	}):
		report("fails")
	case len(codes) > 0:
	case r.what == "asks" && questions[r.of].name == "viewer":
		if !strings.Contains(r.text, fmt.Sprint(orgIDs[org])) || who == narrow && strings.Contains(r.text, "contact_read") {
			report("is taken for another")
		}
	case r.what == "asks" && !strings.Contains(r.text, brands[org]):
		report("is not answered of its organisation")
	}
	return broken
}

// remember notes what a scene has left behind.
func (p *play) remember(results []result) {
	for _, r := range results {
		if r.what == "registers" && r.status == http.StatusOK {
			p.registered[r.who][p.text(r.of)] = true
		}
	}
}

// hear reads what listeners were told, up to an event that ends the play.
func (p *play) hear() (broken []string) {
	report := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	var last [2]string
	for org := range p.orgs {
		var err error
		if last[org], err = p.webhook(org, org, p.contacts[2+org]); err != nil {
			report("%v", err)
		}
	}
	for at, s := range p.sockets {
		ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
		defer cancel()
		own, other := at.who.org(), 1-at.who.org()
		for ended := false; !ended; {
			_, text, err := s.conn.Read(ctx)
			if err != nil {
				var closed websocket.CloseError
				if !p.everRevoked[at.who] || !errors.As(err, &closed) || closed.Code != 4403 {
					report("%s at %d hears no more: %v", at.who, at.replica, err)
				}
				break
			}
			if ended = bytes.Contains(text, []byte(`"`+last[own]+`"`)); ended && p.revoked[at.who] {
				report("%s at %d was revoked, and hears %s", at.who, at.replica, text)
			}
			if !bytes.Contains(text, []byte(`"next"`)) || bytes.Contains(text, []byte(brands[other])) ||
				bytes.Contains(text, fmt.Append(nil, p.contacts[other])) || bytes.Contains(text, fmt.Append(nil, p.contacts[2+other])) {
				report("%s at %d hears %s", at.who, at.replica, text)
			}
		}
	}
	return broken
}
