package drift

import (
	"context"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A Playbook is what a bot of the organisation says to visitors.
type Playbook struct {
	ID              ID             `json:"id"` // never absent
	OrgID           ID             `json:"orgId,omitzero"`
	InteractionID   ID             `json:"interactionId,omitzero"`
	CreatedAuthorID ID             `json:"createdAuthorId,omitzero"` // a user
	UpdatedAuthorID ID             `json:"updatedAuthorId,omitzero"` // a user
	Name            *string        `json:"name,omitzero"`
	ReportType      *string        `json:"reportType,omitzero"` // such as BOOK_MORE_MEETINGS
	Goals           []Goal         `json:"goals,omitzero"`
	Meta            jsontext.Value `json:"meta,omitzero"` // an object; nil if absent
	CreatedAt       Millis         `json:"createdAt,omitzero"`
	UpdatedAt       Millis         `json:"updatedAt,omitzero"`
}

// Ref returns the playbook's name among all records of the organisation, such
// as "Playbook:2210457".
func (p *Playbook) Ref() string { return "Playbook:" + p.ID.String() }

func (p *Playbook) present() bool { return p != nil && p.ID != 0 }

// plainPlaybook is a playbook without its methods.
type plainPlaybook Playbook

// UnmarshalJSONFrom reads a playbook as Drift writes it.
func (p *Playbook) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*p = Playbook{}
	if err := json.UnmarshalDecode(dec, (*plainPlaybook)(p)); err != nil {
		return err
	}
	return tidy(dec, &p.Meta)
}

// A Goal is what a playbook tries to bring a visitor to.
type Goal struct {
	ID      *string `json:"id,omitzero"`
	Message *string `json:"message,omitzero"` // what the bot says when it is met
}

// Playbooks returns the playbooks that are enabled and active. A conversation
// may name one that no longer is.
//
// GET /playbooks/list
// https://devdocs.drift.com/docs/get-playbooks
func (c *Client) Playbooks(ctx context.Context) ([]*Playbook, error) {
	return fetch(ctx, c, call{route: "/playbooks/list"}, many[Playbook])
}

// A LandingPage is a page of Drift's that holds nothing but a conversation.
type LandingPage struct {
	PlaybookID   ID      `json:"playbookId"` // the playbook that runs on it; never absent
	PlaybookName *string `json:"playbookName,omitzero"`
	URL          *string `json:"landingPageUrl,omitzero"`
}

func (p *LandingPage) present() bool { return p != nil && p.PlaybookID != 0 }

// LandingPages returns all conversational landing pages.
//
// GET /playbooks/clp
// https://devdocs.drift.com/docs/retrieve-conversational-landing-pages
func (c *Client) LandingPages(ctx context.Context) ([]*LandingPage, error) {
	return fetch(ctx, c, call{route: "/playbooks/clp"}, many[LandingPage])
}
