package loaders

import (
	_ "embed"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/driftgraph/driftgraph/drift"
)

// A UserDirectory holds all users of the organisation, as Drift lists them.
type UserDirectory struct {
	All  []*drift.User
	byID map[drift.ID]*drift.User
}

func newUserDirectory(users []*drift.User) *UserDirectory {
	d := &UserDirectory{All: users, byID: make(map[drift.ID]*drift.User, len(users))}
	for _, u := range users {
		d.byID[u.ID] = u
	}
	return d
}

// MarshalJSON writes the list alone.
func (d *UserDirectory) MarshalJSON() ([]byte, error) { return json.Marshal(d.All) }

// UnmarshalJSON reads the list and indexes it.
func (d *UserDirectory) UnmarshalJSON(b []byte) error {
	var all []*drift.User
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	*d = *newUserDirectory(all)
	return nil
}

// An AccountDirectory holds all accounts of the organisation that are not
// deleted, by domain too.
type AccountDirectory struct {
	All      []*drift.Account
	byID     map[string]*drift.Account
	byDomain map[string]*drift.Account
}

func newAccountDirectory(accounts []*drift.Account) *AccountDirectory {
	d := &AccountDirectory{All: accounts, byID: make(map[string]*drift.Account, len(accounts)), byDomain: make(map[string]*drift.Account, len(accounts))}
	for _, a := range accounts {
		d.byID[a.ID] = a
		if a.Domain == nil || a.Deleted {
			continue
		}
		domain := normalDomain(*a.Domain)
		if _, taken := d.byDomain[domain]; !taken && domain != "" {
			d.byDomain[domain] = a
		}
	}
	return d
}

// MarshalJSON writes the list alone.
func (d *AccountDirectory) MarshalJSON() ([]byte, error) { return json.Marshal(d.All) }

// UnmarshalJSON reads the list and indexes it.
func (d *AccountDirectory) UnmarshalJSON(b []byte) error {
	var all []*drift.Account
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	*d = *newAccountDirectory(all)
	return nil
}

// ByDomain returns the account with the given domain, nil if there is none.
func (d *AccountDirectory) ByDomain(domain string) *drift.Account {
	return d.byDomain[normalDomain(domain)]
}

// Of returns the account of a contact, nil if there is none: the one with the
// domain of the contact's employment, else with that of the e-mail address.
// The domain of a free mail provider is nobody's.
func (d *AccountDirectory) Of(c *drift.Contact) *drift.Account {
	domains := []string{c.EmploymentDomain}
	if c.Email != nil {
		if at := strings.LastIndexByte(*c.Email, '@'); at >= 0 {
			domains = append(domains, (*c.Email)[at+1:])
		}
	}
	for _, domain := range domains {
		domain = normalDomain(domain)
		if domain == "" || isFreemail(domain) {
			continue
		}
		if a := d.byDomain[domain]; a != nil {
			return a
		}
	}
	return nil
}

// Owned returns the accounts of an owner.
func (d *AccountDirectory) Owned(owner drift.ID) []*drift.Account {
	return d.Select(nil, owner)
}

// Select returns the accounts that are targeted or not, if targeted is given,
// and that have the given owner, if that is not 0.
func (d *AccountDirectory) Select(targeted *bool, owner drift.ID) []*drift.Account {
	selected := []*drift.Account{}
	for _, a := range d.All {
		if (targeted == nil || a.Targeted == *targeted) && (owner == 0 || a.OwnerID == owner) {
			selected = append(selected, a)
		}
	}
	return selected
}

// normalDomain writes a domain as the directory compares it.
func normalDomain(domain string) string {
	return strings.TrimPrefix(strings.ToLower(strings.Trim(domain, " .")), "www.")
}

//go:embed freemail.txt
var freemailList string

// freemail is the set of domains of free mail providers.
var freemail = sync.OnceValue(func() map[string]struct{} {
	set := make(map[string]struct{}, 16384)
	for domain := range strings.Lines(freemailList) {
		if domain = strings.TrimSpace(domain); domain != "" && domain[0] != '#' {
			set[domain] = struct{}{}
		}
	}
	return set
})

func isFreemail(domain string) bool {
	_, free := freemail()[domain]
	return free
}
