package sandbox_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/driftgraph/driftgraph/sandbox"
)

// A contact is what these tests read of one.
type contact struct {
	ID         int64
	CreatedAt  int64
	Attributes map[string]any
}

func contactIDs(contacts []contact) (ids []int64) {
	for _, c := range contacts {
		ids = append(ids, c.ID)
	}
	return ids
}

// TestContactRefusals asks for each of Drift's codes.
func TestContactRefusals(t *testing.T) {
	s, c := serve(t, sandbox.Config{Seed: 1})
	f := s.Fixtures()
	path := fmt.Sprint("/contacts/", f.ContactIDs[0])
	with := func(attributes object) object { return object{"attributes": attributes} }
	tests := []struct {
		name         string
		method, path string
		body         any
		status       int
		code         string
	}{
		{"unknown", "GET", "/contacts/1", nil, 404, "CONTACT-1"},
		{"gone", "GET", fmt.Sprint("/contacts/", f.MissingContactID), nil, 404, "CONTACT-1"},
		{"update of an unknown one", "PATCH", "/contacts/1", with(object{"seats": 1}), 404, "CONTACT-1"},
		{"normalize of an unknown one", "PATCH", "/contacts/normalize?idType=external&id=nobody", with(object{"seats": 1}), 404, "CONTACT-1"},
		{"delete of an unknown one", "DELETE", "/contacts/1", nil, 404, "CONTACT-1"},
		{"delete of a deleted one", "DELETE", fmt.Sprint("/contacts/", f.DeletedContactID), nil, 404, "CONTACT-1"},
		{"event of an unknown one", "POST", "/contacts/timeline", object{"contactId": 1, "event": "e"}, 404, "CONTACT-1"},
		{"create that is no JSON", "POST", "/contacts", "no JSON", 400, "CONTACT-4"},
		{"attributes that are a list", "POST", "/contacts", object{"attributes": []int{1}}, 400, "CONTACT-4"},
		{"null on create", "POST", "/contacts", with(object{"email": "a@example.com", "phone": nil}), 400, "CONTACT-4"},
		{"null on update", "PATCH", path, with(object{"phone": nil}), 400, "CONTACT-4"},
		{"email that is a number", "PATCH", path, with(object{"email": 1}), 400, "CONTACT-4"},
		{"external id that is a list", "PATCH", path, with(object{"externalId": []int{1}}), 400, "CONTACT-4"},
		{"event without a name", "POST", "/contacts/timeline", object{"contactId": f.ContactIDs[0]}, 400, "CONTACT-4"},
		{"event without a contact", "POST", "/contacts/timeline", object{"event": "e"}, 400, "CONTACT-4"},
		{"known email", "POST", "/contacts", with(object{"email": f.SharedEmail}), 409, "CONTACT-6"},
		{"known external id", "POST", "/contacts", with(object{"email": "a@example.com", "externalId": f.ExternalIDs[0]}), 409, "CONTACT-6"},
		{"another's external id", "PATCH", path, with(object{"external_id": f.ExternalIDs[9]}), 409, "CONTACT-6"},
		{"no email", "POST", "/contacts", with(object{"name": "A"}), 400, "CONTACT-7"},
		{"empty email", "POST", "/contacts", with(object{"email": ""}), 400, "CONTACT-7"},
		{"no attributes on create", "POST", "/contacts", object{"email": "a@example.com"}, 400, "CONTACT-8"},
		{"no attributes on update", "PATCH", path, object{}, 400, "CONTACT-8"},
		{"tags that are words", "PATCH", path, with(object{"tags": []string{"vip"}}), 400, "CONTACT-9"},
		{"unknown tag", "PATCH", path, with(object{"tags": []object{{"name": "unheard of"}}}), 400, "CONTACT-9"},
		{"unknown parameter", "GET", "/contacts?email=a@example.com&_=1", nil, 400, "CONTACT-10"},
		{"unknown parameter by id", "GET", path + "?fields=all", nil, 400, "CONTACT-10"},
		{"unknown parameter of attributes", "GET", "/contacts/attributes?x", nil, 400, "CONTACT-10"},
		{"unknown parameter of a write", "PATCH", path + "?x=1", with(object{"seats": 1}), 400, "CONTACT-10"},
		{"search by Drift's ids", "GET", "/contacts?idType=drift&id=1", nil, 400, "CONTACT-10"},
		{"search for nothing", "GET", "/contacts", nil, 400, "CONTACT-11"},
		{"search for no ids", "GET", "/contacts?idType=external", nil, 400, "CONTACT-11"},
		{"too many ids", "GET", "/contacts?idType=external" + strings.Repeat("&id=a", 101), nil, 400, "CONTACT-11"},
		{"unknown idType", "PATCH", "/contacts/normalize?idType=email&id=a", with(object{"seats": 1}), 400, "CONTACT-11"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &client{t, c.url, c.token}
			c.refused(c.do(tt.method, tt.path, tt.body), tt.status, tt.code)
		})
	}
}

