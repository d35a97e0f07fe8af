package resolvers

import (
	"context"
	"sync"

	"github.com/99designs/gqlgen/graphql"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/loaders"
	"github.com/driftgraph/driftgraph/relay"
)

// node reads an object by its global id.
func node(ctx context.Context, id string) (graph.Node, error) {
	n, err := relay.ParseNodeID(id)
	if err != nil {
		return nil, err
	}
	if err := graph.MayRead(ctx, n.Type); err != nil {
		return nil, err
	}
	l := loaders.For(ctx)
	switch n.Type {
	case relay.Contact:
		return found(l.Contacts.Load(n.ID))
	case relay.User:
		return found(l.Users.Load(n.ID))
	case relay.Conversation:
		return found(l.Conversations.Load(n.ID))
	case relay.Account:
		return found(l.Accounts.Load(n.Account))
	case relay.Message:
		page, err := loaders.Read(l.MessagePages, loaders.FindMessage(n.Parent, n.ID))
		if page == nil || len(page.Edges) == 0 {
			return nil, err
		}
		return page.Edges[0].Node, nil
	case relay.Team:
		list, err := l.Teams.Load(loaders.All{})
		return found(loaders.TeamByID(list, n.ID), err)
	case relay.Playbook:
		list, err := l.Playbooks.Load(loaders.All{})
		return found(loaders.PlaybookByID(list, n.ID), err)
	}
	return nil, nil
}

// nodes reads objects by their global ids. One that fails, or whose id is none,
// is null, with an error at its place.
func nodes(ctx context.Context, ids []string) []graph.Node {
	list := make([]graph.Node, len(ids))
	var reads sync.WaitGroup
	for i, id := range ids {
		reads.Go(func() {
			n, err := node(ctx, id)
			if err != nil {
				graphql.AddError(graphql.WithPathContext(ctx, graphql.NewPathWithIndex(i)), err)
				return
			}
			list[i] = n
		})
	}
	reads.Wait()
	return list
}

// found makes an object that is not there an untyped nil.
func found[T any, P interface {
	*T
	graph.Node
}](object P, err error) (graph.Node, error) {
	if object == nil || err != nil {
		return nil, err
	}
	return object, nil
}

// report names the metrics of a report, which Drift gives by place.
func report(r *drift.Report, metrics []string) *graph.ConversationReport {
	named := &graph.ConversationReport{Count: r.Count, Rows: make([]*graph.ConversationReportRow, len(r.Rows))}
	for i, row := range r.Rows {
		out := &graph.ConversationReportRow{ConversationID: row.ConversationID, Metrics: make([]*graph.ConversationMetric, len(metrics))}
		for j, name := range metrics {
			out.Metrics[j] = &graph.ConversationMetric{Name: name}
			if j < len(row.Metrics) {
				out.Metrics[j].Value = row.Metrics[j]
			}
		}
		named.Rows[i] = out
	}
	return named
}
