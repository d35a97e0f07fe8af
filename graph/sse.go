package graph

import (
	"bytes"
	"context"
	"mime"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// mediaEvents is the media type of server-sent events.
const mediaEvents = "text/event-stream"

// wantsEvents reports whether server-sent events are among what a request accepts.
func wantsEvents(r *http.Request) bool {
	for _, accept := range r.Header.Values("Accept") {
		for entry := range strings.SplitSeq(accept, ",") {
			if media, _, err := mime.ParseMediaType(entry); err == nil && media == mediaEvents {
				return true
			}
		}
	}
	return false
}

// serveEvents answers a request by server-sent events, in the distinct
// connections mode of https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md:
// what is wrong with the GraphQL comes as a result, too.
func (l *Live) serveEvents(w http.ResponseWriter, r *http.Request, params *graphql.RawParams) {
	done, ok := l.admit()
	if !ok {
		busy(w)
		return
	}
	defer done()
	life, cancel := context.WithCancel(r.Context())
	defer cancel()
	ctx := graphql.StartOperationTrace(life)
	op, refused := l.Executor.CreateOperationContext(ctx, params)
	if len(refused) == 0 && op.Operation.Operation == ast.Mutation && r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, mediaJSON, http.StatusMethodNotAllowed, "a mutation takes POST")
		return
	}
	h := w.Header()
	h.Set("Content-Type", mediaEvents+"; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	h.Set("X-Content-Type-Options", "nosniff")
	stream := &eventStream{writer: w, control: http.NewResponseController(w), patience: l.Patience}
	_ = stream.control.SetReadDeadline(time.Time{}) // the body is read; what comes is the end of the connection
	var again atomic.Bool                           // the client is to connect again
	if len(refused) == 0 && op.Operation.Operation == ast.Subscription {
		go func() {
			if l.turn(life) {
				again.Store(true)
				cancel()
			}
		}()
	}
	expel := func(r *rejection) { _ = stream.refuse(&graphql.Response{Errors: r.list()}) }
	o := &operation{live: l, params: *params, send: stream.next, refuse: stream.refuse, expel: expel, idle: stream.comment}
	if len(refused) > 0 {
		_ = o.deny(ctx, op, refused)
	} else {
		_ = o.run(ctx, op)
	}
	if again.Load() {
		return // without complete, which would say that nothing more is to come; nor retry, by which graphql-sse fails
	}
	_ = stream.write("event: complete\ndata:\n\n")
}

// busy refuses a connection that would be one too many.
func busy(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	write(w, mediaJSON, http.StatusServiceUnavailable, &graphql.Response{Errors: gqlerror.List{{
		Message:    "the gateway takes no more connections that last; try again later",
		Extensions: map[string]any{"code": CodeRateLimited},
	}}}, false)
}

// An eventStream writes server-sent events.
type eventStream struct {
	writer   http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
}

// refuse sends why there is no result: errors without data.
func (s *eventStream) refuse(answer *graphql.Response) error {
	text, err := encode(map[string]any{"errors": answer.Errors})
	if err != nil {
		return err
	}
	return s.next(text)
}

// next sends a result.
func (s *eventStream) next(result []byte) error {
	var b bytes.Buffer
	b.WriteString("event: next\ndata: ")
	b.Write(result)
	b.WriteString("\n\n")
	return s.write(b.String())
}

// comment sends what clients pass over.
func (s *eventStream) comment() error { return s.write(":\n\n") }

func (s *eventStream) write(text string) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(s.patience)); err != nil {
		return err
	}
	if _, err := s.writer.Write([]byte(text)); err != nil {
		return err
	}
	return s.control.Flush()
}
