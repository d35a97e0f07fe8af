package loaders

import (
	stdjson "encoding/json"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/relay"
)

// A Report is a question to Drift's conversation report: its query as JSON,
// so that the same question asked twice is asked once.
type Report string

// NewReport checks the question that a client asks and returns it.
func NewReport(q drift.ReportQuery) (Report, error) {
	if len(q.Filters) == 0 {
		return "", relay.BadInput("input.filters is empty; a report takes at least one filter")
	}
	if len(q.Metrics) == 0 || len(q.Metrics) > 20 {
		return "", relay.BadInput("input.metrics has %d names; a report takes 1 to 20", len(q.Metrics))
	}
	for i, f := range q.Filters {
		if f.Values == nil {
			q.Filters[i].Values = []any{}
		}
		switch n := len(f.Values); {
		case f.Operation == "HAS_PROPERTY" && n != 0:
			return "", relay.BadInput("input.filters[%d].values has %d; HAS_PROPERTY takes none", i, n)
		case f.Operation == "BETWEEN" && n != 2:
			return "", relay.BadInput("input.filters[%d].values has %d; BETWEEN takes 2", i, n)
		case f.Operation == "IN" && (n == 0 || n > 100):
			return "", relay.BadInput("input.filters[%d].values has %d; IN takes 1 to 100", i, n)
		}
	}
	text, err := json.Marshal(q, json.Deterministic(true))
	return Report(text), err
}

// parseReport reads the argument input of Query.conversationReport.
func parseReport(input arguments) (Report, error) {
	q := drift.ReportQuery{Metrics: input.texts("metrics")}
	filters, _ := input["filters"].([]any)
	if one, ok := input["filters"].(map[string]any); ok {
		filters = []any{one}
	}
	for _, entry := range filters {
		filter, _ := entry.(map[string]any)
		f := drift.ReportFilter{
			Property:  arguments(filter).id("property"),
			Operation: arguments(filter).id("operation"),
		}
		values, isList := filter["values"].([]any)
		if v, given := filter["values"]; given && !isList {
			values = []any{v}
		}
		for _, v := range values {
			text, err := stdjson.Marshal(v)
			if err != nil {
				return "", err
			}
			f.Values = append(f.Values, jsontext.Value(text))
		}
		q.Filters = append(q.Filters, f)
	}
	return NewReport(q)
}
