package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/driftgraph/driftgraph/sandbox"
	"github.com/driftgraph/driftgraph/schema"
)

var update = flag.Bool("update", false, "rewrite the answers and budgets in testdata")

// readmeBudgets hold the calls that the queries of the README cost Drift. Those
// of testdata/queries stand in their first lines.
var readmeBudgets = map[string]budget{
	"10-inbox":    {cold: 148, warm: 0},
	"20-agents":   {cold: 4, warm: 0},
	"30-accounts": {cold: 3, warm: 0},
	"40-thread":   {cold: 6, warm: 0},
	"50-report":   {cold: 2, warm: 0},
	"60-meetings": {cold: 39, warm: 0},
}

// A budget is how many calls to Drift a query may cost: on an empty cache, and
// when it is asked again.
type budget struct{ cold, warm int }

func (b budget) String() string { return fmt.Sprintf("# calls: %d cold, %d warm", b.cold, b.warm) }

// A golden is a query in testdata with the answer it must get.
type golden struct {
	path      string // without its ending
	query     string
	variables map[string]any
	budget    budget
}

// TestGolden asks each query of testdata on a cold cache and again, holds the
// answers against those beside it, and the calls to Drift against its budget.
func TestGolden(t *testing.T) {
	for _, q := range goldens(t) {
		t.Run(filepath.Base(q.path), func(t *testing.T) {
			t.Parallel()
			first, again, spent := q.ask(t)
			if *update {
				q.rewrite(t, first, spent)
				return
			}
			want, err := os.ReadFile(q.path + ".json")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), first); diff != "" {
				t.Errorf("the answer differs from %s.json (-want +got):\n%.4000s", q.path, diff)
			}
			if diff := cmp.Diff(first, again); diff != "" {
				t.Errorf("the second answer differs from the first (-first +second):\n%.4000s", diff)
			}
			if spent.cold > q.budget.cold || spent.warm > q.budget.warm {
				t.Errorf("%d calls cold and %d warm, at most %d and %d are allowed", spent.cold, spent.warm, q.budget.cold, q.budget.warm)
			}
			// A list may be there before a record of it is asked for by itself, when
			// that comes late: now and then an operation takes fewer calls.
			for range 4 {
				if spent.cold >= q.budget.cold {
					return
				}
				_, _, spent = q.ask(t)
			}
			t.Errorf("%d calls cold are fewer than the budget of %d: lower it", spent.cold, q.budget.cold)
		})
	}
}

// ask asks a gateway of its own twice, and returns both answers and the calls they took.
func (q *golden) ask(t *testing.T) (first, again string, spent budget) {
	t.Helper()
	g := newGateway(t, sandbox.Config{})
	first = indented(t, g.ask(t, q.query, q.variables))
	spent.cold = g.calls()
	again = indented(t, g.ask(t, q.query, q.variables))
	spent.warm = g.calls()
	return first, again, spent
}

// TestGoldenCoverage holds that each field of the schema is selected by some
// query of testdata, on each type that has it.
func TestGoldenCoverage(t *testing.T) {
	s := gqlparser.MustLoadSchema(&ast.Source{Input: schema.SDL()})
	missing := map[string]bool{}
	for _, typ := range s.Types {
		if typ.Kind != ast.Object || typ.BuiltIn || typ == s.Subscription { // TestSubscriptions listens to those
			continue
		}
		for _, f := range typ.Fields {
			if !strings.HasPrefix(f.Name, "__") {
				missing[typ.Name+"."+f.Name] = true
			}
		}
	}
	for _, q := range append(goldens(t), changes(t)...) {
		document, errs := gqlparser.LoadQueryWithRules(s, q.query, rules.NewDefaultRules())
		if errs != nil {
			t.Errorf("%s: %v", q.path, errs)
			continue
		}
		for _, op := range document.Operations {
			strike(missing, s, op.SelectionSet, op.SelectionSet[0].(*ast.Field).ObjectDefinition)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		t.Errorf("no query of testdata selects %s", name)
	}
}

// TestGoldenChanges sends each document of testdata/mutations once, holds the
// answer against that beside it, and the calls to Drift against its budget.
func TestGoldenChanges(t *testing.T) {
	for _, q := range changes(t) {
		t.Run(filepath.Base(q.path), func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, sandbox.Config{})
			got := indented(t, g.ask(t, q.query))
			calls := g.calls()
			if *update {
				q.rewrite(t, got, budget{cold: calls})
				return
			}
			want, err := os.ReadFile(q.path + ".json")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("the answer differs from %s.json (-want +got):\n%.4000s", q.path, diff)
			}
			if calls != q.budget.cold {
				t.Errorf("%d calls, the budget is %d", calls, q.budget.cold)
			}
		})
	}
}

