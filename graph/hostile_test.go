package graph_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/graph"
)

// limits are those of a gateway that is started without settings.
var limits = graph.Limits{Tokens: 2000, Depth: 12, ListDepth: 4, Aliases: 30, Directives: 50}

// hostile are documents that cost much to check, or to tell what is wrong with
// them, each within the largest body.
var hostile = map[string]string{
	"a field repeated":             "{viewer{" + repeat(1990, "caller") + "}}",
	"objects repeated":             "{" + repeat(280, "conversations{nodes{id}}") + "}",
	"objects repeated in each":     "{" + repeat(20, "conversations{"+repeat(15, "nodes{id id}")+"}") + "}",
	"repeated in unused fragments": "{viewer{caller}}" + count(2, "fragment F# on Viewer{"+repeat(950, "caller")+"}"),
	"one name, other arguments":    "{" + count(200, "contact(id:#){id}") + "}",
	"fragments side by side":       "{" + count(170, "...F#") + "}" + count(170, "fragment F# on Query{viewer{caller}}"),
	"a chain of fragments":         "{...F0}" + count(200, "fragment F# on Query{...F+}") + "fragment F200 on Query{viewer{caller}}",
	"fragments in every field":     "{" + count(25, "node(id:1){...F#}") + "}" + count(25, "fragment F# on Contact{account{"+repeat(40, "name")+"}}"),
	"fragments of fragments":       "{...F0}" + count(12, "fragment F# on Conversation{a:contact{conversations{nodes{...F+}}}b:contact{conversations{nodes{...F+}}}}"),
	"fragments in themselves":      "{...A}" + "fragment A on Query{...B viewer{...A}}fragment B on Query{...A}",
	"deep":                         strings.Repeat("{contact", 900) + strings.Repeat("}", 900),
	"deep literals":                "{contact(id:" + strings.Repeat("[", 900) + strings.Repeat("]", 900) + "){id}}",
	"deeper than any stack":        strings.Repeat("{a", 100_000),
	"operations":                   count(120, "query A#{...F}") + "fragment F on Query{" + count(30, "a#:viewer{caller}") + "}",
	"aliases":                      "{" + count(400, "a#:users{nodes{id}}") + "}",
	"directives":                   "{viewer{caller" + strings.Repeat("@skip(if:true)", 15_000) + "}}",
	"unknown directives":           "{viewer{caller" + strings.Repeat("@a", 20_000) + "}}",
	"unknown fields":               "{" + count(1900, "conversation"+strings.Repeat("s", 100)+"#") + "}",
	"unknown arguments":            "{contact(" + count(600, "idd#:1") + "){id}}",
	"unknown types":                "query(" + count(480, "$a#:Conversatio#") + "){viewer{caller}}",
	"variables":                    "query(" + count(240, "$a#:ID") + "){nodes(ids:[" + count(480, "$a#") + "]){id}}",
	"introspections":               "{" + count(30, "a#:__schema{types{fields{type{fields{name}}}}}") + "}",
	"a huge name":                  "{" + strings.Repeat("a", 250_000) + "}",
	"a huge type":                  "query($a:" + strings.Repeat("a", 250_000) + "){viewer{caller}}",
	"a huge text":                  `{users(first:"` + strings.Repeat("a", 250_000) + `"){nodes{id}}}`,
	"a huge number":                "{users(first:" + strings.Repeat("9", 250_000) + "){nodes{id}}}",
	"a huge enum":                  "{users(role:" + strings.Repeat("A", 250_000) + "){nodes{id}}}",
	"lines":                        `{contact(idd:"""` + strings.Repeat("\n ", 120_000) + `"""){id}}`,
	"comments":                     strings.Repeat("#a\n", 80_000) + "{viewer{caller}}",
	"strings without end":          strings.Repeat(`"\u12`, 50_000),
}

// repeat is a text so many times.
func repeat(n int, text string) string { return strings.Repeat(text+" ", n) }

