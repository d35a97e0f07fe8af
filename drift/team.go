package drift

import (
	"context"

	"github.com/go-json-experiment/json/jsontext"
)

// A Team is a group of users to whom conversations are routed.
type Team struct {
	ID                   ID                   `json:"id"` // never absent
	OrgID                ID                   `json:"orgId,omitzero"`
	WorkspaceID          *string              `json:"workspaceId,omitzero"`
	Name                 *string              `json:"name,omitzero"`
	Members              []ID                 `json:"members,omitzero"` // users
	Owner                ID                   `json:"owner,omitzero"`   // a user; 0 if none
	Status               TeamStatus           `json:"status,omitzero"`
	Main                 bool                 `json:"main,omitzero"`
	AutoOffline          bool                 `json:"autoOffline,omitzero"`
	CSATEnabled          bool                 `json:"teamCsatEnabled,omitzero"` // whether contacts are asked how they liked it
	ResponseTimerEnabled bool                 `json:"responseTimerEnabled,omitzero"`
	AvailabilityMode     TeamAvailabilityMode `json:"teamAvailabilityMode,omitzero"`
	UpdatedAt            Millis               `json:"updatedAt,omitzero"`
}

// Ref returns the team's name among all records of the organisation, such as
// "Team:7301".
func (t *Team) Ref() string { return "Team:" + t.ID.String() }

func (t *Team) present() bool { return t != nil && t.ID != 0 }

// TeamStatus says whether a team is in use. Values that are not listed here
// may occur.
type TeamStatus string

// The states of teams that are documented.
const (
	TeamEnabled  TeamStatus = "ENABLED"
	TeamArchived TeamStatus = "ARCHIVED"
)

// UnmarshalJSONFrom reads a status in any case.
func (s *TeamStatus) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	return readEnum(dec, s, TeamEnabled, TeamArchived)
}

// TeamAvailabilityMode says when a team takes conversations. Values that are
// not listed here may occur.
type TeamAvailabilityMode string

// The modes that are documented.
const (
	TeamAlwaysOnline  TeamAvailabilityMode = "ALWAYS_ONLINE"
	TeamAlwaysOffline TeamAvailabilityMode = "ALWAYS_OFFLINE"
	TeamCustomHours   TeamAvailabilityMode = "CUSTOM_HOURS"
)

// UnmarshalJSONFrom reads a mode in any case.
func (m *TeamAvailabilityMode) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	return readEnum(dec, m, TeamAlwaysOnline, TeamAlwaysOffline, TeamCustomHours)
}

// Teams returns all teams of the organisation.
//
// GET /teams/org
// https://devdocs.drift.com/docs/listing-teams-org
func (c *Client) Teams(ctx context.Context) ([]*Team, error) {
	return fetch(ctx, c, call{route: "/teams/org"}, many[Team])
}

// TeamsOf returns the teams that the user is a member of, none for a user who
// is in no team.
//
// GET /teams/users/{id}
// https://devdocs.drift.com/docs/listing-teams-by-user
func (c *Client) TeamsOf(ctx context.Context, user ID) ([]*Team, error) {
	return fetch(ctx, c, call{route: "/teams/users/{id}", id: user.String(), keys: 1}, many[Team])
}
