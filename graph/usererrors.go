package graph

import (
	"cmp"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/driftgraph/driftgraph/drift"
)

// A Blame says which field of a mutation's input Drift means when it refuses
// one. Fields are paths below the input, such as "attributes.email".
type Blame struct {
	Missing string            // names the record that is changed; "" if there is none
	Taken   string            // has what no two records may have; "" if nothing does
	Words   map[string]string // by lower-case words that Drift's complaint may have, the fields that it is about then
}

// inUse matches complaints that something is there already.
var inUse = regexp.MustCompile(`\b(exists?|already|duplicate|in use|taken|unique)\b`)

// UserErrors returns what is to be mended in a mutation's input so that Drift
// takes it, and the error if it is not for whoever sent the input to mend. Drift's
// own words decide at most which field is meant: they are never told.
func UserErrors(err error, b Blame) ([]*UserError, error) {
	refusal, ok := errors.AsType[*drift.Error](err)
	if !ok || refusal.Err != nil {
		return nil, err
	}
	switch refusal.Status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity:
	default:
		return nil, err
	}
	var list []*UserError
	problems := append([]drift.Problem{{Type: refusal.Type, Code: refusal.Code, Message: refusal.Message, Param: refusal.Param}}, refusal.Others...)
	for _, p := range problems {
		e := b.tell(refusal.Status, p)
		if e == nil {
			return nil, err
		}
		if !slices.ContainsFunc(list, func(other *UserError) bool { return other.Code == e.Code && slices.Equal(other.Field, e.Field) }) {
			list = append(list, e)
		}
	}
	return list, nil
}

// tell returns what one complaint comes to, nil if the input is not at fault.
func (b Blame) tell(status int, p drift.Problem) *UserError {
	meant := b.meant(p)
	switch p.Code {
	case "CONTACT-6":
		status = http.StatusConflict
	case "CONTACT-7":
		return NewUserError(UserErrorCodeRequired, "Drift wants an e-mail address", "email")
	case "CONTACT-4", "CONTACT-8":
		return NewUserError(UserErrorCodeInvalid, "Drift does not take these attributes", cmp.Or(meant, "attributes"))
	case "CONTACT-9":
		return NewUserError(UserErrorCodeInvalid, "the tags are malformed, or the organisation has not all of them", "attributes.tags")
	case "CONTACT-2", "CONTACT-10": // about the token, and about the gateway's own query
		return nil
	}
	switch {
	case status == http.StatusNotFound && cmp.Or(meant, b.Missing) != "":
		return NewUserError(UserErrorCodeNotFound, "there is none, or none that the gateway may see", cmp.Or(meant, b.Missing))
	case status == http.StatusNotFound:
		return nil
	case b.Taken != "" && (status == http.StatusConflict || meant == b.Taken && inUse.MatchString(strings.ToLower(p.Message))):
		return NewUserError(UserErrorCodeTaken, "another one has it already", b.Taken)
	case meant != "":
		return NewUserError(UserErrorCodeInvalid, "Drift does not take it", meant)
	}
	return NewUserError(UserErrorCodeRefused, "Drift refused the input without a reason that is known here", "")
}

// meant returns the field that a complaint is about, "" if it does not tell.
func (b Blame) meant(p drift.Problem) string {
	for _, text := range []string{p.Param, p.Message} {
		fields := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' })
		for _, word := range fields {
			if field, ok := b.Words[word]; ok {
				return field
			}
		}
	}
	return ""
}

// NewUserError returns an error about a field, which is a path below the input;
// "" is the input itself.
func NewUserError(code UserErrorCode, message, field string) *UserError {
	path := []string{"input"}
	if field != "" {
		path = append(path, strings.Split(field, ".")...)
	}
	return &UserError{Message: message, Field: path, Code: code}
}
