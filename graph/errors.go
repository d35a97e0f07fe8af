package graph

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/driftgraph/driftgraph/auth"
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/loaders"
	"github.com/driftgraph/driftgraph/redact"
	"github.com/driftgraph/driftgraph/relay"
)

// The values of extensions.code.
const (
	CodeParseFailed             = "GRAPHQL_PARSE_FAILED"
	CodeValidationFailed        = "GRAPHQL_VALIDATION_FAILED"
	CodeBadUserInput            = "BAD_USER_INPUT"
	CodeUnauthenticated         = "UNAUTHENTICATED"
	CodeForbidden               = "FORBIDDEN"
	CodeDocumentNotTrusted      = "DOCUMENT_NOT_TRUSTED"
	CodePersistedQueryNotFound  = "PERSISTED_QUERY_NOT_FOUND"
	CodeQueryTooComplex         = "QUERY_TOO_COMPLEX"
	CodeRESTBudgetExceeded      = "REST_BUDGET_EXCEEDED"
	CodeRateLimited             = "RATE_LIMITED"
	CodeUpstreamRateLimited     = "UPSTREAM_RATE_LIMITED"
	CodeUpstreamUnauthorized    = "UPSTREAM_UNAUTHORIZED"
	CodeUpstreamForbidden       = "UPSTREAM_FORBIDDEN"
	CodeUpstreamTimeout         = "UPSTREAM_TIMEOUT"
	CodeUpstreamUnavailable     = "UPSTREAM_UNAVAILABLE"
	CodeUpstreamInvalidResponse = "UPSTREAM_INVALID_RESPONSE"
	CodeTimeout                 = "TIMEOUT"
	CodeInternalServerError     = "INTERNAL_SERVER_ERROR"
)

// upstream says what a client is told of each way in which Drift can fail.
// The first that matches holds.
var upstream = []struct {
	kind    error
	code    string
	message string
}{
	{drift.ErrRateLimited, CodeUpstreamRateLimited, "Drift takes no more calls at the moment; try again later"},
	{drift.ErrUnauthorized, CodeUpstreamUnauthorized, "Drift does not accept the token that it is asked with"},
	{drift.ErrForbidden, CodeUpstreamForbidden, "the token that Drift is asked with has not the scope that this takes"},
	{drift.ErrTimeout, CodeUpstreamTimeout, "Drift did not answer in time"},
	{drift.ErrInvalid, CodeUpstreamInvalidResponse, "Drift's answer could not be read"},
	{drift.ErrUnavailable, CodeUpstreamUnavailable, "Drift cannot be reached or is out of order"},
	{drift.ErrNotFound, CodeUpstreamInvalidResponse, "Drift does not know the endpoint"},
	{drift.ErrRefused, CodeUpstreamInvalidResponse, "Drift refused the call"},
}

// A Presenter makes GraphQL errors of Go errors, the only place that does. A
// client sees a clear message, a stable extensions.code and a path; never what
// Drift said, nor what is inside.
type Presenter struct {
	Log         *slog.Logger
	Suggestions bool // whether errors may name fields and types that the schema has
}

// Present makes a GraphQL error of err.
func (p *Presenter) Present(ctx context.Context, err error) *gqlerror.Error {
	told := p.present(ctx, err)
	told.Message = redact.Text(told.Message) // it may quote an argument
	return told
}

