package loaders

import (
	"errors"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/events"
	"github.com/driftgraph/driftgraph/relay"
)

// Forget drops what is kept of the contacts with an e-mail address, as far as
// this process knows them by it. It makes no call to Drift.
func (s *Source) Forget(email string) error {
	key := s.private(email)
	var change Change
	found, _ := s.store.contactsByEmail.Peek(s.tenant, key)
	for _, c := range found {
		change.Contacts = append(change.Contacts, c.ID)
	}
	if errors.Join(s.store.contactsByEmail.Drop(s.tenant, key), s.Drop(change)) != nil {
		return cache.ErrNotTold
	}
	return nil
}

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
