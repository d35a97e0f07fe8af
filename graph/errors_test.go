package graph

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/relay"
)

// TestPresent makes GraphQL errors of the errors that there are: the client
// learns the kind, the log the cause.
func TestPresent(t *testing.T) {
	const said = "what Drift said"
	failure := func(status int) error {
		return &drift.Error{Method: "GET", Route: "/contacts/{id}", Status: status, Message: said, Param: said}
	}
	tests := map[string]struct {
		err  error
		code string
		log  string // a part of what is logged; "" for nothing
	}{
		"input":               {relay.BadInput("first is %d; it takes 0 to 100", -1), CodeBadUserInput, ""},
		"not found":           {failure(404), CodeUpstreamInvalidResponse, "/contacts/{id}"},
		"unauthorized":        {failure(401), CodeUpstreamUnauthorized, "/contacts/{id}"},
		"forbidden":           {failure(403), CodeUpstreamForbidden, "/contacts/{id}"},
		"rate limited":        {failure(429), CodeUpstreamRateLimited, "/contacts/{id}"},
		"refused":             {failure(422), CodeUpstreamInvalidResponse, "/contacts/{id}"},
		"out of order":        {failure(503), CodeUpstreamUnavailable, "/contacts/{id}"},
		"odd status":          {failure(302), CodeUpstreamInvalidResponse, "/contacts/{id}"},
		"no answer":           {&drift.Error{Err: fmt.Errorf("%w: dial", drift.ErrUnavailable)}, CodeUpstreamUnavailable, "unavailable: dial"},
		"late answer":         {&drift.Error{Err: fmt.Errorf("%w: %w", drift.ErrTimeout, context.DeadlineExceeded)}, CodeUpstreamTimeout, "no answer in time"},
		"operation out":       {context.DeadlineExceeded, CodeTimeout, ""},
		"caller gone":         {context.Canceled, CodeTimeout, ""},
		"anything else":       {errors.New("disk on fire"), CodeInternalServerError, "disk on fire"},
		"null that cannot be": {gqlerror.Errorf("the requested element is null which the schema does not allow"), CodeInternalServerError, "a field could not be answered"},
	}
	for name, tt := range tests {
		_, own := tt.err.(*gqlerror.Error)
		for _, wrapped := range []bool{false, true} {
			if own && wrapped {
				continue // gqlgen does not wrap its own
			}
			t.Run(fmt.Sprint(name, wrapped), func(t *testing.T) {
				err := tt.err
				if wrapped { // as gqlgen does with the error of a resolver
					err = &gqlerror.Error{Err: err, Message: err.Error(), Path: ast.Path{ast.PathName("contact")}, Locations: []gqlerror.Location{{Line: 1, Column: 3}}}
				}
				var log bytes.Buffer
				p := &Presenter{Log: slog.New(slog.NewTextHandler(&log, nil))}
				told := p.Present(t.Context(), err)
				if told.Extensions["code"] != tt.code || told.Message == "" || told.Err != nil {
					t.Errorf("it is told as %+v, want %s", told, tt.code)
				}
				if strings.Contains(told.Error()+log.String(), said) || strings.Contains(told.Message, "fire") {
					t.Errorf("too much is told: %v\n%s", told, &log)
				}
				if !strings.Contains(log.String(), tt.log) || tt.log == "" && log.Len() > 0 {
					t.Errorf("the log is %q, want it to hold %q", &log, tt.log)
				}
				if wrapped && (told.Path.String() != "contact" || len(told.Locations) != 1) {
					t.Errorf("the place is lost: %+v", told)
				}
				if id, has := told.Extensions["errorId"]; has && (tt.code != CodeInternalServerError || !strings.Contains(log.String(), fmt.Sprint(id))) {
					t.Errorf("errorId %v is not in the log: %s", id, &log)
				}
			})
		}
	}
}

func TestRetryAfter(t *testing.T) {
	p := &Presenter{Log: slog.New(slog.DiscardHandler)}
	for wait, want := range map[time.Duration]any{0: nil, time.Second: int64(1000), 1500 * time.Millisecond: int64(1500)} {
		err := &gqlerror.Error{Err: &drift.Error{Status: 429, RetryAfter: wait}}
		if got := p.Present(t.Context(), err).Extensions["retryAfterMs"]; got != want {
			t.Errorf("a wait of %s is told as %v, want %v", wait, got, want)
		}
	}
}
