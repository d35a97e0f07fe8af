// Package tracing tells an OpenTelemetry collector what operations did: a span
// for each operation, below it one for each batch of records, and below that one
// for each call to Drift.
//
// Spans hold no id of a record, no address, no document and no variable. Drift
// is sent no context of a trace.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/driftgraph/driftgraph/drift"
)

// Tracing sends spans to a collector. A nil Tracing sends none.
type Tracing struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// New returns a Tracing as the environment has it, by the variables of the
// OpenTelemetry specification; nil if it names no endpoint. It must be closed.
func New(ctx context.Context, version string, log *slog.Logger) (*Tracing, error) {
	if !wanted() {
		return nil, nil
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if protocol := os.Getenv(name); protocol != "" && protocol != "http/protobuf" {
			return nil, fmt.Errorf("%s is %q; it takes http/protobuf", name, protocol)
		}
	}
	what, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "driftgraph"), attribute.String("service.version", version)),
		resource.WithFromEnv(), // may say otherwise
	)
	if err != nil {
		return nil, errors.New("OTEL_RESOURCE_ATTRIBUTES takes names and values, such as deployment.environment=test,team=web")
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, errors.New("OTEL_EXPORTER_OTLP_ENDPOINT, or another variable of OTEL_EXPORTER_OTLP, is not as it should be")
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) { // which may quote the endpoint
		log.Warn("spans could not be sent to the collector of OTEL_EXPORTER_OTLP_ENDPOINT")
	}))
	t := &Tracing{provider: sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(what))}
	t.tracer = t.provider.Tracer("driftgraph", trace.WithInstrumentationVersion(version))
	return t, nil
}

// wanted reports whether the environment asks for traces.
func wanted() bool {
	if disabled, _ := strconv.ParseBool(strings.ToLower(os.Getenv("OTEL_SDK_DISABLED"))); disabled || os.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// Tracer starts the spans of operations.
func (t *Tracing) Tracer() trace.Tracer { return t.tracer }

// Close sends what is left, and waits for that until ctx ends.
func (t *Tracing) Close(ctx context.Context) {
	if t != nil {
		_ = t.provider.Shutdown(ctx) // the error handler has been told
	}
}

// Call tells of an HTTP request to Drift that has ended. In the background, where
// there is no operation, its span stands alone.
func (t *Tracing) Call(ctx context.Context, c drift.Call) {
	if t == nil {
		return
	}
	_, span := t.tracer.Start(ctx, c.Method+" "+c.Route, trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(c.Start))
	if span.IsRecording() {
		span.SetAttributes(
			attribute.String("http.request.method", c.Method),
			attribute.String("url.template", c.Route),
			attribute.Int("driftgraph.keys", c.Keys),
			attribute.Int("http.response.body.size", c.Bytes),
		)
		if c.Status != 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", c.Status))
		}
		if c.Attempt > 0 {
			span.SetAttributes(attribute.Int("http.request.resend_count", c.Attempt))
		}
		if c.Err != nil {
			kind := "no_answer"
			if c.Status != 0 {
				kind = strconv.Itoa(c.Status)
			}
			span.SetAttributes(attribute.String("error.type", kind))
			span.SetStatus(codes.Error, "")
		}
	}
	span.End(trace.WithTimestamp(c.Start.Add(c.Duration)))
}
