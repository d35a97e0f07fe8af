package graph

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// The media types of answers. The second is that of GraphQL over HTTP, whose
// status tells whether the request was executed.
const (
	mediaJSON    = "application/json"
	mediaGraphQL = "application/graphql-response+json"
)

// A Handler serves GraphQL over HTTP, https://graphql.github.io/graphql-over-http/:
// queries by GET and POST, mutations by POST, and all that lasts by Live. It reads a bounded body, and an
// answer never holds what a request held.
type Handler struct {
	Executor          graphql.GraphExecutor
	MaxBodyBytes      int64 // of a request; a larger one is refused with 413
	MaxVariablesBytes int64 // of the variables in it, as they are written; also refused with 413
	Origins           Origins
	Live              *Live // answers what is asked for by WebSocket or server-sent events; its Throttle counts for all
}

// ServeHTTP answers one GraphQL request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = r.WithContext(withRemote(r.Context(), r.RemoteAddr))
	if h.Live != nil && !h.Live.Throttle.admit(w, r, h.Live.Door) {
		return
	}
	if isUpgrade(r) {
		h.Live.serveSocket(w, r)
		return
	}
	ctx := graphql.StartOperationTrace(r.Context())
	w.Header().Add("Vary", "Accept")
	media, events := negotiate(r.Header.Values("Accept")), r.Method != http.MethodHead && wantsEvents(r)
	onlyEvents := events && media == "" // clients such as urql name events in every request, behind JSON
	if onlyEvents {
		media = mediaJSON // of what is no GraphQL request
	}
	if media == "" {
		refuse(w, mediaJSON, http.StatusNotAcceptable, "Accept names no media type of an answer; it takes "+mediaGraphQL+" or "+mediaJSON)
		return
	}
	params := &graphql.RawParams{Headers: r.Header}
	params.ReadTime.Start = graphql.Now()
	var fault *requestFault
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		if !h.Origins.mayQuery(r) {
			foreign(w, media)
			return
		}
		if r.Header.Get("Content-Type") != "" && !isJSON(r.Header) { // browsers have let some pass without leave
			fault = &requestFault{status: http.StatusUnsupportedMediaType, message: "by GET, Content-Type must be " + mediaJSON + " or left out"}
			break
		}
		fault = readURL(r, h.MaxVariablesBytes, params)
	case http.MethodPost:
		fault = readBody(http.MaxBytesReader(w, r.Body, h.MaxBodyBytes), r.Header, h.MaxVariablesBytes, params)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		refuse(w, media, http.StatusMethodNotAllowed, "GraphQL takes GET and POST")
		return
	}
	if fault != nil {
		write(w, media, fault.status, &graphql.Response{Errors: gqlerror.List{fault.told()}}, false)
		return
	}
	params.ReadTime.End = graphql.Now()
	if onlyEvents {
		h.Live.serveEvents(w, r, params)
		return
	}

	op, refused := h.Executor.CreateOperationContext(ctx, params)
	if refused != nil {
		status := http.StatusOK
		if media == mediaGraphQL {
			status = http.StatusBadRequest
		}
		answer := h.Executor.DispatchError(graphql.WithOperationContext(ctx, op), refused)
		write(w, media, status, answer, false)
		return
	}
	switch {
	case op.Operation.Operation == ast.Subscription && events:
		h.Live.serveEvents(w, r, params)
		return
	case op.Operation.Operation == ast.Subscription:
		refuse(w, media, http.StatusMethodNotAllowed, "a subscription is answered over WebSocket, or as "+mediaEvents+" if Accept says so")
		return
	case op.Operation.Operation == ast.Mutation && r.Method != http.MethodPost:
		w.Header().Set("Allow", "POST")
		refuse(w, media, http.StatusMethodNotAllowed, "a mutation takes POST")
		return
	}
	respond, ctx := h.Executor.DispatchOperation(ctx, op)
	answer := respond(ctx)
	if answer == nil {
		return // the client has gone
	}
	if after, ok := shed(op); ok {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(after.Seconds()))))
		write(w, media, http.StatusServiceUnavailable, answer, false)
		return
	}
	write(w, media, http.StatusOK, answer, true)
}

// A requestFault is what is wrong with a request that is no GraphQL request.
type requestFault struct {
	status  int
	message string
	limit   int64 // that it exceeds; 0 for none
}

// told is what the client is told of it.
func (f *requestFault) told() *gqlerror.Error {
	err := &gqlerror.Error{Message: f.message, Extensions: map[string]any{"code": CodeBadUserInput}}
	if f.limit > 0 {
		err.Extensions["limit"] = f.limit
	}
	return err
}

// tooLarge refuses what has more bytes than it may.
func tooLarge(what string, limit int64) *requestFault {
	return &requestFault{http.StatusRequestEntityTooLarge, what + " larger than " + strconv.FormatInt(limit, 10) + " bytes", limit}
}

