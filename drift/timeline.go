package drift

import (
	"context"
	"net/http"
)

// A NewTimelineEvent is something that happened to a contact, whom either
// ContactID or ExternalID names.
type NewTimelineEvent struct {
	ContactID  ID     `json:"contactId,omitzero"`
	ExternalID string `json:"externalId,omitzero"` // the organisation's own id of the contact
	Event      string `json:"event"`               // what happened, in words; required
	CreatedAt  Millis `json:"createdAt,omitzero"`  // when it happened; 0 for now
}

// A TimelineEvent is something that happened to a contact, as Drift noted it.
type TimelineEvent struct {
	ContactID ID     `json:"contactId"`      // never absent
	Event     string `json:"event,omitzero"` // in lower case, whatever was sent
	CreatedAt Millis `json:"createdAt,omitzero"`
}

func (e *TimelineEvent) present() bool { return e != nil && e.ContactID != 0 }

// CreateTimelineEvent adds an event to what a contact did, or returns an
// [ErrNotFound] if there is no such contact. Drift has no way to list events.
//
// POST /contacts/timeline
// https://devdocs.drift.com/docs/posting-timeline-events
func (c *Client) CreateTimelineEvent(ctx context.Context, event NewTimelineEvent) (*TimelineEvent, error) {
	post := call{
		method: http.MethodPost,
		route:  "/contacts/timeline",
		body:   func(string) any { return &event },
	}
	return fetch(ctx, c, post, func(a answer) (*TimelineEvent, error) {
		made, err := written[TimelineEvent](a)
		if err == nil && event.ContactID != 0 && made.ContactID != event.ContactID {
			return nil, errOtherRecord
		}
		return made, err
	})
}
