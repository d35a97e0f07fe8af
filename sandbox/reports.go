package sandbox

import (
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// metrics are what a report can tell of a conversation: a number, a string or a bool, or nil if there is nothing to tell.
var metrics = map[string]func(*conversation) any{
	"createdAt":         func(c *conversation) any { return c.CreatedAt },
	"updatedAt":         func(c *conversation) any { return c.UpdatedAt },
	"status":            func(c *conversation) any { return c.Status },
	"endUserId":         func(c *conversation) any { return c.ContactID },
	"relatedPlaybookId": func(c *conversation) any { return known(c.RelatedPlaybookID) },
	"firstCloseAt":      func(c *conversation) any { return known(c.closedAt) },
	"timeToCloseMillis": func(c *conversation) any { return span(c.CreatedAt, c.closedAt) },
	"lastAgentId": func(c *conversation) any {
		for _, m := range slices.Backward(c.messages) {
			if m.fromAgent() {
				return m.Author.ID
			}
		}
		return nil
	},
	"firstAgentMessageAt": func(c *conversation) any { return known(firstAt(c, (*message).fromAgent)) },
	"timeToAgentResponseMillis": func(c *conversation) any {
		return span(firstAt(c, (*message).fromContact), firstAt(c, (*message).fromAgent))
	},
	"numAgentMessages":   func(c *conversation) any { return count(c, (*message).fromAgent) },
	"numBotMessages":     func(c *conversation) any { return count(c, (*message).fromBot) },
	"numEndUserMessages": func(c *conversation) any { return count(c, (*message).fromContact) },
	"meaningfulConversation": func(c *conversation) any {
		return firstAt(c, (*message).fromContact) != 0 && firstAt(c, (*message).fromAgent) != 0
	},
	"botStatus": func(c *conversation) any {
		switch {
		case firstAt(c, (*message).fromBot) == 0:
			return nil
		case firstAt(c, (*message).fromAgent) == 0:
			return "ENGAGED"
		}
		return "HANDED_OVER"
	},
}

func (m *message) fromContact() bool { return m.Author.Type == "contact" }
func (m *message) fromBot() bool     { return m.Author.Bot && m.Type == "chat" }
func (m *message) fromAgent() bool {
	return m.Author.Type == "user" && !m.Author.Bot && m.Type == "chat"
}

// firstAt is when the first such message was written, or 0.
func firstAt(c *conversation, is func(*message) bool) int64 {
	if i := slices.IndexFunc(c.messages, is); i >= 0 {
		return c.messages[i].CreatedAt
	}
	return 0
}

// count counts such messages.
func count(c *conversation, is func(*message) bool) int64 {
	var n int64
	for _, m := range c.messages {
		if is(m) {
			n++
		}
	}
	return n
}

// known is n, or nil if it is 0.
func known(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

// span is the time between two instants, or nil if one is missing or they are in the wrong order.
func span(from, to int64) any {
	if from == 0 || to < from {
		return nil
	}
	return to - from
}

// A filter says which conversations a report is on.
type filter struct {
	Property  string           `json:"property"`
	Operation string           `json:"operation"`
	Values    []jsontext.Value `json:"values"`
}

// compile turns a filter into a test of a metric.
func (f filter) compile() (func(value any) bool, error) {
	switch f.Operation {
	case "HAS_PROPERTY":
		return func(value any) bool { return value != nil }, nil
	case "IN":
		wanted := make(map[string]bool, len(f.Values))
		for _, v := range f.Values {
			wanted[bareText(v)] = true
		}
		return func(value any) bool { return value != nil && wanted[metricText(value)] }, nil
	case "BETWEEN":
		if len(f.Values) != 2 {
			return nil, invalid("BETWEEN takes two values")
		}
		from, ok := bound(f.Values[0], 0)
		to, ok2 := bound(f.Values[1], 24*time.Hour-time.Millisecond)
		if !ok || !ok2 {
			return nil, invalid("BETWEEN takes numbers, or dates such as 2024-06-18")
		}
		return func(value any) bool { n, ok := value.(int64); return ok && from <= n && n <= to }, nil
	}
	return nil, invalid("operation must be HAS_PROPERTY, BETWEEN or IN")
}

// bound reads an end of a range. A date stands for its midnight in UTC, and as the end of a range for its last moment.
func bound(v jsontext.Value, ofDay time.Duration) (n int64, ok bool) {
	text := bareText(v)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	day, err := time.Parse(time.DateOnly, text)
	return day.Add(ofDay).UnixMilli(), err == nil
}

// bareText is a string without its quotes, and all else as it stands.
func bareText(v jsontext.Value) string {
	var s string
	if json.Unmarshal(v, &s) == nil && v.Kind() == '"' {
		return s
	}
	return v.String()
}

// metricText writes a metric as a filter would.
func metricText(value any) string {
	switch v := value.(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case bool:
		return strconv.FormatBool(v)
	case string:
		return v
	}
	return ""
}

// reportConversations tells metrics of all conversations that pass all filters, those updated last first.
//
// POST /reports/conversations
func (s *Sandbox) reportConversations(r *request) (answer, error) {
	if err := s.reports.take(r.token); err != nil {
		return answer{}, err
	}
	var in struct {
		Filters []filter `json:"filters"`
		Metrics []string `json:"metrics"`
	}
	if err := r.decode(&in); err != nil {
		return answer{}, err
	}
	var tests []func(*conversation) bool
	for _, f := range in.Filters {
		metric := metrics[f.Property]
		if metric == nil {
			return answer{}, invalid("there is no property %q", f.Property)
		}
		fits, err := f.compile()
		if err != nil {
			return answer{}, err
		}
		tests = append(tests, func(c *conversation) bool { return fits(metric(c)) })
	}
	columns := make([]func(*conversation) any, len(in.Metrics))
	for i, name := range in.Metrics {
		if columns[i] = metrics[name]; columns[i] == nil {
			return answer{}, invalid("there is no metric %q", name)
		}
	}

	type row struct {
		ConversationID int64 `json:"conversationId"`
		Metrics        []any `json:"metrics"`
	}
	var out struct {
		Count int   `json:"count"`
		Data  []row `json:"data"`
	}
	for _, c := range slices.Backward(s.org.byUpdate) {
		if slices.ContainsFunc(tests, func(passes func(*conversation) bool) bool { return !passes(c) }) {
			continue
		}
		values := make([]any, len(columns))
		for i, column := range columns {
			if values[i] = column(c); values[i] == nil {
				values[i] = "NaN"
			}
		}
		out.Data = append(out.Data, row{c.ID, values})
	}
	out.Count = len(out.Data)
	return bare(out)
}
