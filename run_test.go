package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"go.uber.org/goleak"

	"github.com/driftgraph/driftgraph/metrics"
	"github.com/driftgraph/driftgraph/queue"
	"github.com/driftgraph/driftgraph/sandbox"
)

// asProgram makes the test binary the program itself, for what only a process
// shows.
const asProgram = "DRIFTGRAPH_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// secret begins each secret that tests configure.
const secret = "s3cr3t-"

// TestConfigErrors gives each setting a value that it does not take: the start
// ends with one line that names it.
func TestConfigErrors(t *testing.T) {
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	type env map[string]string
	tests := []struct {
		env  env
		args string
		want string // in the error
	}{
		{env{"LISTEN_ADDR": "8080"}, "", "LISTEN_ADDR"},
		{env{"LISTEN_ADDR": "127.0.0.1:http:80"}, "", "LISTEN_ADDR"},
		{env{"LISTEN_ADDR": "127.0.0.1:99999"}, "", "LISTEN_ADDR"},
		{env{"LISTEN_ADDR": taken.Addr().String()}, "", "LISTEN_ADDR"},
		{env{"DRIFT_CLIENT_ID": "id"}, "", "DRIFT_CLIENT_SECRET"},
		{env{"DRIFT_REFRESH_TOKEN": secret + "refresh"}, "", "DRIFT_CLIENT_ID"},
		{env{"DRIFT_TOKEN": secret + "token", "DRIFT_CLIENT_ID": "id", "DRIFT_CLIENT_SECRET": secret, "DRIFT_REFRESH_TOKEN": secret}, "", "DRIFT_TOKEN"},
		{env{"DRIFT_TOKEN": secret + "line\nbreak"}, "", "DRIFT_TOKEN"},
		{env{"DRIFT_TOKEN": secret + "ü"}, "", "DRIFT_TOKEN"},
		{env{"DRIFT_TOKEN": secret, "DRIFT_TOKEN_FILE": file(secret)}, "", "DRIFT_TOKEN_FILE"},
		{env{"DRIFT_TOKEN_FILE": file("")}, "", "DRIFT_TOKEN_FILE"},
		{env{"DRIFT_TOKEN_FILE": filepath.Join(t.TempDir(), "missing")}, "", "DRIFT_TOKEN_FILE"},
		{env{"DRIFT_CLIENT_SECRET_FILE": t.TempDir()}, "", "DRIFT_CLIENT_SECRET_FILE"},
		{env{"DRIFT_TOKEN_STORE": file("")}, "", "DRIFT_TOKEN_STORE"},
		{env{"AUDIT_LOG": filepath.Join(t.TempDir(), "missing", "file")}, "", "AUDIT_LOG"},
		{env{"AUDIT_KEY": secret, "AUDIT_KEY_FILE": file(secret)}, "", "AUDIT_KEY_FILE"},
		{env{"DRIFT_BASE_URL": "https://driftapi.com"}, "", "DRIFT_BASE_URL"},
		{env{"DRIFT_BASE_URL": "driftapi.com", "DRIFT_TOKEN": secret}, "", "DRIFT_BASE_URL"},
		{env{"DRIFT_BASE_URL": "ftp://driftapi.com", "DRIFT_TOKEN": secret}, "", "DRIFT_BASE_URL"},
		{env{"DRIFT_BASE_URL": "https://user:" + secret + "@driftapi.com", "DRIFT_TOKEN": secret}, "", "DRIFT_BASE_URL"},
		{env{"DRIFT_CONCURRENCY": "0"}, "", "DRIFT_CONCURRENCY"},
		{env{"DRIFT_CONCURRENCY": "1001"}, "", "DRIFT_CONCURRENCY"},
		{env{"DRIFT_CONCURRENCY": "many"}, "", "drift-concurrency"},
		{env{"DRIFT_TIMEOUT": "0s"}, "", "DRIFT_TIMEOUT"},
		{env{"DRIFT_TIMEOUT": "10"}, "", "drift-timeout"},
		{env{"OPERATION_TIMEOUT": "-1s"}, "", "OPERATION_TIMEOUT"},
		{env{"MUTATION_TIMEOUT": "0s"}, "", "MUTATION_TIMEOUT"},
		{env{"MAX_CONNECTIONS": "0"}, "", "MAX_CONNECTIONS"},
		{env{"MAX_CONNECTIONS_PER_ADDRESS": "-1"}, "", "MAX_CONNECTIONS_PER_ADDRESS"},
		{env{"REDIS_URL": "http://:" + secret + "@127.0.0.1"}, "", "REDIS_URL"},
		{env{"REDIS_URL": "redis://:" + secret + "%zz@127.0.0.1:port"}, "", "REDIS_URL"},
		{env{"CACHE_KEY": secret, "REDIS_URL": "redis://127.0.0.1"}, "", "CACHE_KEY"},
		{env{"CACHE_KEY": strings.Repeat("5eed", 16)}, "", "REDIS_URL"},
		{env{"CACHE_KEY": secret, "CACHE_KEY_FILE": file(secret)}, "", "CACHE_KEY_FILE"},
		{env{"AUTH": "perhaps"}, "", "auth"},
		{env{"AUTH": "api-key"}, "", "AUTH_KEYS_FILE"},
		{env{"AUTH_KEYS_FILE": file("")}, "", "AUTH"},
		{env{"AUTH": "api-key", "AUTH_KEYS_FILE": filepath.Join(t.TempDir(), "missing")}, "", "AUTH_KEYS_FILE"},
		{env{"AUTH": "api-key", "AUTH_KEYS_FILE": file(secret)}, "", "line 1"},
		{env{"LISTEN_ADDR": "0.0.0.0:0", "DRIFT_TOKEN": secret}, "", "AUTH=api-key"},
		{env{"AUTH": "jwt"}, "", "AUTH_JWKS_URL"},
		{env{"AUTH_ISSUER": "i"}, "", "AUTH"},
		{jwtEnv("AUTH_AUDIENCE", ""), "", "AUTH_AUDIENCE"},
		{jwtEnv("AUTH_JWKS_URL", "http://issuer.example/keys"), "", "AUTH_JWKS_URL"},
		{jwtEnv("AUTH_JWKS_URL", "https://user:"+secret+"@issuer.example/keys"), "", "AUTH_JWKS_URL"},
		{jwtEnv("AUTH_ALGORITHMS", "none"), "", "AUTH_ALGORITHMS"},
		{jwtEnv("AUTH_ALGORITHMS", "RS256,HS256"), "", "AUTH_ALGORITHMS"},
		{jwtEnv("AUTH_PERMISSIONS_CLAIM", ""), "", "AUTH_PERMISSIONS_CLAIM"},
		{jwtEnv("AUTH_CLOCK_SKEW", "1h"), "", "AUTH_CLOCK_SKEW"},
		{env{"AUTH": "drift-token", "DRIFT_TOKEN": secret}, "", "DRIFT_TOKEN"},
		{env{"AUTH": "drift-token", "DRIFT_CLIENT_ID": "i", "DRIFT_CLIENT_SECRET": secret, "DRIFT_REFRESH_TOKEN": secret}, "", "DRIFT_CLIENT_ID"},
		{env{"AUTH": "drift-token", "SANDBOX": "true"}, "", "SANDBOX"},
		{env{"AUTH": "drift-token", "AUTH_KEYS_FILE": file("")}, "", "AUTH_KEYS_FILE"},
		{env{"MAX_TENANTS": "0"}, "", "MAX_TENANTS"},
		{env{"CACHE_L1_BYTES": "lots"}, "", "cache-l1-bytes"},
		{env{"CACHE_L1_BYTES": "0"}, "", "cache-l1-bytes"},
		{env{"CACHE_L1_BYTES": "-1MiB"}, "", "cache-l1-bytes"},
		{env{"CACHE_L1_BYTES": "9999999GiB"}, "", "cache-l1-bytes"},
		{env{"CACHE_TTL_CONTACT": "0s"}, "", "CACHE_TTL_CONTACT"},
		{env{"CACHE_TTL_VIEWER": "-1s"}, "", "CACHE_TTL_VIEWER"},
		{env{"CACHE_TTL_CONVERSATION_REPORT": "soon"}, "", "cache-ttl-conversation-report"},
		{env{"MAX_BODY_BYTES": "1.5MiB"}, "", "max-body-bytes"},
		{env{"MAX_TOKENS": "0"}, "", "MAX_TOKENS"},
		{env{"MAX_DEPTH": "-1"}, "", "MAX_DEPTH"},
		{env{"MAX_ALIASES": "0"}, "", "MAX_ALIASES"},
		{env{"TLS_CERT_FILE": file("x")}, "", "TLS_KEY_FILE"},
		{env{"TLS_KEY_FILE": file("x")}, "", "TLS_CERT_FILE"},
		{env{"TLS_CERT_FILE": file(secret), "TLS_KEY_FILE": file(secret)}, "", "TLS_CERT_FILE"},
		{env{"TLS_CERT_FILE": filepath.Join(t.TempDir(), "missing"), "TLS_KEY_FILE": file("x")}, "", "TLS_CERT_FILE"},
		{env{"TRUSTED_DOCUMENTS": filepath.Join(t.TempDir(), "missing")}, "", "TRUSTED_DOCUMENTS"},
		{env{"TRUSTED_DOCUMENTS": file("")}, "", "TRUSTED_DOCUMENTS"},
		{env{"TRUSTED_DOCUMENTS": file(`["{ viewer { caller } }"]`)}, "", "TRUSTED_DOCUMENTS"},
		{env{"TRUSTED_DOCUMENTS": file(`{"format":"apollo-persisted-query-manifest","version":2}`)}, "", "TRUSTED_DOCUMENTS"},
		{env{"TRUSTED_DOCUMENTS_ONLY": "true"}, "", "TRUSTED_DOCUMENTS"},
		{env{"CORS_ORIGINS": "inbox.example.com"}, "", "CORS_ORIGINS"},
		{env{"CORS_ORIGINS": "https://inbox.example.com/"}, "", "CORS_ORIGINS"},
		{env{"CORS_ORIGINS": "https://Inbox.example.com"}, "", "CORS_ORIGINS"},
		{env{"CORS_ORIGINS": "https://*.example.com/x"}, "", "CORS_ORIGINS"},
		{env{"CORS_ORIGINS": "https://*.example.com"}, "", "CORS_ORIGINS"},
		{env{"CORS_ORIGINS": "*,https://inbox.example.com"}, "", "CORS_ORIGINS"},
		{env{"CORS_ORIGINS": "*", "DRIFT_TOKEN": secret}, "", "CORS_ORIGINS"},
		{env{"MAX_LIST_DEPTH": "0"}, "", "MAX_LIST_DEPTH"},
		{env{"MAX_DIRECTIVES": "0"}, "", "MAX_DIRECTIVES"},
		{env{"MAX_VARIABLES_BYTES": "0"}, "", "max-variables-bytes"},
		{env{"MAX_SUBSCRIPTIONS": "0"}, "", "MAX_SUBSCRIPTIONS"},
		{env{"MAX_OPERATIONS": "-1"}, "", "MAX_OPERATIONS"},
		{env{"MAX_QUEUED": "-1"}, "", "MAX_QUEUED"},
		{env{"MAX_FIELDS": "0"}, "", "MAX_FIELDS"},
		{env{"MAX_RESPONSE_BYTES": "0"}, "", "max-response-bytes"},
		{env{"QUEUE_TIMEOUT": "0s"}, "", "QUEUE_TIMEOUT"},
		{env{"DRAIN_TIMEOUT": "0s"}, "", "DRAIN_TIMEOUT"},
		{env{"DRAIN_DELAY": "-1s"}, "", "DRAIN_DELAY"},
		{env{"ADMIN_ADDR": "9090"}, "", "ADMIN_ADDR"},
		{env{"ADMIN_ADDR": taken.Addr().String()}, "", "ADMIN_ADDR"},
		{env{"DRIFT_WEBHOOK_TOKEN": secret + "line\nbreak"}, "", "DRIFT_WEBHOOK_TOKEN"},
		{env{"DRIFT_WEBHOOK_TOKEN_FILE": file("")}, "", "DRIFT_WEBHOOK_TOKEN_FILE"},
		{env{"INTROSPECTION": "perhaps"}, "", "introspection"},
		{env{"SANDBOX": "false"}, "", "SANDBOX"},
		{env{"SANDBOX_FAULTS": "GET /contacts/{id}"}, "", "SANDBOX_FAULTS"},
		{env{"SANDBOX_FAULTS": "/no/such/route=500"}, "", "SANDBOX_FAULTS"},
		{env{"SANDBOX_RATE": "-1"}, "", "SANDBOX_RATE"},
		{env{"SANDBOX_LATENCY": "-1s"}, "", "SANDBOX_LATENCY"},
		{env{"SANDBOX_SEED": "-1"}, "", "sandbox-seed"},
		{env{"LOG_LEVEL": "loud"}, "", "log-level"},
		{env{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "", "OTEL_EXPORTER_OTLP_PROTOCOL"},
		{env{"LOG_FORMAT": "xml"}, "", "log-format"},
		{env{"LOG_FORMAT": secret + "token", "DRIFT_TOKEN": secret + "token"}, "", "log-format"},
		{env{"MAX_DEPTH": secret + "key", "CACHE_KEY": secret + "key"}, "", "max-depth"},
		{nil, "--no-such-flag", "--no-such-flag"},
		{nil, "serv", "serv"},
		{env{"SANDBOX_LISTEN_ADDR": "8090"}, "sandbox", "SANDBOX_LISTEN_ADDR"},
		{env{"SANDBOX_FAULTS": "x"}, "sandbox", "SANDBOX_FAULTS"},
		{env{"SANDBOX_RATE": "-1"}, "sandbox", "SANDBOX_RATE"},
		{env{"SANDBOX_TOKENS": secret + "one"}, "sandbox", "SANDBOX_TOKENS"},
		{env{"SANDBOX_TOKENS": secret + "one@1:user_red"}, "sandbox", "user_red"},
		{env{"SANDBOX_TOKENS": secret + "one@1", "SANDBOX_TOKEN": secret}, "sandbox", "SANDBOX_TOKENS"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.env, tt.args), func(t *testing.T) {
			if _, given := tt.env["LISTEN_ADDR"]; !given {
				t.Setenv("LISTEN_ADDR", "127.0.0.1:0")
			}
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			ctx, stop := context.WithCancel(t.Context())
			stop() // what starts after all ends at once
			var out bytes.Buffer
			err := run(ctx, strings.Fields(tt.args), &out, &out)
			if err == nil {
				t.Fatalf("it starts:\n%s", &out)
			}
			line := err.Error()
			if !strings.Contains(line, tt.want) || strings.Contains(line, "\n") {
				t.Errorf("the error is %q, want one line that names %s", line, tt.want)
			}
			if strings.Contains(line+out.String(), secret) {
				t.Errorf("a secret is told: %s\n%s", line, &out)
			}
		})
	}
}

