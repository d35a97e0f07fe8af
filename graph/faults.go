package graph

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// maxTold bounds the errors that an answer tells of one by one, and the lines that
// are logged of calls that failed for it.
const maxTold = 100

// faultsKey is the key of the number of failures of an operation in its context.
type faultsKey struct{}

// DispatchOperation executes an operation. Where there are more than maxTold errors
// the answer has the first of them, and one that counts the others. Its data are
// what they are.
func (e *Executor) DispatchOperation(ctx context.Context, op *graphql.OperationContext) (graphql.ResponseHandler, context.Context) {
	respond, ctx := e.Executor.DispatchOperation(context.WithValue(ctx, faultsKey{}, new(atomic.Int64)), op)
	return func(ctx context.Context) *graphql.Response {
		answer := respond(ctx)
		if answer != nil && len(answer.Errors) > maxTold {
			answer.Errors = append(slices.Clip(answer.Errors[:maxTold]), untold(answer.Errors[maxTold:]))
		}
		return answer
	}, ctx
}

// untold returns the error that stands for errors that are not told. Its code is
// the one that most of them have.
func untold(errors gqlerror.List) *gqlerror.Error {
	omitted := map[string]int{}
	for _, err := range errors {
		code, _ := err.Extensions["code"].(string)
		omitted[code]++
	}
	most := slices.MaxFunc(slices.Sorted(maps.Keys(omitted)), func(a, b string) int { return omitted[a] - omitted[b] })
	return &gqlerror.Error{
		Message:    fmt.Sprintf("%d more errors are not told one by one", len(errors)),
		Extensions: map[string]any{"code": most, "omitted": omitted},
	}
}

// mayLog reports whether another failure of the operation is to be logged.
func mayLog(ctx context.Context) bool {
	failures, ok := ctx.Value(faultsKey{}).(*atomic.Int64)
	return !ok || failures.Add(1) <= maxTold
}
