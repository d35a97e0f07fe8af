package drift

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// lenient is how Drift's own JSON is read: names may be repeated and text may
// be broken UTF-8, whose bad bytes become U+FFFD. JSON that we wrote ourselves
// has neither and is read with the stricter defaults.
var lenient = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// A record is a row of Drift's. Its pointer may be nil, where a list holds null.
type record interface {
	// present reports whether the record is there, with what identifies it.
	present() bool
}

// A node is a record that can be asked for by its id.
type node interface {
	record
	// Ref returns the kind of the record, a colon and its id.
	Ref() string
}

var (
	errNoRecord    = errors.New("a record is missing or has no id")
	errOtherRecord = errors.New("the record is not the one that was asked for")
	errNoData      = errors.New("no data")
	errNotDone     = errors.New("it does not say that it is done")
)

// unwrap reads a value from the member data of the body, or from the whole
// body if it has no such member.
func unwrap[T any](body []byte) (*T, error) {
	var envelope struct {
		Data *T `json:"data"`
	}
	if err := json.Unmarshal(body, &envelope, lenient); err != nil || envelope.Data != nil {
		return envelope.Data, err
	}
	bare := new(T)
	if err := json.Unmarshal(body, bare, lenient); err != nil {
		return nil, err
	}
	return bare, nil
}

// one reads the record that was asked for by id.
func one[T any, R interface {
	*T
	node
}](a answer) (R, error) {
	found, err := written[T, R](a)
	if err != nil {
		return nil, err
	}
	if _, id, _ := strings.Cut(found.Ref(), ":"); !strings.EqualFold(id, a.id) {
		return nil, errOtherRecord
	}
	return found, nil
}

// written reads the record that a write made or changed.
func written[T any, R interface {
	*T
	record
}](a answer) (R, error) {
	found, err := unwrap[T](a.body)
	if err != nil {
		return nil, err
	}
	if !R(found).present() {
		return nil, errNoRecord
	}
	return found, nil
}

// acknowledged reads the answer to a write that has no record to show, which is
// {"result":"OK","ok":true}. It may be empty where the status says enough.
func acknowledged(a answer) error {
	if len(a.body) == 0 && (a.status == http.StatusAccepted || a.status == http.StatusNoContent) {
		return nil
	}
	var said struct {
		OK     *bool `json:"ok"`
		Result text  `json:"result"`
	}
	if err := json.Unmarshal(a.body, &said, lenient); err != nil {
		return err
	}
	if said.OK == nil && strings.EqualFold(string(said.Result), "OK") || said.OK != nil && *said.OK {
		return nil
	}
	return errNotDone
}

// many reads a list of records: an array, in an envelope or bare.
func many[T any, R interface {
	*T
	record
}](a answer) ([]R, error) {
	var found rows[R]
	if jsontext.Value(a.body).Kind() == '[' {
		if err := json.Unmarshal(a.body, &found, lenient); err != nil {
			return nil, err
		}
		return found, nil
	}
	var envelope struct {
		Data rows[R] `json:"data"`
	}
	if err := json.Unmarshal(a.body, &envelope, lenient); err != nil {
		return nil, err
	}
	if envelope.Data == nil {
		return nil, errNoData
	}
	return envelope.Data, nil
}

// rows are the records of a list, each of them present. They are read from an
// array or, as one page of the documentation shows for a list, from a single
// record. They are nil only if there was no list at all.
type rows[R record] []R

// UnmarshalJSONFrom reads an array, or one object as an array of one.
func (r *rows[R]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	var list []R
	if dec.PeekKind() == '{' {
		list = make([]R, 1)
		if err := json.UnmarshalDecode(dec, &list[0]); err != nil {
			return err
		}
	} else if err := json.UnmarshalDecode(dec, &list); err != nil {
		return err
	}
	for _, row := range list {
		if !row.present() {
			return errNoRecord
		}
	}
	*r = list
	return nil
}

// readNumber reads a number, or a string that should hold one, and returns its
// text; null has none. The text is lent until the next read.
func readNumber(dec *jsontext.Decoder) ([]byte, error) {
	v, err := dec.ReadValue()
	if err != nil {
		return nil, err
	}
	switch v.Kind() {
	case '0':
		return v, nil
	case '"':
		return bytes.TrimSpace(v[1 : len(v)-1]), nil // what is escaped is no number
	case 'n':
		return nil, nil
	}
	return nil, errors.New("neither a number nor a string")
}