// jwtEnv is what AUTH=jwt takes, but for one setting.
func jwtEnv(name, value string) map[string]string {
	env := map[string]string{"AUTH": "jwt", "AUTH_JWKS_URL": "https://issuer.example/keys", "AUTH_ISSUER": "i", "AUTH_AUDIENCE": "a"}
	env[name] = value
	return env
}

// TestVariables holds that each flag is also the variable of the same name.
func TestVariables(t *testing.T) {
	var c cli
	parser, err := c.parser(io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, command := range parser.Model.Children {
		for _, flag := range command.Flags {
			want := strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
			if command.Name == "sandbox" && !strings.HasPrefix(want, "LOG_") {
				want = "SANDBOX_" + want
			}
			if command.Name == "key" && want != "AUTH_KEYS_FILE" {
				continue // what a key is made of is no setting
			}
			if seen++; len(flag.Envs) != 1 || flag.Envs[0] != want {
				t.Errorf("--%s of %s is the variable %v, want %s", flag.Name, command.Name, flag.Envs, want)
			}
		}
	}
	if seen < 40 {
		t.Errorf("%d flags are too few to be all", seen)
	}
}

// TestCommands runs the program for what it prints and ends.
func TestCommands(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"schema"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if _, err := gqlparser.LoadSchema(&ast.Source{Input: out.String()}); err != nil {
		t.Errorf("schema prints no schema: %v", err)
	}
	out.Reset()
	if err := run(t.Context(), []string{"version"}, &out, io.Discard); err != nil || !regexp.MustCompile(`^driftgraph \S+\n$`).MatchString(out.String()) {
		t.Errorf("version prints %q, %v", &out, err)
	}

	secrets := []string{"DRIFT_TOKEN=" + secret + "1", "DRIFT_CLIENT_SECRET=" + secret + "2", "DRIFT_REFRESH_TOKEN=" + secret + "3", "REDIS_URL=redis://:" + secret + "4@127.0.0.1:1"}
	help, err := program(t, secrets, "--help")
	if err != nil {
		t.Errorf("--help: %v\n%s", err, help)
	}
	for _, setting := range []string{"LISTEN_ADDR", "DRIFT_TOKEN", "DRIFT_TOKEN_FILE", "REDIS_URL", "CACHE_TTL_CONTACT", "MAX_DEPTH", "OPERATION_TIMEOUT", "SANDBOX_FAULTS", "LOG_LEVEL", "schema", "version", "sandbox"} {
		if !strings.Contains(help, setting) {
			t.Errorf("--help does not name %s", setting)
		}
	}
	if strings.Contains(help, secret) {
		t.Errorf("--help tells a secret:\n%s", help)
	}
	wrong, err := program(t, append(secrets, "MAX_DEPTH=deep"))
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || strings.Count(wrong, "\n") != 1 || !strings.Contains(wrong, "max-depth") || strings.Contains(wrong, secret) {
		t.Errorf("a wrong value ends the program with %v and prints %q", err, wrong)
	}
}

// program runs the program to its end and returns what it printed.
func program(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append([]string{asProgram + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// A running program is run in the test's own process.
type running struct {
	url    string
	stop   context.CancelFunc
	ended  chan error
	stdout *logbook
	stderr *logbook
}

var serves = regexp.MustCompile(`https?://127\.0\.0\.1:\d+`)

// start runs the program until it serves.
func start(t *testing.T, args ...string) *running {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	p := &running{stop: stop, ended: make(chan error, 1), stdout: new(logbook), stderr: new(logbook)}
	printed, stdout := io.Pipe()
	go func() {
		err := run(ctx, args, stdout, p.stderr)
		stdout.Close()
		p.ended <- err
	}()
	lines := bufio.NewScanner(printed)
	for p.url == "" && lines.Scan() {
		fmt.Fprintln(p.stdout, lines.Text())
		p.url = serves.FindString(lines.Text())
	}
	if p.url == "" {
		stop()
		t.Fatalf("it ends: %v\n%s", <-p.ended, p.stderr)
	}
	go func() { _, _ = io.Copy(p.stdout, printed) }()
	return p
}

// TestRun starts the program on its own sandbox, asks a query and stops it:
// nothing is left behind.
func TestRun(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	defer http.DefaultClient.CloseIdleConnections()
	p := start(t, "--listen-addr=127.0.0.1:0")
	g := &gateway{url: p.url}
	if len(at(g.get(t, readQuery(t, "10-inbox")), "conversations.nodes").([]any)) != 50 {
		t.Error("the inbox of the sandbox has not 50 conversations")
	}
	for _, word := range []string{"Playground", p.url + "/graphql", "sandbox", "64 MiB"} {
		if !strings.Contains(p.stdout.String(), word) {
			t.Errorf("the summary does not say %s:\n%s", word, p.stdout)
		}
	}
	p.stop()
	if err := <-p.ended; err != nil {
		t.Errorf("it ends with %v", err)
	}
}

// TestRunSandbox starts the emulator alone, as one organisation and as two.
func TestRunSandbox(t *testing.T) {
	list := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(list, []byte(secret+"one@48213, "+secret+"two@77001:user_read, "+secret+"three@77001:contact_read\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, setting, value string
		want                 map[string]int // the status of a call with a token
	}{
		{"one", "SANDBOX_TOKEN", secret, map[string]int{secret: 200, "another": 401}},
		{"two", "SANDBOX_TOKENS_FILE", list, map[string]int{secret + "one": 200, secret + "two": 200, secret + "three": 403, "another": 401}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(tt.setting, tt.value)
			testRunSandbox(t, tt.want)
		})
	}
}

func testRunSandbox(t *testing.T, statuses map[string]int) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	defer http.DefaultClient.CloseIdleConnections()
	t.Setenv("SANDBOX_LISTEN_ADDR", "127.0.0.1:0")
	t.Setenv("LOG_LEVEL", "debug")
	p := start(t, "sandbox")
	for token, want := range statuses {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/users/list", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("the token %q gives %d, want %d", token, res.StatusCode, want)
		}
	}
	p.stop()
	if err := <-p.ended; err != nil {
		t.Errorf("it ends with %v", err)
	}
	if out := p.stdout.String() + p.stderr.String(); strings.Contains(out, secret) {
		t.Errorf("the token is told:\n%s", out)
	}
}

// TestDrain stops the program while a request is under way: the request is
// answered, nobody else is let in, and nothing is left behind.
func TestDrain(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	defer http.DefaultClient.CloseIdleConnections()
	asked, release := make(chan struct{}), make(chan struct{})
	emulator := newSandbox(sandbox.Config{Gate: func(r *http.Request) {
		if r.URL.Path == "/teams/org" {
			close(asked)
			<-release
		}
	}})
	upstream := httptest.NewServer(emulator)
	defer upstream.Close()
	t.Setenv("DRIFT_TOKEN", secret)
	t.Setenv("DRIFT_BASE_URL", upstream.URL)
	p := start(t, "--listen-addr=127.0.0.1:0")
	g := &gateway{url: p.url}
	answered := make(chan *reply)
	go func() { answered <- g.ask(t, `{ teams { name } }`) }()
	<-asked
	p.stop()
	for { // until the door is shut
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			break
		}
		conn.Close()
	}
	select {
	case err := <-p.ended:
		t.Errorf("it ends with a request under way: %v", err)
	default:
	}
	close(release)
	r := <-answered
	r.mustSucceed(t)
	if len(at(r.data(t), "teams").([]any)) == 0 {
		t.Errorf("the request under way got %s", r.Text)
	}
	if err := <-p.ended; err != nil {
		t.Errorf("it ends with %v", err)
	}
}

// TestReady shows what /readyz says while the gateway is overloaded, and while it
// drains; it lives all the while.
func TestReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue.New(queue.Options{Running: 1, Waiting: 1, Patience: time.Second})
		h := &health{metrics: metrics.New("test"), queue: q}
		handler := newHandler(&serveConfig{}, nil, nil, nil, nil, slog.New(slog.DiscardHandler), h)
		is := func(path string, want int) {
			t.Helper()
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			if w.Code != want {
				t.Errorf("%s is %d, want %d", path, w.Code, want)
			}
		}
		leave, err := q.Enter(t.Context(), queue.Interactive)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 7 {
			is("/readyz", map[bool]int{false: http.StatusOK, true: http.StatusServiceUnavailable}[i > 5])
			if _, err := q.Enter(t.Context(), queue.Interactive); err == nil {
				t.Error("a second one enters")
			}
		}
		is("/livez", http.StatusOK)
		leave()
		time.Sleep(3 * time.Second)
		is("/readyz", http.StatusOK)
		h.draining.Store(true)
		is("/readyz", http.StatusServiceUnavailable)
		is("/livez", http.StatusOK)
	})
}

