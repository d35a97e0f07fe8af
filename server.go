// Driftgraph serves one GraphQL graph over Drift's REST APIs.
//
// This file joins the parts: configuration, the client of Drift or the embedded
// sandbox, the cache, the loaders, and the HTTP server.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/redis/go-redis/v9"

	"github.com/driftgraph/driftgraph/audit"
	"github.com/driftgraph/driftgraph/auth"
	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/loaders"
	"github.com/driftgraph/driftgraph/metrics"
	"github.com/driftgraph/driftgraph/queue"
	"github.com/driftgraph/driftgraph/redact"
	"github.com/driftgraph/driftgraph/resolvers"
	"github.com/driftgraph/driftgraph/sandbox"
	"github.com/driftgraph/driftgraph/schema"
	"github.com/driftgraph/driftgraph/tracing"
	"github.com/driftgraph/driftgraph/web"
	"github.com/driftgraph/driftgraph/webhooks"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "driftgraph:", err)
		os.Exit(1)
	}
}

// run does what the command line says until ctx ends. The error it returns is
// one line that says what to change.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (failure error) {
	var c cli
	parser, err := c.parser(stdout, stderr)
	if err != nil {
		return err
	}
	command, err := parser.Parse(args)
	hide := c.redactor()
	defer func() {
		if failure != nil && hide.Text(failure.Error()) != failure.Error() {
			failure = errors.New(hide.Text(failure.Error()))
		}
	}()
	if err != nil {
		return err
	}
	switch command.Command() {
	case "schema":
		_, err := io.WriteString(stdout, schema.SDL())
		return err
	case "version":
		_, err := fmt.Fprintln(stdout, "driftgraph", version())
		return err
	case "key":
		return makeKey(&c.Key, stdout, stderr)
	case "sandbox":
		return runSandbox(ctx, &c.Sandbox, hide, stdout, stderr)
	}
	return serve(ctx, &c.Serve, hide, stdout, stderr)
}

// version returns the version that the binary was built from.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// logger returns a logger as configured. What it writes goes through hide, which
// takes secrets and e-mail addresses out.
func (l logging) logger(w io.Writer, hide *redact.Redactor) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(l.LogLevel)) // kong has checked it
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: hide.Attr}
	if l.LogFormat == "json" {
		return slog.New(requestHandler{slog.NewJSONHandler(w, options)})
	}
	return slog.New(requestHandler{slog.NewTextHandler(w, options)})
}

// runSandbox serves the emulator alone.
func runSandbox(ctx context.Context, c *sandboxConfig, hide *redact.Redactor, stdout, stderr io.Writer) error {
	orgs, err := c.organisations()
	if err != nil {
		return err
	}
	log := c.Logging.logger(stderr, hide)
	for i := range orgs {
		orgs[i].Log = log
	}
	listener, err := net.Listen("tcp", c.ListenAddr)
	if err != nil {
		return fmt.Errorf("SANDBOX_LISTEN_ADDR: %w", err)
	}
	shown := "any" // in the place of a token
	switch {
	case c.Token != "":
		shown = "$SANDBOX_TOKEN"
	case c.Tokens != "":
		shown = "$TOKEN"
		fmt.Fprintln(stdout, "Set TOKEN to one of SANDBOX_TOKENS, for what follows.")
	}
	fmt.Fprintf(stdout, "An emulator of Drift's API on http://%[1]s\nTry: curl -H \"Authorization: Bearer %[2]s\" 'http://%[1]s/conversations/list?limit=2'\n", reachable(listener.Addr()), shown)
	if cfg := orgs[0]; cfg.Webhooks != "" {
		token := "that of SANDBOX_WEBHOOK_TOKEN"
		if cfg.WebhookToken == sandbox.DefaultWebhookToken {
			token = fmt.Sprintf("%q; SANDBOX_WEBHOOK_TOKEN takes another", cfg.WebhookToken)
		}
		fmt.Fprintf(stdout, "Webhooks go to %s. Their verification token is %s\n", cfg.Webhooks, token)
	}
	return sandbox.Serve(ctx, listener, orgs...)
}

