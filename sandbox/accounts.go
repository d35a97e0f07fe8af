package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// An account is a company. Its timestamps are named as nowhere else.
type account struct {
	OwnerID          int64            `json:"ownerId"`
	Name             string           `json:"name,omitzero"`
	Domain           string           `json:"domain"`
	AccountID        string           `json:"accountId"`
	CustomProperties []customProperty `json:"customProperties"`
	Deleted          bool             `json:"deleted"`
	CreateDateTime   int64            `json:"createDateTime"`
	UpdateDateTime   int64            `json:"updateDateTime"`
	Targeted         bool             `json:"targeted"`
}

// A customProperty is a field that the organisation gave its accounts. Its value is any JSON.
type customProperty struct {
	Label string         `json:"label"`
	Name  string         `json:"name"`
	Value jsontext.Value `json:"value"`
	Type  string         `json:"type"`
}

// propertyTypes are the types of custom properties.
var propertyTypes = []string{
	"STRING", "EMAIL", "NUMBER", "PHONE", "URL", "DATE", "DATETIME", "ENUM", "ENUMARRAY", "LATLON", "LAT", "LON", "TEAMMEMBER",
}

// accountOf finds the account of the path, also a deleted one.
func (s *Sandbox) accountOf(r *request) (*account, error) {
	a := s.org.accountByID[r.vars["id"]]
	if a == nil {
		return nil, notFound("account %s does not exist", r.vars["id"])
	}
	return a, nil
}

// getAccount answers GET /accounts/{id}.
func (s *Sandbox) getAccount(r *request) (answer, error) {
	a, err := s.accountOf(r)
	if err != nil {
		return answer{}, err
	}
	return data(a)
}

// listAccounts answers one page of the accounts that are not deleted. Its total is that of the page, which is one of the two
// ways to read Drift's samples.
//
// GET /accounts
func (s *Sandbox) listAccounts(r *request) (answer, error) {
	size, err := s.pageSize(r, "size", 10, 65)
	if err != nil {
		return answer{}, err
	}
	index := 0
	if text := r.get("index"); text != "" {
		if index, err = strconv.Atoi(text); err != nil || index < 0 {
			return answer{}, invalid("index is not a number from 0")
		}
	}
	var out struct {
		Accounts []*account `json:"accounts"`
		Total    int        `json:"total"`
		Next     string     `json:"next,omitzero"`
	}
	row := 0
	for _, a := range s.org.accounts {
		if a.Deleted {
			continue
		}
		if row >= index {
			if len(out.Accounts) == size {
				out.Next = fmt.Sprintf("/accounts?index=%d&size=%d", row, size)
				break
			}
			out.Accounts = append(out.Accounts, a)
		}
		row++
	}
	out.Total = len(out.Accounts)
	return data(out)
}

// An accountInput is what a client may say of an account. What it does not say is nil.
type accountInput struct {
	AccountID        string           `json:"accountId"`
	OwnerID          int64            `json:"ownerId"`
	Name             *string          `json:"name"`
	Domain           *string          `json:"domain"`
	CustomProperties []customProperty `json:"customProperties"`
	Targeted         *bool            `json:"targeted"`
}

// readAccount reads and checks the body of a create or an update.
func (s *Sandbox) readAccount(r *request) (accountInput, error) {
	var in accountInput
	if err := r.decode(&in); err != nil {
		return in, err
	}
	if in.OwnerID == 0 {
		return in, invalid("ownerId is missing")
	}
	for _, p := range in.CustomProperties {
		if !slices.Contains(propertyTypes, p.Type) {
			return in, invalid("custom property %q has the unknown type %q", p.Name, p.Type)
		}
	}
	return in, nil
}

// apply changes an account.
func (in accountInput) apply(a *account, now int64) {
	a.OwnerID, a.UpdateDateTime = in.OwnerID, now
	if in.Name != nil {
		a.Name = *in.Name
	}
	if in.Domain != nil {
		a.Domain = *in.Domain
	}
	if in.CustomProperties != nil {
		a.CustomProperties = in.CustomProperties
	}
	if in.Targeted != nil {
		a.Targeted = *in.Targeted
	}
}

// taken reports whether an account other than a has the domain.
func (o *org) taken(domain string, a *account) bool {
	return slices.ContainsFunc(o.accounts, func(other *account) bool { return other.Domain == domain && other != a })
}

// createAccount refuses a domain that another account has, be it deleted.
//
// POST /accounts/create
func (s *Sandbox) createAccount(r *request) (answer, error) {
	in, err := s.readAccount(r)
	switch {
	case err != nil:
		return answer{}, err
	case in.Domain == nil || *in.Domain == "":
		return answer{}, invalid("domain is missing")
	case s.org.taken(*in.Domain, nil):
		return answer{}, invalid("an account with this domain exists")
	}
	a := &account{AccountID: fmt.Sprintf("%d_%s", s.org.id, *in.Domain)}
	if s.org.accountByID[a.AccountID] != nil {
		return answer{}, invalid("an account with this domain existed before its domain was changed")
	}
	in.apply(a, s.org.tick())
	a.CreateDateTime = a.UpdateDateTime
	s.org.addAccount(a)
	return data(a)
}

// addAccount puts an account at the end of the list.
func (o *org) addAccount(a *account) {
	o.accounts = append(o.accounts, a)
	o.accountByID[a.AccountID] = a
}

// updateAccount changes what is given and leaves the rest. The id stays, also when the domain changes.
//
// PATCH /accounts/update
func (s *Sandbox) updateAccount(r *request) (answer, error) {
	in, err := s.readAccount(r)
	if err != nil {
		return answer{}, err
	}
	a := s.org.accountByID[in.AccountID]
	switch {
	case in.AccountID == "":
		return answer{}, invalid("accountId is missing")
	case a == nil || a.Deleted:
		return answer{}, notFound("account %s does not exist", in.AccountID)
	case in.Domain != nil && s.org.taken(*in.Domain, a):
		return answer{}, invalid("an account with this domain exists")
	}
	in.apply(a, s.org.tick())
	return data(a)
}

// deleteAccount hides an account from the list. It can still be read by id.
//
// DELETE /accounts/{id}
func (s *Sandbox) deleteAccount(r *request) (answer, error) {
	a, err := s.accountOf(r)
	if err != nil {
		return answer{}, err
	}
	if a.Deleted {
		return answer{}, notFound("account %s is deleted", a.AccountID)
	}
	a.Deleted, a.UpdateDateTime = true, s.org.tick()
	return done(http.StatusOK)
}