// count is a text so many times, each time with its number for #, and the next
// number for +.
func count(n int, text string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.NewReplacer("#", strconv.Itoa(i), "+", strconv.Itoa(i+1)).Replace(text) + " ")
	}
	return b.String()
}

// ordinary is a document of some 2,000 tokens that nothing is wrong with.
var ordinary = "{" + count(25, "a#:contactsByEmail(email:\"a@example.com\",first:10){nodes{"+
	"id name email phone externalId avatarUrl createdAt lastActiveAt lastContactedAt account{id name domain owner{id name teams{id name}}} "+
	"conversations(first:3){nodes{id status createdAt updatedAt messages(first:2){nodes{id body createdAt authorType}}}}}}") + "}"

func newExecutor() *graph.Executor {
	e := graph.NewExecutor(graph.NewExecutableSchema(graph.Config{}), limits, true)
	e.SetErrorPresenter((&graph.Presenter{Log: slog.New(slog.DiscardHandler), Suggestions: true}).Present)
	return e
}

// TestHostile sends documents that are made to cost much. Each is refused with a
// code, by an answer that is small whatever it is about.
func TestHostile(t *testing.T) {
	server := httptest.NewServer(&graph.Handler{Executor: newExecutor(), MaxBodyBytes: 512 << 10, MaxVariablesBytes: 1 << 10})
	defer server.Close()
	for name, text := range hostile {
		t.Run(name, func(t *testing.T) {
			body, err := json.Marshal(map[string]any{"query": text})
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.Post(server.URL, "application/json", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			answer, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			var told struct {
				Errors []struct {
					Message    string
					Extensions struct{ Code string }
				}
				Data json.RawMessage
			}
			if err := json.Unmarshal(answer, &told); err != nil {
				t.Fatal(err)
			}
			if len(told.Errors) == 0 || len(told.Errors) > 20 || told.Data != nil || len(answer) > 16<<10 {
				t.Errorf("%d errors in %d bytes, data %s", len(told.Errors), len(answer), told.Data)
			}
			for _, e := range told.Errors {
				if !strings.HasPrefix(e.Extensions.Code, "GRAPHQL_") && e.Extensions.Code != graph.CodeQueryTooComplex {
					t.Errorf("the code is %q: %s", e.Extensions.Code, e.Message)
				}
			}
		})
	}
}

// TestHostileTime holds that to refuse a document takes no longer, by far, than to
// accept an ordinary one of the size that is allowed.
func TestHostileTime(t *testing.T) {
	e := newExecutor()
	if list := e.Check(ordinary); list != nil {
		t.Fatalf("an ordinary document is refused: %v", list)
	}
	// The least time tells what a document takes, however busy the machine is: it is
	// looked for until it is short enough.
	least := func(text string, tries int, enough time.Duration) time.Duration {
		best := time.Hour
		for i := 0; i < tries && best > enough; i++ { // under a name of its own each time, since what is valid is remembered
			text := fmt.Sprintf("%s #%d", text, i)
			start := time.Now()
			e.Check(text)
			best = min(best, time.Since(start))
		}
		return best
	}
	allowed := 20 * least(ordinary, 5, 0) // without the bounds it takes hundreds of times as long
	for name, text := range hostile {
		if took := least(text, 200, allowed); took > allowed {
			t.Errorf("%s: to refuse it takes %s; allowed is %s", name, took, allowed)
		}
	}
}

// BenchmarkHostile measures what it takes to refuse each hostile document, and to
// accept an ordinary one.
func BenchmarkHostile(b *testing.B) {
	e := newExecutor()
	i := 0
	b.Run("ordinary", func(b *testing.B) {
		for b.Loop() {
			i++
			e.Check(fmt.Sprintf("%s #%d", ordinary, i))
		}
	})
	for name, text := range hostile {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				e.Check(text)
			}
		})
	}
}
