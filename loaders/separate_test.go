package loaders_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/internal/redistest"
	"github.com/driftgraph/driftgraph/loaders"
	"github.com/driftgraph/driftgraph/sandbox"
)

// TestSeparate has three credentials read, change, drop and forget records in any
// order and at the same time, on two replicas that share a Redis, while Drift fails
// now and then. Two are of one organisation and may not do the same; the third is
// of another, whose records have the same ids. Whatever happens:
//
//   - what a credential is answered is what its own organisation holds, or held since
//     the credential last dropped the record, and never what it may not read;
//   - an error is one that Drift gave to the organisation of the credential;
//   - calls are made with the token of who asked, in the organisation of the token;
//   - what one credential drops or forgets is still there for the others.
func TestSeparate(t *testing.T) {
	p := newPair(t)
	fewer(t, 30)
	rapid.Check(t, func(rt *rapid.T) {
		rounds := rapid.SliceOfN(rapid.Custom(drawRound), 1, 10).Draw(rt, "rounds")
		w := p.begin(t, rt)
		defer w.end()
		for i, r := range rounds {
			rt.Logf("round %d: %s", i, r)
			if broken := w.play(r); len(broken) > 0 {
				rt.Fatalf("round %d: %s", i, strings.Join(broken, "\n"))
			}
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

// A credential is one of three.
type credential int

const (
	north  credential = iota // may do everything
	narrow                   // of the same organisation, may not read contacts, nor what names them
	south                    // of another organisation, may do everything
	credentials
)

func (c credential) String() string { return [...]string{"north", "narrow", "south"}[c] }

// org returns the organisation of a credential.
func (c credential) org() int { return [...]int{0, 0, 1}[c] }

// The marks that the names and texts of the organisations bear.
var marks = [2]string{"NORTHMARK", "SOUTHMARK"}

// An act is what one credential does on one replica.
type act struct {
	Who     credential
	Replica int
	What    string
	Of      int // which record
}

func (a act) String() string {
	switch a.What {
	case "read", "drop", "change", "change unseen":
		return fmt.Sprintf("%s/%d %s %s", a.Who, a.Replica, a.What, records[a.Of].name)
	}
	return fmt.Sprintf("%s/%d %s", a.Who, a.Replica, a.What)
}

// A round is acts at the same time, and the organisations for which Drift fails
// meanwhile.
type round struct {
	Acts  []act
	Fails [2]bool
}

func (r round) String() string {
	text := make([]string, len(r.Acts))
	for i, a := range r.Acts {
		text[i] = a.String()
	}
	for org, fails := range r.Fails {
		if fails {
			text = append(text, "Drift fails for "+credential(2*org).String())
		}
	}
	return strings.Join(text, " | ")
}

// GoString is how rapid shows a round.
func (r round) GoString() string { return r.String() }

// drawRound makes up a round. Most of its acts are about one record: those who meet
// are those who could be mixed up.
func drawRound(t *rapid.T) round {
	focus := rapid.IntRange(0, len(records)-1).Draw(t, "record")
	verbs := []string{"read", "read", "read", "read", "read", "change", "change unseen", "drop", "forget"}
	r := round{Acts: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) act {
		a := act{
			Who: credential(rapid.IntRange(0, int(credentials)-1).Draw(t, "who")), Replica: rapid.IntRange(0, 1).Draw(t, "replica"),
			What: rapid.SampledFrom(verbs).Draw(t, "what"), Of: focus,
		}
		if rapid.IntRange(0, 3).Draw(t, "other") == 3 {
			a.Of = rapid.IntRange(0, len(records)-1).Draw(t, "of")
		}
		if a.Who == narrow && a.What != "read" {
			a.What = "drop" // all that it may
		}
		return a
	}), 1, 6).Draw(t, "acts")}
	if rapid.IntRange(0, 4).Draw(t, "fail") == 4 {
		r.Fails[rapid.IntRange(0, 1).Draw(t, "of whom")] = true
	}
	return r
}

// A record is something that all credentials ask for by the same key.
type record struct {
	name   string
	scope  string // that it takes
	change change // what changes it; none for what does not change
	read   func(*world, *loaders.Loaders) (any, error)
}

// A change is what changes records.
type change string

const (
	none     change = ""
	person   change = "contact"
	newcomer change = "new contact"
	agent    change = "user"
	talk     change = "conversation"
)

var records = []record{
	{"contact", "contact_read", person, func(w *world, l *loaders.Loaders) (any, error) { return l.Contacts.Load(w.contact) }},
	{"new contact", "contact_read", newcomer, func(w *world, l *loaders.Loaders) (any, error) { return l.Contacts.Load(w.newcomer) }},
	{"contacts by e-mail", "contact_read", person, func(w *world, l *loaders.Loaders) (any, error) { return l.ContactsByEmail.Load(w.email) }},
	{"new contacts by e-mail", "contact_read", newcomer, func(_ *world, l *loaders.Loaders) (any, error) { return l.ContactsByEmail.Load(newEmail) }},
	{"contact by external id", "contact_read", person, func(w *world, l *loaders.Loaders) (any, error) { return l.ContactsByExternalID.Load(w.externalID) }},
	{"user", "user_read", agent, func(w *world, l *loaders.Loaders) (any, error) { return l.Users.Load(w.user) }},
	{"users", "user_read", agent, func(_ *world, l *loaders.Loaders) (any, error) { return l.UserList.Load(loaders.All{}) }},
	{"teams", "user_read", none, func(_ *world, l *loaders.Loaders) (any, error) { return l.Teams.Load(loaders.All{}) }},
	{"conversation", "conversation_read", talk, func(w *world, l *loaders.Loaders) (any, error) { return l.Conversations.Load(w.conversation) }},
	{"messages", "conversation_read", talk, func(w *world, l *loaders.Loaders) (any, error) {
		return l.MessagePages.Load(loaders.MessagePage{Conversation: w.conversation})
	}},
	{"conversations", "conversation_read", talk, func(_ *world, l *loaders.Loaders) (any, error) {
		return l.ConversationPages.Load(loaders.ConversationPage{Limit: 20})
	}},
	{"transcript", "conversation_read", talk, func(w *world, l *loaders.Loaders) (any, error) { return l.Transcripts.Load(w.conversation) }},
	{"threads", "conversation_read", talk, func(w *world, l *loaders.Loaders) (any, error) { return l.ContactConversations.Load(w.contact) }},
	{"playbooks", "playbook_read", none, func(_ *world, l *loaders.Loaders) (any, error) { return l.Playbooks.Load(loaders.All{}) }},
	{"accounts", "account_read", none, func(_ *world, l *loaders.Loaders) (any, error) { return l.AccountDirectory.Load(loaders.All{}) }},
}

const newEmail = "newcomer@example.com"

// narrowScopes are what narrow may.
var narrowScopes = []string{"user_read", "conversation_read"}

func (c credential) may(r record) bool { return c != narrow || slices.Contains(narrowScopes, r.scope) }

// A pair is two replicas that share a Redis, and an address where Drift is.
type pair struct {
	caches [2]*cache.Cache
	stores [2]*loaders.Store
	truths [2]*loaders.Store // one for each organisation, of a cache that nothing is answered from
	url    string
	drift  atomic.Pointer[sandbox.Platform]
	worlds int
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := new(pair)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.drift.Load().ServeHTTP(w, r) }))
	t.Cleanup(upstream.Close)
	p.url = upstream.URL
	server := redistest.Start(t)
	store := func(o cache.Options) (*cache.Cache, *loaders.Store) {
		o.Fallback, o.Log = loaders.Fallback, slog.New(slog.DiscardHandler)
		c := cache.New(o)
		t.Cleanup(c.Close)
		s, err := loaders.NewStore(c, loaders.Hourly, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return c, s
	}
	for i := range 2 {
		client, err := cache.ConnectRedis(server.PatientURL())
		if err != nil {
			t.Fatal(err)
		}
		redistest.BePatient(client)
		t.Cleanup(func() { client.Close() })
		p.caches[i], p.stores[i] = store(cache.Options{Redis: client})
		_, p.truths[i] = store(cache.Options{})
		await(t, "the replica to hear of drops", func() bool { return !p.caches[i].Stats().Deaf })
	}
	return p
}