// readEnum reads a string and sets e to the known value that it is in any
// case, else to the string itself: Drift may add values. What is a number or a
// boolean is kept as its JSON text for the same reason.
func readEnum[E ~string](dec *jsontext.Decoder, e *E, known ...E) error {
	tok, err := dec.ReadToken()
	if err != nil {
		return err
	}
	switch tok.Kind() {
	case 'n':
		*e = ""
	case '"', '0', 't', 'f':
		s := tok.String()
		*e = E(s)
		for _, k := range known {
			if strings.EqualFold(s, string(k)) {
				*e = k
				break
			}
		}
	default:
		return errors.New("neither a string nor a number")
	}
	return nil
}

// text is a string that Drift may also write as a number, which then stands in
// decimal digits. Anything else, and null, is blank.
type text string

// UnmarshalJSONFrom reads any value.
func (t *text) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*t = ""
	switch dec.PeekKind() {
	case '"':
		tok, err := dec.ReadToken()
		if err != nil {
			return err
		}
		*t = text(tok.String())
		return nil
	case '0':
		tok, err := dec.ReadToken()
		if err != nil {
			return err
		}
		*t = text(tok.String())
		if strings.ContainsAny(string(*t), ".eE") {
			if f, err := strconv.ParseFloat(string(*t), 64); err == nil {
				*t = text(strconv.FormatFloat(f, 'f', -1, 64))
			}
		}
		return nil
	}
	return dec.SkipValue()
}

// pointer returns t as an optional string, which is nil if t is blank.
func (t text) pointer() *string {
	if t == "" {
		return nil
	}
	return (*string)(&t)
}

// loose is a value that is not worth losing its neighbours for: one that is no
// T leaves V as it was.
type loose[T any] struct{ V T }

// UnmarshalJSONFrom reads any value.
func (l *loose[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	var v T
	if json.Unmarshal(raw, &v, lenient) == nil {
		l.V = v
	}
	return nil
}

// tidy makes a raw value of Drift's one that any encoder takes and writes as it
// is: without blanks, with each name once (the first counts) and in true UTF-8.
// null becomes nil. From a strict decoder it comes tidy.
func tidy(dec *jsontext.Decoder, v *jsontext.Value) error {
	if v.Kind() == 'n' {
		*v = nil
	}
	if repeats, _ := json.GetOption(dec.Options(), jsontext.AllowDuplicateNames); len(*v) == 0 || !repeats {
		return nil
	}
	if v.Format() == nil {
		return nil
	}
	return rewrite(v)
}

// rewrite is tidy for a value that repeats names or has broken UTF-8.
func rewrite(v *jsontext.Value) error {
	var out bytes.Buffer
	dec := jsontext.NewDecoder(bytes.NewReader(*v), lenient)
	enc := jsontext.NewEncoder(&out)
	var names []map[string]bool // of the objects and arrays that are open
	for {
		open, n := dec.StackIndex(dec.StackDepth())
		tok, err := dec.ReadToken()
		if err == io.EOF {
			*v = bytes.TrimSpace(out.Bytes())
			return nil
		} else if err != nil {
			return err
		}
		switch tok.Kind() {
		case '{', '[':
			names = append(names, map[string]bool{})
		case '}', ']':
			names = names[:len(names)-1]
		case '"':
			s := strings.ToValidUTF8(tok.String(), "\uFFFD")
			if open == '{' && n%2 == 0 {
				seen := names[len(names)-1]
				if seen[s] {
					if err := dec.SkipValue(); err != nil {
						return err
					}
					continue
				}
				seen[s] = true
			}
			tok = jsontext.String(s)
		}
		if err := enc.WriteToken(tok); err != nil {
			return err
		}
	}
}

// explain returns err, which a read of Drift's JSON gave, in words of our own:
// the errors of the JSON package quote the text that they could not read.
func explain(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errCut
	}
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Errorf("not JSON at byte %d", syntax.ByteOffset)
	}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		return fmt.Errorf("JSON of the wrong shape at byte %d", semantic.ByteOffset)
	}
	return err
}
