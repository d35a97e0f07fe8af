package graph

import (
	"context"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/driftgraph/driftgraph/loaders"
)

// An Outcome is how an operation ended.
type Outcome string

// The outcomes.
const (
	Succeeded Outcome = "ok"      // without an error
	Partial   Outcome = "partial" // with data, and with errors
	Failed    Outcome = "failed"  // executed, with errors and no data
	Refused   Outcome = "refused" // not executed
)

// An Observation is what is to be known of an operation that has ended.
type Observation struct {
	Type     ast.Operation // "" if the document could not be read
	Name     string        // as the client chose it; "" for none
	Outcome  Outcome
	Codes    []string      // of its errors
	Duration time.Duration // since its request came
	Spent    loaders.Spent // what it cost; the zero value if it was not executed
}

// Observe tells of each operation once, when it has ended: also of those that
// are refused, and of each event of a subscription. It is the first extension
// of an executor, so that it sees all that the others do.
type Observe struct {
	Tell func(Observation)
}

// ExtensionName names the extension to gqlgen.
func (Observe) ExtensionName() string { return "Observe" }

// Validate finds nothing to check in a schema.
func (Observe) Validate(graphql.ExecutableSchema) error { return nil }

// observedKey is in the context of an operation that runs.
type observedKey struct{}

// InterceptOperation tells of an operation that was executed, or shed.
func (o Observe) InterceptOperation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	op := graphql.GetOperationContext(ctx)
	respond := next(context.WithValue(ctx, observedKey{}, true))
	return func(ctx context.Context) *graphql.Response {
		answer := respond(ctx)
		if answer == nil {
			return nil // nobody waits for it any more
		}
		seen := observed(op, answer.Errors)
		switch look, _ := op.Stats.GetExtension(REST{}.ExtensionName()).(*outlook); {
		case look == nil || look.loaders == nil: // a dry run, or it was shed
			if len(answer.Errors) > 0 {
				seen.Outcome = Refused
			}
		default:
			seen.Spent = look.loaders.Spent()
			if len(answer.Errors) > 0 {
				seen.Outcome = Partial
				if len(answer.Data) == 0 || string(answer.Data) == "null" {
					seen.Outcome = Failed
				}
			}
		}
		o.Tell(seen)
		return answer
	}
}

// InterceptResponse tells of an operation that was refused before it ran.
func (o Observe) InterceptResponse(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	answer := next(ctx)
	if ctx.Value(observedKey{}) == nil && answer != nil {
		seen := observed(graphql.GetOperationContext(ctx), answer.Errors)
		seen.Outcome = Refused
		o.Tell(seen)
	}
	return answer
}

func observed(op *graphql.OperationContext, errors gqlerror.List) Observation {
	seen := Observation{Outcome: Succeeded}
	if !op.Stats.OperationStart.IsZero() {
		seen.Duration = time.Since(op.Stats.OperationStart)
	}
	if op.Operation != nil {
		seen.Type, seen.Name = op.Operation.Operation, op.Operation.Name
	}
	for _, err := range errors {
		code, _ := err.Extensions["code"].(string)
		seen.Codes = append(seen.Codes, code)
	}
	return seen
}