// A world is two organisations whose records have the same ids, and what became
// of them since it began.
type world struct {
	*pair
	t    *testing.T
	orgs [2]*sandbox.Sandbox

	sources [2][credentials]*loaders.Source
	tokens  [credentials]string
	truth   [2]*loaders.Source // of each organisation
	apis    [2]*drift.Client
	clients []*drift.Client

	contact, newcomer, user, conversation drift.ID
	email, externalID                     string

	changing [2]sync.Mutex
	history  [2][]([]string)              // what each record was, by organisation
	floor    [credentials][]int           // where in its history a record was last dropped
	warm     [credentials][2]map[int]bool // what a replica holds
	forgot   [credentials]bool            // w.email, for sure
	purged   [credentials]bool            // w.email, if Drift told whose it is
}

// begin starts a world, whose credentials nobody has had before.
func (p *pair) begin(t *testing.T, rt *rapid.T) *world {
	t.Helper()
	p.worlds++
	w := &world{pair: p, t: t}
	for org, mark := range marks {
		grants := []sandbox.Grant{{Token: fmt.Sprintf("truth-%d-%d", org, p.worlds)}}
		for c := range credentials {
			w.tokens[c] = fmt.Sprintf("%s-%d", c, p.worlds)
			if c.org() == org {
				g := sandbox.Grant{Token: w.tokens[c]}
				if c == narrow {
					g.Scopes = narrowScopes
				}
				grants = append(grants, g)
			}
		}
		w.orgs[org] = sandbox.New(sandbox.Config{
			Seed: 1, Now: time.Date(2026, time.March, 9, 14, 30, 0, 0, time.UTC), OrgID: int64(1000 + org), Mark: mark, Grants: grants,
			Users: 6, Contacts: 12, Accounts: 6, Conversations: 12, MaxMessages: 8, Jitter: 2 * time.Millisecond,
		})
		w.apis[org] = w.client(drift.StaticToken(grants[0].Token))
		w.truth[org] = loaders.NewSource(p.truths[org], w.apis[org], drift.StaticToken(grants[0].Token))
	}
	p.drift.Store(sandbox.NewPlatform(w.orgs[0], w.orgs[1]))
	for c := range credentials {
		for i := range w.sources {
			w.sources[i][c] = loaders.NewSource(p.stores[i], w.client(drift.StaticToken(w.tokens[c])), drift.StaticToken(w.tokens[c]))
			w.warm[c][i] = make(map[int]bool)
		}
		w.floor[c] = make([]int, len(records))
	}

	f := w.orgs[0].Fixtures()
	w.user = drift.ID(f.UserIDs[3])
	for _, id := range f.ConversationIDs {
		c := must(w.apis[0].Conversation(t.Context(), drift.ID(id)))(t)
		from, err := w.apis[0].Contact(t.Context(), c.ContactID)
		if err == nil && from.Email != nil && from.ExternalID != nil {
			w.contact, w.email, w.externalID, w.conversation = from.ID, *from.Email, *from.ExternalID, c.ID
		}
	}
	if w.conversation == 0 {
		t.Fatal("no conversation is with a contact who has an e-mail address and an external id")
	}
	w.newcomer = must(w.apis[1].CreateContact(t.Context(), drift.NewContact{Email: newEmail}))(t).ID
	must(w.apis[1].SendMessage(t.Context(), w.conversation, drift.NewMessage{Body: "only here " + marks[1]}))(t)
	for org := range w.history {
		w.history[org] = make([][]string, len(records))
		w.note(org)
	}
	return w
}

