package graph

import (
	"context"
	"errors"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/driftgraph/driftgraph/queue"
)

// Admit has operations wait for their turn before they run, and sends them away
// if it does not come. It stands before REST, whose price says what is heavy.
// What has begun is never sent away.
type Admit struct {
	Queue       *queue.Queue
	HeavyCalls  int // an operation that is expected to take more calls to Drift is heavy
	HeavyFields int // and one whose answer may have more fields
}

// ExtensionName names the extension to gqlgen.
func (Admit) ExtensionName() string { return "Admit" }

// Validate finds nothing to check in a schema.
func (Admit) Validate(graphql.ExecutableSchema) error { return nil }

// InterceptOperation runs an operation in its turn.
func (a Admit) InterceptOperation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	op := graphql.GetOperationContext(ctx)
	class, ok := a.class(op)
	if !ok {
		return next(ctx)
	}
	leave, err := a.Queue.Enter(ctx, class)
	if err != nil {
		return graphql.OneShot(a.sendAway(op, err))
	}
	began := false
	defer func() {
		if !began { // it panics
			leave()
		}
	}()
	respond := next(ctx)
	began = true
	return func(ctx context.Context) *graphql.Response {
		defer leave()
		return respond(ctx)
	}
}

// class returns in which class an operation waits; ok is false if it need not.
func (a Admit) class(op *graphql.OperationContext) (class queue.Class, ok bool) {
	look, _ := op.Stats.GetExtension(REST{}.ExtensionName()).(*outlook)
	fields, _ := op.Stats.GetExtension(Size{}.ExtensionName()).(int)
	switch {
	case look == nil || look.mode == planDryRun:
		return 0, false
	case op.Operation.Operation == ast.Subscription:
		return queue.Event, true
	case look.expected > a.HeavyCalls || fields > a.HeavyFields:
		return queue.Heavy, true
	}
	return queue.Interactive, true
}

// sendAway returns the answer to an operation that cannot begin.
func (a Admit) sendAway(op *graphql.OperationContext, err error) *graphql.Response {
	var full *queue.FullError
	if !errors.As(err, &full) {
		return nil // nobody waits for the answer any more
	}
	op.Stats.SetExtension(a.ExtensionName(), full.RetryAfter)
	told := gqlerror.Errorf("the gateway has more to do than it can; nothing was executed, try again later")
	told.Extensions = map[string]any{"code": CodeRateLimited, "retryAfterMs": full.RetryAfter.Milliseconds()}
	return &graphql.Response{Errors: gqlerror.List{told}}
}

// shed reports whether an operation was sent away, and when it may come again.
func shed(op *graphql.OperationContext) (after time.Duration, ok bool) {
	after, ok = op.Stats.GetExtension(Admit{}.ExtensionName()).(time.Duration)
	return after, ok
}
