package loaders

import (
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/events"
	"github.com/driftgraph/driftgraph/relay"
)

// changedConversation leads from an event to its conversation.
var changedConversation = &link{needs: identity, follow: root(func(p *planner, f *field) {
	id := events.From(p.ctx).Conversation
	find(p, f, relay.Conversation, &drift.Conversation{ID: id}, p.Conversations, id)
}), cost: about(relay.Conversation)}

// about is the cost of an event about an object of a type. Which one it will
// be is not known beforehand.
func about(typ string) func(*estimate, group, *field) {
	return func(e *estimate, from group, f *field) { e.find(from, f, typ, "") }
}