func (w *world) end() {
	for _, c := range w.clients {
		c.Close()
	}
}

func (w *world) client(auth drift.Auth) *drift.Client {
	api, err := drift.New(drift.Options{BaseURL: w.url, Auth: auth})
	if err != nil {
		w.t.Fatal(err)
	}
	w.clients = append(w.clients, api)
	return api
}

// note adds to the history what all records of an organisation are now.
func (w *world) note(org int) {
	s := w.truth[org]
	if err := s.Drop(loaders.Change{Contacts: []drift.ID{w.contact, w.newcomer}, Conversations: []drift.ID{w.conversation}, Users: []drift.ID{w.user}}); err != nil {
		w.t.Error(err)
	}
	l := s.Loaders(w.t.Context(), loaders.Operation{Plan: &loaders.Plan{}}).Alone()
	var reads sync.WaitGroup
	for i, r := range records {
		reads.Go(func() {
			now, err := written(r.read(w, l))
			if h := w.history[org][i]; err != nil {
				w.t.Errorf("%s of %s cannot be told: %v", r.name, marks[org], err)
			} else if len(h) == 0 || h[len(h)-1] != now {
				w.history[org][i] = append(h, now)
			}
		})
	}
	reads.Wait()
}

// written is what was read as JSON.
func written(v any, err error) (string, error) {
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(v, json.Deterministic(true))
	return string(text), err
}

