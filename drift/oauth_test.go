package drift_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// An issuer is a server that gives out tokens as Drift does: access-1 and
// refresh-1 for refresh-0, then access-2 and refresh-2 for refresh-1, and so on.
// It answers any other call with a user if the token is the latest.
type issuer struct {
	*testing.T
	base string

	mu      sync.Mutex
	issued  int          // pairs of tokens that were given out
	refuse  http.Handler // answers renewals instead; nil if they are granted
	revoked bool         // whether the latest access token is worthless
	calls   int          // other calls
}

func newIssuer(t *testing.T) *issuer {
	s := &issuer{T: t}
	s.base = listen(t, s.serve)
	return s
}

func (s *issuer) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path != "/oauth2/token" {
		s.calls++
		if s.revoked || r.Header.Get("Authorization") != fmt.Sprintf("Bearer access-%d", s.issued) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"data":{"id":1}}`)
		return
	}
	if s.refuse != nil {
		s.refuse.ServeHTTP(w, r)
		return
	}
	if err := r.ParseForm(); err != nil {
		s.Error(err)
	}
	got := r.Method + " " + r.PostForm.Encode()
	want := fmt.Sprintf("POST client_id=app&client_secret=c0nfidential&grant_type=refresh_token&refresh_token=refresh-%d", s.issued)
	if got != want {
		s.Errorf("a token is asked for with %s, want %s", got, want)
	}
	s.issued++
	s.revoked = false
	fmt.Fprintf(w, `{"access_token":"access-%d","refresh_token":"refresh-%d","expires_in":7200,"token_type":"bearer","orgId":1}`, s.issued, s.issued)
}

// set runs change while no call is under way.
func (s *issuer) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// oauth returns an OAuth that gets its tokens from the issuer.
func (s *issuer) oauth(o drift.OAuthOptions) *drift.OAuth {
	s.Helper()
	o.BaseURL, o.ClientID, o.ClientSecret = s.base, "app", "c0nfidential"
	if o.RefreshToken == "" {
		o.RefreshToken = "refresh-0"
	}
	auth, err := drift.NewOAuth(o)
	if err != nil {
		s.Fatal(err)
	}
	return auth
}

// checkToken fails the test if get does not give the token.
func checkToken(t *testing.T, get func() (string, error), want string) {
	t.Helper()
	if got, err := get(); got != want || err != nil {
		t.Errorf("got the token %q, %v, want %q", got, err, want)
	}
}

func TestNewOAuth(t *testing.T) {
	whole := drift.OAuthOptions{ClientID: "a", ClientSecret: "b", RefreshToken: "c"}
	if _, err := drift.NewOAuth(whole); err != nil {
		t.Error(err)
	}
	tests := map[string]func(*drift.OAuthOptions){
		"no id":            func(o *drift.OAuthOptions) { o.ClientID = "" },
		"no secret":        func(o *drift.OAuthOptions) { o.ClientSecret = "" },
		"no refresh token": func(o *drift.OAuthOptions) { o.RefreshToken = "" },
		"URL":              func(o *drift.OAuthOptions) { o.BaseURL = "driftapi.com" },
		"timeout":          func(o *drift.OAuthOptions) { o.Timeout = -1 },
		"no directory":     func(o *drift.OAuthOptions) { o.StorePath = filepath.Join(t.TempDir(), "none", "store") },
		"directory":        func(o *drift.OAuthOptions) { o.StorePath = t.TempDir() },
	}
	for name, spoil := range tests {
		o := whole
		spoil(&o)
		if _, err := drift.NewOAuth(o); err == nil {
			t.Errorf("%s: there is no error", name)
		}
	}
}

func TestOAuthRenewsAhead(t *testing.T) {
	server := newIssuer(t)
	auth := server.oauth(drift.OAuthOptions{})
	now := time.Unix(0, 0)
	auth.SetClock(func() time.Time { return now })
	get := func() (string, error) { return auth.Token(t.Context()) }

	checkToken(t, get, "access-1")
	now = now.Add(7200*time.Second - time.Minute - time.Nanosecond)
	checkToken(t, get, "access-1")
	if server.issued != 1 {
		t.Errorf("%d tokens were issued, want 1", server.issued)
	}

	now = now.Add(time.Nanosecond)
	checkToken(t, get, "access-1") // still good, while the next is fetched
	checkToken(t, func() (string, error) { return auth.Renew(t.Context(), "access-1") }, "access-2")
	checkToken(t, get, "access-2")
	if server.issued != 2 {
		t.Errorf("%d tokens were issued, want 2", server.issued)
	}

	now = now.Add(7200 * time.Second) // run out: there is nothing to use meanwhile
	checkToken(t, get, "access-3")
}

// TestOAuthRenewalFailsAhead checks that a token is used for as long as it
// lasts, if the next is not to be had, and that the next is not asked for at
// each call.
func TestOAuthRenewalFailsAhead(t *testing.T) {
	server := newIssuer(t)
	auth := server.oauth(drift.OAuthOptions{})
	var mu sync.Mutex
	now := time.Unix(0, 0)
	advance := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
	}
	auth.SetClock(func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	})
	get := func() (string, error) { return auth.Token(t.Context()) }
	checkToken(t, get, "access-1")

	asked := make(chan struct{}, 10)
	server.set(func() {
		server.refuse = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked <- struct{}{}
			w.WriteHeader(http.StatusServiceUnavailable)
		})
	})
	advance(7200*time.Second - time.Minute)
	checkToken(t, get, "access-1")
	_, err := auth.Renew(t.Context(), "access-1") // joins the renewal under way, or makes one
	checkKind(t, err, drift.ErrUnavailable)
	for len(asked) > 0 {
		<-asked
	}
	checkToken(t, get, "access-1")
	advance(5*time.Second - time.Nanosecond)
	checkToken(t, get, "access-1")
	if len(asked) > 0 {
		t.Error("a token was asked for right after it could not be had")
	}
	advance(time.Nanosecond)
	checkToken(t, get, "access-1")
	<-asked
	advance(time.Minute)
	_, err = get()
	checkKind(t, err, drift.ErrUnavailable)
}

// TestOAuthRenewalFails has many calls in a row find no token: they cost one
// request for each pause, and the first after it gets the token.
func TestOAuthRenewalFails(t *testing.T) {
	server := newIssuer(t)
	auth := server.oauth(drift.OAuthOptions{})
	now := time.Unix(0, 0)
	auth.SetClock(func() time.Time { return now })
	var asked atomic.Int64
	server.set(func() {
		server.refuse = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			w.WriteHeader(http.StatusUnauthorized)
		})
	})
	for pause := range int64(3) {
		for range 20 {
			_, err := auth.Token(t.Context())
			checkKind(t, err, drift.ErrUnauthorized)
			_, err = auth.Renew(t.Context(), "")
			checkKind(t, err, drift.ErrUnauthorized)
		}
		if n := asked.Load(); n != pause+1 {
			t.Fatalf("in %d pauses it was asked %d times", pause+1, n)
		}
		now = now.Add(time.Second)
	}
	server.set(func() { server.refuse = nil })
	checkToken(t, func() (string, error) { return auth.Token(t.Context()) }, "access-1")
}

func TestOAuthRenewsOnceFor401(t *testing.T) {
	const callers = 50
	server := newIssuer(t)
	auth := server.oauth(drift.OAuthOptions{})
	var told []int
	var mu sync.Mutex
	client := dial(t, server.base, drift.Options{Auth: auth, OnCall: func(_ context.Context, c drift.Call) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, c.Status)
	}})
	if _, err := client.User(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	server.set(func() { server.revoked = true })
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			if _, err := client.User(t.Context(), 1); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if server.issued != 2 {
		t.Errorf("%d tokens were issued, want 2", server.issued)
	}
	if len(told) != server.calls {
		t.Errorf("%d calls were told of, but %d made", len(told), server.calls)
	}
}

// TestOAuthGivesUp checks that a call is sent again once only.
func TestOAuthGivesUp(t *testing.T) {
	server := newIssuer(t)
	calls := 0
	base := listen(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		w.WriteHeader(http.StatusUnauthorized)
	})
	client := dial(t, base, drift.Options{Auth: server.oauth(drift.OAuthOptions{})})
	_, err := client.User(t.Context(), 1)
	checkKind(t, err, drift.ErrUnauthorized)
	if calls != 2 || server.issued != 2 {
		t.Errorf("%d calls were made with %d tokens, want 2 with 2", calls, server.issued)
	}

	calls = 0
	client = dial(t, base, drift.Options{})
	_, err = client.User(t.Context(), 1)
	checkKind(t, err, drift.ErrUnauthorized)
	if calls != 1 {
		t.Errorf("%d calls were made with a token that stays the same, want 1", calls)
	}
}

func TestOAuthStore(t *testing.T) {
	server := newIssuer(t)
	store := filepath.Join(t.TempDir(), "token")
	auth := server.oauth(drift.OAuthOptions{StorePath: store})
	if _, err := os.Stat(store); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the store is there before there is anything to store: %v", err)
	}
	checkStore := func(want string) {
		t.Helper()
		info, err := os.Stat(store)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o600 {
			t.Errorf("the store has mode %v, want 0600", info.Mode())
		}
		text, err := os.ReadFile(store)
		if err != nil {
			t.Fatal(err)
		}
		if string(text) != want+"\n" {
			t.Errorf("the store holds %q, want %q", text, want)
		}
		files, err := os.ReadDir(filepath.Dir(store))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) != 1 {
			t.Errorf("there are other files: %v", files)
		}
	}
	checkToken(t, func() (string, error) { return auth.Token(t.Context()) }, "access-1")
	checkStore("refresh-1")
	checkToken(t, func() (string, error) { return auth.Renew(t.Context(), "access-1") }, "access-2")
	checkStore("refresh-2")

	// The next process has the same configuration.
	again := server.oauth(drift.OAuthOptions{StorePath: store})
	if !bytes.Equal(auth.Identity(), again.Identity()) {
		t.Errorf("the identity was %q and became %q", auth.Identity(), again.Identity())
	}
	checkToken(t, func() (string, error) { return again.Token(t.Context()) }, "access-3")
	checkStore("refresh-3")

	other := server.oauth(drift.OAuthOptions{RefreshToken: "another"})
	if bytes.Equal(auth.Identity(), other.Identity()) {
		t.Errorf("two credentials have the identity %q", other.Identity())
	}
}

func TestOAuthStoreIsRefused(t *testing.T) {
	tests := []struct {
		name, text string
		mode       os.FileMode
	}{
		{"read by the group", "refresh-9\n", 0o640},
		{"read by all", "refresh-9\n", 0o604},
		{"empty", "", 0o600},
		{"two lines", "a\nb\n", 0o600},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store := filepath.Join(t.TempDir(), "token")
			if err := os.WriteFile(store, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(store, tt.mode); err != nil {
				t.Fatal(err)
			}
			_, err := drift.NewOAuth(drift.OAuthOptions{ClientID: "a", ClientSecret: "b", RefreshToken: "c", StorePath: store})
			if err == nil || !strings.Contains(err.Error(), store) || strings.Contains(err.Error(), "refresh-9") {
				t.Errorf("got %v, want an error that names the file", err)
			}
		})
	}
}

// TestOAuthStoreIsLost checks that a token is used even if its successor cannot
// be stored, and that this is told.
func TestOAuthStoreIsLost(t *testing.T) {
	server := newIssuer(t)
	dir := filepath.Join(t.TempDir(), "dir")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	auth := server.oauth(drift.OAuthOptions{StorePath: filepath.Join(dir, "token"), Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	checkToken(t, func() (string, error) { return auth.Token(t.Context()) }, "access-1")
	if !strings.Contains(log.String(), "not stored") || strings.Contains(log.String(), "refresh-1") {
		t.Errorf("the log says %q", &log)
	}
	checkToken(t, func() (string, error) { return auth.Renew(t.Context(), "access-1") }, "access-2")
}

func TestOAuthAnswers(t *testing.T) {
	tests := []struct {
		name, body string
		token      string
		lifetime   time.Duration
	}{
		{"documented", string(read(t, "oauth2.token.json")), "acc_sample_91d2", 7200 * time.Second},
		{"older", string(read(t, "oauth2.token.legacy-camel.json")), "acc_sample_91d2", 7200 * time.Second},
		{"lifetime in a string", `{"access_token":"a","expires_in":"100"}`, "a", 100 * time.Second},
		{"older with lifetime", `{"accessToken":"a","expiresIn":100.0}`, "a", 100 * time.Second},
		{"no lifetime", `{"access_token":"a"}`, "a", 7200 * time.Second},
		{"lifetime of 0", `{"access_token":"a","expires_in":0}`, "a", 7200 * time.Second},
		{"lifetime below 0", `{"access_token":"a","expires_in":-5}`, "a", 7200 * time.Second},
		{"lifetime of ages", `{"access_token":"a","expires_in":1e99}`, "a", 7200 * time.Second},
		{"no token", `{"refresh_token":"a"}`, "", 0},
		{"blank token", `{"access_token":""}`, "", 0},
		{"token with a line break", `{"access_token":"a\nb"}`, "", 0},
		{"not JSON", `<html>`, "", 0},
		{"nothing", ``, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			renewals := make(chan string, 10)
			base := listen(t, func(w http.ResponseWriter, r *http.Request) {
				renewals <- r.PostFormValue("refresh_token")
				io.WriteString(w, tt.body)
			})
			auth, err := drift.NewOAuth(drift.OAuthOptions{BaseURL: base, ClientID: "a", ClientSecret: "b", RefreshToken: "c"})
			if err != nil {
				t.Fatal(err)
			}
			now := time.Unix(0, 0)
			auth.SetClock(func() time.Time { return now })
			get := func() (string, error) { return auth.Token(t.Context()) }
			if tt.token == "" {
				_, err := get()
				checkKind(t, err, drift.ErrInvalid)
				return
			}
			checkToken(t, get, tt.token)
			now = now.Add(tt.lifetime - min(time.Minute, tt.lifetime/10) - time.Nanosecond)
			checkToken(t, get, tt.token)
			if n := len(renewals); n != 1 {
				t.Errorf("%d renewals were made before the token ran out", n)
			}
			<-renewals
			now = now.Add(tt.lifetime)
			checkToken(t, get, tt.token)
			want := "c" // which stays good if there is no other
			if strings.Contains(tt.body, "ref_sample_77aa") {
				want = "ref_sample_77aa"
			}
			if refresh := <-renewals; refresh != want {
				t.Errorf("the next renewal was made with %q, want %q", refresh, want)
			}
		})
	}
}

func TestOAuthFailures(t *testing.T) {
	const secret = "c0nfidential"
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   error
		status int
	}{
		{"bad request", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(400) }, drift.ErrUnauthorized, 400},
		{"unauthorized", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(401) }, drift.ErrUnauthorized, 401},
		{"forbidden", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(403) }, drift.ErrUnauthorized, 403},
		{"not found", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404) }, drift.ErrUnauthorized, 404},
		{"too many", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(429) }, drift.ErrRateLimited, 429},
		{"fault", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) }, drift.ErrUnavailable, 500},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(307) }, drift.ErrInvalid, 307},
		{"hung up", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, drift.ErrUnavailable, 0},
		{"hanging", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, drift.ErrTimeout, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			base := listen(t, func(w http.ResponseWriter, r *http.Request) {
				if r.PostFormValue("client_secret") != secret { // which also reads the body, so that a hang-up is seen
					t.Errorf("%s was asked with another secret", r.URL)
				}
				w.Header().Set("Retry-After", "3")
				w.Header().Set("Location", "/?"+secret)
				tt.answer(w, r)
				fmt.Fprintf(w, `{"error":"invalid_grant","error_description":"%s"}`, r.PostForm.Encode())
			})
			auth, err := drift.NewOAuth(drift.OAuthOptions{
				BaseURL: base, ClientID: "app", ClientSecret: secret, RefreshToken: token, Timeout: 500 * time.Millisecond,
			})
			if err != nil {
				t.Fatal(err)
			}
			_, err = dial(t, base, drift.Options{Auth: auth}).User(t.Context(), 1)
			checkKind(t, err, tt.want)
			want := &drift.Error{Method: "POST", Route: "/oauth2/token", Status: tt.status}
			if tt.status != 0 {
				want.RetryAfter = 3 * time.Second
			}
			got, ok := errors.AsType[*drift.Error](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(drift.Error{}, "Err")); diff != "" {
				t.Errorf("the error is not as expected (-want +got):\n%s", diff)
			}
			for _, hidden := range []string{secret, token} {
				if printed := fmt.Sprintf("%v %+v %#v", err, err, got); strings.Contains(printed, hidden) {
					t.Errorf("%s tells %q", printed, hidden)
				}
			}
		})
	}
}

// TestOAuthWaiters checks that one who waits for a token can give up, and that
// the others get it nevertheless.
func TestOAuthWaiters(t *testing.T) {
	asked, finish := make(chan struct{}), make(chan struct{})
	base := listen(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-finish
		fmt.Fprint(w, `{"access_token":"a"}`)
	})
	auth, err := drift.NewOAuth(drift.OAuthOptions{BaseURL: base, ClientID: "a", ClientSecret: "b", RefreshToken: "c"})
	if err != nil {
		t.Fatal(err)
	}
	client := dial(t, base, drift.Options{Auth: auth})
	ctx, cancel := context.WithCancel(t.Context())
	var gaveUp, got sync.WaitGroup
	gaveUp.Go(func() { // who has the renewal made, and gives up
		_, err := client.User(ctx, 1)
		checkKind(t, err, context.Canceled)
	})
	<-asked
	got.Go(func() {
		checkToken(t, func() (string, error) { return auth.Token(t.Context()) }, "a")
	})
	gaveUp.Go(func() {
		_, err := auth.Renew(ctx, "stale")
		checkKind(t, err, context.Canceled)
	})
	cancel()
	gaveUp.Wait()
	close(finish)
	got.Wait()
}

func TestOAuthTellsNothing(t *testing.T) {
	server := newIssuer(t)
	options := drift.OAuthOptions{ClientID: "app", ClientSecret: "c0nfidential", RefreshToken: "refresh-0"}
	auth := server.oauth(drift.OAuthOptions{})
	checkToken(t, func() (string, error) { return auth.Token(t.Context()) }, "access-1")
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("", "auth", auth, "options", options)
	slog.New(slog.NewTextHandler(&log, nil)).Info("", "auth", auth, "options", options)
	for _, v := range []any{auth, options} {
		fmt.Fprintf(&log, "%v %+v %s %#v", v, v, v, v)
	}
	for _, secret := range []string{"c0nfidential", "refresh-", "access-"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%s tells %q", &log, secret)
		}
	}
}
