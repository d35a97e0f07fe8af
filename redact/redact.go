// Package redact keeps out of logs and messages what must not stand there:
// secrets, and what tells who somebody is.
//
// It is the last of two lines. The first is that nothing of the kind is put into
// an error or a line of the log: a name or what somebody wrote cannot be told from
// other text, so nothing here would find it.
package redact

import (
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

// What stands for that which is taken out.
const (
	secretMark = "[secret]"
	emailMark  = "[email]"
)

// minSecret is how long a secret must be to be looked for: a shorter one is no
// secret, and would take letters out of every line.
const minSecret = 6

// patterns are what secrets and persons look like, each with a text without
// which there is none, so that most lines are not searched.
var patterns = []struct {
	hint  string
	match *regexp.Regexp
	with  string
}{
	{"://", regexp.MustCompile(`://[^\s/@"']+@`), "://" + secretMark + "@"},
	{"@", regexp.MustCompile(email(`@`)), emailMark},
	{"%40", regexp.MustCompile(email(`%40`)), emailMark},
	{"earer", regexp.MustCompile(`\b([Bb]earer)\s+[\w.~+/=-]+`), "$1 " + secretMark},
	{"asic", regexp.MustCompile(`\b([Bb]asic)\s+[\w+/=-]{8,}`), "$1 " + secretMark},
	{"dg_", regexp.MustCompile(`\bdg_[\w-]{8,}`), secretMark},
	{"eyJ", regexp.MustCompile(`\beyJ[\w-]{8,}\.[\w-]+(\.[\w-]*)*`), secretMark},
	{"=", regexp.MustCompile(`(?i)\b(access_token|refresh_token|client_secret|token|\w*password|code|email|phone)=[^&\s"']+`), "$1=" + secretMark},
}

// email returns what e-mail addresses look like that are written with the given
// sign.
func email(at string) string {
	return `[^\s"'<>()\[\]{},:;\\/=@]+` + at + `([\pL\pN-]+\.)+\pL{2,}`
}

// version is what the versions of modules look like, which stacks have, where
// the host of an e-mail address would be.
var version = regexp.MustCompile(`@v\d+\.\d+\.\d+`)

// keys are the names of attributes that hold nothing that may be logged.
var keys = []string{
	"authorization", "cookie", "token", "secret", "password", "apikey", "email", "emails", "phone",
	"body", "payload", "query", "document", "variables", "headers",
}

// A Redactor takes secrets and e-mail addresses out of texts. A nil Redactor
// knows secrets only by what they look like.
type Redactor struct {
	secrets *strings.Replacer
}

// New returns a Redactor that knows the given secrets, as they are and as they
// stand in a URL. Those that are too short to be any are left out.
func New(secrets ...string) *Redactor {
	var known []string
	for _, s := range secrets {
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s)} {
			if len(s) >= minSecret && !slices.Contains(known, form) {
				known = append(known, form)
			}
		}
	}
	slices.SortFunc(known, func(a, b string) int { return len(b) - len(a) }) // one may be the beginning of another
	pairs := make([]string, 0, 2*len(known))
	for _, form := range known {
		pairs = append(pairs, form, secretMark)
	}
	return &Redactor{strings.NewReplacer(pairs...)}
}

// Text returns a text without what must not be told.
func (r *Redactor) Text(text string) string {
	if r != nil {
		text = r.secrets.Replace(text)
	}
	return Text(text)
}

// Text returns a text without what looks like a secret or an e-mail address.
func Text(text string) string {
	for _, p := range patterns {
		switch {
		case !strings.Contains(text, p.hint):
		case p.hint == "@":
			text = p.match.ReplaceAllStringFunc(text, func(found string) string {
				if version.MatchString(found) {
					return found
				}
				return p.with
			})
		default:
			text = p.match.ReplaceAllString(text, p.with)
		}
	}
	return text
}

// Attr is for [slog.HandlerOptions]: it returns an attribute of a line of the
// log, its message among them, without what must not be told.
func (r *Redactor) Attr(_ []string, a slog.Attr) slog.Attr {
	if slices.Contains(keys, strings.ToLower(a.Key)) {
		return slog.String(a.Key, secretMark)
	}
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(r.Text(a.Value.String()))
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case nil, slog.Level, *slog.Source:
		case error:
			a.Value = slog.StringValue(r.Text(v.Error()))
		default:
			a.Value = slog.StringValue(r.Text(fmt.Sprintf("%+v", v)))
		}
	}
	return a
}

// A panicked is the error of a function that panicked.
type panicked struct {
	text  string
	stack []byte
}

// Panicked returns the error of a function that panicked by cause, with the
// stack of its caller. It tells what the runtime says, such as which index was
// out of range, but of other causes no more than the type: their text may hold
// anything.
func Panicked(cause any) error {
	text := fmt.Sprintf("%T", cause)
	if failure, ok := cause.(runtime.Error); ok {
		text = failure.Error()
	}
	return &panicked{text, debug.Stack()}
}

// Error returns the text for a log, with the stack.
func (p *panicked) Error() string { return fmt.Sprintf("panic: %s\n%s", p.text, p.stack) }
