package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"pgregory.net/rapid"

	"github.com/driftgraph/driftgraph/loaders"
	"github.com/driftgraph/driftgraph/sandbox"
	"github.com/driftgraph/driftgraph/schema"
)

// A restReply is an answer with what it cost.
type restReply struct {
	Data       json.RawMessage `json:"data"`
	Errors     []fault         `json:"errors"`
	Extensions struct {
		REST *struct {
			loaders.Spent
			Predicted *loaders.Range `json:"predicted"`
		} `json:"rest"`
	} `json:"extensions"`
}

// askPlan asks with the header Driftgraph-Plan.
func (g *gateway) askPlan(t testing.TB, mode, query string, variables map[string]any) *restReply {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, g.url+"/graphql", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Driftgraph-Plan", mode)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	r := &restReply{}
	if err := json.Unmarshal(text, r); err != nil {
		t.Fatalf("the answer is not JSON: %v\n%s", err, text)
	}
	return r
}

// TestPlan holds what the plan tells of each query of testdata against what the
// sandbox counted, cold and warm, and against what was predicted.
func TestPlan(t *testing.T) {
	for _, q := range goldens(t) {
		t.Run(filepath.Base(q.path), func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, sandbox.Config{})
			predicted := g.askPlan(t, "dry-run", q.query, q.variables).Extensions.REST.Predicted
			if n := g.calls(); n != 0 || predicted == nil {
				t.Fatalf("the dry run made %d calls and predicted %v", n, predicted)
			}
			for _, mode := range []string{"full", "summary"} {
				r := g.askPlan(t, mode, q.query, q.variables)
				spent, counted := r.Extensions.REST, g.drift.Calls()
				g.drift.ResetCalls()
				if spent.Calls != len(counted) {
					t.Errorf("%s: the plan tells of %d calls, the sandbox had %d", mode, spent.Calls, len(counted))
				}
				further := 0 // pages of accounts: to look an account up in them counts as one naive call
				for _, c := range counted {
					if c.Route == "/accounts" && !strings.Contains(c.URL, "index=0") {
						further++
					}
				}
				if spent.NaiveCalls < spent.Calls-further && len(r.Errors) == 0 {
					t.Errorf("%s: %d calls are more than the naive %d", mode, spent.Calls, spent.NaiveCalls)
				}
				if spent.Retries != 0 || spent.StaleHits != 0 || spent.Shared != 0 || spent.DurationMs <= 0 {
					t.Errorf("%s: the plan is %+v", mode, spent.Spent)
				}
				if mode == "summary" {
					if spent.Plan != nil || spent.CacheHits == 0 && spent.NaiveCalls > 0 {
						t.Errorf("the summary of the warm query is %+v", spent.Spent)
					}
					continue
				}
				if spent.Calls < predicted.Min || spent.Calls > predicted.Max {
					t.Errorf("%d calls are not in the predicted range %+v", spent.Calls, *predicted)
				}
				checkSteps(t, spent.Plan, counted)
			}
		})
	}
}

// checkSteps holds the steps of a plan against the calls that were counted: the
// same routes, and none before what it waited for.
func checkSteps(t *testing.T, plan []loaders.Step, counted []sandbox.Call) {
	t.Helper()
	var told, had []string
	ends := map[int]float64{}
	for _, s := range plan {
		if s.Source == "NETWORK" {
			told = append(told, s.Method+" "+s.Route)
			if s.Status == nil {
				t.Errorf("step %d has no status", s.ID)
			}
		}
		if s.ID == 0 || ends[s.ID] != 0 || s.DurationMs < 0 || s.StartMs < 0 {
			t.Errorf("a step is %+v", s)
		}
		ends[s.ID] = s.StartMs + s.DurationMs
		for _, id := range s.After {
			if end, known := ends[id]; !known || end > s.StartMs+0.001 {
				t.Errorf("step %d of %s began at %.3f, after it says step %d, which ended at %.3f", s.ID, s.Route, s.StartMs, id, end)
			}
		}
	}
	for _, c := range counted {
		had = append(had, c.Method+" "+c.Route)
	}
	slices.Sort(told)
	slices.Sort(had)
	if !slices.Equal(told, had) {
		t.Errorf("the plan tells of the routes\n%q, the sandbox had\n%q", told, had)
	}
}

