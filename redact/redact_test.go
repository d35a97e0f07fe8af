package redact_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/driftgraph/driftgraph/redact"
)

func TestText(t *testing.T) {
	r := redact.New("s3cr3t/&token", "s3cr3t/", "short", "", "päss wörd")
	tests := []struct{ text, want string }{
		{"", ""},
		{"GET /contacts/{id}: not found (status 404)", "GET /contacts/{id}: not found (status 404)"},
		{"it is short", "it is short"},
		{"with s3cr3t/&token and s3cr3t/.", "with [secret] and [secret]."},
		{"?t=s3cr3t%2F%26token", "?t=[secret]"},
		{"a p%C3%A4ss+w%C3%B6rd", "a [secret]"},
		{"mail to ada.lovelace+x@mail.example.com now", "mail to [email] now"},
		{`{"email":"ada@example.com"}`, `{"email":"[email]"}`},
		{"<ада@пример.рф>", "<[email]>"},
		{"ADA@EXAMPLE.COM,eve@example.org", "[email],[email]"},
		{"/contacts?email=ada%40example.com&limit=1", "/contacts?email=[secret]&limit=1"},
		{"/x/ada%40example.com", "/x/[email]"},
		{"Authorization: Bearer abc.def-ghi", "Authorization: Bearer [secret]"},
		{"basic dXNlcjpwYXNz", "basic [secret]"},
		{"key dg_0123456789abcdef is wrong", "key [secret] is wrong"},
		{"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2ln", "[secret]"},
		{"dial redis://user:pass@127.0.0.1:6379/0", "dial redis://[secret]@127.0.0.1:6379/0"},
		{"grant_type=refresh&refresh_token=abc&client_secret=def", "grant_type=refresh&refresh_token=[secret]&client_secret=[secret]"},
		// What stacks hold is left as it is.
		{"/go/pkg/mod/github.com/99designs/gqlgen@v0.17.98/graphql/x.go:12 +0x1d", "/go/pkg/mod/github.com/99designs/gqlgen@v0.17.98/graphql/x.go:12 +0x1d"},
		{"toolchain@v0.0.1-go1.26.8.linux-amd64/src", "toolchain@v0.0.1-go1.26.8.linux-amd64/src"},
	}
	for _, tt := range tests {
		if got := r.Text(tt.text); got != tt.want {
			t.Errorf("%q becomes %q, want %q", tt.text, got, tt.want)
		}
		if again := r.Text(r.Text(tt.text)); again != tt.want {
			t.Errorf("%q becomes %q at the second time", tt.text, again)
		}
	}
	if got := (*redact.Redactor)(nil).Text("ada@example.com s3cr3t/"); got != "[email] s3cr3t/" {
		t.Errorf("without secrets it becomes %q", got)
	}
}

type stringer struct{}

func (stringer) String() string { return "ada@example.com" }

type object struct{ Email, Path string }

// Whatever way a value takes into a line, it is redacted.
func TestAttr(t *testing.T) {
	const mail = "ada@example.com"
	for name, handler := range map[string]func(*bytes.Buffer, *slog.HandlerOptions) slog.Handler{
		"text": func(b *bytes.Buffer, o *slog.HandlerOptions) slog.Handler { return slog.NewTextHandler(b, o) },
		"JSON": func(b *bytes.Buffer, o *slog.HandlerOptions) slog.Handler { return slog.NewJSONHandler(b, o) },
	} {
		var b bytes.Buffer
		log := slog.New(handler(&b, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true, ReplaceAttr: redact.New("hunter2!").Attr}))
		log.With("mine", mail).WithGroup("g").With("own", "hunter2!").Debug("a line of "+mail,
			"text", mail, "error", fmt.Errorf("refused: %w", errors.New(mail)), "stringer", stringer{}, "object", object{mail, "p"},
			"pointer", &object{Email: mail}, "bytes", []byte(mail), "list", []string{mail}, "map", map[string]any{"x": mail},
			slog.Group("inner", "deep", mail), "Token", "no-pattern-knows-it", "BODY", 7, "number", 42, "nothing", nil)
		line := b.String()
		for _, word := range []string{mail, "hunter2!", "no-pattern-knows-it"} {
			if strings.Contains(line, word) {
				t.Errorf("%s: a line holds %s: %s", name, word, line)
			}
		}
		for _, word := range []string{"DEBUG", "42", "redact_test.go", "a line of [email]", "refused: [email]"} {
			if !strings.Contains(line, word) {
				t.Errorf("%s: a line lacks %s: %s", name, word, line)
			}
		}
		std := slog.NewLogLogger(log.Handler(), slog.LevelWarn)
		b.Reset()
		std.Print("http: panic serving: " + mail)
		if strings.Contains(b.String(), mail) {
			t.Errorf("%s: a line of the standard logger holds it: %s", name, &b)
		}
	}
}

func TestPanicked(t *testing.T) {
	caught := func(fn func()) (err error) {
		defer func() { err = redact.Panicked(recover()) }()
		fn()
		return nil
	}
	var list []int
	for _, tt := range []struct {
		fn   func()
		want string
	}{
		{func() { panic("Ada Lovelace") }, "panic: string\n"},
		{func() { panic(errors.New("Ada Lovelace")) }, "panic: *errors.errorString\n"},
		{func() { panic(object{"Ada Lovelace", ""}) }, "panic: redact_test.object\n"},
		{func() { _ = list[len(list)+2] }, "panic: runtime error: index out of range [2] with length 0\n"},
		{func() { _ = any("Ada Lovelace").(int) }, "panic: interface conversion: interface {} is string, not int\n"},
	} {
		text := caught(tt.fn).Error()
		if !strings.HasPrefix(text, tt.want) || strings.Contains(text, "Lovelace") || !strings.Contains(text, "redact_test.go") {
			t.Errorf("the error is %q, want %q and the stack", text, tt.want)
		}
	}
}

// A line that holds nothing to redact, and one that does.
func BenchmarkText(b *testing.B) {
	r := redact.New("one-secret-of-the-gateway", "another-secret-of-it")
	for name, text := range map[string]string{
		"plain": "drift: GET /contacts/{id}: unavailable (status 503)",
		"email": "the contact ada@example.com cannot be read",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.Text(text)
			}
		})
	}
}
