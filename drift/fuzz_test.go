package drift_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// fuzzRecord feeds JSON to the decoder of T, which must not panic. What it
// reads must come back the same when it is written and read again.
func fuzzRecord[T any](f *testing.F, samples string) {
	names, err := filepath.Glob(filepath.Join("testdata", samples))
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		var found struct {
			Data jsontext.Value `json:"data"`
		}
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		if json.Unmarshal(body, &found) == nil && found.Data != nil {
			f.Add([]byte(found.Data))
		}
		f.Add(body)
	}
	f.Add([]byte(`{"id":"1","id":2,"attributes":{"a":{"b":[1,{"c":1,"c":"\ud800"}]}},"meta":[]}`))
	lenient := json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	f.Fuzz(func(t *testing.T, body []byte) {
		before, after := new(T), new(T)
		if json.Unmarshal(body, before, lenient) != nil {
			return
		}
		written, err := json.Marshal(before)
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", before, err)
		}
		if err := json.Unmarshal(written, after); err != nil {
			t.Fatalf("%s cannot be read again: %v", written, err)
		}
		if !reflect.DeepEqual(before, after) {
			t.Errorf("it comes back changed from %s (-before +after):\n%s", written, cmp.Diff(before, after))
		}
	})
}

func FuzzContact(f *testing.F)      { fuzzRecord[drift.Contact](f, "contact.*.json") }
func FuzzUser(f *testing.F)         { fuzzRecord[drift.User](f, "user.*.json") }
func FuzzConversation(f *testing.F) { fuzzRecord[drift.Conversation](f, "conversation.*.json") }
func FuzzMessage(f *testing.F)      { fuzzRecord[drift.Message](f, "conversation.message.*.json") }
func FuzzAccount(f *testing.F)      { fuzzRecord[drift.Account](f, "account.*.json") }
func FuzzPlaybook(f *testing.F)     { fuzzRecord[drift.Playbook](f, "playbooks.*.json") }
func FuzzMeeting(f *testing.F)      { fuzzRecord[drift.Meeting](f, "webhook.*meeting*.json") }
func FuzzReport(f *testing.F)       { fuzzRecord[drift.Report](f, "reports.*.json") }

// FuzzPageLink feeds Link headers to the client. A page that it finds must be
// one that it takes.
func FuzzPageLink(f *testing.F) {
	f.Add(`<https://driftapi.com/contacts?email=a&page=2>; rel='next'`)
	f.Add(`</contacts?page=1>; rel="prev", </contacts?page=2>; title="<,>"; rel="last next"`)
	f.Add(`<>; rel=next, <`)
	var link string
	var last *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last = r
		w.Header().Set("Link", link)
		fmt.Fprint(w, `{"data":[]}`)
	}))
	f.Cleanup(server.Close)
	client := dial(f, server.URL, drift.Options{})
	f.Fuzz(func(t *testing.T, header string) {
		link = header
		page, err := client.ContactsByEmail(t.Context(), drift.ContactQuery{Email: "a"})
		if errors.Is(err, drift.ErrUnavailable) {
			t.Skip("it cannot stand in a header")
		} else if err != nil {
			t.Fatal(err)
		}
		link = ""
		if _, err := client.ContactsByEmail(t.Context(), drift.ContactQuery{Email: "a", Page: page.Next}); err != nil {
			t.Fatalf("%q gives the page %q: %v", header, page.Next, err)
		}
		if got := last.URL.Query()["email"]; len(got) != 1 || got[0] != "a" || last.URL.Path != "/contacts" {
			t.Errorf("%q leads to %s", header, last.URL)
		}
	})
}

// FuzzProblem feeds the bodies of refusals to the client.
func FuzzProblem(f *testing.F) {
	names, err := filepath.Glob(filepath.Join("testdata", "error.*.json"))
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		f.Add(read(f, filepath.Base(name)))
	}
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		w.Write(body)
	}))
	f.Cleanup(server.Close)
	client := dial(f, server.URL, drift.Options{})
	f.Fuzz(func(t *testing.T, said []byte) {
		body = said
		_, err := client.User(t.Context(), 1)
		checkKind(t, err, drift.ErrRefused)
	})
}