// TestPlanAfter holds what the steps of a chain say they waited for.
func TestPlanAfter(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	r := g.askPlan(t, "full", `{ conversations(first: 1) { nodes {
		contact { conversations(first: 1) { nodes { messages(first: 60) { nodes { id } } } } } participants { name } } } }`, nil)
	var chain []string
	byID := map[int]loaders.Step{}
	for _, s := range r.Extensions.REST.Plan {
		byID[s.ID] = s
		var after []string
		for _, id := range s.After {
			after = append(after, byID[id].Route)
		}
		chain = append(chain, fmt.Sprintf("%s %s after %v", s.Source, s.Route, after))
	}
	for _, want := range []string{
		"NETWORK /conversations/list after []",
		"NETWORK /users/list after []",
		"NETWORK /reports/conversations after [/conversations/list]",
		"NETWORK /conversations/{id} after [/conversations/list]",
		"NETWORK /conversations/{id}/messages after [/reports/conversations]",
	} {
		if !slices.Contains(chain, want) {
			t.Errorf("the plan lacks %q; it is\n%s", want, strings.Join(chain, "\n"))
		}
	}
	warm := g.askPlan(t, "full", `{ contact(id: "`+fmt.Sprint(g.drift.Fixtures().ContactIDs[0])+`") { name } conversations(first: 1) { nodes { contact { conversations(first: 1) { nodes { id } } } } } }`, nil)
	for _, s := range warm.Extensions.REST.Plan {
		if s.Route != "/contacts/{id}" && s.Source != "L1" {
			t.Errorf("a warm step is %+v", s)
		}
	}
}

// TestPredictedMin checks that what a list of the query may bring is not counted as
// surely read by its id as well.
func TestPredictedMin(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	f := g.drift.Fixtures()
	account, contact := f.AccountIDs[0], fmt.Sprint(f.ContactIDs[0])
	for _, c := range []struct {
		query string
		min   int
	}{
		{`{ account(id: "` + account + `") { name } }`, 1},
		{`{ account(id: "` + account + `") { name } contact(id: "` + contact + `") { name } }`, 2},
		{`{ account(id: "` + account + `") { name } accounts(first: 5) { nodes { name } } }`, 1},
		{`{ contact(id: "` + contact + `") { name } contactsByEmail(email: "` + f.SharedEmail + `") { nodes { name } } }`, 1},
		{`{ contact(id: "` + contact + `") { name } accounts(first: 5) { nodes { name } } }`, 2},
	} {
		if p := g.askPlan(t, "dry-run", c.query, nil).Extensions.REST.Predicted; p == nil || p.Min != c.min {
			t.Errorf("of %s is predicted %+v, want at least %d", c.query, p, c.min)
		}
	}
}

// TestPlanHeader checks that another value of the header is refused by name.
func TestPlanHeader(t *testing.T) {
	g := newGateway(t, sandbox.Config{})
	r := g.askPlan(t, "everything", `{ conversations(first: 1) { nodes { id } } }`, nil)
	if len(r.Errors) != 1 || r.Errors[0].Extensions["code"] != "BAD_USER_INPUT" || !strings.Contains(r.Errors[0].Message, "summary, full or dry-run") {
		t.Errorf("the answer is %+v", r)
	}
	if n := g.calls(); n != 0 {
		t.Errorf("it cost %d calls", n)
	}
}

