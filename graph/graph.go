// Package graph is GraphQL itself: what gqlgen generates from schema/, how ids,
// instants, enums and free values are written, and how errors are told.
package graph

//go:generate go -C .. tool gqlgen generate

import (
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/relay"
)

// A Node is an object with a global id.
type Node interface {
	Ref() string
}

// A MessageAuthor is a *drift.Contact or a *drift.User.
type MessageAuthor interface {
	Ref() string
}

// The connections of the schema.
type (
	ContactConnection      = relay.Connection[*drift.Contact]
	ContactEdge            = relay.Edge[*drift.Contact]
	UserConnection         = relay.Connection[*drift.User]
	UserEdge               = relay.Edge[*drift.User]
	ConversationConnection = relay.Connection[*drift.Conversation]
	ConversationEdge       = relay.Edge[*drift.Conversation]
	MessageConnection      = relay.Connection[*drift.Message]
	MessageEdge            = relay.Edge[*drift.Message]
	AccountConnection      = relay.Connection[*drift.Account]
	AccountEdge            = relay.Edge[*drift.Account]
)

// A ConversationReport is a report of Drift's with the names of its metrics,
// which Drift gives by place alone.
type ConversationReport struct {
	Count int
	Rows  []*ConversationReportRow
}

// A ConversationReportRow holds the figures of one conversation.
type ConversationReportRow struct {
	ConversationID drift.ID
	Metrics        []*ConversationMetric
}
