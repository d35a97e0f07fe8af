package sandbox

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A scimUser is a user as identity providers see them.
type scimUser struct {
	Schemas      []string    `json:"schemas"`
	ID           string      `json:"id"`
	UserName     string      `json:"userName"`
	Name         scimName    `json:"name"`
	DisplayName  string      `json:"displayName"`
	Active       bool        `json:"active"`
	Emails       []scimValue `json:"emails"`
	PhoneNumbers []scimValue `json:"phoneNumbers"`
	Photos       []scimValue `json:"photos"`
	Roles        []scimValue `json:"roles"`
	Locale       string      `json:"locale,omitzero"`
}

type scimName struct {
	Formatted  string `json:"formatted,omitzero"`
	FamilyName string `json:"familyName,omitzero"`
	GivenName  string `json:"givenName,omitzero"`
}

type scimValue struct {
	Value   string `json:"value,omitzero"`
	Display string `json:"display,omitzero"`
	Primary bool   `json:"primary,omitzero"`
}

// scim shows a user to an identity provider. The first user who is an admin is the owner.
func (o *org) scim(u *user) scimUser {
	given, family, _ := strings.Cut(u.Name, " ")
	role := "MEMBER"
	if u.Role == "admin" {
		role = "ADMIN"
		if i := slices.IndexFunc(o.users, func(u *user) bool { return u.Role == "admin" }); o.users[i] == u {
			role = "OWNER"
		}
	}
	return scimUser{
		Schemas:      []string{"urn:ietf:params:scim:schemas:core:2.0:User"},
		ID:           strconv.FormatInt(u.ID, 10),
		UserName:     u.Email,
		Name:         scimName{u.Name, family, given},
		DisplayName:  u.Name,
		Active:       true,
		Emails:       []scimValue{{Value: u.Email, Primary: true}},
		PhoneNumbers: []scimValue{{Value: u.Phone, Primary: true}},
		Photos:       []scimValue{{Value: u.AvatarURL}},
		Roles:        []scimValue{{role, role, true}},
	}
}

// scimFilter is the one filter that identity providers need.
var scimFilter = regexp.MustCompile(`^userName eq "([^"]*)"$`)

// listSCIMUsers answers all people, whatever page is asked for. Bots are not among them.
//
// GET /scim/Users
func (s *Sandbox) listSCIMUsers(r *request) (answer, error) {
	var out struct {
		Schemas      []string   `json:"schemas"`
		ID           *string    `json:"id"`
		ExternalID   *string    `json:"externalId"`
		Meta         *string    `json:"meta"`
		TotalResults int        `json:"totalResults"`
		Resources    []scimUser `json:"Resources"`
		StartIndex   int        `json:"startIndex"`
		ItemsPerPage int        `json:"itemsPerPage"`
	}
	out.Schemas = []string{"urn:ietf:params:scim:api:messages:2.0:ListResponse"}
	out.StartIndex = 1
	var wanted string
	if filter := r.get("filter"); filter != "" {
		parts := scimFilter.FindStringSubmatch(filter)
		if parts == nil {
			return answer{}, invalid(`filter must be like userName eq "somebody@example.com"`)
		}
		wanted = parts[1]
	}
	for _, u := range s.org.users {
		if !u.Bot && (wanted == "" || u.Email == wanted) {
			out.Resources = append(out.Resources, s.org.scim(u))
		}
	}
	out.TotalResults = len(out.Resources)
	return bare(out)
}

// getSCIMUser answers GET /scim/Users/{id}.
func (s *Sandbox) getSCIMUser(r *request) (answer, error) {
	u, err := s.userOf(r)
	if err != nil {
		return answer{}, err
	}
	return bare(s.org.scim(u))
}

// apply changes a user as an identity provider wants it.
func (in scimUser) apply(u *user, now int64) error {
	if in.UserName == "" {
		return invalid("userName is missing")
	}
	u.Email, u.UpdatedAt = in.UserName, now
	switch name := strings.TrimSpace(in.Name.GivenName + " " + in.Name.FamilyName); {
	case in.DisplayName != "":
		u.Name = in.DisplayName
	case in.Name.Formatted != "":
		u.Name = in.Name.Formatted
	case name != "":
		u.Name = name
	}
	if len(in.PhoneNumbers) > 0 {
		u.Phone = in.PhoneNumbers[0].Value
	}
	if in.Locale != "" {
		u.Locale = in.Locale
	}
	if len(in.Roles) > 0 {
		u.Role = "member"
		if role := in.Roles[0].Value; role == "ADMIN" || role == "OWNER" {
			u.Role = "admin"
		}
	}
	return nil
}

// createSCIMUser answers POST /scim/Users.
func (s *Sandbox) createSCIMUser(r *request) (answer, error) {
	var in scimUser
	if err := r.decode(&in); err != nil {
		return answer{}, err
	}
	now := s.org.tick()
	u := &user{ID: s.org.nextUser, OrgID: s.org.id, Availability: "OFFLINE", Role: "member", CreatedAt: now}
	if err := in.apply(u, now); err != nil {
		return answer{}, err
	}
	s.org.nextUser++
	s.org.users = append(s.org.users, u)
	a, err := bare(s.org.scim(u))
	a.status = http.StatusCreated
	return a, err
}

// scimTarget finds the user that a change is for. Drift's collection shows changes without an id in the path, so the query
// and the body may have it too.
func (s *Sandbox) scimTarget(r *request, in scimUser) (*user, error) {
	text := r.vars["id"]
	if text == "" {
		text = r.get("id")
	}
	if text == "" {
		text = in.ID
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, invalid("the id of the user is missing or not a number")
	}
	u := s.org.user(id)
	if u == nil {
		return nil, notFound("user %d does not exist", id)
	}
	return u, nil
}

// replaceSCIMUser answers PUT /scim/Users and PUT /scim/Users/{id}.
func (s *Sandbox) replaceSCIMUser(r *request) (answer, error) {
	var in scimUser
	if err := r.decode(&in); err != nil {
		return answer{}, err
	}
	u, err := s.scimTarget(r, in)
	if err != nil {
		return answer{}, err
	}
	if err := in.apply(u, s.org.tick()); err != nil {
		return answer{}, err
	}
	return bare(s.org.scim(u))
}

// deleteSCIMUser removes a user. What points at them goes on doing so.
//
// DELETE /scim/Users, DELETE /scim/Users/{id}
func (s *Sandbox) deleteSCIMUser(r *request) (answer, error) {
	var in scimUser
	if len(r.body) > 0 {
		if err := r.decode(&in); err != nil {
			return answer{}, err
		}
	}
	u, err := s.scimTarget(r, in)
	if err != nil {
		return answer{}, err
	}
	s.org.users = slices.DeleteFunc(s.org.users, func(other *user) bool { return other == u })
	return answer{status: http.StatusNoContent, contentType: "application/json"}, nil
}