// TestRESTBudget checks that an operation that is expected to cost too much is
// refused before it costs anything, by price and limit.
func TestRESTBudget(t *testing.T) {
	g := newGateway(t, sandbox.Config{}, "--max-rest-calls=100")
	query := `{ conversations(first: 60) { nodes { contact { name } transcript } } }`
	r := g.askPlan(t, "", query, nil)
	if len(r.Errors) != 1 || r.Errors[0].Extensions["code"] != "REST_BUDGET_EXCEEDED" ||
		r.Errors[0].Extensions["price"] != 121.0 || r.Errors[0].Extensions["limit"] != 100.0 || r.Extensions.REST != nil {
		t.Errorf("the answer is %+v", r)
	}
	dry := g.askPlan(t, "dry-run", query, nil).Extensions.REST.Predicted
	if dry == nil || dry.Max != 100 || dry.Min != 1 {
		t.Errorf("the prediction is %+v", dry)
	}
	if n := g.calls(); n != 0 {
		t.Errorf("it cost %d calls", n)
	}
}

// TestRESTCap checks that an operation that turns out to cost more than was
// expected is stopped at the limit, and answers what it has.
func TestRESTCap(t *testing.T) {
	long := sandbox.Config{MaxMessages: 300}
	g := newGateway(t, long, "--max-rest-calls=5", "--drift-concurrency=1")
	r := g.askPlan(t, "summary", fmt.Sprintf(`{ conversations(first: 2) { nodes { id } }
		conversation(id: "%d") { id messages(last: 2) { nodes { id } } } }`, g.drift.Fixtures().LongConversationID), nil)
	if n := g.calls(); n != 5 || r.Extensions.REST.Calls != 5 {
		t.Errorf("it cost %d calls and told of %d, want 5", n, r.Extensions.REST.Calls)
	}
	if !bytes.Contains(r.Data, []byte(`"messages":null`)) || !bytes.Contains(r.Data, []byte(`"nodes":[{"id":"Conversation:`)) {
		t.Errorf("the answer is %s", r.Data)
	}
	if len(r.Errors) != 1 || r.Errors[0].Extensions["code"] != "REST_BUDGET_EXCEEDED" || fmt.Sprint(r.Errors[0].Path) != "[conversation messages]" {
		t.Errorf("the errors are %+v", r.Errors)
	}
}

// TestCapIsOwn checks that an operation that shares a call with another, which
// turns out to be allowed no more, makes the call itself.
func TestCapIsOwn(t *testing.T) {
	long := sandbox.Config{MaxMessages: 300}
	id := newSandbox(long).Fixtures().LongConversationID
	page := func(arguments string) string {
		return fmt.Sprintf(`{ conversation(id: "%d") { messages(%s) { nodes { id } pageInfo { endCursor } } } }`, id, arguments)
	}
	cursor := ""
	other := newGateway(t, long)
	for range 2 { // to the end of the fourth page of 50
		arguments := "first: 100"
		if cursor != "" {
			arguments += fmt.Sprintf(", after: %q", cursor)
		}
		cursor = at(other.get(t, page(arguments)), "conversation.messages.pageInfo.endCursor").(string)
	}

	third, blocked := make(chan struct{}), make(chan struct{})
	goOn, unblock := make(chan struct{}), make(chan struct{})
	pages := 0
	long.Gate = func(r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/messages"):
			if pages++; pages == 3 {
				close(third)
				<-goOn
			}
		case r.URL.Path == "/teams/org":
			close(blocked)
			<-unblock
		}
	}
	g := newGateway(t, long, "--max-rest-calls=4", "--drift-concurrency=1")
	poor, rich := make(chan *restReply, 1), make(chan *restReply, 1)
	go func() { poor <- g.askPlan(t, "summary", page("last: 1"), nil) }()
	<-third
	go func() { g.askPlan(t, "", `{ teams { name } }`, nil) }()
	eventually(t, func() bool { return g.records.Stats().Misses >= 5 }) // the teams wait behind the third page
	close(goOn)
	<-blocked
	eventually(t, func() bool { return g.records.Stats().Misses >= 6 }) // the fourth page waits behind the teams
	go func() { rich <- g.askPlan(t, "summary", page(fmt.Sprintf("first: 1, after: %q", cursor)), nil) }()
	eventually(t, func() bool { return g.records.Stats().Shared == 1 })
	close(unblock)
	if r := <-poor; len(r.Errors) != 1 || r.Errors[0].Extensions["code"] != "REST_BUDGET_EXCEEDED" {
		t.Errorf("the operation at its limit answers %s with %+v", r.Data, r.Errors)
	}
	if r := <-rich; len(r.Errors) > 0 || r.Extensions.REST.Calls == 0 {
		t.Errorf("the operation that shared its call answers %s with %+v", r.Data, r.Errors)
	}
}

