package graph

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/coder/websocket"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// subprotocol is the one that is spoken over WebSocket:
// https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
const subprotocol = "graphql-transport-ws"

// The codes that the protocol closes a connection with.
const (
	closeInvalidMessage  websocket.StatusCode = 4400
	closeUnauthorized    websocket.StatusCode = 4401
	closeForbidden       websocket.StatusCode = 4403
	closeSubprotocol     websocket.StatusCode = 4406
	closeInitTimeout     websocket.StatusCode = 4408
	closeSubscriberTaken websocket.StatusCode = 4409
	closeTooManyInits    websocket.StatusCode = 4429
)

// maxOperations bounds the operations that are under way on one connection. As many
// again may be about to end, since the client has ended them.
const maxOperations = 100

// isUpgrade reports whether a request asks to change to WebSocket.
func isUpgrade(r *http.Request) bool {
	return r.Method == http.MethodGet && slices.ContainsFunc(r.Header.Values("Upgrade"), func(v string) bool { return strings.EqualFold(v, "websocket") })
}

// A message is one of the protocol.
type message struct {
	Type    string          `json:"type"`
	ID      string          `json:"id,omitempty"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// A socket is a connection by WebSocket.
type socket struct {
	live   *Live
	conn   *websocket.Conn
	header http.Header // of the request that asked for it
	remote string      // the address that it comes from

	mu         sync.Mutex
	begun      bool // connection_init has come, and was acknowledged
	operations map[string]context.CancelFunc
	running    int // operations, with those that the client has ended
	work       sync.WaitGroup
	finite     atomic.Int64 // operations under way that are no subscriptions
}

// serveSocket speaks graphql-transport-ws until either side ends it. A browser's
// page must be of the gateway's own origin, or of one that is allowed.
func (l *Live) serveSocket(w http.ResponseWriter, r *http.Request) {
	done, ok := l.admit()
	if !ok {
		busy(w)
		return
	}
	defer done()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:       []string{subprotocol},
		OriginPatterns:     l.Origins,
		InsecureSkipVerify: slices.Contains(l.Origins, anyOrigin),
	})
	if err != nil {
		return // it has answered
	}
	defer conn.CloseNow()
	if conn.Subprotocol() != subprotocol {
		_ = conn.Close(closeSubprotocol, "Subprotocol not acceptable")
		return
	}
	conn.SetReadLimit(l.MaxBodyBytes)
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context())) // that of a request is over when it is hijacked
	s := &socket{live: l, conn: conn, header: r.Header, remote: r.RemoteAddr, operations: make(map[string]context.CancelFunc)}
	s.work.Go(func() { s.watch(ctx) })
	s.read(ctx)
	cancel()
	s.work.Wait()
}

// watch ends a connection that does not begin, is not alive, or is to end
// because the process does.
func (s *socket) watch(ctx context.Context) {
	begin := time.NewTimer(s.live.Patience)
	defer begin.Stop()
	alive := time.NewTicker(s.live.KeepAlive)
	defer alive.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.live.stopping:
			s.end(ctx)
			return
		case <-begin.C:
			s.mu.Lock()
			begun := s.begun
			s.mu.Unlock()
			if !begun {
				_ = s.conn.Close(closeInitTimeout, "Connection initialisation timeout")
				return
			}
		case <-alive.C:
			patient, cancel := context.WithTimeout(ctx, s.live.Patience)
			err := s.conn.Ping(patient)
			cancel()
			if err != nil {
				_ = s.conn.CloseNow()
				return
			}
		}
	}
}

// end ends the connection because the process does, once what is no subscription
// has been answered. Its code has clients connect again.
func (s *socket) end(ctx context.Context) {
	if !s.live.turn(ctx) {
		return
	}
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for s.finite.Load() > 0 {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
	_ = s.conn.Close(websocket.StatusServiceRestart, "the gateway restarts; connect again")
}

// read takes messages until the connection ends.
func (s *socket) read(ctx context.Context) {
	for {
		kind, text, err := s.conn.Read(ctx)
		if err != nil {
			return
		}
		var m message
		if kind != websocket.MessageText || json.Unmarshal(text, &m) != nil {
			_ = s.conn.Close(closeInvalidMessage, "Invalid message received")
			return
		}
		if m.Type == "connection_init" {
			caller, code, reason := s.begin(ctx, m)
			if code != 0 {
				_ = s.conn.Close(code, reason)
				return
			}
			ctx = caller
			continue
		}
		if code, reason := s.take(ctx, m); code != 0 {
			_ = s.conn.Close(code, reason)
			return
		}
	}
}

// begin acknowledges the first message of a connection, once it is known who
// opened it. It returns the context of that caller, or a code if the connection
// is to be closed.
func (s *socket) begin(ctx context.Context, m message) (context.Context, websocket.StatusCode, string) {
	s.mu.Lock()
	again := s.begun
	s.begun = true
	s.mu.Unlock()
	if again {
		return nil, closeTooManyInits, "Too many initialisation requests"
	}
	ctx, rejected := s.live.Door.enterSocket(ctx, s.remote, m.Payload)
	if rejected != nil {
		return nil, closeForbidden, "Forbidden"
	}
	_ = s.write(ctx, message{Type: "connection_ack"})
	return ctx, 0, ""
}

// take does what a message asks for. It returns a code other than 0 if the
// connection is to be closed.
func (s *socket) take(ctx context.Context, m message) (websocket.StatusCode, string) {
	switch m.Type {
	case "ping":
		_ = s.write(ctx, message{Type: "pong", Payload: m.Payload})
	case "pong":
	case "subscribe":
		return s.subscribe(ctx, m)
	case "complete":
		s.mu.Lock()
		if cancel := s.operations[m.ID]; cancel != nil {
			cancel()
			delete(s.operations, m.ID) // the id may be used again at once
		}
		s.mu.Unlock()
	default:
		return closeInvalidMessage, "Invalid message received"
	}
	return 0, ""
}

// subscribe starts an operation.
func (s *socket) subscribe(ctx context.Context, m message) (websocket.StatusCode, string) {
	s.mu.Lock()
	begun := s.begun
	_, taken := s.operations[m.ID]
	full := len(s.operations) >= maxOperations || s.running >= 2*maxOperations
	s.mu.Unlock()
	params := graphql.RawParams{Headers: s.header}
	fault := readParams(m.Payload, s.live.MaxVariablesBytes, &params)
	switch {
	case !begun:
		return closeUnauthorized, "Unauthorized"
	case m.ID == "" || len(m.ID) > 256 || fault != nil && fault.limit == 0:
		return closeInvalidMessage, "Invalid message received"
	case taken:
		if len(m.ID) > 64 { // a reason has 123 bytes at most
			return closeSubscriberTaken, "Subscriber already exists"
		}
		return closeSubscriberTaken, "Subscriber for " + m.ID + " already exists"
	}
	if fault != nil { // it is a message of the protocol, and asks for too much
		if text, err := encode(gqlerror.List{fault.told()}); err == nil {
			_ = s.tell(ctx, "error", m.ID, text)
		}
		return 0, ""
	}
	if full { // told before the next message is read, so that who sends more than is worked off waits
		if text, err := encode(s.live.overLimit()); err == nil {
			_ = s.tell(ctx, "error", m.ID, text)
		}
		return 0, ""
	}
	ctx, cancel := context.WithCancel(graphql.StartOperationTrace(ctx))
	s.mu.Lock()
	s.operations[m.ID] = cancel
	s.running++
	s.mu.Unlock()
	o := &operation{
		live: s.live, params: params,
		send: func(result []byte) error { return s.tell(ctx, "next", m.ID, result) },
		refuse: func(answer *graphql.Response) error {
			if !s.release(ctx, m.ID) {
				return ctx.Err()
			}
			text, err := encode(answer.Errors)
			if err != nil {
				return err
			}
			return s.tell(ctx, "error", m.ID, text)
		},
		expel: func(*rejection) { _ = s.conn.Close(closeForbidden, "Forbidden") },
	}
	s.work.Go(func() {
		defer func() {
			cancel()
			s.mu.Lock()
			s.running--
			s.mu.Unlock()
		}()
		s.execute(ctx, o, m.ID)
	})
	return 0, ""
}

// execute runs an operation to its end, and says so unless the client ended it.
func (s *socket) execute(ctx context.Context, o *operation, id string) {
	defer func() {
		if cause := recover(); cause != nil { // it would end the process
			_ = o.refuse(o.live.recovered(ctx, cause))
		}
	}()
	caller, err := o.again(ctx)
	if err != nil {
		return
	}
	ctx = caller
	if list := s.live.Throttle.refuses(ctx); list != nil {
		_ = o.refuse(&graphql.Response{Errors: list})
		return
	}
	params := o.params
	op, refused := s.live.Executor.CreateOperationContext(ctx, &params)
	switch {
	case len(refused) > 0:
		err = o.deny(ctx, op, refused)
	default:
		if op.Operation.Operation != ast.Subscription {
			s.finite.Add(1)
			defer s.finite.Add(-1)
		}
		err = o.run(ctx, op)
	}
	if err != errRefused && s.release(ctx, id) { // after an error there is no complete
		_ = s.write(context.WithoutCancel(ctx), message{Type: "complete", ID: id})
	}
}

// release frees the id of an operation before the last that is told of it, since
// a client may use it again from then on. It reports false if the client has
// ended the operation itself: then the id may be another's by now.
func (s *socket) release(ctx context.Context, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return false
	}
	delete(s.operations, id)
	return true
}

// tell sends a message about an operation, unless it has ended. What it is about
// is JSON in one line.
func (s *socket) tell(ctx context.Context, kind, id string, payload []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	name, err := encode(id)
	if err != nil {
		return err
	}
	text := make([]byte, 0, len(payload)+len(name)+64)
	text = append(append(text, `{"type":"`+kind+`","id":`...), name...)
	text = append(append(append(text, `,"payload":`...), payload...), '}')
	return s.send(context.WithoutCancel(ctx), text)
}

// write sends a message.
func (s *socket) write(ctx context.Context, m message) error {
	text, err := encode(m)
	if err != nil {
		return err
	}
	return s.send(ctx, text)
}

// send sends text. A client that does not take it loses the connection.
func (s *socket) send(ctx context.Context, text []byte) error {
	ctx, cancel := context.WithTimeout(ctx, s.live.Patience)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, text)
}
