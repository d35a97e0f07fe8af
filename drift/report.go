package drift

import (
	"context"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A ReportQuery asks for numbers about conversations.
type ReportQuery struct {
	Filters []ReportFilter `json:"filters"` // all of which a conversation must pass
	Metrics []string       `json:"metrics"` // such as timeToCloseMillis, numAgentMessages, endUserId
}

// A ReportFilter chooses conversations by one of their properties.
type ReportFilter struct {
	Property  string `json:"property"`  // such as createdAt, status, endUserId
	Operation string `json:"operation"` // HAS_PROPERTY, BETWEEN or IN
	Values    []any  `json:"values"`    // numbers, strings, booleans or IDs, as many as the operation takes
}

// A Report holds numbers about conversations.
type Report struct {
	Count int         `json:"count"` // of rows
	Rows  []ReportRow `json:"data,omitzero"`
}

// A ReportRow holds the numbers about one conversation.
type ReportRow struct {
	ConversationID ID               `json:"conversationId"`   // never absent
	Metrics        []jsontext.Value `json:"metrics,omitzero"` // in the order of the query; null if there is no such number
}

// plainReportRow is a row without its methods.
type plainReportRow ReportRow

// UnmarshalJSONFrom reads a row as Drift writes it, with "NaN" as null.
func (r *ReportRow) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*r = ReportRow{}
	if err := json.UnmarshalDecode(dec, (*plainReportRow)(r)); err != nil {
		return err
	}
	for i := range r.Metrics {
		metric := &r.Metrics[i]
		if err := tidy(dec, metric); err != nil {
			return err
		}
		if *metric == nil || string(*metric) == `"NaN"` {
			*metric = jsontext.Value("null")
		}
	}
	return nil
}

// reportRoute is where reports are asked for.
const reportRoute = "/reports/conversations"

// ConversationReport returns numbers about the conversations that pass the
// filters. Drift takes 60 such calls a minute and has no pages here.
//
// POST /reports/conversations
// https://devdocs.drift.com/docs/conversation-reporting
func (c *Client) ConversationReport(ctx context.Context, q ReportQuery) (*Report, error) {
	post := call{
		method: http.MethodPost,
		route:  reportRoute,
		reads:  true,
		body:   func(string) any { return &q },
	}
	return fetch(ctx, c, post, func(a answer) (*Report, error) {
		var found Report
		if err := json.Unmarshal(a.body, &found, lenient); err != nil {
			return nil, err
		}
		if found.Rows == nil {
			return nil, errNoData
		}
		for _, row := range found.Rows {
			if row.ConversationID == 0 {
				return nil, errNoRecord
			}
		}
		return &found, nil
	})
}
