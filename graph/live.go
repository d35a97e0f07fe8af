package graph

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/driftgraph/driftgraph/auth"
	"github.com/driftgraph/driftgraph/events"
	"github.com/driftgraph/driftgraph/loaders"
	"github.com/driftgraph/driftgraph/relay"
)

// Live answers operations over connections that last: WebSocket and server-sent
// events. A subscription begins with Subscribe; each of its events is then run as
// an operation of its own from the very start, so that it is judged anew who asks
// and for what, and that it reads what there is by then, through the cache. It
// is run once for all subscriptions of one caller that ask for the same.
type Live struct {
	LiveOptions
	stopping chan struct{} // closed by Drain
	window   time.Duration // within which connections end then

	connections, subscriptions atomic.Int64
	refused                    atomic.Uint64

	mu      sync.Mutex
	drained bool
	work    sync.WaitGroup // one for each connection
}

// LiveOptions are the settings of a Live.
type LiveOptions struct {
	Executor graphql.GraphExecutor
	// Recover returns what is told of a panic, once it is logged.
	Recover func(ctx context.Context, cause any) error
	// Subscribe returns a subscription to the events that the caller may hear of.
	Subscribe func(context.Context, events.Filter) *events.Subscription
	// Hears reports whether the caller may hear of an event, which is asked again
	// for each.
	Hears func(context.Context, events.Event) bool
	// Source returns where the caller's operations read from.
	Source func(context.Context) *loaders.Source
	// Door asks for the credential of who opens a WebSocket, if the request for it
	// had none; nil for nobody's.
	Door *Door
	// Throttle bounds how often a caller may ask; nil for any number of times.
	Throttle *Throttle

	Origins           Origins       // whose pages may connect, beside the gateway's own
	MaxBodyBytes      int64         // of a message by WebSocket
	MaxVariablesBytes int64         // of the variables in it, as they are written
	Max               int           // connections at once, and subscriptions at once
	KeepAlive         time.Duration // how often a quiet connection is shown to be alive; 0 for 15 s
	Patience          time.Duration // how long a client may take to begin, to answer, and to take a result; 0 for 10 s
	Stagger           time.Duration // between the ends of connections when all are to end, on average; 0 for 1 ms
}

// NewLive returns a Live.
func NewLive(o LiveOptions) *Live {
	o.KeepAlive = cmp.Or(o.KeepAlive, 15*time.Second)
	o.Patience = cmp.Or(o.Patience, 10*time.Second)
	o.Stagger = cmp.Or(o.Stagger, time.Millisecond)
	return &Live{LiveOptions: o, stopping: make(chan struct{})}
}

// LiveStats are present numbers, but for Refused.
type LiveStats struct {
	Connections   int64  // by WebSocket and server-sent events
	Subscriptions int64  // under way
	Refused       uint64 // connections and subscriptions over the limit
}

// Stats returns the present numbers.
func (l *Live) Stats() LiveStats {
	return LiveStats{l.connections.Load(), l.subscriptions.Load(), l.refused.Load()}
}

