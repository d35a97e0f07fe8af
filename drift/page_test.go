package drift_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/driftgraph/driftgraph/drift"
)

func TestContactPages(t *testing.T) {
	tests := []struct {
		name  string
		links []string
		want  string // what the next call asks; blank if there is no next page
	}{
		{"none", nil, ""},
		{"single quotes", []string{`<https://driftapi.com/contacts?email=a%40b.c&limit=2&page=x>; rel='next'`}, "email=a%40b.c&limit=2&page=x"},
		{"double quotes", []string{`<https://driftapi.com/contacts?page=x>; rel="next"`}, "email=a%40b.c&limit=2&page=x"},
		{"no quotes", []string{`<https://driftapi.com/contacts?page=x>;rel=next`}, "email=a%40b.c&limit=2&page=x"},
		{"several", []string{`</contacts?page=w>; rel='prev', </contacts?page=x>; title="a, b"; rel='next'`}, "email=a%40b.c&limit=2&page=x"},
		{"several headers", []string{`</contacts?page=w>; rel='prev'`, `</contacts?page=x>; REL='last Next'`}, "email=a%40b.c&limit=2&page=x"},
		{"relative", []string{`<?page=x>; rel='next'`}, "email=a%40b.c&limit=2&page=x"},
		{"another person", []string{`</contacts?email=d%40e.f&idType=external&id=9&page=x>; rel='next'`}, "email=a%40b.c&limit=2&page=x"},
		{"other relation", []string{`</contacts?page=x>; rel='prev'; title='next'`}, ""},
		{"no relation", []string{`</contacts?page=x>`}, ""},
		{"broken", []string{`<`, `>`, `<>; rel='next'`, `<%zz>; rel='next'`, `rel='next'`, `</contacts?page=x`}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var asked string
			client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				asked = r.URL.RawQuery
				if !r.URL.Query().Has("page") {
					w.Header()["Link"] = tt.links
				}
				fmt.Fprint(w, `{"data":[]}`)
			})
			query := drift.ContactQuery{Email: "a@b.c", Limit: 2}
			page, err := client.ContactsByEmail(t.Context(), query)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == "" {
				if page.Next != "" {
					t.Errorf("the page after the last is %q", page.Next)
				}
				return
			}
			query.Page = page.Next
			if _, err := client.ContactsByEmail(t.Context(), query); err != nil {
				t.Fatal(err)
			}
			if asked != tt.want {
				t.Errorf("the next page is asked for with %q, want %q", asked, tt.want)
			}
		})
	}
}

func TestMessagePages(t *testing.T) {
	tests := []struct{ pagination, want string }{
		{`null`, ""},
		{`{}`, ""},
		{`{"more":false,"next":"3"}`, ""},
		{`{"more":true}`, ""},
		{`{"more":true,"next":null}`, ""},
		{`{"more":true,"next":"3"}`, "3"},
		{`{"more":true,"next":3}`, "3"},
		{`{"next":9007199254740993}`, "9007199254740993"},
	}
	for _, tt := range tests {
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"data":{"messages":[]},"pagination":%s}`, tt.pagination)
		})
		page, err := client.Messages(t.Context(), 5, "2")
		if err != nil {
			t.Fatal(err)
		}
		if page.Next != tt.want {
			t.Errorf("%s: the next page is %q, want %q", tt.pagination, page.Next, tt.want)
		}
	}
}

// TestPagesGoOn checks that an answer cannot make its reader go round for ever.
func TestPagesGoOn(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", `</contacts?page=x>; rel="next"`)
		fmt.Fprint(w, `{"data":{"messages":[]},"links":{"next":"?page_token=x"},"pagination":{"more":true,"next":"x"}}`)
	})
	if page, err := client.Messages(t.Context(), 5, "x"); !errors.Is(err, drift.ErrInvalid) {
		t.Errorf("page x of the messages is followed by %v, %v", page, err)
	}
	client = serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", `</contacts?page=x>; rel="next"`)
		fmt.Fprint(w, `{"data":[],"links":{"next":"?page_token=x"}}`)
	})
	if page, err := client.Conversations(t.Context(), drift.ConversationQuery{Page: "x"}); !errors.Is(err, drift.ErrInvalid) {
		t.Errorf("page x of the conversations is followed by %v, %v", page, err)
	}
	if page, err := client.ContactsByEmail(t.Context(), drift.ContactQuery{Page: "page=x"}); !errors.Is(err, drift.ErrInvalid) {
		t.Errorf("page x of the contacts is followed by %v, %v", page, err)
	}
}

// TestLinksAreNotFollowed checks that the token goes to no other host, whatever
// an answer says.
func TestLinksAreNotFollowed(t *testing.T) {
	other := listen(t, func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s was asked of another host, with the authorization %q", r.Method, r.URL, r.Header.Get("Authorization"))
	})
	var asked []string
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RequestURI())
		switch r.URL.Path {
		case "/contacts":
			w.Header().Set("Link", "<"+other+"/contacts?page=2>; rel='next'")
			fmt.Fprint(w, `{"data":[]}`)
		case "/accounts":
			fmt.Fprintf(w, `{"data":{"accounts":[],"next":"%s/accounts?index=65&size=65"}}`, other)
		case "/conversations/list":
			fmt.Fprintf(w, `{"data":[],"links":{"next":"%s/conversations/list?page_token=two&statusId=9"}}`, other)
		default:
			http.Redirect(w, r, other+r.URL.Path, http.StatusTemporaryRedirect)
		}
	})
	ctx := t.Context()
	contacts, err := client.ContactsByEmail(ctx, drift.ContactQuery{Email: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.ContactsByEmail(ctx, drift.ContactQuery{Email: "a", Page: contacts.Next}); !errors.Is(err, drift.ErrInvalid) {
		t.Errorf("a page that is followed by itself: got %v, want %v", err, drift.ErrInvalid)
	}
	accounts, err := client.Accounts(ctx, 0, 65)
	if err != nil {
		t.Fatal(err)
	}
	if accounts.Next != 65 {
		t.Errorf("the next accounts are from %d on, want 65", accounts.Next)
	}
	conversations, err := client.Conversations(ctx, drift.ConversationQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if conversations.Next != "two" {
		t.Errorf("the next conversations are on page %q, want two", conversations.Next)
	}
	if _, err := client.User(ctx, 1); !errors.Is(err, drift.ErrInvalid) {
		t.Errorf("a redirect: got %v, want %v", err, drift.ErrInvalid)
	}
	if _, err := client.ConversationReport(ctx, drift.ReportQuery{}); !errors.Is(err, drift.ErrInvalid) {
		t.Errorf("a redirect of a POST: got %v, want %v", err, drift.ErrInvalid)
	}
	if len(asked) != 6 {
		t.Errorf("the host was asked %q", asked)
	}
}
