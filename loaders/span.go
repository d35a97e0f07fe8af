package loaders

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/driftgraph/driftgraph/cache"
)

// A batchSpan tells a trace of a batch: how many records it is of, and where
// they came from. A nil one tells nothing.
type batchSpan struct {
	oteltrace.Span
	left    atomic.Int64 // records that are not there yet
	sources [cache.Stale + 1]atomic.Int64
}

// startBatch starts the span of a batch, below that of the operation, if that is
// traced; and returns the context of what is done for the batch.
func startBatch(ctx context.Context, route string, keys int) (context.Context, *batchSpan) {
	parent := oteltrace.SpanFromContext(ctx)
	if route == "" || keys == 0 || !parent.IsRecording() {
		return ctx, nil
	}
	ctx, span := parent.TracerProvider().Tracer("driftgraph").Start(ctx, "load "+route, oteltrace.WithAttributes(attribute.Int("driftgraph.keys", keys)))
	s := &batchSpan{Span: span}
	s.left.Store(int64(keys))
	return ctx, s
}

// came tells that a record is there, or is not to be had. The last ends the span.
func (s *batchSpan) came(from cache.Source) {
	if s == nil {
		return
	}
	s.sources[from].Add(1)
	if s.left.Add(-1) > 0 {
		return
	}
	for from := range s.sources {
		if n := s.sources[from].Load(); n > 0 && from > 0 {
			s.SetAttributes(attribute.Int64("driftgraph.from."+cache.Source(from).String(), n))
		}
	}
	s.End()
}
