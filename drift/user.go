package drift

import (
	"context"
	"net/http"
	"net/url"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A User is a member of the organisation who has a seat in Drift, or its bot.
type User struct {
	ID           ID               `json:"id"` // never absent
	OrgID        ID               `json:"orgId,omitzero"`
	Name         *string          `json:"name,omitzero"`      // nil if unset
	Alias        *string          `json:"alias,omitzero"`     // the name that contacts see; nil if unset
	Email        *string          `json:"email,omitzero"`     // nil if unset
	Phone        *string          `json:"phone,omitzero"`     // nil if unset
	Locale       *string          `json:"locale,omitzero"`    // such as en-US; nil if unset
	TimeZone     *string          `json:"timeZone,omitzero"`  // such as Europe/Stockholm; nil if unset
	AvatarURL    *string          `json:"avatarUrl,omitzero"` // nil if unset
	Availability UserAvailability `json:"availability,omitzero"`
	Role         UserRole         `json:"role,omitzero"`
	Bot          bool             `json:"bot,omitzero"`       // whether the user is the organisation's bot
	Verified     *bool            `json:"verified,omitzero"`  // whether the email is confirmed; nil if unknown
	CreatedAt    Millis           `json:"createdAt,omitzero"` // when the user joined
	UpdatedAt    Millis           `json:"updatedAt,omitzero"` // when the user last changed
}

// Ref returns the user's name among all records of the organisation, such as
// "User:412077".
func (u *User) Ref() string { return "User:" + u.ID.String() }

func (u *User) present() bool { return u != nil && u.ID != 0 }

// UserAvailability says whether a user takes conversations now. It is blank if
// unknown; values that are not listed here may occur.
type UserAvailability string

// The availabilities that are documented.
const (
	Available UserAvailability = "AVAILABLE" // also written ONLINE by Drift
	Offline   UserAvailability = "OFFLINE"
	OnCall    UserAvailability = "ON_CALL"
)

// UnmarshalJSONFrom reads an availability in any case, and ONLINE as [Available].
func (a *UserAvailability) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	const online = "ONLINE"
	if err := readEnum(dec, a, Available, Offline, OnCall, online); err != nil {
		return err
	}
	if *a == online {
		*a = Available
	}
	return nil
}

// UserRole says what a user may do in Drift. It is blank if unknown; values
// that are not listed here may occur.
type UserRole string

// The roles that are documented.
const (
	RoleMember UserRole = "member"
	RoleAdmin  UserRole = "admin"
	RoleAgent  UserRole = "agent"
)

// UnmarshalJSONFrom reads a role in any case.
func (r *UserRole) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	return readEnum(dec, r, RoleMember, RoleAdmin, RoleAgent)
}

// User returns the user of that id, or an [ErrNotFound].
//
// GET /users/{id}
// https://devdocs.drift.com/docs/retrieving-user
func (c *Client) User(ctx context.Context, id ID) (*User, error) {
	return fetch(ctx, c, call{route: "/users/{id}", id: id.String(), keys: 1}, one[User])
}

// MaxUserIDs is how many ids [Client.UsersByID] may ask for.
const MaxUserIDs = 20

// UsersByID returns the users of those ids, at most [MaxUserIDs] of them, by
// their ids. Unknown ids are left out. It makes one call, and none if there are
// no ids.
//
// GET /users?userId=
// https://devdocs.drift.com/docs/retrieving-user
func (c *Client) UsersByID(ctx context.Context, ids []ID) (map[ID]*User, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	const route = "/users"
	if len(ids) > MaxUserIDs {
		return nil, errKeys(http.MethodGet, route, len(ids), MaxUserIDs)
	}
	query := url.Values{}
	for _, id := range ids {
		query.Add("userId", id.String())
	}
	return fetch(ctx, c, call{route: route, query: query, keys: len(ids)}, func(a answer) (map[ID]*User, error) {
		var found struct {
			Data map[ID]*User `json:"data"`
		}
		if err := json.Unmarshal(a.body, &found, lenient); err != nil {
			return nil, err
		}
		if found.Data == nil {
			return nil, errNoData
		}
		for id, user := range found.Data {
			if !user.present() {
				return nil, errNoRecord
			}
			if user.ID != id {
				return nil, errOtherRecord
			}
		}
		return found.Data, nil
	})
}

// Users returns all users, bots among them. A user who was removed is left out
// here, though conversations may still name the id.
//
// GET /users/list
// https://devdocs.drift.com/docs/listing-users
func (c *Client) Users(ctx context.Context) ([]*User, error) {
	return fetch(ctx, c, call{route: "/users/list"}, many[User])
}

// UserChanges are what to change of a user.
type UserChanges struct {
	Name         Change[string]           `json:"name,omitzero"`
	Alias        Change[string]           `json:"alias,omitzero"` // the name that contacts see
	Email        Change[string]           `json:"email,omitzero"`
	Phone        Change[string]           `json:"phone,omitzero"`
	Locale       Change[string]           `json:"locale,omitzero"` // such as en-US
	AvatarURL    Change[string]           `json:"avatarUrl,omitzero"`
	Availability Change[UserAvailability] `json:"availability,omitzero"` // [Available] or [Offline]
}

// UpdateUser changes the user of that id and returns the user, or an
// [ErrNotFound].
//
// PATCH /users/update?userId=
// https://devdocs.drift.com/docs/updating-users
func (c *Client) UpdateUser(ctx context.Context, id ID, changes UserChanges) (*User, error) {
	patch := call{
		method: http.MethodPatch,
		route:  "/users/update",
		id:     id.String(),
		query:  url.Values{"userId": {id.String()}},
		body:   func(string) any { return &changes },
		keys:   1,
	}
	return fetch(ctx, c, patch, one[User])
}
