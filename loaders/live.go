package loaders

import (
	"context"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/events"
	"github.com/driftgraph/driftgraph/relay"
)

// changedConversation leads from an event to its conversation.
var changedConversation = &link{needs: identity, follow: root(func(p *planner, f *field) {
	p.conversation(f, events.From(p.ctx).Conversation)
}), cost: conversationBelow}

// addedMessage is the cost of an event about a message. Which one it will be is
// not known beforehand.
func addedMessage(e *estimate, from group, f *field) {
	s := f.children[relay.Message]
	if s != nil && s.need > identity {
		e.node(from, f, relay.Message+":1:1")
		return
	}
	of := group{number: exactly(1), name: ":1"}
	e.visit(s, group{number: exactly(1), name: ":1:1", of: &of}, nothing, identity)
}

// Message returns a message that an event tells of, nil if it is gone. If no more
// than its ids is selected it is not read, and nothing else of it is set.
func (l *Loaders) Message(ctx context.Context, e events.Event) (*drift.Message, error) {
	if !l.needs(ctx, relay.Message, identity) {
		return &drift.Message{ID: e.Message, ConversationID: e.Conversation}, nil
	}
	page, err := Read(l.MessagePages, FindMessage(e.Conversation, e.Message))
	if page == nil || len(page.Edges) == 0 {
		return nil, err
	}
	return page.Edges[0].Node, nil
}