func (p *Presenter) present(ctx context.Context, err error) *gqlerror.Error {
	told := graphql.DefaultErrorPresenter(ctx, err)
	var input *relay.InputError
	var budget *loaders.BudgetError
	var size *loaders.SizeError
	var pages *loaders.PagesError
	var permission *auth.PermissionError
	var internal *gqlerror.Error
	switch {
	case errors.As(err, &permission):
		return p.tell(told, CodeForbidden, permission.Error())
	case errors.As(err, &input):
		return p.tell(told, CodeBadUserInput, argument(ctx, told)+input.Error())
	case errors.As(err, &budget):
		told = p.tell(told, CodeRESTBudgetExceeded, budget.Error())
		told.Extensions["limit"] = budget.Most
		return told
	case errors.As(err, &size):
		told = p.tell(told, CodeQueryTooComplex, size.Error())
		told.Extensions["limit"] = size.Most
		return told
	case errors.As(err, &pages):
		told = p.tell(told, CodeQueryTooComplex, pages.Error())
		told.Extensions["limit"] = pages.Most
		return told
	case told.Extensions["code"] != nil: // gqlgen's own
		if graphql.GetFieldContext(ctx) == nil {
			nameVariable(told)
		}
		if strings.HasPrefix(told.Message, "operation ") && strings.HasSuffix(told.Message, " not found") {
			told.Message = "operationName names no operation of the document; of several it must name one"
		}
		if !p.Suggestions || auth.May(ctx, auth.Introspect) != nil {
			told.Message, _, _ = strings.Cut(told.Message, " Did you mean")
		}
		told.Message = shortened(told.Message)
		told.Err = nil
		return told
	case errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, drift.ErrTimeout), errors.Is(err, context.Canceled):
		return unsure(err, p.tell(told, CodeTimeout, "the operation took longer than it may"))
	}
	for _, u := range upstream {
		if errors.Is(err, u.kind) {
			told = p.tell(told, u.code, u.message)
			var failure *drift.Error
			if errors.As(err, &failure) && failure.RetryAfter > 0 {
				told.Extensions["retryAfterMs"] = failure.RetryAfter.Round(time.Millisecond).Milliseconds()
			}
			if mayLog(ctx) {
				p.Log.WarnContext(ctx, "a call to Drift failed", "path", told.Path.String(), "code", u.code, "error", err)
			}
			return unsure(err, told)
		}
	}
	if errors.As(err, &internal) && internal.Err == nil && internal.Rule == "" {
		// gqlgen's own, such as a null where there can be none: nothing of ours is in it.
		p.Log.ErrorContext(ctx, "a field could not be answered", "path", told.Path.String(), "error", err)
		return p.tell(told, CodeInternalServerError, internal.Message)
	}
	id := rand.Text()
	told = p.tell(told, CodeInternalServerError, "internal error")
	told.Extensions["errorId"] = id
	p.Log.ErrorContext(ctx, "internal error", "errorId", id, "path", told.Path.String(), "error", err)
	return told
}

// unsure adds to what is told of a failure that the change may have been made,
// if that is not known: also for programs, as extensions.outcome.
func unsure(err error, told *gqlerror.Error) *gqlerror.Error {
	if errors.Is(err, drift.ErrOutcomeUnknown) {
		told.Message += "; the change may or may not have been made, and was not sent again: look before you ask for it again"
		told.Extensions["outcome"] = "UNKNOWN"
	}
	return told
}

// argument names the argument that an error is about, if gqlgen says so: it
// puts the name at the end of the path, where only what is answered belongs.
func argument(ctx context.Context, told *gqlerror.Error) string {
	field, f := graphql.GetPath(ctx), graphql.GetFieldContext(ctx)
	if f == nil || len(told.Path) <= len(field) {
		return ""
	}
	rest := told.Path[len(field):]
	told.Path = field
	if f.Field.Position != nil && told.Locations == nil {
		told.Locations = []gqlerror.Location{{Line: f.Field.Position.Line, Column: f.Field.Position.Column}}
	}
	return rest.String() + ": "
}

// nameVariable moves the variable that an error is about from its path, where
// gqlparser puts it, to its message.
func nameVariable(told *gqlerror.Error) {
	if len(told.Path) < 2 || told.Path[0] != ast.PathName("variable") {
		return
	}
	told.Message = "variable $" + told.Path[1:].String() + ": " + told.Message
	told.Path = nil
}

// tell returns an error that stands where told does. It leaves told alone, which
// may be the very error whose cause is yet to be logged.
func (p *Presenter) tell(told *gqlerror.Error, code, message string) *gqlerror.Error {
	return &gqlerror.Error{Message: message, Path: told.Path, Locations: told.Locations, Extensions: map[string]any{"code": code}}
}
