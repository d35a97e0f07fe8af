package resolvers

import (
	"context"
	"errors"

	"github.com/driftgraph/driftgraph/audit"
	"github.com/driftgraph/driftgraph/auth"
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/graph"
)

// requestData makes a request about the data of a person, if the caller may, and
// writes to the audit log what came of it.
func (r *Resolver) requestData(ctx context.Context, permission auth.Permission, operation, email string, request func(context.Context, string) (*drift.DataRequest, error)) (*drift.DataRequest, []*graph.UserError, error) {
	if err := auth.May(ctx, permission); err != nil {
		r.Audit.Write(ctx, operation, email, audit.Forbidden)
		return nil, nil, err
	}
	var in check
	in.email(email, "email")
	if in.failed() {
		return nil, in.errors, nil
	}
	made, err := request(ctx, email)
	refused, failure := graph.UserErrors(err, graph.Blame{Missing: "email", Words: map[string]string{"email": "email"}})
	result := audit.Accepted
	switch {
	case errors.Is(err, drift.ErrOutcomeUnknown):
		result = audit.Unknown
	case refused != nil:
		result = audit.Refused
	case failure != nil:
		result = audit.Failed
	}
	r.Audit.Write(ctx, operation, email, result)
	return made, refused, failure
}