// Drain ends all connections cleanly, and returns when they have ended, or ctx
// has. Clients are told to connect again, one after another, so that they do not
// all come to the other replicas at once; that takes half of the time of ctx at
// most. What is no subscription is answered before its connection ends.
func (l *Live) Drain(ctx context.Context) {
	l.mu.Lock()
	if !l.drained {
		l.drained = true
		l.window = time.Duration(l.connections.Load()) * l.Stagger
		if deadline, ok := ctx.Deadline(); ok {
			l.window = max(min(l.window, time.Until(deadline)/2), 0)
		}
		close(l.stopping)
	}
	l.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		l.work.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

// turn waits for the time of one connection to end, once all are to. It reports
// false if ctx ends before.
func (l *Live) turn(ctx context.Context) bool {
	select {
	case <-l.stopping:
	case <-ctx.Done():
		return false
	}
	timer := time.NewTimer(rand.N(l.window + 1)) // #nosec G404 -- spreads attempts in time, no secret
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// admit counts a connection; done is called when it has ended. ok is false if
// there are too many, or the process is about to end.
func (l *Live) admit() (done func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.drained {
		return nil, false
	}
	if l.connections.Add(1) > int64(l.Max) {
		l.connections.Add(-1)
		l.refused.Add(1)
		return nil, false
	}
	l.work.Add(1)
	return func() {
		l.connections.Add(-1)
		l.work.Done()
	}, true
}

// overLimit says that there are too many subscriptions.
func (l *Live) overLimit() gqlerror.List {
	l.refused.Add(1)
	err := gqlerror.Errorf("the gateway has as many subscriptions as it takes; try again later")
	err.Extensions = map[string]any{"code": CodeRateLimited}
	return gqlerror.List{err}
}

// errRefused ends an operation that did not begin, or may not go on.
var errRefused = errors.New("refused")

// An operation is one that came over a connection that lasts.
type operation struct {
	live   *Live
	params graphql.RawParams
	send   func(result []byte) error     // a result, as JSON in one line
	refuse func(*graphql.Response) error // why it is not executed, or no longer
	expel  func(*rejection)              // ends the connection of a caller who is one no longer
	idle   func() error                  // called once it hears events, and when there was nothing to tell for KeepAlive; nil for nothing
}

// run answers the operation until it is over, ctx ends or the connection fails.
func (o *operation) run(ctx context.Context, op *graphql.OperationContext) error {
	if op.Operation.Operation != ast.Subscription || dryRun(op) {
		return o.answer(ctx, op)
	}
	field, filter, err := subscribes(op)
	if err != nil {
		return o.deny(ctx, op, gqlerror.List{gqlerror.WrapPath(ast.Path{ast.PathName(field)}, err)})
	}
	if o.live.subscriptions.Add(1) > int64(o.live.Max) {
		o.live.subscriptions.Add(-1)
		return o.deny(ctx, op, o.live.overLimit())
	}
	defer o.live.subscriptions.Add(-1)
	asked, err := json.Marshal([]any{o.params.Query, o.params.OperationName, o.params.Variables, o.params.Extensions, op.Headers.Get(PlanHeader)})
	if err != nil {
		return err
	}
	s := o.live.Subscribe(ctx, filter)
	defer s.Close()
	if o.idle != nil {
		if err := o.idle(); err != nil {
			return err
		}
	}
	for {
		d, err := o.next(ctx, s)
		if err != nil {
			return err
		}
		if d.Kind == events.Gap {
			err = o.tell(&graphql.Response{Data: null(field), Extensions: map[string]any{"gap": map[string]any{"reason": d.Reason}}})
		} else {
			err = o.event(ctx, d, string(asked), field)
		}
		if err != nil {
			return err
		}
	}
}

// next waits for an event. While there is none it judges the caller anew now and
// then, and calls idle.
func (o *operation) next(ctx context.Context, s *events.Subscription) (*events.Delivery, error) {
	for {
		quiet, cancel := context.WithTimeout(ctx, o.live.KeepAlive)
		d, err := s.Next(quiet)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return d, err
		}
		if _, err := auth.Again(ctx); errors.Is(err, auth.ErrUnauthenticated) {
			o.expel(rejectionOf(err))
			return nil, errRefused
		}
		if o.idle == nil {
			continue
		}
		if err := o.idle(); err != nil {
			return nil, err
		}
	}
}

// A wish is what the answer to an event depends on, beside the event.
type wish struct {
	caller *auth.Caller
	source *loaders.Source // of the caller's tenant
	asked  string          // all of the request that matters, as JSON
}

// event answers one event, together with all who have the same wish.
func (o *operation) event(ctx context.Context, d *events.Delivery, asked, field string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ctx, err := o.again(ctx)
	if err != nil {
		return err
	}
	if !o.live.Hears(ctx, d.Event) {
		o.expel(rejectionOf(auth.ErrUnauthenticated))
		return errRefused
	}
	answer, first := d.Share(wish{auth.CallerOf(ctx), o.live.Source(ctx), asked})
	if first {
		others := context.WithoutCancel(ctx) // may wait for it when this subscriber is gone
		o.live.work.Go(func() { answer.Give(o.execute(events.With(others, d.Event), field)) })
	}
	text, err := answer.Wait(ctx)
	var no *refusal
	switch {
	case errors.As(err, &no):
		return o.turnAway(no.answer)
	case text == nil || err != nil:
		return err
	}
	return o.send(text)
}

// A refusal says why an operation is not executed.
type refusal struct{ answer *graphql.Response }

// Error returns the reasons.
func (r *refusal) Error() string { return r.answer.Errors.Error() }

// again judges anew the caller of an operation.
func (o *operation) again(ctx context.Context) (context.Context, error) {
	ctx, err := auth.Again(ctx)
	if err != nil {
		o.expel(rejectionOf(err))
		return nil, errRefused
	}
	return ctx, nil
}

// execute runs an operation for one event, from the very start. It returns the
// result, nil if there is none.
func (o *operation) execute(ctx context.Context, field string) (text []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil { // it would end the process
			answer := o.live.recovered(ctx, cause)
			answer.Data = null(field)
			text, err = encode(answer)
		}
	}()
	params := o.params
	params.ReadTime = graphql.TraceTiming{Start: graphql.Now(), End: graphql.Now()}
	ctx = graphql.StartOperationTrace(ctx)
	op, refused := o.live.Executor.CreateOperationContext(ctx, &params)
	if len(refused) > 0 {
		return nil, &refusal{o.live.Executor.DispatchError(graphql.WithOperationContext(ctx, op), refused)}
	}
	respond, ctx := o.live.Executor.DispatchOperation(ctx, op)
	answer := respond(ctx)
	if answer == nil {
		return nil, nil
	}
	if len(answer.Data) == 0 {
		answer.Data = null(field)
	}
	return encode(answer)
}