// strike removes the fields that a selection on a type selects. A field of an
// interface counts for none of the types that implement it.
func strike(missing map[string]bool, s *ast.Schema, set ast.SelectionSet, on *ast.Definition) {
	for _, selected := range set {
		switch selected := selected.(type) {
		case *ast.Field:
			delete(missing, on.Name+"."+selected.Name)
			strike(missing, s, selected.SelectionSet, s.Types[selected.Definition.Type.Name()])
		case *ast.InlineFragment:
			if selected.TypeCondition != "" {
				strike(missing, s, selected.SelectionSet, s.Types[selected.TypeCondition])
			} else {
				strike(missing, s, selected.SelectionSet, on)
			}
		case *ast.FragmentSpread:
			strike(missing, s, selected.Definition.SelectionSet, s.Types[selected.Definition.TypeCondition])
		}
	}
}

// goldens reads the queries of testdata.
func goldens(t *testing.T) []golden {
	t.Helper()
	return append(readGoldens(t, "queries"), readGoldens(t, "readme")...)
}

// changes reads the mutations of testdata, which change the sandbox. They have
// no budget for a second time.
func changes(t *testing.T) []golden {
	t.Helper()
	return readGoldens(t, "mutations")
}

// readGoldens reads the documents in a folder of testdata.
func readGoldens(t testing.TB, folder string) []golden {
	t.Helper()
	files, err := filepath.Glob("testdata/" + folder + "/*.graphql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents in testdata/%s: %v", folder, err)
	}
	var all []golden
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		q := golden{path: strings.TrimSuffix(file, ".graphql"), query: string(text)}
		if values, err := os.ReadFile(q.path + ".variables.json"); err == nil {
			if err := json.Unmarshal(values, &q.variables); err != nil {
				t.Fatalf("%s.variables.json: %v", q.path, err)
			}
		}
		known := false
		if q.ofREADME() {
			q.budget, known = readmeBudgets[filepath.Base(q.path)]
		} else {
			n, _ := fmt.Sscanf(q.query, "# calls: %d cold, %d warm\n", &q.budget.cold, &q.budget.warm)
			known = n == 2
		}
		if !known && !*update {
			t.Errorf("%s has no budget of calls", file)
		}
		all = append(all, q)
	}
	return all
}

// ofREADME reports whether the query is one of the playground's first tabs,
// whose text is for readers alone.
func (q golden) ofREADME() bool { return filepath.Base(filepath.Dir(q.path)) == "readme" }

// rewrite writes what was measured to testdata.
func (q golden) rewrite(t *testing.T, answer string, measured budget) {
	t.Helper()
	if err := os.WriteFile(q.path+".json", []byte(answer), 0o644); err != nil {
		t.Fatal(err)
	}
	if q.ofREADME() {
		if measured != q.budget {
			t.Errorf("%s: write %+v into readmeBudgets", q.path, measured)
		}
		return
	}
	text := q.query
	if strings.HasPrefix(text, "# calls:") {
		_, text, _ = strings.Cut(text, "\n")
	}
	if err := os.WriteFile(q.path+".graphql", []byte(measured.String()+"\n"+text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// indented writes an answer with a member on each line, for the sake of diffs;
// nothing else of it changes.
func indented(t *testing.T, r *reply) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, r.Text, "", " "); err != nil {
		t.Fatal(err)
	}
	b.WriteByte('\n')
	return b.String()
}