// TestSecrets runs the program with secrets of all kinds, from variables and
// files, while all that uses them goes wrong, and searches what it printed.
func TestSecrets(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	oauth := &sandbox.OAuthClient{ID: "client", Secret: secret + "file", RefreshToken: secret + "refresh"}
	tests := map[string]struct {
		cfg   sandbox.Config
		env   map[string]string
		works bool
	}{
		"token":                {sandbox.Config{Token: secret + "token"}, map[string]string{"DRIFT_TOKEN": secret + "token"}, true},
		"token from a file":    {sandbox.Config{Token: secret + "file"}, map[string]string{"DRIFT_TOKEN_FILE": file}, true},
		"token not accepted":   {sandbox.Config{Token: "another"}, map[string]string{"DRIFT_TOKEN": secret + "token"}, false},
		"client":               {sandbox.Config{OAuth: oauth}, map[string]string{"DRIFT_CLIENT_ID": "client", "DRIFT_CLIENT_SECRET_FILE": file, "DRIFT_REFRESH_TOKEN": secret + "refresh"}, true},
		"client with a store":  {sandbox.Config{OAuth: oauth}, map[string]string{"DRIFT_CLIENT_ID": "client", "DRIFT_CLIENT_SECRET_FILE": file, "DRIFT_REFRESH_TOKEN": secret + "refresh", "DRIFT_TOKEN_STORE": filepath.Join(t.TempDir(), "store")}, true},
		"client not accepted":  {sandbox.Config{OAuth: oauth}, map[string]string{"DRIFT_CLIENT_ID": "client", "DRIFT_CLIENT_SECRET": secret + "wrong", "DRIFT_REFRESH_TOKEN": secret + "refresh"}, false},
		"refresh not accepted": {sandbox.Config{OAuth: oauth}, map[string]string{"DRIFT_CLIENT_ID": "client", "DRIFT_CLIENT_SECRET_FILE": file, "DRIFT_REFRESH_TOKEN": secret + "wrong"}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			upstream := httptest.NewServer(newSandbox(tt.cfg))
			defer upstream.Close()
			t.Setenv("DRIFT_BASE_URL", upstream.URL)
			t.Setenv("REDIS_URL", "redis://user:"+secret+"redis@"+strings.TrimPrefix(upstream.URL, "http://"))
			t.Setenv("LOG_LEVEL", "debug")
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			p := start(t, "--listen-addr=127.0.0.1:0")
			r := (&gateway{url: p.url}).ask(t, `{ teams { name } viewer { organizationId } }`)
			if works := len(r.Errors) == 0; works != tt.works {
				t.Errorf("it works: %t, want %t: %s", works, tt.works, r.Text)
			}
			p.stop()
			if err := <-p.ended; err != nil {
				t.Errorf("it ends with %v", err)
			}
			for place, text := range map[string]string{"answer": string(r.Text), "summary": p.stdout.String(), "log": p.stderr.String()} {
				if strings.Contains(text, secret) {
					t.Errorf("a secret stands in the %s:\n%s", place, text)
				}
			}
		})
	}
}