// serve runs the gateway until ctx ends, then lets the requests under way end.
func serve(ctx context.Context, c *serveConfig, hide *redact.Redactor, stdout, stderr io.Writer) error {
	log := c.Logging.logger(stderr, hide)
	slog.SetDefault(log)
	limitMemory(log, memlimit.FromCgroup)
	listener, err := net.Listen("tcp", c.ListenAddr)
	if err != nil {
		return fmt.Errorf("LISTEN_ADDR: %w", err)
	}
	defer listener.Close()
	var shown *certificate // nil without TLS
	if c.TLSCertFile != "" {
		if shown, err = openCertificate(c.TLSCertFile, c.TLSKeyFile, log); err != nil {
			return fmt.Errorf("TLS_CERT_FILE: %w", err)
		}
	}
	if err := c.checkOpen(listener.Addr()); err != nil {
		return err
	}

	var credential drift.Auth
	hooks := listener // where the sandbox posts its events to
	baseURL, upstream, webhookToken := c.DriftBaseURL, "", c.DriftWebhookToken
	if c.sandboxed() {
		webhookToken = cmp.Or(c.SandboxKnobs.WebhookToken, c.DriftWebhookToken, rand.Text())
		if shown != nil { // which the sandbox has no reason to trust
			if hooks, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
				return fmt.Errorf("the sandbox's webhooks: %w", err)
			}
			defer hooks.Close()
		}
		emulator, err := startSandbox(c.SandboxKnobs, "http://"+reachable(hooks.Addr())+webhookPath, webhookToken, log)
		if err != nil {
			return err
		}
		defer emulator.Close()
		credential, baseURL = drift.StaticToken("sandbox-"+rand.Text()), emulator.url
		upstream = "the embedded sandbox: invented people, nothing leaves this machine. DRIFT_TOKEN connects the real one"
		if u, err := url.Parse(c.SandboxKnobs.Webhooks); err == nil && u.Host != "" {
			upstream = "the embedded sandbox: invented people, whose webhooks go to " + u.Host + ". DRIFT_TOKEN connects the real one"
		}
	} else {
		if credential, err = c.auth(); err != nil {
			return err
		}
		upstream = "Drift's API"
		if baseURL != "" {
			upstream = baseURL
		}
	}

	var shared redis.UniversalClient
	if c.RedisURL != "" {
		if shared, err = cache.ConnectRedis(c.RedisURL); err != nil {
			return fmt.Errorf("REDIS_URL: %w", err)
		}
		defer shared.Close()
	}
	meter := metrics.New(version())
	traces, err := tracing.New(ctx, version(), log)
	if err != nil {
		return err
	}
	defer closeTraces(traces)
	all, err := newTenants(tenantOptions{
		Config: c, BaseURL: baseURL, Auth: credential, Redis: shared, Log: log,
		Told: func(ctx context.Context, call drift.Call) {
			meter.Call(call)
			traces.Call(ctx, call)
		},
	})
	if err != nil {
		return err
	}
	defer all.Close()
	door, callers, err := c.door(listener.Addr(), all, log)
	if err != nil {
		return err
	}

	trail, closeTrail, err := c.audit(log, hide)
	if err != nil {
		return fmt.Errorf("AUDIT_LOG: %w", err)
	}
	defer closeTrail()

	receiver := newReceiver(webhookToken, all, log)
	defer receiver.Close()
	waiting := queue.New(c.queue())
	outer := []graphql.HandlerExtension{graph.Observe{Tell: meter.Operation}, c.admit(waiting)}
	if traces != nil {
		outer = append([]graphql.HandlerExtension{graph.Trace{Tracer: traces.Tracer()}}, outer...)
	}
	execute := newExecutor(c, all.source, trail, log, outer...)
	if execute.Persisted, err = all.persisted(execute); err != nil {
		return err
	}
	live := newLive(c, execute, all, door)
	meter.Read(metrics.Parts{Cache: all.records, Bus: all.bus, Live: live, Receiver: receiver, Queue: waiting, Drift: all.stats})
	health := &health{metrics: meter, queue: waiting}
	healthURL := c.scheme() + listener.Addr().String()
	if c.AdminAddr != "" {
		admin, err := startAdmin(c.AdminAddr, health, log)
		if err != nil {
			return err
		}
		defer admin.Close()
		healthURL = "http://" + admin.Addr
	}
	server := newServer(c, newHandler(c, execute, live, door, receiver, log, health), log)
	bounded := c.Connections.bound(listener, shown != nil, log)
	stopped := make(chan error, 1)
	go func() {
		if shown == nil {
			stopped <- server.Serve(bounded)
			return
		}
		server.TLSConfig = shown.config()
		stopped <- server.ServeTLS(bounded, "", "")
	}()
	if hooks != listener {
		events := &http.Server{Handler: receiver, ReadHeaderTimeout: 5 * time.Second}
		defer events.Close()
		go func() { _ = events.Serve(hooks) }()
	}
	summarise(stdout, c, listener.Addr(), healthURL, upstream, callers, webhookToken != "")

	select {
	case err := <-stopped:
		return err
	case <-ctx.Done():
	}
	health.draining.Store(true)
	log.Info("draining", "stopsListeningIn", c.drainDelay())
	select { // until balancers have seen that /readyz says so
	case err := <-stopped:
		return err
	case <-time.After(c.drainDelay()):
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.DrainTimeout)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- server.Shutdown(grace) }()
	live.Drain(grace) // whose connections Shutdown would wait for, or not see
	if err := <-ended; err != nil {
		return errors.Join(fmt.Errorf("requests under way did not end within %s (DRAIN_TIMEOUT)", c.DrainTimeout), server.Close())
	}
	return nil
}