// TestContactLife follows one contact from its making to its end.
func TestContactLife(t *testing.T) {
	_, c := serve(t, sandbox.Config{})
	made := data[contact](t, c.post("/contacts", object{"attributes": object{
		"email": "tomas@example.com", "externalId": "crm-1", "name": "Tomas", "big": 9007199254740993, "tags": []object{{"name": "vip"}},
	}}))
	path := fmt.Sprint("/contacts/", made.ID)
	if body := string(c.get(path).body); !strings.Contains(body, `"big":9007199254740993`) || !strings.Contains(body, `"tags":[{"color":"FF8800","name":"vip"}]`) {
		t.Errorf("after create: %s", body)
	}
	byEmail := func(email string) []int64 { return contactIDs(data[[]contact](t, c.get("/contacts?email="+email))) }
	byExternal := func(id string) []int64 {
		return contactIDs(data[[]contact](t, c.get("/contacts?idType=external&id="+id)))
	}
	equal(t, "by email", byEmail("tomas@example.com"), []int64{made.ID})
	equal(t, "by external id", byExternal("crm-1"), []int64{made.ID})

	twin := data[contact](t, c.post("/contacts", object{"attributes": object{"email": "tomas@example.com", "external_id": 77}}))
	equal(t, "by the email of two", byEmail("tomas@example.com"), []int64{made.ID, twin.ID})
	equal(t, "by an external id that is a number", byExternal("77"), []int64{twin.ID})

	changed := data[contact](t, c.patch(path, object{"attributes": object{"email": "ek@example.com", "external_id": "crm-2", "phone": "555-010-0000"}}))
	want := maps.Clone(made.Attributes)
	want["email"], want["phone"] = "ek@example.com", "555-010-0000"
	want["externalId"], want["external_id"] = "crm-2", "crm-2"
	for _, name := range []string{"_END_USER_VERSION", "_end_user_version", "_calculated_version"} {
		want[name] = made.Attributes[name].(float64) + 1
	}
	if diff := cmp.Diff(contact{made.ID, made.CreatedAt, want}, changed); diff != "" {
		t.Errorf("after an update (-want +got):\n%s", diff)
	}
	equal(t, "by the old email", byEmail("tomas@example.com"), []int64{twin.ID})
	equal(t, "by the new email", byEmail("ek@example.com"), []int64{made.ID})
	equal(t, "by the old external id", byExternal("crm-1"), nil)
	for _, query := range []string{"idType=external&id=crm-2", fmt.Sprint("idType=drift&id=", made.ID), fmt.Sprint("idType=internal&id=", made.ID)} {
		if got := data[contact](t, c.patch("/contacts/normalize?"+query, object{"attributes": object{"seats": 3}})); got.ID != made.ID || got.Attributes["seats"] != 3.0 {
			t.Errorf("normalize by %s: %+v", query, got)
		}
	}

	if got := c.do("DELETE", path, nil); got.status != http.StatusAccepted || string(got.body) != `{"result":"OK","ok":true}` {
		t.Errorf("delete: %d %s", got.status, got.body)
	}
	equal(t, "by the email of a deleted contact", byEmail("ek@example.com"), nil)
	equal(t, "by the external id of a deleted contact", byExternal("crm-2"), nil)
	if got := data[contact](t, c.get(path)); got.ID != made.ID {
		t.Errorf("a deleted contact by id: %+v", got)
	}
	again := data[contact](t, c.post("/contacts", object{"attributes": object{"email": "ek@example.com"}}))
	if value, ok := again.Attributes["externalId"]; !ok || value != nil || again.ID <= twin.ID {
		t.Errorf("a new contact with the email of a deleted one: %+v", again)
	}
}

func TestContactTags(t *testing.T) {
	s, c := serve(t, sandbox.Config{})
	path := fmt.Sprint("/contacts/", s.Fixtures().AnonymousContactID)
	tags := func() (names []string) {
		for _, tag := range data[[]struct{ Name string }](t, c.get(path+"/tags")) {
			names = append(names, tag.Name)
		}
		return names
	}
	equal(t, "tags at first", tags(), nil)
	c.post(path+"/tags", []object{{"name": "vip"}, {"name": "partner"}, {"name": "customer"}})
	c.post(path+"/tags", []object{{"name": "vip"}})
	equal(t, "tags after adding", tags(), []string{"vip", "partner", "customer"})
	c.must(c.do("DELETE", path+"/tags/partner", nil), "delete of a tag")
	equal(t, "tags after a delete", tags(), []string{"vip", "customer"})
	c.post(path+"/tags/delete/_bulk", []object{{"name": "vip"}, {"name": "customer"}})
	equal(t, "tags after a bulk delete", tags(), nil)
	c.refused(c.do("POST", path+"/tags", []object{{"name": "unheard of"}}), 400, "CONTACT-9")
	c.refused(c.do("DELETE", "/contacts/1/tags/vip", nil), 404, "CONTACT-1")
}

// next finds the address in a header Link.
var next = regexp.MustCompile(`^<([^>]+)>; rel='next'$`)

