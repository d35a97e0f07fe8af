package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSandboxSettings starts with settings that cannot work, as flags and as
// variables. The error is one line that names the setting.
func TestSandboxSettings(t *testing.T) {
	tests := []struct {
		flag, variable, value string
		want                  string
	}{
		{"activity", "SANDBOX_ACTIVITY", "-2s", "SANDBOX_ACTIVITY is -2s; it takes 0, or 1ms and more"},
		{"activity", "SANDBOX_ACTIVITY", "10us", "SANDBOX_ACTIVITY is 10µs; it takes 0, or 1ms and more"},
		{"webhooks", "SANDBOX_WEBHOOKS", "localhost:8080", "SANDBOX_WEBHOOKS takes an address"},
		{"webhooks", "SANDBOX_WEBHOOKS", "ftp://example.com/", "SANDBOX_WEBHOOKS takes an address"},
		{"webhooks", "SANDBOX_WEBHOOKS", "http://me:pass@example.com/", "SANDBOX_WEBHOOKS takes an address"},
		{"webhook-token", "SANDBOX_WEBHOOK_TOKEN", "two words", "SANDBOX_WEBHOOK_TOKEN takes letters"},
		{"faults", "SANDBOX_FAULTS", "everything", "SANDBOX_FAULTS: "},
		{"rate", "SANDBOX_RATE", "-1", "SANDBOX_RATE and SANDBOX_LATENCY take 0 or more"},
	}
	for _, tt := range tests {
		for name, args := range map[string][]string{
			"alone":           {"sandbox", "--" + tt.flag + "=" + tt.value},
			"embedded":        {"serve", "--sandbox-" + tt.flag + "=" + tt.value},
			"alone, variable": {"sandbox"}, "embedded, variable": {"serve"},
		} {
			t.Run(tt.variable+" "+name, func(t *testing.T) {
				if len(args) == 1 {
					t.Setenv(tt.variable, tt.value)
				}
				ended, cancel := context.WithCancel(t.Context())
				cancel() // so that a start that works ends at once
				err := run(ended, append(args, "--listen-addr=127.0.0.1:0"), io.Discard, io.Discard)
				if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
					t.Errorf("got %v, want %s", err, tt.want)
				}
			})
		}
	}
}

// A posted is an event that the sandbox posted.
type posted struct{ header, token, kind string }

// receive takes events over HTTP, as many as come.
func receive(t *testing.T) (string, <-chan posted) {
	t.Helper()
	events := make(chan posted, 1000)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var e struct{ Type, Token string }
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			t.Error(err)
		}
		select {
		case events <- posted{r.Header.Get("X-Verification-Token"), e.Token, e.Type}:
		default:
		}
	}))
	t.Cleanup(server.Close)
	return server.URL + "/webhooks/drift", events
}

// next waits for an event.
func next(t *testing.T, events <-chan posted) posted {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(time.Minute):
		t.Fatal("no event came")
		return posted{}
	}
}

// TestSandboxAlive runs the sandbox alone, by its variables, until an event of
// its own comes.
func TestSandboxAlive(t *testing.T) {
	url, events := receive(t)
	t.Setenv("SANDBOX_ACTIVITY", "1ms")
	t.Setenv("SANDBOX_WEBHOOKS", url)
	secret := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(secret, []byte("from-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SANDBOX_WEBHOOK_TOKEN_FILE", secret)
	ctx, stop := context.WithCancel(t.Context())
	var out logbook
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"sandbox", "--listen-addr=127.0.0.1:0"}, &out, &out) }()
	if e := next(t, events); e.token != "from-a-file" || e.header != "from-a-file" || e.kind == "" {
		t.Errorf("the event is %+v", e)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if text := out.String(); !strings.Contains(text, "Webhooks go to "+url) || strings.Contains(text, "from-a-file") {
		t.Errorf("it says %q", text)
	}
}

// TestEmbeddedWebhooks posts to the gateway's address and with its token, unless
// the settings name others or turn it off.
func TestEmbeddedWebhooks(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	tests := []struct {
		name  string
		knobs sandboxKnobs
		other bool // whether events go to another address than the gateway's
		token string
	}{
		{"as it is", sandboxKnobs{}, false, "gateway's"},
		{"own token", sandboxKnobs{WebhookToken: "own"}, false, "own"},
		{"own address", sandboxKnobs{WebhookToken: "own"}, true, "own"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// Receivers of its own: an event that Close cut may still arrive.
			gatewayURL, events := receive(t)
			if tt.other {
				tt.knobs.Webhooks, events = receive(t)
			}
			tt.knobs.Activity = time.Millisecond
			e, err := startSandbox(tt.knobs, gatewayURL, "gateway's", log)
			if err != nil {
				t.Fatal(err)
			}
			if got := next(t, events); got.token != tt.token {
				t.Errorf("the event is %+v, want the token %q", got, tt.token)
			}
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	silentURL, silent := receive(t)
	off, err := startSandbox(sandboxKnobs{Webhooks: "off"}, silentURL, "gateway's", log)
	if err != nil {
		t.Fatal(err)
	}
	defer off.Close()
	off.sandbox.Act()
	if err := off.sandbox.Drain(t.Context()); err != nil || off.sandbox.Deliveries().Accepted > 0 || len(silent) > 0 {
		t.Errorf("%v, %+v", err, off.sandbox.Deliveries())
	}
}
