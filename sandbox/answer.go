package sandbox

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
)

// An answer is what goes back to the client.
type answer struct {
	status      int
	contentType string
	header      map[string]string // beside the content type; nil if there is none
	body        []byte
}

// data answers 200 with Drift's usual envelope.
func data(v any) (answer, error) {
	return bare(struct {
		Data any `json:"data"`
	}{v})
}

// bare answers 200 with v as it is.
func bare(v any) (answer, error) {
	body, err := json.Marshal(v, json.Deterministic(true))
	return answer{http.StatusOK, "application/json", nil, body}, err
}

// done answers as Drift does where there is nothing to show.
func done(status int) (answer, error) {
	return answer{status, "application/json", nil, []byte(`{"result":"OK","ok":true}`)}, nil
}

// plainText answers 200 with text.
func plainText(body string) (answer, error) {
	return answer{http.StatusOK, "text/plain; charset=utf-8", nil, []byte(body)}, nil
}

// A refusal is an answer outside the 200s.
type refusal struct {
	status     int
	kind       string // error.type of the body
	message    string
	retryAfter time.Duration // when to try again, with status 429
}

func (e *refusal) Error() string { return e.message }

// answer writes the refusal the way Drift does. Retry-After is sent only if asked for.
func (e *refusal) answer(retryAfter bool) answer {
	var body struct {
		Error struct {
			Type    string `json:"type"`
			Message string `json:"message"`
		} `json:"error"`
	}
	body.Error.Type, body.Error.Message = e.kind, e.message
	a, err := bare(body)
	if err != nil {
		panic(err) // two strings, both valid UTF-8
	}
	a.status = e.status
	if retryAfter && e.retryAfter > 0 {
		seconds := math.Ceil(e.retryAfter.Seconds())
		a.header = map[string]string{"Retry-After": strconv.FormatFloat(seconds, 'f', 0, 64)}
	}
	return a
}

// invalid refuses a bad or missing field or parameter.
func invalid(format string, args ...any) error {
	return refuse(http.StatusBadRequest, "validation_error", format, args...)
}

// notFound refuses an id that no record has.
func notFound(format string, args ...any) error {
	return refuse(http.StatusNotFound, "not_found", format, args...)
}

// refuse makes a refusal with a message that says who wrote it.
func refuse(status int, kind, format string, args ...any) error {
	return &refusal{status: status, kind: kind, message: fmt.Sprintf("sandbox: "+format, args...)}
}

// decode reads the body into v. Names are case-sensitive, and those that v does not know are ignored.
func (r *request) decode(v any) error {
	if err := json.Unmarshal(r.body, v); err != nil {
		return invalid("the body is not the JSON wanted here: %v", err)
	}
	return nil
}
