package drift_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// page returns an envelope with a hundred records like the one in the sample.
func page(b *testing.B, name string) []byte {
	b.Helper()
	var found struct {
		Data jsontext.Value `json:"data"`
	}
	if err := json.Unmarshal(read(b, name), &found); err != nil {
		b.Fatal(err)
	}
	if err := found.Data.Compact(); err != nil {
		b.Fatal(err)
	}
	var body bytes.Buffer
	body.WriteString(`{"data":[`)
	for i := range 100 {
		if i > 0 {
			body.WriteByte(',')
		}
		body.Write(found.Data)
	}
	body.WriteString(`]}`)
	return body.Bytes()
}

// BenchmarkPage measures a call for a page of a hundred records, the server and
// the loopback included.
func BenchmarkPage(b *testing.B) {
	tests := []struct {
		name, sample string
		ask          func(context.Context, *drift.Client) (any, error)
	}{
		{"users", "user.get.json", func(ctx context.Context, c *drift.Client) (any, error) { return c.Users(ctx) }},
		{"contacts", "contact.get.enriched.json", func(ctx context.Context, c *drift.Client) (any, error) {
			return c.ContactsByEmail(ctx, drift.ContactQuery{Email: "a"})
		}},
	}
	for _, tt := range tests {
		b.Run(tt.name, func(b *testing.B) {
			body := page(b, tt.sample)
			client := serve(b, func(w http.ResponseWriter, r *http.Request) { w.Write(body) })
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tt.ask(b.Context(), client); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDecode measures the reading of a hundred records: as Drift sends
// them, and as a cache keeps them.
func BenchmarkDecode(b *testing.B) {
	lenient := json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	tests := []struct {
		name, sample string
		into         func() any
	}{
		{"users", "user.get.json", func() any { return new([]*drift.User) }},
		{"contacts", "contact.get.enriched.json", func() any { return new([]*drift.Contact) }},
		{"conversations", "conversation.get.json", func() any { return new([]*drift.Conversation) }},
	}
	for _, tt := range tests {
		body := bytes.TrimSuffix(bytes.TrimPrefix(page(b, tt.sample), []byte(`{"data":`)), []byte(`}`))
		for name, options := range map[string]json.Options{"drift": lenient, "cache": json.JoinOptions()} {
			b.Run(fmt.Sprintf("%s/%s", tt.name, name), func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					if err := json.Unmarshal(body, tt.into(), options); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
