package drift

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// An Account is a company that the organisation sells to.
type Account struct {
	ID               string           `json:"accountId"`        // such as 123458_example.com; never blank
	OwnerID          ID               `json:"ownerId,omitzero"` // a user; 0 if unknown
	Name             *string          `json:"name,omitzero"`    // nil if unset
	Domain           *string          `json:"domain,omitzero"`  // of the company; no two accounts have the same. nil if unset
	CustomProperties []CustomProperty `json:"customProperties,omitzero"`
	Targeted         bool             `json:"targeted,omitzero"` // whether the organisation is after it
	Deleted          bool             `json:"deleted,omitzero"`  // whether it is gone from the list
	CreatedAt        Millis           `json:"createDateTime,omitzero"`
	UpdatedAt        Millis           `json:"updateDateTime,omitzero"`
}

// Ref returns the account's name among all records of the organisation, such
// as "Account:123458_example.com".
func (a *Account) Ref() string { return "Account:" + a.ID }

func (a *Account) present() bool { return a != nil && a.ID != "" }

// A CustomProperty is something that the organisation notes of its accounts.
type CustomProperty struct {
	Label string         `json:"label,omitzero"` // what people read
	Name  string         `json:"name"`           // without the blanks that Drift may put around it
	Type  string         `json:"type,omitzero"`  // such as STRING, NUMBER, ENUMARRAY or TEAMMEMBER
	Value jsontext.Value `json:"value,omitzero"` // nil if unset
}

// plainCustomProperty is a property without its methods.
type plainCustomProperty CustomProperty

// UnmarshalJSONFrom reads a property as Drift writes it.
func (p *CustomProperty) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*p = CustomProperty{}
	if err := json.UnmarshalDecode(dec, (*plainCustomProperty)(p)); err != nil {
		return err
	}
	p.Name = strings.TrimSpace(p.Name)
	return tidy(dec, &p.Value)
}

// Account returns the account of that id, or an [ErrNotFound]. An account that
// was deleted is still found here, and says so.
//
// GET /accounts/{id}
// https://devdocs.drift.com/docs/retrieving-an-account
func (c *Client) Account(ctx context.Context, id string) (*Account, error) {
	if err := checkAccountID(http.MethodGet, id); err != nil {
		return nil, err
	}
	return fetch(ctx, c, call{route: accountRoute, id: id, keys: 1}, one[Account])
}

// accountRoute is where a single account is.
const accountRoute = "/accounts/{id}"

// checkAccountID returns an error for an id that would lead to another path.
func checkAccountID(method, id string) error {
	switch id {
	case "", ".", "..":
		return &Error{Method: method, Route: accountRoute, Err: ErrNotFound}
	}
	return nil
}

// MaxAccounts is how many accounts a page holds at most.
const MaxAccounts = 65

// An AccountPage is a part of the list of accounts.
type AccountPage struct {
	Accounts []*Account
	Next     int // index of the next page; 0 if this is the last
}

// Accounts returns the accounts from the index on, at most size of them, which
// is at most [MaxAccounts]; or Drift's default of 10 if size is 0. Deleted ones
// are left out.
//
// GET /accounts
// https://devdocs.drift.com/docs/listing-accounts
func (c *Client) Accounts(ctx context.Context, index, size int) (*AccountPage, error) {
	query := url.Values{"index": {strconv.Itoa(index)}}
	if size > 0 {
		query.Set("size", strconv.Itoa(min(size, MaxAccounts)))
	}
	return fetch(ctx, c, call{route: "/accounts", query: query}, func(a answer) (*AccountPage, error) {
		var found struct {
			Data struct {
				Accounts rows[*Account] `json:"accounts"`
				Next     string         `json:"next"`
			} `json:"data"`
		}
		if err := json.Unmarshal(a.body, &found, lenient); err != nil {
			return nil, err
		}
		if found.Data.Accounts == nil {
			return nil, errNoData
		}
		page := &AccountPage{Accounts: found.Data.Accounts}
		if found.Data.Next == "" {
			return page, nil
		}
		link, err := url.Parse(found.Data.Next)
		if err != nil {
			return nil, errLink
		}
		page.Next, err = strconv.Atoi(link.Query().Get("index"))
		if err != nil {
			return nil, errLink
		}
		if page.Next <= index {
			return nil, errLoop
		}
		return page, nil
	})
}

// A NewAccount is an account to be made.
type NewAccount struct {
	OwnerID          ID               `json:"ownerId"` // a user; required
	Name             string           `json:"name,omitzero"`
	Domain           string           `json:"domain,omitzero"` // of the company, which no other account may have
	Targeted         bool             `json:"targeted,omitzero"`
	CustomProperties []CustomProperty `json:"customProperties,omitzero"`
}

// CreateAccount makes an account. If there is one with the domain already, it
// fails by an [ErrRefused].
//
// POST /accounts/create
// https://devdocs.drift.com/docs/creating-an-account
func (c *Client) CreateAccount(ctx context.Context, account NewAccount) (*Account, error) {
	post := call{
		method: http.MethodPost,
		route:  "/accounts/create",
		body:   func(string) any { return &account },
	}
	return fetch(ctx, c, post, written[Account])
}

// AccountChanges are what to change of an account.
type AccountChanges struct {
	OwnerID          ID                       `json:"ownerId"` // a user; required, also if the owner stays the same
	Name             Change[string]           `json:"name,omitzero"`
	Domain           Change[string]           `json:"domain,omitzero"`
	Targeted         Change[bool]             `json:"targeted,omitzero"`
	CustomProperties Change[[]CustomProperty] `json:"customProperties,omitzero"` // send all: whether Drift keeps those left out is not documented
}

// UpdateAccount changes the account of that id and returns it, or an
// [ErrNotFound].
//
// PATCH /accounts/update
// https://devdocs.drift.com/docs/updating-accounts
func (c *Client) UpdateAccount(ctx context.Context, id string, changes AccountChanges) (*Account, error) {
	patch := call{
		method: http.MethodPatch,
		route:  "/accounts/update",
		id:     id,
		body: func(string) any {
			return &struct {
				ID string `json:"accountId"`
				AccountChanges
			}{id, changes}
		},
		keys: 1,
	}
	if !changes.Domain.IsZero() {
		// The id holds the domain. Whether it changes with it is not documented.
		return fetch(ctx, c, patch, written[Account])
	}
	return fetch(ctx, c, patch, one[Account])
}

// DeleteAccount takes the account of that id off the list, or returns an
// [ErrNotFound]. [Client.Account] goes on finding it.
//
// DELETE /accounts/{id}
// https://devdocs.drift.com/docs/deleting-accounts
func (c *Client) DeleteAccount(ctx context.Context, id string) error {
	if err := checkAccountID(http.MethodDelete, id); err != nil {
		return err
	}
	return c.do(ctx, call{method: http.MethodDelete, route: accountRoute, id: id, keys: 1}, acknowledged)
}
