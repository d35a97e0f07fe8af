package drift

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

var (
	errLink = errors.New("the link to the next page cannot be read")
	errLoop = errors.New("a page names itself as the next")
)

// onward returns an error if a page names itself as the next, which would have
// its reader go round for ever.
func onward(next, page string) error {
	if next != "" && next == page {
		return errLoop
	}
	return nil
}

// pagination says in the body of a page whether there are more.
type pagination struct {
	More *bool `json:"more"`
	Next text  `json:"next"`
}

// next returns the name of the next page, or a blank string after the last.
func (p pagination) next() string {
	if p.More != nil && !*p.More {
		return ""
	}
	return string(p.Next)
}

// linkQuery returns the query of the link in the headers that has the relation,
// or an empty query if there is none. A header looks like
//
//	<https://driftapi.com/contacts?page=2>; rel='next', </contacts>; rel="first"
//
// Where the link leads is not looked at: it is not followed.
func linkQuery(header http.Header, relation string) url.Values {
	for _, line := range header.Values("Link") {
		for line != "" {
			var link string
			_, line, _ = strings.Cut(line, "<")
			link, line, _ = strings.Cut(line, ">")
			// What is up to the next link belongs to this one. A comma inside
			// quotes does not matter: no relation of ours holds a "<".
			params, _, _ := strings.Cut(line, "<")
			if !related(params, relation) {
				continue
			}
			if u, err := url.Parse(link); err == nil {
				return u.Query()
			}
		}
	}
	return url.Values{}
}

// related reports whether the parameters of a link hold the relation.
func related(params, relation string) bool {
	for param := range strings.FieldsFuncSeq(params, func(r rune) bool { return r == ';' || r == ',' }) {
		name, value, _ := strings.Cut(param, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "rel") {
			continue
		}
		for r := range strings.FieldsSeq(strings.Trim(strings.TrimSpace(value), `"'`)) {
			if strings.EqualFold(r, relation) {
				return true
			}
		}
	}
	return false
}
