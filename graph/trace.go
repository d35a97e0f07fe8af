package graph

import (
	"cmp"
	"context"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Trace has a span for each operation that is executed, each event of a
// subscription among them, in the trace of the request if that has one. It
// stands before all that the span is to cover.
type Trace struct {
	Tracer trace.Tracer
}

// ExtensionName names the extension to gqlgen.
func (Trace) ExtensionName() string { return "Trace" }

// Validate finds nothing to check in a schema.
func (Trace) Validate(graphql.ExecutableSchema) error { return nil }

// maxSpanName bounds the name of an operation in its span, in bytes.
const maxSpanName = 100

// InterceptOperation runs an operation in a span.
func (t Trace) InterceptOperation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	op := graphql.GetOperationContext(ctx)
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(op.Headers))
	kind := cmp.Or(string(op.Operation.Operation), "query")
	attributes := []attribute.KeyValue{attribute.String("graphql.operation.type", kind)}
	if name := op.Operation.Name; name != "" && len(name) <= maxSpanName {
		attributes = append(attributes, attribute.String("graphql.operation.name", name))
	}
	begin := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attributes...)}
	if !op.Stats.OperationStart.IsZero() {
		begin = append(begin, trace.WithTimestamp(op.Stats.OperationStart))
	}
	ctx, span := t.Tracer.Start(ctx, kind, begin...)
	respond := next(ctx)
	return func(ctx context.Context) *graphql.Response {
		defer span.End()
		answer := respond(ctx)
		if answer == nil || !span.IsRecording() {
			return answer
		}
		if look, _ := op.Stats.GetExtension(REST{}.ExtensionName()).(*outlook); look != nil && look.loaders != nil {
			spent := look.loaders.Spent()
			span.SetAttributes(
				attribute.Int("driftgraph.rest.calls", spent.Calls), attribute.Int("driftgraph.rest.naive_calls", spent.NaiveCalls),
				attribute.Int("driftgraph.cache.hits", spent.CacheHits), attribute.Int("driftgraph.cache.stale_hits", spent.StaleHits),
			)
		}
		if seen := observed(op, answer.Errors); len(seen.Codes) > 0 {
			span.SetAttributes(attribute.StringSlice("driftgraph.error.codes", slices.Compact(slices.Sorted(slices.Values(seen.Codes)))))
			span.SetStatus(codes.Error, "")
		}
		return answer
	}
}