// closeTraces sends the spans that are left, within a few seconds.
func closeTraces(t *tracing.Tracing) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	t.Close(ctx)
}

// limitMemory has the garbage collector keep the process below nine tenths of what
// its container may take, unless GOMEMLIMIT says otherwise.
func limitMemory(log *slog.Logger, container memlimit.Provider) {
	limit, err := memlimit.Set(memlimit.WithProvider(container)) // which fails where there are no containers
	if err == nil && limit < math.MaxInt64 {
		log.Info("the memory is limited", "GOMEMLIMIT", byteSize(limit))
	}
}

// reachable returns an address at which this machine reaches one that is
// listened on, which may be that of all its networks.
func reachable(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip.To4() == nil {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port)
}

// summarise prints what the gateway talks to and where to go, on one screen
// and without a secret.
func summarise(w io.Writer, c *serveConfig, addr net.Addr, healthURL, upstream, callers string, webhooks bool) {
	address := c.scheme() + addr.String()
	playground := address + "/"
	if !c.Playground {
		playground = "off (PLAYGROUND)"
	}
	receiver := "off: changes in Drift show when the cache's time is over, and subscriptions are silent (DRIFT_WEBHOOK_TOKEN)"
	if webhooks {
		receiver = address + webhookPath
	}
	redis := "in this process, " + c.CacheL1Bytes.String() + ". REDIS_URL shares it between processes"
	if c.RedisURL != "" {
		redis = "in this process, " + c.CacheL1Bytes.String() + ", and in Redis"
		if c.CacheKey != "" {
			redis += ", encrypted"
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintf(t, "Driftgraph %s\n\n", version())
	for _, line := range [][2]string{
		{"Playground", playground},
		{"GraphQL", address + "/graphql"},
		{"Schema", address + "/schema.graphql"},
		{"Drift", upstream},
		{"Webhooks", receiver},
		{"Cache", redis},
		{"Callers", callers},
		{"Metrics", healthURL + "/metrics"},
	} {
		fmt.Fprintf(t, "  %s\t%s\n", line[0], line[1])
	}
	fmt.Fprintln(t)
	_ = t.Flush()
}

// scheme returns how an address begins that is listened on.
func (c *serveConfig) scheme() string {
	if c.TLSCertFile != "" {
		return "https://"
	}
	return "http://"
}

// audit returns the audit log, and what closes it.
func (c *serveConfig) audit(log *slog.Logger, hide *redact.Redactor) (*audit.Log, func(), error) {
	if c.AuditLog == "" {
		return audit.New(log.Handler(), c.AuditKey, log), func() {}, nil
	}
	file, err := os.OpenFile(c.AuditLog, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, err
	}
	return audit.New(requestHandler{slog.NewJSONHandler(file, &slog.HandlerOptions{ReplaceAttr: hide.Attr})}, c.AuditKey, log), func() { _ = file.Close() }, nil
}

// webhookPath is where Drift posts its events to.
const webhookPath = "/webhooks/drift"

// newReceiver returns what takes the events of Drift, nil without a token.
func newReceiver(token string, t *tenants, log *slog.Logger) *webhooks.Receiver {
	if token == "" {
		return nil
	}
	return webhooks.New(webhooks.Options{Token: token, Organisations: t.own == nil, Drop: t.drop, Purge: t.purge, Publish: t.bus.Publish, Log: log})
}

// newLive returns what answers subscriptions.
func newLive(c *serveConfig, e *graph.Executor, t *tenants, door *graph.Door) *graph.Live {
	return graph.NewLive(graph.LiveOptions{Executor: e, Recover: e.PresentRecoveredError, Subscribe: t.subscribe, Hears: t.hears, Source: t.source, Door: door, Throttle: t.throttle(), MaxBodyBytes: int64(c.MaxBodyBytes), MaxVariablesBytes: int64(c.MaxVariablesBytes), Origins: c.CORSOrigins, Max: c.MaxSubscriptions})
}

// newHandler returns the HTTP side of the gateway. Without a receiver there are no
// webhooks, and without a door nobody is asked who it is: either may be nil.
func newHandler(c *serveConfig, e *graph.Executor, live *graph.Live, door *graph.Door, receiver *webhooks.Receiver, log *slog.Logger, h *health) http.Handler {
	mux := http.NewServeMux()
	guard := door.Guard
	if c.open() {
		guard = c.CORSOrigins.OwnHost
	}
	mux.Handle("/graphql", compressed(guard(&graph.Handler{
		Executor: e, MaxBodyBytes: int64(c.MaxBodyBytes), MaxVariablesBytes: int64(c.MaxVariablesBytes), Origins: c.CORSOrigins, Live: live,
	})))
	if receiver != nil {
		mux.Handle(webhookPath, receiver)
	} else {
		mux.HandleFunc(webhookPath, func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "webhooks are not taken here (DRIFT_WEBHOOK_TOKEN)", http.StatusNotFound)
		})
	}
	mux.Handle("GET /schema.graphql", compressed(guard(graph.Require(auth.Introspect, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !c.Introspection {
			http.Error(w, "the schema is not public here (INTROSPECTION)", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, schema.SDL())
	})))))
	if c.AdminAddr == "" {
		h.mount(mux)
	}
	if c.Playground {
		mux.Handle("/", web.Handler())
	}
	return withRequestID(log, withRecovery(log, h.leave(withSecurityHeaders(c.CORSOrigins.Handler(mux)))))
}