// eventually waits until a condition holds, which something that is under way
// will bring about.
func eventually(t testing.TB, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("what was to happen has not happened")
		}
	}
}

// TestPrediction checks by random queries that a dry run makes no call, that no
// operation takes more calls on a cold cache than the most it predicts, and that
// one without errors takes no fewer than the least.
func TestPrediction(t *testing.T) {
	s, err := gqlparser.LoadSchema(&ast.Source{Input: schema.SDL()})
	if err != nil {
		t.Fatal(err)
	}
	emulator := newSandbox(sandbox.Config{})
	rapid.Check(t, func(rt *rapid.T) {
		w := &queryWriter{t: rt, schema: s, fixtures: emulator.Fixtures(), left: 14}
		query := "{ " + w.selection(s.Query, 4) + " }"
		g := assemble(t, parts{drift: emulator}, "--max-rest-calls=200", "--max-aliases=100", "--max-list-depth=100", "--max-depth=100", "--max-tokens=100000", "--max-fields=100000000", "--max-response-bytes=1GiB", "--operation-timeout=5m") // only the price refuses
		emulator.ResetCalls()
		dry := g.askPlan(t, "dry-run", query, nil)
		if dry.Extensions.REST == nil || g.calls() != 0 {
			rt.Fatalf("the dry run of %s is %+v", query, dry)
		}
		predicted := dry.Extensions.REST.Predicted
		r := g.askPlan(t, "full", query, nil)
		calls := g.calls()
		if r.Extensions.REST == nil { // its price is over the limit
			if calls != 0 || r.Errors[0].Extensions["code"] != "REST_BUDGET_EXCEEDED" {
				rt.Fatalf("%s was refused by %+v after %d calls", query, r.Errors, calls)
			}
			return
		}
		if r.Extensions.REST.Calls != calls {
			rt.Fatalf("%s: the plan tells of %d calls, the sandbox had %d", query, r.Extensions.REST.Calls, calls)
		}
		if calls > predicted.Max || calls < predicted.Min && len(r.Errors) == 0 {
			rt.Fatalf("%s took %d calls, predicted were %+v; %+v", query, calls, *predicted, r.Extensions.REST.Plan)
		}
	})
}

// A queryWriter writes random queries that are valid.
type queryWriter struct {
	t        *rapid.T
	schema   *ast.Schema
	fixtures sandbox.Fixtures
	left     int // fields that may still lead to objects
	aliases  int
}

// selection writes the fields selected on a type.
func (w *queryWriter) selection(typ *ast.Definition, depth int) string {
	if typ.IsAbstractType() {
		text := "__typename"
		for _, possible := range w.schema.GetPossibleTypes(typ) {
			if rapid.Bool().Draw(w.t, "on "+possible.Name) {
				text += " ... on " + possible.Name + " { " + w.selection(possible, depth) + " }"
			}
		}
		return text
	}
	text := "__typename"
	for range rapid.IntRange(1, 3).Draw(w.t, "fields") {
		f := typ.Fields[rapid.IntRange(0, len(typ.Fields)-1).Draw(w.t, "field")]
		if strings.HasPrefix(f.Name, "__") {
			continue
		}
		below := w.schema.Types[f.Type.Name()]
		leads := below.IsCompositeType()
		if leads && (depth == 0 || w.left == 0) {
			continue
		}
		w.aliases++
		text += fmt.Sprintf(" f%d: %s%s", w.aliases, f.Name, w.arguments(f))
		if leads {
			w.left--
			next := depth - 1
			if strings.HasSuffix(below.Name, "Connection") || strings.HasSuffix(below.Name, "Edge") {
				next = depth
			}
			text += " { " + w.selection(below, next) + " }"
		}
	}
	return text
}