// change changes something in Drift, and returns what to drop for it.
func (w *world) change(org int, c change) loaders.Change {
	w.changing[org].Lock()
	defer w.changing[org].Unlock()
	ctx, api := w.t.Context(), w.apis[org]
	what := loaders.Change{Contacts: []drift.ID{w.contact}}
	var err error
	value := fmt.Sprintf("%d %s", len(w.orgs[org].Calls()), marks[org])
	attributes := func() jsontext.Value { return jsontext.Value(fmt.Sprintf("{\"name\":%q}", value)) }
	switch c {
	case talk:
		what.Conversations = []drift.ID{w.conversation}
		_, err = api.SendMessage(ctx, w.conversation, drift.NewMessage{Body: value})
	case agent:
		what = loaders.Change{Users: []drift.ID{w.user}}
		_, err = api.UpdateUser(ctx, w.user, drift.UserChanges{Name: drift.Set(&value)})
	case newcomer:
		what.Contacts = []drift.ID{w.newcomer}
		if h := w.history[org][1]; h[len(h)-1] != "null" {
			_, err = api.UpdateContact(ctx, w.newcomer, attributes())
			break
		}
		var made *drift.Contact
		if made, err = api.CreateContact(ctx, drift.NewContact{Email: newEmail}); err == nil && made.ID != w.newcomer {
			err = fmt.Errorf("the new contact is %s, want %s", made.ID, w.newcomer)
		}
	default:
		_, err = api.UpdateContact(ctx, w.contact, attributes())
	}
	if err != nil {
		w.t.Errorf("changing the %s of %s: %v", c, marks[org], err)
	}
	w.note(org)
	return what
}

// covers reports whether what is dropped for a change is dropped of a record.
func (c change) covers(r record) bool {
	switch c {
	case talk:
		return r.change == talk || r.change == person
	case agent:
		return r.change == agent || r.name == "transcript" || r.name == "teams"
	case newcomer:
		return r.change == newcomer || r.name == "contacts by e-mail" || r.name == "contact by external id" || r.name == "transcript"
	}
	return r.change == person || r.name == "new contacts by e-mail" || r.name == "transcript"
}

// failure is the status that Drift fails by for each organisation.
var failure = [2]int{http.StatusGone, http.StatusTeapot}

// An answer is what an act was given.
type answer struct {
	act  act
	text string // of a read, as JSON
	err  error
}

// play has a round happen, and returns what must not have.
func (w *world) play(r round) (broken []string) {
	report := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	for org, fails := range r.Fails {
		w.orgs[org].ResetCalls()
		if fails {
			w.orgs[org].Inject(sandbox.Fault{Route: "*", Kind: sandbox.Status, Status: failure[org], Probability: 0.7})
		}
	}
	answers := make([]answer, len(r.Acts))
	dropped := make([]change, len(r.Acts)) // by whose act
	var acts sync.WaitGroup
	for i, a := range r.Acts {
		acts.Go(func() {
			answers[i] = answer{act: a}
			answers[i].text, answers[i].err = w.act(a, r.Fails[a.Who.org()], &dropped[i])
		})
	}
	acts.Wait()
	for i := range r.Fails {
		w.orgs[i].ClearFaults()
	}
	for i, c := range w.caches {
		other := w.caches[1-i]
		await(w.t, "what was read to be written", c.Wait)
		await(w.t, "the drops to be heard", func() bool { return other.Stats().DropsHeard >= c.Stats().DropsSent })
	}

	for _, a := range answers {
		if a.act.What == "read" {
			broken = append(broken, w.judge(a, r)...)
		}
	}
	var calls [credentials]int
	for org, s := range w.orgs {
		for _, call := range s.Calls() {
			c := credential(slices.Index(w.tokens[:], call.Token))
			switch {
			case strings.HasPrefix(call.Token, "truth-"):
			case c < 0 || c.org() != org || !slices.ContainsFunc(r.Acts, func(a act) bool { return a.Who == c }):
				report("%s %s was called with the token %s in the organisation of %s", call.Method, call.URL, call.Token, marks[org])
			default:
				calls[c]++
			}
		}
	}
	for c := range credentials {
		idle := true // it reads only what is there
		for _, a := range r.Acts {
			idle = idle && (a.Who != c || a.What == "change unseen" || a.What == "read" && w.warm[c][a.Replica][a.Of])
		}
		if idle && calls[c] > 0 {
			report("%d calls were made for %s, who asked only for what is kept", calls[c], c)
		}
	}
	w.settle(answers, dropped, r.Fails)
	return broken
}

