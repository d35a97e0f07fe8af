package sandbox_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/driftgraph/driftgraph/sandbox"
)

// An account is what these tests read of one.
type account struct {
	AccountID, Name, Domain        string
	OwnerID                        int64
	Deleted, Targeted              bool
	CustomProperties               []struct{ Name string }
	CreateDateTime, UpdateDateTime int64
}

// An accountPage is a page of the list.
type accountPage struct {
	Accounts []account
	Total    int
	Next     string
}

// listAccounts follows next to the end.
func listAccounts(t *testing.T, c *client, path string) (ids []string, pages int) {
	t.Helper()
	for path != "" {
		page := data[accountPage](t, c.get(path))
		equal(t, "total of the page", page.Total, len(page.Accounts))
		for _, a := range page.Accounts {
			ids = append(ids, a.AccountID)
		}
		pages, path = pages+1, page.Next
	}
	return ids, pages
}

func TestAccountPages(t *testing.T) {
	s, c := serve(t, sandbox.Config{})
	f := s.Fixtures()
	rapid.Check(t, func(rt *rapid.T) {
		size, index := rapid.IntRange(1, 200).Draw(rt, "size"), rapid.IntRange(0, 130).Draw(rt, "index")
		ids, pages := listAccounts(t, c, fmt.Sprintf("/accounts?index=%d&size=%d", index, size))
		want := f.AccountIDs[min(index, len(f.AccountIDs)):]
		if !slices.Equal(ids, want) {
			rt.Fatalf("got %v\nwant %v", ids, want)
		}
		if most := min(size, 65); pages != max((len(want)+most-1)/most, 1) {
			rt.Fatalf("%d pages for %d accounts", pages, len(want))
		}
	})
	equal(t, "the usual size", len(data[accountPage](t, c.get("/accounts")).Accounts), 10)
	for _, query := range []string{"size=0", "size=all", "index=-1", "index=x"} {
		c.refused(c.do("GET", "/accounts?"+query, nil), 400, "validation_error")
	}
	if len(f.DeletedAccountIDs) == 0 || !data[account](t, c.get("/accounts/"+f.DeletedAccountIDs[0])).Deleted {
		t.Error("no deleted account can be read by id")
	}
}

// TestAccountLife follows one account from its making to its end.
func TestAccountLife(t *testing.T) {
	s, c := serve(t, sandbox.Config{})
	f := s.Fixtures()
	owner := f.UserIDs[3]
	made := data[account](t, c.post("/accounts/create", object{
		"ownerId": owner, "name": "Pine", "domain": "pine.example.net", "accountId": "mine", "deleted": true,
		"customProperties": []object{{"label": "A", "name": "a", "value": object{"deep": []int{1}}, "type": "STRING"}},
	}))
	path := "/accounts/" + made.AccountID
	if made.AccountID != "48213_pine.example.net" || made.Deleted || made.Targeted || made.OwnerID != owner {
		t.Errorf("made %+v", made)
	}
	equal(t, "read again", data[account](t, c.get(path)), made)
	ids, _ := listAccounts(t, c, "/accounts?size=65")
	equal(t, "the list", ids, append(slices.Clone(f.AccountIDs), made.AccountID))

	change := object{"accountId": made.AccountID, "ownerId": owner + 1, "targeted": true}
	changed := data[account](t, c.patch("/accounts/update", change))
	want := made
	want.OwnerID, want.Targeted, want.UpdateDateTime = owner+1, true, changed.UpdateDateTime
	equal(t, "after an update", changed, want)
	if changed.UpdateDateTime <= made.UpdateDateTime {
		t.Error("updateDateTime stands still")
	}
	moved := data[account](t, c.patch("/accounts/update", object{"accountId": made.AccountID, "ownerId": owner, "domain": "oak.example.net", "customProperties": []object{}}))
	if moved.AccountID != made.AccountID || moved.Domain != "oak.example.net" || len(moved.CustomProperties) != 0 {
		t.Errorf("after a change of the domain: %+v", moved)
	}

	known := data[account](t, c.get("/accounts/"+f.AccountIDs[0])).Domain
	refused := []struct {
		method, path string
		body         any
		status       int
		kind         string
	}{
		{"POST", "/accounts/create", "no JSON", 400, "validation_error"},
		{"POST", "/accounts/create", object{"domain": "a.example"}, 400, "validation_error"},
		{"POST", "/accounts/create", object{"owner_id": owner, "domain": "a.example"}, 400, "validation_error"},
		{"POST", "/accounts/create", object{"ownerId": owner}, 400, "validation_error"},
		{"POST", "/accounts/create", object{"ownerId": owner, "domain": known}, 400, "validation_error"},
		{"POST", "/accounts/create", object{"ownerId": owner, "domain": "pine.example.net"}, 400, "validation_error"},
		{"POST", "/accounts/create", object{"ownerId": owner, "domain": "a.example", "customProperties": []object{{"name": "a", "type": "COLOR", "value": 1}}}, 400, "validation_error"},
		{"PATCH", "/accounts/update", object{"ownerId": owner}, 400, "validation_error"},
		{"PATCH", "/accounts/update", object{"accountId": made.AccountID}, 400, "validation_error"},
		{"PATCH", "/accounts/update", object{"accountId": made.AccountID, "ownerId": owner, "domain": known}, 400, "validation_error"},
		{"PATCH", "/accounts/update", object{"accountId": "48213_unheard.example", "ownerId": owner}, 404, "not_found"},
		{"PATCH", "/accounts/update", object{"accountId": f.DeletedAccountIDs[0], "ownerId": owner}, 404, "not_found"},
		{"GET", "/accounts/48213_unheard.example", nil, 404, "not_found"},
		{"DELETE", "/accounts/48213_unheard.example", nil, 404, "not_found"},
		{"DELETE", "/accounts/" + f.DeletedAccountIDs[0], nil, 404, "not_found"},
	}
	for _, tt := range refused {
		t.Run(fmt.Sprint(tt.method, " ", tt.path, " ", tt.body), func(t *testing.T) {
			c := &client{t, c.url, c.token}
			c.refused(c.do(tt.method, tt.path, tt.body), tt.status, tt.kind)
		})
	}

	if got := c.do("DELETE", path, nil); got.status != 200 || string(got.body) != `{"result":"OK","ok":true}` {
		t.Errorf("delete: %d %s", got.status, got.body)
	}
	if got := data[account](t, c.get(path)); !got.Deleted {
		t.Errorf("after a delete: %+v", got)
	}
	ids, _ = listAccounts(t, c, "/accounts?size=65")
	equal(t, "the list at the end", ids, f.AccountIDs)
}