// arguments writes arguments of a field.
func (w *queryWriter) arguments(f *ast.FieldDefinition) string {
	var list []string
	backward := f.Arguments.ForName("last") != nil && rapid.Bool().Draw(w.t, "backward")
	for _, a := range f.Arguments {
		if v := w.value(f, a, backward); v != "" {
			list = append(list, a.Name+": "+v)
		}
	}
	if len(list) == 0 {
		return ""
	}
	return "(" + strings.Join(list, ", ") + ")"
}

func (w *queryWriter) value(f *ast.FieldDefinition, a *ast.ArgumentDefinition, backward bool) string {
	if !a.Type.NonNull && !rapid.Bool().Draw(w.t, a.Name+" given") {
		return ""
	}
	switch a.Name {
	case "first":
		if backward {
			return ""
		}
		return fmt.Sprint(rapid.SampledFrom([]int{0, 1, 2, 5, 20, 60}).Draw(w.t, "first"))
	case "last":
		if !backward {
			return ""
		}
		return fmt.Sprint(rapid.IntRange(0, 60).Draw(w.t, "last"))
	case "id":
		return `"` + w.id(f.Type.Name()) + `"`
	case "ids":
		var ids []string
		for range rapid.IntRange(0, 3).Draw(w.t, "ids") {
			ids = append(ids, `"`+w.id("Node")+`"`)
		}
		return "[" + strings.Join(ids, ", ") + "]"
	case "ownerId":
		return fmt.Sprintf(`"%d"`, rapid.SampledFrom(w.fixtures.UserIDs).Draw(w.t, "owner"))
	case "email":
		return `"` + w.fixtures.SharedEmail + `"`
	case "domain":
		return `"example.com"`
	case "externalIds":
		return `["` + rapid.SampledFrom(w.fixtures.ExternalIDs).Draw(w.t, "external id") + `"]`
	case "status":
		return rapid.SampledFrom([]string{"[OPEN]", "[CLOSED, PENDING]"}).Draw(w.t, "status")
	case "types":
		return rapid.SampledFrom([]string{"[CHAT]", "[PRIVATE_NOTE]"}).Draw(w.t, "types")
	case "targeted", "isBot":
		return fmt.Sprint(rapid.Bool().Draw(w.t, a.Name))
	case "availability":
		return "AVAILABLE"
	case "role":
		return "AGENT"
	case "input":
		return fmt.Sprintf(`{filters: [{property: "endUserId", operation: IN, values: [%d]}], metrics: ["status"]}`,
			rapid.SampledFrom(w.fixtures.ContactIDs).Draw(w.t, "contact"))
	case "after", "before", "from", "to", "names":
		return ""
	}
	w.t.Fatalf("no value is known for the argument %s of %s", a.Name, f.Name)
	return ""
}

// id returns an id of a type; of any when it is asked for a Node.
func (w *queryWriter) id(typ string) string {
	if typ == "Node" {
		typ = rapid.SampledFrom([]string{"Contact", "User", "Conversation", "Account", "Message"}).Draw(w.t, "type")
	}
	pick := func(ids []int64) string {
		return fmt.Sprintf("%s:%d", typ, rapid.SampledFrom(ids[:min(len(ids), 12)]).Draw(w.t, typ))
	}
	switch typ {
	case "Contact":
		return pick(w.fixtures.ContactIDs)
	case "User":
		return pick(w.fixtures.UserIDs)
	case "Conversation":
		return pick(w.fixtures.ConversationIDs)
	case "Account":
		return "Account:" + rapid.SampledFrom(w.fixtures.AccountIDs).Draw(w.t, "account")
	case "Message":
		return fmt.Sprintf("Message:%d:1", rapid.SampledFrom(w.fixtures.ConversationIDs).Draw(w.t, "conversation"))
	}
	w.t.Fatalf("no id is known of a %s", typ)
	return ""
}