// newExecutor returns what parses, checks and executes operations. The outer
// extensions stand before its own.
func newExecutor(c *serveConfig, source func(context.Context) *loaders.Source, trail *audit.Log, log *slog.Logger, outer ...graphql.HandlerExtension) *graph.Executor {
	presenter := &graph.Presenter{Log: log, Suggestions: c.Introspection}
	e := graph.NewExecutor(graph.NewExecutableSchema(graph.Config{Schema: schema.Schema(), Resolvers: &resolvers.Resolver{Audit: trail}}), c.limits(), c.Introspection)
	e.SetErrorPresenter(presenter.Present)
	e.SetRecoverFunc(func(_ context.Context, cause any) error {
		return redact.Panicked(cause)
	})
	for _, extension := range outer {
		e.Use(extension)
	}
	if c.Introspection {
		e.Use(extension.Introspection{})
	}
	e.Use(graph.Size{Fields: c.MaxFields})
	e.Use(graph.Permissions{})
	e.Use(graph.REST{Source: source, Open: c.sandboxed(), MaxCalls: c.MaxRESTCalls, MaxBytes: int64(c.MaxResponseBytes), Timeout: c.OperationTimeout, MutationTimeout: c.mutationTimeout()})
	return e
}

// admit returns what has operations wait in q. Heavy is what takes more than half
// of the calls, or a fifth of the fields, that an operation may.
func (c *serveConfig) admit(q *queue.Queue) graph.Admit {
	return graph.Admit{Queue: q, HeavyCalls: c.MaxRESTCalls / 2, HeavyFields: c.MaxFields / 5}
}

