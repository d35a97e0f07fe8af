package webhooks_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/events"
	"github.com/driftgraph/driftgraph/loaders"
	"github.com/driftgraph/driftgraph/webhooks"
)

// FuzzEvent posts bodies to a receiver. Without the token none is taken; with it
// each is answered by a status that Drift understands, and what is dropped and
// told has ids.
func FuzzEvent(f *testing.F) {
	names, err := filepath.Glob(filepath.Join("..", "drift", "testdata", "webhook.*.json"))
	if err != nil || len(names) == 0 {
		f.Fatal("no events", err)
	}
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(body), true)
		f.Add(string(body), false)
	}
	f.Add(`{"type":"new_message","token":"secret","data":{"conversationId":1e3,"id":"7","id":8}}`, false)
	f.Add(`{"type":"gdpr_delete_requested","data":{"email":"\u0000"}}`, true)
	f.Fuzz(func(t *testing.T, body string, inHeader bool) {
		positive := func(ids ...drift.ID) {
			for _, id := range ids {
				if id <= 0 {
					t.Errorf("%q is about the id %d", body, id)
				}
			}
		}
		worked := false
		receiver := webhooks.New(webhooks.Options{
			Token: "secret",
			Drop: func(_ drift.ID, c loaders.Change) error {
				worked = true
				positive(slices.Concat(c.Contacts, c.Conversations, c.Users)...)
				return nil
			},
			Purge: func(_ context.Context, _ drift.ID, email string) error {
				worked = true
				if email == "" {
					t.Errorf("%q is about nobody", body)
				}
				return nil
			},
			Publish: func(list ...events.Event) {
				for _, e := range list {
					if e.ID == "" || e.Conversation+e.Contact+e.User <= 0 {
						t.Errorf("%q is told as %+v", body, e)
					}
				}
			},
			Log: slog.New(slog.DiscardHandler),
		})
		r := httptest.NewRequest(http.MethodPost, "/webhooks/drift", strings.NewReader(body))
		if inHeader {
			r.Header.Set("X-Verification-Token", "secret")
		}
		w := httptest.NewRecorder()
		receiver.ServeHTTP(w, r)
		receiver.Close()
		if !slices.Contains([]int{http.StatusOK, http.StatusBadRequest, http.StatusUnauthorized, http.StatusRequestEntityTooLarge}, w.Code) {
			t.Errorf("%q is answered %d", body, w.Code)
		}
		if worked && (w.Code != http.StatusOK || !inHeader && !strings.Contains(body, "secret") && !strings.Contains(body, `\u`)) {
			t.Errorf("%q is worked off, and answered %d", body, w.Code)
		}
	})
}