// recovered returns what is told of a panic.
func (l *Live) recovered(ctx context.Context, cause any) *graphql.Response {
	told, _ := l.Recover(ctx, cause).(*gqlerror.Error)
	return &graphql.Response{Errors: gqlerror.List{told}}
}

// answer answers what is no subscription.
func (o *operation) answer(ctx context.Context, op *graphql.OperationContext) error {
	respond, ctx := o.live.Executor.DispatchOperation(ctx, op)
	answer := respond(ctx)
	if answer == nil {
		return ctx.Err()
	}
	return o.tell(answer)
}

// tell sends a result.
func (o *operation) tell(answer *graphql.Response) error {
	text, err := encode(answer)
	if err != nil {
		return err
	}
	return o.send(text)
}

// deny tells why the operation is not executed.
func (o *operation) deny(ctx context.Context, op *graphql.OperationContext, list gqlerror.List) error {
	return o.turnAway(o.live.Executor.DispatchError(graphql.WithOperationContext(ctx, op), list))
}

// turnAway tells why the operation is not executed, or no longer.
func (o *operation) turnAway(answer *graphql.Response) error {
	if err := o.refuse(answer); err != nil {
		return err
	}
	return errRefused
}

// null is the data of a subscription whose field has no value.
func null(field string) []byte { return fmt.Appendf(nil, `{%q:null}`, field) }

// dryRun reports whether only the price of an operation is asked for.
func dryRun(op *graphql.OperationContext) bool { return op.Headers.Get(PlanHeader) == planDryRun }

// subscribes returns the name under which a subscription answers, and the events
// that it is about.
func subscribes(op *graphql.OperationContext) (field string, f events.Filter, err error) {
	selected := graphql.CollectFields(op, op.Operation.SelectionSet, []string{"Subscription"})
	if len(selected) == 0 {
		return "", f, relay.BadInput("the subscription selects nothing")
	}
	root := selected[0] // there is no other: validation has seen to that
	field = root.Alias
	f.Kind = events.Kind(root.Name)
	typ, argument := relay.Conversation, "conversationId"
	switch f.Kind {
	case events.ContactUpdated:
		typ, argument = relay.Contact, "contactId"
	case events.UserAvailabilityChanged:
		typ, argument = relay.User, "userId"
	case events.MessageAdded, events.ConversationStarted, events.ConversationUpdated:
	default:
		return field, f, relay.BadInput("a subscription takes a field of Subscription, not %s", root.Name)
	}
	value := root.ArgumentMap(op.Variables)[argument]
	if value == nil {
		return field, f, nil
	}
	id, err := graphql.UnmarshalID(value) // a number, too
	if err == nil {
		f.Of, err = relay.ParseID(typ, id)
	}
	if err != nil {
		return field, f, relay.BadInput("%s: %s", argument, err)
	}
	return field, f, nil
}

// encode writes JSON in one line, and leaves < and > as they are.
func encode(value any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), err
}
