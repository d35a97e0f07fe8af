package sandbox_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/sandbox"
)

// A user is what these tests read of one.
type user struct {
	ID                                      int64
	Name, Email, Phone, Availability, Alias string
	Bot                                     bool
	UpdatedAt                               int64
}

func TestUsersByID(t *testing.T) {
	s, c := serve(t, sandbox.Config{})
	f := s.Fixtures()
	query := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "&userId=%d", f.UserIDs[i])
		}
		return "/users?" + strings.TrimPrefix(b.String(), "&")
	}
	found := data[map[int64]user](t, c.get(query(20)))
	for _, id := range f.UserIDs[:20] {
		if found[id].ID != id || found[id].Name == "" {
			t.Errorf("user %d: %+v", id, found[id])
		}
	}
	equal(t, "users", len(found), 20)
	c.refused(c.do("GET", query(21), nil), 400, "validation_error")
	c.refused(c.do("GET", "/users", nil), 400, "validation_error")
	c.refused(c.do("GET", "/users?userId=iris", nil), 400, "validation_error")

	found = data[map[int64]user](t, c.get(fmt.Sprintf("/users?userId=1&userId=%d&userId=%d", f.RemovedUserID, f.BotID)))
	if len(found) != 1 || !found[f.BotID].Bot {
		t.Errorf("of an unknown id, a removed user and the bot came %+v", found)
	}
}

func TestUsersList(t *testing.T) {
	s, c := serve(t, sandbox.Config{})
	f := s.Fixtures()
	ids := func(c *client) (ids []int64) {
		for _, u := range data[[]user](t, c.get("/users/list")) {
			ids = append(ids, u.ID)
		}
		return ids
	}
	equal(t, "users", ids(c), f.UserIDs)
	equal(t, "how many, without the removed one", len(f.UserIDs), 29)
	c.refused(c.do("GET", fmt.Sprint("/users/", f.RemovedUserID), nil), 404, "not_found")

	_, shuffled := serve(t, sandbox.Config{Shuffle: true})
	mixed := ids(shuffled)
	if slices.Equal(mixed, f.UserIDs) {
		t.Error("Shuffle left the order as it was")
	}
	slices.Sort(mixed)
	equal(t, "shuffled users", mixed, f.UserIDs)
}

func TestUserUpdate(t *testing.T) {
	s, c := serve(t, sandbox.Config{})
	id := s.Fixtures().UserIDs[4]
	path := fmt.Sprint("/users/update?userId=", id)
	before := data[user](t, c.get(fmt.Sprint("/users/", id)))
	c.patch(path, object{"alias": "Ace", "availability": "OFFLINE", "role": "admin", "unheard": 1})
	after := data[user](t, c.get(fmt.Sprint("/users/", id)))
	if after.Alias != "Ace" || after.Availability != "OFFLINE" || after.Name != before.Name || after.UpdatedAt <= before.UpdatedAt {
		t.Errorf("from %+v to %+v", before, after)
	}
	for _, body := range []any{"no JSON", object{"name": nil}, object{"name": 1}, object{"availability": "ON_CALL"}} {
		c.refused(c.do("PATCH", path, body), 400, "validation_error")
	}
	equal(t, "after refused updates", data[user](t, c.get(fmt.Sprint("/users/", id))), after)
	c.refused(c.do("PATCH", "/users/update", object{}), 400, "validation_error")
	c.refused(c.do("PATCH", "/users/update?userId=1", object{}), 404, "not_found")
}

// A team is what these tests read of one.
type team struct {
	ID      int64
	Members []int64
	Owner   int64
}

func TestTeams(t *testing.T) {
	s, c := serve(t, sandbox.Config{})
	f := s.Fixtures()
	all := data[[]team](t, c.get("/teams/org"))
	id := f.UserIDs[2]
	var want []int64
	dangling := false
	for _, team := range all {
		if slices.Contains(team.Members, id) {
			want = append(want, team.ID)
		}
		dangling = dangling || slices.Contains(team.Members, f.RemovedUserID)
	}
	if !dangling {
		t.Error("no team has the removed user")
	}
	var got []int64
	for _, team := range data[[]team](t, c.get(fmt.Sprint("/teams/users/", id))) {
		got = append(got, team.ID)
	}
	equal(t, "teams of a user", got, want)
	equal(t, "teams of the bot", data[[]team](t, c.get(fmt.Sprint("/teams/users/", f.BotID))), []team{})
	c.refused(c.do("GET", fmt.Sprint("/teams/users/", f.RemovedUserID), nil), 404, "not_found")
}