// negotiate returns the media type of the answer, "" if none is accepted. Of
// several ranges that a type fits the narrowest counts; of types that are
// equally welcome the first that is named, and JSON if neither is.
func negotiate(accept []string) string {
	if len(accept) == 0 {
		return mediaJSON
	}
	type welcome struct {
		quality float64
		narrow  int // how narrow the range is that says so
		place   int // of that range
	}
	var asJSON, asGraphQL welcome
	place := 0
	for entry := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		media, options, err := mime.ParseMediaType(entry)
		if err != nil {
			continue
		}
		if charset := options["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
			continue
		}
		place++
		quality := 1.0
		if q, given := options["q"]; given {
			if quality, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}
		narrow := 3
		switch media {
		case "*/*":
			narrow = 1
		case "application/*":
			narrow = 2
		}
		if narrow > asJSON.narrow && (narrow < 3 || media == mediaJSON) {
			asJSON = welcome{quality, narrow, place}
		}
		if narrow > asGraphQL.narrow && (narrow < 3 || media == mediaGraphQL) {
			asGraphQL = welcome{quality, narrow, place}
		}
	}
	switch {
	case asJSON.quality <= 0 && asGraphQL.quality <= 0:
		return ""
	case asGraphQL.quality > asJSON.quality, asGraphQL.quality == asJSON.quality && asGraphQL.place < asJSON.place:
		return mediaGraphQL
	}
	return mediaJSON
}

// readURL reads a request from the query of its URL.
func readURL(r *http.Request, maxVariables int64, params *graphql.RawParams) *requestFault {
	query := r.URL.Query()
	params.Query = query.Get("query")
	params.OperationName = query.Get("operationName")
	for name, into := range map[string]*map[string]any{"variables": &params.Variables, "extensions": &params.Extensions} {
		text := query.Get(name)
		if text == "" {
			continue
		}
		if err := decode(strings.NewReader(text), into); err != nil {
			return &requestFault{status: http.StatusBadRequest, message: name + " is not a JSON object"}
		}
	}
	if int64(len(query.Get("variables"))) > maxVariables {
		return tooLarge("the variables are", maxVariables)
	}
	return refer(cmp.Or(query.Get("documentId"), query.Get("id"), query.Get("doc_id")), params)
}

// readBody reads a request from a JSON body.
func readBody(body io.Reader, header http.Header, maxVariables int64, params *graphql.RawParams) *requestFault {
	media, options, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || media != mediaJSON {
		return &requestFault{status: http.StatusUnsupportedMediaType, message: "Content-Type must be " + mediaJSON}
	}
	if charset := options["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return &requestFault{status: http.StatusUnsupportedMediaType, message: "the charset must be utf-8"}
	}
	if encoding := header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return &requestFault{status: http.StatusUnsupportedMediaType, message: "a compressed body is not taken"}
	}
	text, err := io.ReadAll(body)
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return tooLarge("the body is", over.Limit)
	case err != nil:
		return &requestFault{status: http.StatusBadRequest, message: "the body could not be read to its end"}
	}
	return readParams(text, maxVariables, params)
}

// readParams reads a request from JSON.
func readParams(text []byte, maxVariables int64, params *graphql.RawParams) *requestFault {
	if text := bytes.TrimSpace(text); len(text) > 0 && text[0] == '[' {
		return &requestFault{status: http.StatusBadRequest, message: "the body is a list; requests are sent one by one"}
	}
	var request map[string]json.RawMessage
	if err := decode(bytes.NewReader(text), &request); err != nil || request == nil {
		return &requestFault{status: http.StatusBadRequest, message: "the body is not a JSON object"}
	}
	if int64(len(request["variables"])) > maxVariables {
		return tooLarge("the variables are", maxVariables)
	}
	for _, member := range []struct {
		name string
		into any
		what string
	}{
		{"query", &params.Query, "text"},
		{"operationName", &params.OperationName, "text or null"},
		{"variables", &params.Variables, "an object or null"},
		{"extensions", &params.Extensions, "an object or null"},
	} {
		value, given := request[member.name]
		if !given {
			continue
		}
		if err := decode(bytes.NewReader(value), member.into); err != nil {
			return &requestFault{status: http.StatusBadRequest, message: member.name + " must be " + member.what}
		}
	}
	id := ""
	for _, name := range []string{"documentId", "id", "doc_id"} { // of the draft, and of Relay's clients
		if id == "" {
			_ = json.Unmarshal(request[name], &id) // what is no text names no document
		}
	}
	return refer(id, params)
}

// decode reads one JSON value and nothing more. Numbers stay as they are
// written, since those of variables may have 64 bits.
func decode(r io.Reader, into any) error {
	dec := json.NewDecoder(r)
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("more than one value")
	}
	return nil
}

// refuse answers a request that is no GraphQL request.
func refuse(w http.ResponseWriter, media string, status int, message string) {
	write(w, media, status, &graphql.Response{Errors: gqlerror.List{{
		Message:    message,
		Extensions: map[string]any{"code": CodeBadUserInput},
	}}}, false)
}

// write sends an answer. Its data, which is JSON already, is sent as it is, and
// left out if the request was not executed.
func write(w http.ResponseWriter, media string, status int, answer *graphql.Response, executed bool) {
	var b bytes.Buffer
	b.Grow(len(answer.Data) + 64)
	b.WriteByte('{')
	member := func(name string, value any) {
		text, err := json.Marshal(value)
		if err != nil {
			return
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + name + `":`)
		b.Write(text)
	}
	if len(answer.Errors) > 0 {
		member("errors", answer.Errors)
	}
	if executed {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteString(`"data":`)
		if len(answer.Data) == 0 {
			b.WriteString("null")
		}
		b.Write(answer.Data)
	}
	if len(answer.Extensions) > 0 {
		member("extensions", answer.Extensions)
	}
	b.WriteByte('}')
	h := w.Header()
	h.Set("Content-Type", media+"; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}