// An emulator is the sandbox served on a loopback port of its own: the gateway
// meets it as it meets Drift, over HTTP.
type emulator struct {
	*http.Server
	sandbox *sandbox.Sandbox
	url     string
}

// startSandbox starts one that posts its webhooks to the given URL, with the
// given verification token, unless its knobs say otherwise. Without a URL it
// posts none.
func startSandbox(knobs sandboxKnobs, webhooks, webhookToken string, log *slog.Logger) (*emulator, error) {
	knobs.Webhooks = cmp.Or(knobs.Webhooks, webhooks)
	knobs.WebhookToken = cmp.Or(knobs.WebhookToken, webhookToken)
	cfg, err := knobs.config()
	if err != nil {
		return nil, err
	}
	cfg.Log = log
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("the sandbox: %w", err)
	}
	emulated := sandbox.New(cfg)
	e := &emulator{
		Server:  &http.Server{Handler: emulated, ReadHeaderTimeout: 5 * time.Second},
		sandbox: emulated,
		url:     "http://" + listener.Addr().String(),
	}
	go func() { _ = e.Serve(listener) }()
	return e, nil
}

// Close ends the sandbox, its activity and its webhooks.
func (e *emulator) Close() error {
	e.sandbox.Close()
	return e.Server.Close()
}

// requestIDKey is the key of a request's id in its context.
type requestIDKey struct{}

// withRequestID gives each request an id, the caller's own if it is well
// formed: in the answer's X-Request-Id, and in each line that is logged for it.
func withRequestID(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-Id")
		if len(id) > 64 || id == "" || strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
			id = rand.Text()
		}
		w.Header().Set("X-Request-Id", id)
		ctx := context.WithValue(r.Context(), requestIDKey{}, id)
		start := time.Now()
		r = r.WithContext(ctx)
		next.ServeHTTP(w, r)
		log.DebugContext(ctx, "request", "method", r.Method, "route", r.Pattern, "duration", time.Since(start))
	})
}

// A requestHandler adds the id of the request to what is logged for it.
type requestHandler struct{ slog.Handler }

// Handle adds the id and passes the record on.
func (h requestHandler) Handle(ctx context.Context, r slog.Record) error {
	if id, ok := ctx.Value(requestIDKey{}).(string); ok {
		r.AddAttrs(slog.String("requestId", id))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs keeps the id in records of the logger that has the attributes.
func (h requestHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return requestHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the id in records of the logger that has the group.
func (h requestHandler) WithGroup(name string) slog.Handler {
	return requestHandler{h.Handler.WithGroup(name)}
}
