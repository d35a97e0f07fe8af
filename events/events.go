// Package events tells subscribers what has changed in Drift: those in this
// process, and those in all processes that share a Redis.
//
// An event names what has changed and holds nothing of it. Whoever hears of one
// reads what Drift has now, through the cache, so an event that comes late, twice
// or in another order than it happened does no harm. One that is lost would, so a
// subscriber that may have missed some is told of a gap.
package events

import (
	"context"

	"github.com/driftgraph/driftgraph/drift"
)

// A Kind says what has happened.
type Kind string

// The kinds of events.
const (
	MessageAdded            Kind = "messageAdded"            // has Conversation and Message
	ConversationStarted     Kind = "conversationStarted"     // has Conversation
	ConversationUpdated     Kind = "conversationUpdated"     // has Conversation
	ContactUpdated          Kind = "contactUpdated"          // has Contact
	UserAvailabilityChanged Kind = "userAvailabilityChanged" // has User
	Gap                     Kind = "gap"                     // has Reason: events may be missing before this one
)

// A Reason says why events may be missing.
type Reason string

// The reasons of a gap.
const (
	Overflow     Reason = "OVERFLOW"     // the subscriber did not keep up
	Disconnected Reason = "DISCONNECTED" // this process could not hear the others for a while, or they it
)

// An Event says that something has happened in Drift, and to what.
type Event struct {
	ID           string   `json:"id,omitzero"`  // the same for each time that the same event of the organisation is told
	Org          drift.ID `json:"org,omitzero"` // the organisation; 0 where there is one only
	Kind         Kind     `json:"kind"`
	Conversation drift.ID `json:"conversation,omitzero"`
	Message      drift.ID `json:"message,omitzero"`
	Contact      drift.ID `json:"contact,omitzero"`
	User         drift.ID `json:"user,omitzero"`
	Reason       Reason   `json:"reason,omitzero"`
}

// subject returns the id that a filter may ask for.
func (e Event) subject() drift.ID {
	switch e.Kind {
	case ContactUpdated:
		return e.Contact
	case UserAvailabilityChanged:
		return e.User
	}
	return e.Conversation
}

// A Filter says which events a subscriber wants: those of an organisation and a
// kind, and of one conversation, contact or user unless Of is 0.
type Filter struct {
	Org  drift.ID
	Kind Kind
	Of   drift.ID
}

type contextKey struct{}

// With returns a context for the work that an event causes.
func With(ctx context.Context, e Event) context.Context {
	return context.WithValue(ctx, contextKey{}, e)
}

// From returns the event that causes the work, the zero Event if none does.
func From(ctx context.Context) Event {
	e, _ := ctx.Value(contextKey{}).(Event)
	return e
}