// act does what an act says. If that drops records, it tells by what change.
func (w *world) act(a act, fails bool, dropped *change) (string, error) {
	s, r := w.sources[a.Replica][a.Who], records[a.Of]
	what := loaders.Change{Contacts: []drift.ID{w.contact}, Conversations: []drift.ID{w.conversation}}
	switch a.What {
	case "read":
		return written(r.read(w, s.Loaders(w.t.Context(), loaders.Operation{Plan: &loaders.Plan{}}).Alone()))
	case "forget":
		ctx, cancel := context.WithCancel(w.t.Context())
		cancel() // if Drift fails it is not asked again
		_, err := s.Purge(ctx, w.email)
		return "", err
	case "change unseen":
		if !fails { // for the truth would not be told either
			w.change(a.Who.org(), r.change)
		}
		return "", nil
	case "change":
		if fails {
			return "", nil
		}
		what = w.change(a.Who.org(), r.change)
		*dropped = r.change
	case "drop":
		*dropped = talk
	}
	if err := s.Drop(what); err != nil {
		w.t.Errorf("%s cannot drop: %v", a.Who, err)
	}
	if *dropped == none {
		*dropped = person
	}
	return "", nil
}

// judge holds what was read against what the credential may see.
func (w *world) judge(a answer, r round) (broken []string) {
	who, what := a.act.Who, records[a.act.Of]
	org := who.org()
	var refused *drift.Error
	switch {
	case a.err != nil && !errors.As(a.err, &refused):
		return []string{fmt.Sprintf("%s: %v", a.act, a.err)}
	case a.err != nil && r.Fails[org] && refused.Status == failure[org]:
		return nil
	case !who.may(what):
		if refused == nil || refused.Status != http.StatusForbidden {
			return []string{fmt.Sprintf("%s: it may not, and is answered %.200s, %v", a.act, a.text, a.err)}
		}
		return nil
	case a.err != nil:
		return []string{fmt.Sprintf("%s: %v", a.act, a.err)}
	}
	if strings.Contains(a.text, marks[1-org]) {
		broken = append(broken, fmt.Sprintf("%s is of another organisation: %.300s", a.act, a.text))
	}
	forgets := slices.ContainsFunc(r.Acts, func(other act) bool { return other.What == "forget" && other.Who == who })
	if gone := a.text == "null" || a.text == "[]"; what.name == "contact" && w.forgot[who] && !gone {
		broken = append(broken, fmt.Sprintf("%s shows who was forgotten: %.300s", a.act, a.text))
	} else if w.purged[who] || forgets {
		return broken // lists and texts without a person were never in Drift
	}
	if h := w.history[org][a.act.Of]; !slices.Contains(h[w.floor[who][a.act.Of]:], a.text) {
		broken = append(broken, fmt.Sprintf("%s is none of the %d that it was since it was dropped: %.300s\nIt is %.300s", a.act, len(h)-w.floor[who][a.act.Of], a.text, h[len(h)-1]))
	}
	return broken
}

// settle notes what the acts of a round have left behind.
func (w *world) settle(answers []answer, dropped []change, fails [2]bool) {
	var forgot [credentials]bool
	var lost [credentials]bool // something of what is kept
	quiet := true              // nobody drops anything
	for i, a := range answers {
		who := a.act.Who
		switch a.act.What {
		case "forget":
			w.forgot[who] = w.forgot[who] || a.err == nil && !fails[who.org()]
			forgot[who], lost[who] = true, true
		case "read", "change unseen":
			continue
		default:
			lost[who] = true
			if dropped[i] == none {
				continue
			}
			for n, r := range records {
				if dropped[i].covers(r) {
					w.floor[who][n] = max(w.floor[who][n], w.dropFloor(who, n, answers))
				}
			}
		}
	}
	for c := range credentials {
		quiet = quiet && !lost[c]
		w.purged[c] = w.purged[c] || forgot[c]
		if lost[c] {
			w.warm[c] = [2]map[int]bool{{}, {}}
		}
	}
	if !quiet {
		return // what is read while others drop is not always kept: drops are compared by hashes
	}
	for _, a := range answers {
		if who := a.act.Who; a.act.What == "read" && a.err == nil && a.text != "null" && a.text != "[]" && !w.purged[who] {
			w.warm[who][a.act.Replica][a.act.Of] = true
		}
	}
}

// dropFloor returns the oldest version of a record that may be answered once it
// was dropped in a round: the newest, unless others have changed it meanwhile.
func (w *world) dropFloor(who credential, record int, answers []answer) int {
	newest := len(w.history[who.org()][record]) - 1
	for _, a := range answers {
		if a.act.Who.org() == who.org() && strings.HasPrefix(a.act.What, "change") {
			newest--
		}
	}
	return max(newest, 0)
}
