package graph

import (
	"context"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/driftgraph/driftgraph/auth"
	"github.com/driftgraph/driftgraph/loaders"
)

// PlanHeader is the request header that asks what an operation costs Drift.
const PlanHeader = "Driftgraph-Plan"

// The values of PlanHeader.
const (
	planSummary = "summary" // counts
	planFull    = "full"    // counts, and each step
	planDryRun  = "dry-run" // a prediction, in the place of an answer
)

// REST gives each operation its loaders, has them read ahead, bounds what it
// costs, and tells of that in the member rest of the answer's extensions.
type REST struct {
	// Source returns where the caller's operations read from.
	Source func(context.Context) *loaders.Source

	// Open tells everyone what an operation costs, not only those who have the
	// permission for it.
	Open bool

	MaxCalls int           // to Drift that an operation may take; 0 for any number
	MaxBytes int64         // of an answer, as JSON; 0 for any number
	Timeout  time.Duration // of loading: what is not there by then is null, with an error

	MutationTimeout time.Duration // in place of Timeout, of a mutation: its changes, and what it reads then
}

// ExtensionName names the extension to gqlgen.
func (REST) ExtensionName() string { return "REST" }

// Validate finds nothing to check in a schema.
func (REST) Validate(graphql.ExecutableSchema) error { return nil }

// An outlook is what is known of an operation before it runs.
type outlook struct {
	mode      string
	plan      *loaders.Plan
	predicted loaders.Range
	expected  int              // calls to Drift, when nothing is cached
	loaders   *loaders.Loaders // nil until it runs
}

// MutateOperationContext plans an operation, and refuses one that is expected to
// cost more than it may.
func (r REST) MutateOperationContext(ctx context.Context, op *graphql.OperationContext) *gqlerror.Error {
	o := &outlook{mode: op.Headers.Get(PlanHeader), plan: loaders.Compile(op, forbidden(ctx))}
	switch o.mode {
	case "", planSummary, planFull, planDryRun:
	default:
		err := gqlerror.Errorf("the header %s takes %s, %s or %s", PlanHeader, planSummary, planFull, planDryRun)
		err.Extensions = map[string]any{"code": CodeBadUserInput}
		return err
	}
	if err := auth.May(ctx, auth.PlanRead); err != nil && !r.Open {
		if o.mode == planDryRun { // who wants to run nothing must not be misunderstood
			told := gqlerror.Wrap(err)
			told.Extensions = map[string]any{"code": CodeForbidden}
			return told
		}
		o.mode = ""
	}
	expected, predicted := r.Source(ctx).Estimate(o.plan, r.MaxCalls)
	o.predicted, o.expected = predicted, expected
	op.Stats.SetExtension(r.ExtensionName(), o)
	if r.MaxCalls > 0 && expected > r.MaxCalls && o.mode != planDryRun {
		err := gqlerror.Errorf("the operation is expected to take %d calls to Drift; at most %d are allowed. Ask for less: a smaller first, or fewer levels", expected, r.MaxCalls)
		err.Extensions = map[string]any{"code": CodeRESTBudgetExceeded, "price": expected, "limit": r.MaxCalls}
		return err
	}
	return nil
}

// InterceptOperation runs an operation with loaders of its own.
func (r REST) InterceptOperation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	o := graphql.GetOperationContext(ctx).Stats.GetExtension(r.ExtensionName()).(*outlook)
	if o.mode == planDryRun {
		return graphql.OneShot(&graphql.Response{Data: []byte("null"), Extensions: rest(map[string]any{"predicted": o.predicted})})
	}
	// What is not there when the time is over is answered as null with an
	// error; the rest is answered. So the time bounds loading, not executing.
	timeout := r.Timeout
	if graphql.GetOperationContext(ctx).Operation.Operation == ast.Mutation {
		timeout = r.MutationTimeout
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	l := r.Source(ctx).Loaders(bounded, loaders.Operation{
		Plan: o.plan, Caller: asker(ctx), MaxCalls: r.MaxCalls, MaxBytes: r.MaxBytes, Steps: o.mode == planFull,
	})
	o.loaders = l
	l.Plan(bounded)
	respond := next(loaders.Attach(ctx, l))
	return func(ctx context.Context) *graphql.Response {
		defer cancel()
		answer := respond(ctx)
		if answer != nil && r.MaxBytes > 0 && int64(len(answer.Data)) > r.MaxBytes {
			answer = &graphql.Response{Errors: gqlerror.List{r.tooLarge(graphql.GetOperationContext(ctx))}}
		}
		if answer != nil && o.mode != "" {
			answer.Extensions = rest(l.Spent())
		}
		return answer
	}
}

// tooLarge is told in the place of an answer of more than MaxBytes.
func (r REST) tooLarge(op *graphql.OperationContext) *gqlerror.Error {
	err := limitError(int(r.MaxBytes), "%s", (&loaders.SizeError{Most: r.MaxBytes}).Error())
	if op.Operation.Operation == ast.Mutation {
		err.Message += ". The changes were made"
	}
	return err
}

func rest(v any) map[string]any { return map[string]any{"rest": v} }