func TestContactsByEmail(t *testing.T) {
	s, c := serve(t, sandbox.Config{Seed: 1, Now: now})
	f := s.Fixtures()
	if len(f.SharedEmailContacts) < 3 {
		t.Fatalf("only %d contacts share an email", len(f.SharedEmailContacts))
	}
	var got []int64
	query := "/contacts?limit=1&email=" + url.QueryEscape(f.SharedEmail)
	for query != "" {
		page := c.get(query)
		got, query = append(got, contactIDs(data[[]contact](t, page))...), ""
		if link := next.FindStringSubmatch(page.header.Get("Link")); link != nil {
			u, err := url.Parse(link[1])
			if err != nil || u.Host != "driftapi.com" {
				t.Fatalf("link %q, %v", link[1], err)
			}
			query = u.RequestURI()
		}
	}
	equal(t, "all pages", got, f.SharedEmailContacts)
	if link := c.get("/contacts?email=" + f.SharedEmail).header.Get("Link"); link != "" {
		t.Errorf("link %q though all fit on one page", link)
	}
	c.refused(c.do("GET", "/contacts?limit=0&email=a", nil), 400, "validation_error")
	c.refused(c.do("GET", "/contacts?page_token=x&email=a", nil), 400, "CONTACT-11")

	for i := range 130 {
		c.post("/contacts", object{"attributes": object{"email": "many@example.com", "externalId": i + 1}})
	}
	for query, want := range map[string]int{"": 40, "&limit=7": 7, "&limit=100": 100, "&limit=1000": 100} {
		if got := len(data[[]contact](t, c.get("/contacts?email=many@example.com"+query))); got != want {
			t.Errorf("%q: %d contacts, want %d", query, got, want)
		}
	}
}

func TestContactsByExternalID(t *testing.T) {
	s, c := serve(t, sandbox.Config{Seed: 1, Shuffle: true})
	f := s.Fixtures()
	wanted := f.ExternalIDs[:40]
	path := "/contacts?idType=external&id=nobody&id=" + strings.Join(wanted, "&id=") + "&id=" + wanted[0]
	var got []string
	for _, found := range data[[]contact](t, c.get(path)) {
		got = append(got, found.Attributes["externalId"].(string))
	}
	if slices.Equal(got, wanted) {
		t.Error("Shuffle left the order as it was")
	}
	equal(t, "found", slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(wanted)))
	equal(t, "nobody", data[[]contact](t, c.get("/contacts?idType=external&id=nobody")), []contact{})
}

func TestContactsByDriftID(t *testing.T) {
	s, c := serve(t, sandbox.Config{ContactsByDriftID: true})
	ids := s.Fixtures().ContactIDs[3:5]
	got := data[[]contact](t, c.get(fmt.Sprintf("/contacts?idType=drift&id=%d&id=1&id=%d", ids[0], ids[1])))
	equal(t, "contacts by Drift's ids", contactIDs(got), ids)
}

func TestTimeline(t *testing.T) {
	s, c := serve(t, sandbox.Config{Seed: 1})
	f := s.Fixtures()
	id := data[[]contact](t, c.get("/contacts?idType=external&id="+f.ExternalIDs[0]))[0].ID
	for _, body := range []object{
		{"contactId": id, "event": "Invoice PAID", "createdAt": 1718794800000},
		{"contactId": fmt.Sprint(id), "event": "Invoice PAID", "createdAt": 1718794800000},
		{"externalId": f.ExternalIDs[0], "event": "Invoice PAID", "createdAt": 1718794800000},
	} {
		want := fmt.Sprintf(`{"data":{"attributes":{},"event":"invoice paid","createdAt":1718794800000,"contactId":%d}}`, id)
		equal(t, "event", string(c.post("/contacts/timeline", body).body), want)
	}
	c.refused(c.do("POST", "/emails/unsubscribe", object{"email": "a"}), 400, "validation_error")
}

// TestForgetting makes a contact vanish and leaves their conversations.
func TestForgetting(t *testing.T) {
	s, c := serve(t, sandbox.Config{Seed: 1})
	f := s.Fixtures()
	row := data[[]struct{ ContactID, ID int64 }](t, c.get("/conversations/list?limit=50"))[0]
	person := data[contact](t, c.get(fmt.Sprint("/contacts/", row.ContactID)))
	address, _ := person.Attributes["email"].(string)
	if address == "" {
		t.Fatal("the latest conversation is with somebody anonymous; take another seed")
	}
	c.post("/gdpr/delete", object{"email": address})
	c.refused(c.do("GET", fmt.Sprint("/contacts/", row.ContactID), nil), 404, "CONTACT-1")
	equal(t, "search", data[[]contact](t, c.get("/contacts?email="+address)), []contact{})
	if got := data[struct{ ContactID int64 }](t, c.get(fmt.Sprint("/conversations/", row.ID))); got.ContactID != row.ContactID {
		t.Errorf("the conversation now has contact %d", got.ContactID)
	}
	c.get(fmt.Sprint("/contacts/", f.AnonymousContactID))
	c.refused(c.do("POST", "/gdpr/delete", object{}), 400, "validation_error")
	c.refused(c.do("POST", "/gdpr/retrieve", object{}), 400, "validation_error")
}