func TestMeetings(t *testing.T) {
	s, c := serve(t, sandbox.Config{Seed: 1})
	f := s.Fixtures()
	type meeting struct {
		AgentID, SchedulerID, ConversationID, BookedBy int64
		EventID                                        string
		SlotStart, SlotEnd                             int64
	}
	get := func(from, to int64, more string) []meeting {
		return data[[]meeting](t, c.get(fmt.Sprintf("/users/meetings/org?min_start_time=%d&max_start_time=%d%s", from, to, more)))
	}
	all := get(0, now.AddDate(1, 0, 0).UnixMilli(), "&limit=5000")
	oldest := now.AddDate(0, 0, -30).UnixMilli()
	elsewhere := 0
	for i, m := range all {
		if m.SlotStart < oldest || m.SlotEnd <= m.SlotStart || i > 0 && m.SlotStart < all[i-1].SlotStart {
			t.Errorf("meeting %d starts at %d: %+v", i, m.SlotStart, m)
		}
		if m.ConversationID == 0 {
			elsewhere++
		} else if !slices.Contains(f.ConversationIDs, m.ConversationID) || !slices.Contains(f.ContactIDs, m.SchedulerID) {
			t.Errorf("meeting %d points at nothing: %+v", i, m)
		}
	}
	if len(all) < 10 || elsewhere == 0 {
		t.Fatalf("%d meetings, %d of them booked outside of conversations", len(all), elsewhere)
	}
	equal(t, "a window of one meeting", get(all[3].SlotStart, all[4].SlotStart-1, ""), all[3:4])
	equal(t, "limit", get(0, now.AddDate(1, 0, 0).UnixMilli(), "&limit=5"), all[:5])
	equal(t, "limit 0", get(0, now.AddDate(1, 0, 0).UnixMilli(), "&limit=0"), nil)
	for _, query := range []string{"", "?min_start_time=0", "?max_start_time=0", "?min_start_time=a&max_start_time=1", "?min_start_time=0&max_start_time=1&limit=-1"} {
		c.refused(c.do("GET", "/users/meetings/org"+query, nil), 400, "validation_error")
	}

	// Some lie ahead.
	if len(get(now.UnixMilli(), now.Add(30*24*time.Hour).UnixMilli(), "")) == 0 {
		t.Error("no meetings ahead")
	}
}

func TestSCIM(t *testing.T) {
	s, c := serve(t, sandbox.Config{})
	f := s.Fixtures()
	type person struct {
		ID, UserName, DisplayName string
		Roles                     []struct{ Value string }
	}
	list := func(query string) []person {
		var v struct {
			TotalResults int
			Resources    []person
		}
		read(t, c.get("/scim/Users"+query), &v)
		equal(t, "totalResults", v.TotalResults, len(v.Resources))
		return v.Resources
	}
	people := list("")
	equal(t, "people, without the two bots", len(people), len(f.UserIDs)-2)
	owners := 0
	for _, p := range people {
		if p.Roles[0].Value == "OWNER" {
			owners++
		}
	}
	equal(t, "owners", owners, 1)
	equal(t, "filtered", list(`?filter=userName%20eq%20%22`+people[3].UserName+`%22`), people[3:4])
	c.refused(c.do("GET", "/scim/Users?filter=age+gt+3", nil), 400, "validation_error")

	made := c.do("POST", "/scim/Users", object{"userName": "ada@northlight.example", "displayName": "Ada Berg", "roles": []object{{"value": "ADMIN"}}})
	var ada person
	read(t, made, &ada)
	if made.status != 201 || ada.DisplayName != "Ada Berg" || ada.Roles[0].Value != "ADMIN" {
		t.Errorf("create: %d %s", made.status, made.body)
	}
	if got := data[user](t, c.get("/users/"+ada.ID)); got.Name != "Ada Berg" || got.Email != "ada@northlight.example" {
		t.Errorf("the new user: %+v", got)
	}
	c.must(c.do("PUT", "/scim/Users", object{"id": ada.ID, "userName": "ada@northlight.example", "name": object{"givenName": "Ada", "familyName": "Falk"}}), "put")
	c.must(c.do("PUT", "/scim/Users/"+ada.ID, object{"userName": "ada.falk@northlight.example", "phoneNumbers": []object{{"value": "555-010-0001"}}, "locale": "sv-SE"}), "put")
	if got := data[user](t, c.get("/users/"+ada.ID)); got.Name != "Ada Falk" || got.Email != "ada.falk@northlight.example" || got.Phone != "555-010-0001" {
		t.Errorf("the changed user: %+v", got)
	}
	if got := c.do("DELETE", "/scim/Users/"+ada.ID, nil); got.status != 204 || len(got.body) != 0 {
		t.Errorf("delete: %d %s", got.status, got.body)
	}
	c.refused(c.do("GET", "/users/"+ada.ID, nil), 404, "not_found")
	c.refused(c.do("GET", "/scim/Users/"+ada.ID, nil), 404, "not_found")
	c.refused(c.do("DELETE", "/scim/Users?id="+ada.ID, nil), 404, "not_found")
	c.refused(c.do("DELETE", "/scim/Users", nil), 400, "validation_error")
	c.refused(c.do("DELETE", "/scim/Users", "no JSON"), 400, "validation_error")
	c.refused(c.do("POST", "/scim/Users", object{}), 400, "validation_error")
	equal(t, "people at the end", len(list("")), len(people))
}
