package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/limit"
	"github.com/driftgraph/driftgraph/loaders"
	"github.com/driftgraph/driftgraph/queue"
	"github.com/driftgraph/driftgraph/sandbox"
)

// A cli is the command line. Each flag is also read from an environment
// variable of the same name in capitals, with _ for -.
type cli struct {
	Serve   serveConfig   `cmd:"" default:"withargs" help:"Serve the graph. This is what happens without a command."`
	Sandbox sandboxConfig `cmd:"" help:"Serve the emulator of Drift's API alone, for integrations of your own."`
	Key     keyConfig     `cmd:"" help:"Make a key for a caller, and print it."`
	Schema  struct{}      `cmd:"" help:"Print the GraphQL schema."`
	Version struct{}      `cmd:"" help:"Print the version."`
}

// parser returns what reads the command line and the environment.
func (c *cli) parser(stdout, stderr io.Writer) (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("driftgraph"),
		kong.Description("One GraphQL graph over Drift's REST APIs. Each flag is also an environment variable: --redis-url is REDIS_URL."),
		kong.DefaultEnvars(""),
		kong.Writers(stdout, stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Help(printHelp),
		kong.PostBuild(func(k *kong.Kong) error {
			for _, command := range k.Model.Children {
				for _, flag := range command.Flags {
					tellDefault(flag)
				}
			}
			return nil
		}),
	)
}

// printHelp prints the help of a command, and without one that of all
// commands and of serve, which is what runs then.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil || ctx.Selected() != nil {
		return err
	}
	serve, err := kong.Trace(ctx.Kong, []string{"serve"})
	if err != nil {
		return err
	}
	fmt.Fprintln(ctx.Stdout)
	return kong.DefaultHelpPrinter(options, serve)
}

// tellDefault adds a flag's default to its help, where a placeholder stands in
// for it otherwise.
func tellDefault(flag *kong.Flag) {
	if flag.HasDefault && flag.Default != "" && flag.PlaceHolder != "" && !flag.IsBool() {
		flag.Help = strings.TrimSuffix(flag.Help, ".") + ". Default: " + flag.Default + "."
	}
}

// A serveConfig is the configuration of the gateway.
type serveConfig struct {
	ListenAddr   string         `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address to listen on."`
	DrainDelay   *time.Duration `placeholder:"TIME" help:"How long, once it is told to stop, the gateway still takes requests while /readyz says 503, so that balancers look elsewhere. Default: 5s, and 0s on a loopback address."`
	DrainTimeout time.Duration  `default:"20s" placeholder:"TIME" help:"How long what is under way may then take to end, and subscribers to go elsewhere."`
	AdminAddr    string         `placeholder:"HOST:PORT" help:"Address of its own for /metrics, /livez and /readyz, and for profiles at /debug/pprof/. Default: the first three are on LISTEN_ADDR, and there are no profiles."`

	Callers callersConfig `embed:"" group:"Callers"`

	DriftToken        string        `group:"Drift" placeholder:"TOKEN" help:"Access token of an app that is installed in Drift. DRIFT_TOKEN_FILE names a file that holds it."`
	DriftClientID     string        `group:"Drift" name:"drift-client-id" placeholder:"ID" help:"OAuth client, instead of a token."`
	DriftClientSecret string        `group:"Drift" placeholder:"SECRET" help:"Secret of the OAuth client. DRIFT_CLIENT_SECRET_FILE names a file that holds it."`
	DriftRefreshToken string        `group:"Drift" placeholder:"TOKEN" help:"Refresh token that the OAuth client starts with. DRIFT_REFRESH_TOKEN_FILE names a file that holds it."`
	DriftTokenStore   string        `group:"Drift" type:"path" placeholder:"FILE" help:"File to keep the newest refresh token in, as Drift replaces it at each renewal. Without it, it is kept until the process ends."`
	DriftWebhookToken string        `group:"Drift" placeholder:"TOKEN" help:"Verification token of the app's webhooks, which Drift posts to /webhooks/drift. Without it they are not taken. DRIFT_WEBHOOK_TOKEN_FILE names a file that holds it."`
	DriftBaseURL      string        `group:"Drift" name:"drift-base-url" placeholder:"URL" help:"Where Drift's API is. Default: https://driftapi.com."`
	DriftConcurrency  int           `group:"Drift" default:"64" placeholder:"N" help:"Calls to Drift that may be under way at once with one credential, from 1 to 1000."`
	DriftRate         float64       `group:"Drift" placeholder:"N" help:"Calls a second that the processes sharing a Redis may make to Drift with one credential. Default: as many as Drift takes; what it refuses is made later, and fewer from then on."`
	DriftBurst        int           `group:"Drift" placeholder:"N" help:"Calls that may be made at once after a rest. It takes DRIFT_RATE. Default: half a second's worth."`
	DriftTimeout      time.Duration `group:"Drift" default:"10s" placeholder:"TIME" help:"How long one call to Drift may take."`

	RedisURL     string        `group:"Cache" name:"redis-url" placeholder:"URL" help:"Redis to share the cache through: redis:// or rediss://; several hosts, separated by commas, are a cluster; redis-sentinel://HOST,HOST/MASTER asks sentinels for the master."`
	CacheL1Bytes byteSize      `group:"Cache" name:"cache-l1-bytes" env:"CACHE_L1_BYTES" default:"64MiB" placeholder:"SIZE" help:"Bound of the cache in this process, such as 64MiB."`
	CacheKey     string        `group:"Cache" placeholder:"KEY" help:"Key that encrypts what is in Redis: 32 random bytes in base64 or hexadecimal. Of several, separated by commas, the first encrypts and all decrypt. CACHE_KEY_FILE names a file that holds it. Default: nothing is encrypted."`
	CacheTTL     cacheTTL      `embed:"" prefix:"cache-ttl-" group:"Cache"`
	CacheStale   time.Duration `group:"Cache" default:"1h" placeholder:"TIME" help:"How long a record stands in past its time while Drift cannot answer; 0 for never. For as long as its time again, it is answered at once and refreshed meanwhile."`

	CacheTombstone time.Duration `group:"Cache" default:"24h" placeholder:"TIME" help:"How long a person who was to be forgotten is not read again, from 1m to 8760h: Drift deletes later than it says so."`

	MaxBodyBytes      byteSize      `group:"Limits" default:"256KiB" placeholder:"SIZE" help:"Largest request body."`
	MaxVariablesBytes byteSize      `group:"Limits" default:"64KiB" placeholder:"SIZE" help:"Largest variables of a request, as they are written in it."`
	MaxTokens         int           `group:"Limits" default:"2000" placeholder:"N" help:"Most tokens in a GraphQL document."`
	MaxDepth          int           `group:"Limits" default:"12" placeholder:"N" help:"Most levels of fields in an operation; introspection has a limit of its own."`
	MaxListDepth      int           `group:"Limits" default:"4" placeholder:"N" help:"Most lists of objects within one another; introspection has a limit of its own."`
	MaxAliases        int           `group:"Limits" default:"30" placeholder:"N" help:"Most aliases in an operation; one in a fragment counts each time that the fragment is spread."`
	MaxDirectives     int           `group:"Limits" default:"50" placeholder:"N" help:"Most directives in a GraphQL document."`
	MaxRESTCalls      int           `group:"Limits" name:"max-rest-calls" default:"500" placeholder:"N" help:"Most calls to Drift that an operation may take."`
	MaxSubscriptions  int           `group:"Limits" default:"10000" placeholder:"N" help:"Most subscriptions at once, and most connections that last."`
	OperationTimeout  time.Duration `group:"Limits" default:"15s" placeholder:"TIME" help:"How long a query may take, and each event of a subscription. What is there by then is answered."`

	MutationTimeout *time.Duration `group:"Limits" placeholder:"TIME" help:"How long a mutation may take. Default: twice OPERATION_TIMEOUT."`

	Connections connections `embed:"" group:"Limits"`

	MaxOperations    int           `group:"Limits" placeholder:"N" help:"Most operations at once; others wait. Default: 32 for each processor."`
	MaxQueued        int           `group:"Limits" placeholder:"N" help:"Most operations that wait; others are answered 503. Default: 8 times MAX_OPERATIONS."`
	QueueTimeout     time.Duration `group:"Limits" default:"2s" placeholder:"TIME" help:"How long an operation may wait before it is answered 503."`
	MaxFields        int           `group:"Limits" default:"50000" placeholder:"N" help:"Most fields that the answer of an operation may have, counted before it runs, with each list as long as is asked for."`
	MaxResponseBytes byteSize      `group:"Limits" default:"16MiB" placeholder:"SIZE" help:"Largest answer of an operation."`

	TrustedDocuments     string `group:"Documents" type:"path" placeholder:"FILE" help:"Manifest of the documents that clients may name by id: as Apollo, Relay or GraphQL Codegen write it. It is read again when it changes."`
	TrustedDocumentsOnly bool   `group:"Documents" help:"Execute nothing but the documents of the manifest."`

	TLSCertFile string `group:"Wire" name:"tls-cert-file" type:"path" placeholder:"FILE" help:"Certificate to serve TLS with, and those that it rests on. It is read again when it changes, as is its key."`
	TLSKeyFile  string `group:"Wire" name:"tls-key-file" type:"path" placeholder:"FILE" help:"Key of the certificate."`

	CORSOrigins graph.Origins `group:"Wire" name:"cors-origins" sep:"," placeholder:"LIST" help:"Origins whose pages may call the gateway, such as https://inbox.example.com, separated by commas; * for all. Default: its own."`

	Introspection bool `group:"Console" default:"true" negatable:"" help:"Let clients ask for the schema. Default: yes."`
	Playground    bool `group:"Console" default:"true" negatable:"" help:"Serve the playground at /. Default: yes."`

	Sandbox      *bool        `group:"Sandbox" negatable:"" help:"Use the embedded sandbox instead of Drift. Default: yes if there is no credential for Drift, and callers bring none."`
	SandboxKnobs sandboxKnobs `embed:"" prefix:"sandbox-" group:"Sandbox"`

	AuditLog string  `group:"Logs" type:"path" placeholder:"FILE" help:"File to append the audit log to: who asked what of which person's data. Default: the log, marked audit=true."`
	AuditKey string  `group:"Logs" placeholder:"KEY" help:"Key of the hashes that stand for persons in the audit log. AUDIT_KEY_FILE names a file that holds it. Default: a new one each time, so that a person's hash changes with it."`
	Logging  logging `embed:"" group:"Logs"`
}

// A sandboxConfig is the configuration of the emulator alone.
type sandboxConfig struct {
	ListenAddr string       `default:"127.0.0.1:8090" env:"SANDBOX_LISTEN_ADDR" placeholder:"HOST:PORT" help:"Address to listen on."`
	Token      string       `env:"SANDBOX_TOKEN" placeholder:"TOKEN" help:"The token to accept. Default: any."`
	Tokens     string       `env:"SANDBOX_TOKENS" placeholder:"LIST" help:"Tokens of several organisations, such as 'ada@48213, ben@48213:contact_read+user_read, eve@77001/30m'. SANDBOX_TOKENS_FILE names a file that holds them. Default: one organisation."`
	Size       sandboxSize  `embed:""`
	Knobs      sandboxKnobs `embed:""`
	Logging    logging      `embed:""`
}

// A sandboxSize says how much a sandbox alone holds.
type sandboxSize struct {
	Users         int `default:"30" env:"SANDBOX_USERS" placeholder:"N" help:"How many users, with bots and a removed one."`
	Contacts      int `default:"200" env:"SANDBOX_CONTACTS" placeholder:"N" help:"How many contacts."`
	Accounts      int `default:"120" env:"SANDBOX_ACCOUNTS" placeholder:"N" help:"How many accounts, with deleted ones."`
	Conversations int `default:"600" env:"SANDBOX_CONVERSATIONS" placeholder:"N" help:"How many conversations."`
	MaxMessages   int `default:"150" env:"SANDBOX_MAX_MESSAGES" placeholder:"N" help:"Most messages in a conversation."`
}

// sandboxKnobs are how a sandbox behaves.
type sandboxKnobs struct {
	Seed    uint64        `default:"1" env:"SANDBOX_SEED" placeholder:"N" help:"Picks the made-up organisation."`
	Latency time.Duration `env:"SANDBOX_LATENCY" placeholder:"TIME" help:"How long each of its answers takes."`
	Rate    float64       `env:"SANDBOX_RATE" placeholder:"N" help:"Calls a second it takes before it answers 429. Default: any number."`
	Faults  string        `env:"SANDBOX_FAULTS" placeholder:"LIST" help:"What goes wrong, such as 'GET /contacts/{id}=500@0.1, /users/list=hang'."`

	Activity     time.Duration `env:"SANDBOX_ACTIVITY" placeholder:"TIME" help:"How often something happens in it by itself, such as 2s. Default: never."`
	Webhooks     string        `env:"SANDBOX_WEBHOOKS" placeholder:"URL" help:"Where it posts Drift's webhooks to, or off. Default: to the gateway that it is embedded in; alone, nowhere."`
	WebhookToken string        `env:"SANDBOX_WEBHOOK_TOKEN" placeholder:"TOKEN" help:"Verification token of its webhooks. SANDBOX_WEBHOOK_TOKEN_FILE names a file that holds it."`
}

// noWebhooks is the value of SANDBOX_WEBHOOKS that turns them off.
const noWebhooks = "off"

func (k sandboxKnobs) config() (sandbox.Config, error) {
	faults, err := sandbox.ParseFaults(k.Faults)
	if err != nil {
		return sandbox.Config{}, fmt.Errorf("SANDBOX_FAULTS: %w", err)
	}
	if k.Rate < 0 || k.Latency < 0 {
		return sandbox.Config{}, errors.New("SANDBOX_RATE and SANDBOX_LATENCY take 0 or more")
	}
	if k.Activity != 0 && k.Activity < time.Millisecond {
		return sandbox.Config{}, fmt.Errorf("SANDBOX_ACTIVITY is %s; it takes 0, or 1ms and more", k.Activity)
	}
	if k.Webhooks == noWebhooks {
		k.Webhooks = ""
	} else if u, err := url.Parse(k.Webhooks); k.Webhooks != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil) {
		return sandbox.Config{}, errors.New("SANDBOX_WEBHOOKS takes an address such as http://127.0.0.1:8080/webhooks/drift, or off")
	}
	if strings.ContainsFunc(k.WebhookToken, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return sandbox.Config{}, errors.New("SANDBOX_WEBHOOK_TOKEN takes letters, digits and signs of ASCII, without blanks")
	}
	return sandbox.Config{
		Seed: k.Seed, Latency: k.Latency, Rate: k.Rate, Faults: faults, CallLog: -1,
		Activity: k.Activity, Webhooks: k.Webhooks, WebhookToken: k.WebhookToken,
	}, nil
}

// Validate refuses what cannot work, by name.
func (c *sandboxConfig) Validate() error {
	if err := readSecretFiles(map[string]*string{
		"SANDBOX_TOKEN":         &c.Token,
		"SANDBOX_TOKENS":        &c.Tokens,
		"SANDBOX_WEBHOOK_TOKEN": &c.Knobs.WebhookToken,
	}); err != nil {
		return err
	}
	if err := checkAddress("SANDBOX_LISTEN_ADDR", c.ListenAddr); err != nil {
		return err
	}
	if c.Token != "" && c.Tokens != "" {
		return errors.New("SANDBOX_TOKEN and SANDBOX_TOKENS are both set: set one")
	}
	_, err := c.organisations()
	return err
}

// organisations returns what the emulator alone serves: one organisation, or those of SANDBOX_TOKENS.
func (c *sandboxConfig) organisations() ([]sandbox.Config, error) {
	cfg, err := c.Knobs.config()
	if err != nil {
		return nil, err
	}
	cfg.Token, cfg.WebhookToken = c.Token, cmp.Or(cfg.WebhookToken, sandbox.DefaultWebhookToken)
	cfg.Users, cfg.Contacts, cfg.Accounts = c.Size.Users, c.Size.Contacts, c.Size.Accounts
	cfg.Conversations, cfg.MaxMessages = c.Size.Conversations, c.Size.MaxMessages
	orgs, err := cfg.Split(c.Tokens)
	if err != nil {
		return nil, fmt.Errorf("SANDBOX_TOKENS: %w", err)
	}
	if len(orgs) == 0 {
		orgs = []sandbox.Config{cfg}
	}
	return orgs, nil
}

// A cacheTTL says how long records of each type are kept.
type cacheTTL struct {
	Contact            time.Duration `default:"5m" placeholder:"TIME" help:"How long contacts are kept."`
	User               time.Duration `default:"1m" placeholder:"TIME" help:"How long users are kept."`
	Conversation       time.Duration `default:"30s" placeholder:"TIME" help:"How long conversations are kept."`
	ConversationList   time.Duration `default:"10s" placeholder:"TIME" help:"How long lists of conversations are kept."`
	ConversationStats  time.Duration `default:"10s" placeholder:"TIME" help:"How long the numbers of conversations are kept."`
	ConversationReport time.Duration `default:"1m" placeholder:"TIME" help:"How long reports are kept."`
	Message            time.Duration `default:"30s" placeholder:"TIME" help:"How long messages and transcripts are kept."`
	Account            time.Duration `default:"10m" placeholder:"TIME" help:"How long accounts are kept."`
	Team               time.Duration `default:"10m" placeholder:"TIME" help:"How long teams are kept."`
	Playbook           time.Duration `default:"10m" placeholder:"TIME" help:"How long playbooks and landing pages are kept."`
	Meeting            time.Duration `default:"1m" placeholder:"TIME" help:"How long meetings are kept."`
	ContactAttribute   time.Duration `default:"10m" placeholder:"TIME" help:"How long definitions of attributes are kept."`
	Viewer             time.Duration `default:"10m" placeholder:"TIME" help:"How long what Drift says of the token is kept."`
}

func (t cacheTTL) loaders() loaders.TTL { return loaders.TTL(t) }

// longest returns the longest of them.
func (t cacheTTL) longest() time.Duration {
	return max(t.Contact, t.User, t.Conversation, t.ConversationList, t.ConversationStats, t.ConversationReport, t.Message,
		t.Account, t.Team, t.Playbook, t.Meeting, t.ContactAttribute, t.Viewer)
}

// logging says what is logged, and how.
type logging struct {
	LogLevel  string `default:"info" enum:"debug,info,warn,error" help:"What to log: debug, info, warn or error."`
	LogFormat string `default:"text" enum:"text,json" help:"How to log: text or json."`
}

// byteSize is a size that is written like 64MiB.
type byteSize int64

// UnmarshalText reads a number of bytes with an optional unit.
func (b *byteSize) UnmarshalText(text []byte) error {
	units := []struct {
		name string
		size int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"B", 1}, {"", 1}}
	for _, unit := range units {
		digits, ok := strings.CutSuffix(string(text), unit.name)
		if !ok {
			continue
		}
		var n int64
		if _, err := fmt.Sscanf(digits+"\n", "%d\n", &n); err != nil || n < 1 || n > 1<<40/unit.size {
			break
		}
		*b = byteSize(n * unit.size)
		return nil
	}
	return fmt.Errorf("takes a size such as 512KiB, 64MiB or 1GiB, not %q", text)
}

// String writes the size in the largest unit that is whole.
func (b byteSize) String() string {
	switch {
	case b%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", b>>30)
	case b%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", b>>20)
	case b%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", b>>10)
	}
	return fmt.Sprintf("%d bytes", int64(b))
}

// Validate refuses what cannot work, by name. kong calls it after it has read
// flags and environment.
func (c *serveConfig) Validate() error {
	if err := readSecretFiles(map[string]*string{
		"DRIFT_TOKEN":           &c.DriftToken,
		"DRIFT_CLIENT_SECRET":   &c.DriftClientSecret,
		"DRIFT_REFRESH_TOKEN":   &c.DriftRefreshToken,
		"DRIFT_WEBHOOK_TOKEN":   &c.DriftWebhookToken,
		"SANDBOX_WEBHOOK_TOKEN": &c.SandboxKnobs.WebhookToken,
		"AUDIT_KEY":             &c.AuditKey,
		"CACHE_KEY":             &c.CacheKey,
	}); err != nil {
		return err
	}
	if _, err := c.cacheKeys(); err != nil {
		return err
	}
	oauth := 0
	for _, v := range []string{c.DriftClientID, c.DriftClientSecret, c.DriftRefreshToken} {
		if v != "" {
			oauth++
		}
	}
	switch {
	case c.Callers.Auth == authToken && (oauth != 0 || c.DriftToken != "" || c.DriftTokenStore != ""):
		return errors.New("AUTH=drift-token asks Drift by the tokens of its callers: DRIFT_TOKEN, DRIFT_CLIENT_ID and what goes with it must not be set")
	case c.Callers.Auth == authToken && c.Sandbox != nil && *c.Sandbox:
		return errors.New("SANDBOX knows no tokens of callers, which AUTH=drift-token takes: run driftgraph sandbox, and set DRIFT_BASE_URL to it")
	case oauth != 0 && oauth != 3:
		return errors.New("DRIFT_CLIENT_ID, DRIFT_CLIENT_SECRET and DRIFT_REFRESH_TOKEN go together: set all three, or DRIFT_TOKEN")
	case oauth == 3 && c.DriftToken != "":
		return errors.New("DRIFT_TOKEN and DRIFT_CLIENT_ID are two credentials: set one")
	case strings.ContainsFunc(c.DriftToken, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("DRIFT_TOKEN holds blanks or signs that a token cannot have")
	case strings.ContainsFunc(c.DriftWebhookToken, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("DRIFT_WEBHOOK_TOKEN holds blanks or signs that a token cannot have")
	case c.DriftTokenStore != "" && oauth == 0:
		return errors.New("DRIFT_TOKEN_STORE keeps refresh tokens: set it with DRIFT_CLIENT_ID, DRIFT_CLIENT_SECRET and DRIFT_REFRESH_TOKEN")
	case c.DriftBaseURL != "" && !c.credential() && c.Callers.Auth != authToken:
		return errors.New("DRIFT_BASE_URL is set without a credential: set DRIFT_TOKEN too, or neither to use the sandbox")
	case c.Sandbox != nil && !*c.Sandbox && !c.credential() && c.Callers.Auth != authToken:
		return errors.New("SANDBOX is off and there is no credential for Drift: set DRIFT_TOKEN")
	case c.DriftConcurrency < 1 || c.DriftConcurrency > 1000:
		return fmt.Errorf("DRIFT_CONCURRENCY is %d; it takes 1 to 1000", c.DriftConcurrency)
	case !(c.DriftRate >= 0 && c.DriftRate <= 10_000):
		return fmt.Errorf("DRIFT_RATE is %v; it takes calls a second, up to 10000, such as 10 or 0.5", c.DriftRate)
	case c.DriftBurst < 0 || c.DriftBurst > 10_000:
		return fmt.Errorf("DRIFT_BURST is %d; it takes 1 to 10000", c.DriftBurst)
	case c.DriftBurst > 0 && c.DriftRate == 0:
		return errors.New("DRIFT_BURST is set without DRIFT_RATE: set both, or neither")
	}
	if err := checkAddress("LISTEN_ADDR", c.ListenAddr); err != nil {
		return err
	}
	if c.AdminAddr != "" {
		if err := checkAddress("ADMIN_ADDR", c.AdminAddr); err != nil {
			return err
		}
	}
	if err := c.Callers.check(); err != nil {
		return err
	}
	if err := c.Connections.check(); err != nil {
		return err
	}
	if c.DriftBaseURL != "" {
		u, err := url.Parse(c.DriftBaseURL)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" {
			return fmt.Errorf("DRIFT_BASE_URL takes an address such as https://driftapi.com")
		}
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"DRIFT_TIMEOUT", c.DriftTimeout}, {"OPERATION_TIMEOUT", c.OperationTimeout}, {"MUTATION_TIMEOUT", c.mutationTimeout()}, {"QUEUE_TIMEOUT", c.QueueTimeout}, {"DRAIN_TIMEOUT", c.DrainTimeout},
		{"CACHE_TTL_CONTACT", c.CacheTTL.Contact}, {"CACHE_TTL_USER", c.CacheTTL.User},
		{"CACHE_TTL_CONVERSATION", c.CacheTTL.Conversation}, {"CACHE_TTL_CONVERSATION_LIST", c.CacheTTL.ConversationList},
		{"CACHE_TTL_CONVERSATION_STATS", c.CacheTTL.ConversationStats}, {"CACHE_TTL_CONVERSATION_REPORT", c.CacheTTL.ConversationReport},
		{"CACHE_TTL_MESSAGE", c.CacheTTL.Message}, {"CACHE_TTL_ACCOUNT", c.CacheTTL.Account}, {"CACHE_TTL_TEAM", c.CacheTTL.Team},
		{"CACHE_TTL_PLAYBOOK", c.CacheTTL.Playbook}, {"CACHE_TTL_MEETING", c.CacheTTL.Meeting},
		{"CACHE_TTL_CONTACT_ATTRIBUTE", c.CacheTTL.ContactAttribute}, {"CACHE_TTL_VIEWER", c.CacheTTL.Viewer},
	} {
		if d.value <= 0 {
			return fmt.Errorf("%s is %s; it takes more than 0, such as 30s", d.name, d.value)
		}
	}
	if c.DrainDelay != nil && *c.DrainDelay < 0 {
		return fmt.Errorf("DRAIN_DELAY is %s; it takes 0 or more, such as 5s", *c.DrainDelay)
	}
	if c.CacheStale < 0 {
		return fmt.Errorf("CACHE_STALE is %s; it takes 0 or more, such as 1h", c.CacheStale)
	}
	if c.CacheTombstone < time.Minute || c.CacheTombstone > 365*24*time.Hour {
		return fmt.Errorf("CACHE_TOMBSTONE is %s; it takes 1m to 8760h", c.CacheTombstone)
	}
	for _, n := range []struct {
		name  string
		value int
	}{
		{"MAX_TOKENS", c.MaxTokens}, {"MAX_DEPTH", c.MaxDepth}, {"MAX_LIST_DEPTH", c.MaxListDepth}, {"MAX_ALIASES", c.MaxAliases},
		{"MAX_DIRECTIVES", c.MaxDirectives}, {"MAX_REST_CALLS", c.MaxRESTCalls}, {"MAX_SUBSCRIPTIONS", c.MaxSubscriptions},
		{"MAX_OPERATIONS", c.queue().Running}, {"MAX_QUEUED", c.queue().Waiting}, {"MAX_FIELDS", c.MaxFields},
	} {
		if n.value < 1 {
			return fmt.Errorf("%s is %d; it takes 1 or more", n.name, n.value)
		}
	}
	if c.TrustedDocumentsOnly && c.TrustedDocuments == "" {
		return errors.New("TRUSTED_DOCUMENTS_ONLY is on without a manifest: set TRUSTED_DOCUMENTS")
	}
	if (c.TLSCertFile == "") != (c.TLSKeyFile == "") {
		return errors.New("TLS_CERT_FILE and TLS_KEY_FILE go together: set both, or neither")
	}
	if err := c.CORSOrigins.Validate(); err != nil {
		return fmt.Errorf("CORS_ORIGINS: %w", err)
	}
	if slices.Contains(c.CORSOrigins, "*") && c.open() {
		return errors.New("CORS_ORIGINS is *, and callers are not asked who they are: every page that anyone here visits could read all. Name the origins, or set AUTH")
	}
	_, err := c.SandboxKnobs.config()
	return err
}

// cacheKeys returns the keys that encrypt what is in Redis, nil without them.
func (c *serveConfig) cacheKeys() (*cache.Keys, error) {
	switch {
	case c.CacheKey == "":
		return nil, nil
	case c.RedisURL == "":
		return nil, errors.New("CACHE_KEY encrypts what is in Redis: set REDIS_URL too")
	}
	keys, err := cache.ParseKeys(c.CacheKey)
	if err != nil {
		return nil, fmt.Errorf("CACHE_KEY: %w", err)
	}
	return keys, nil
}

// drainDelay returns how long balancers are given to see that the process is
// about to end.
func (c *serveConfig) drainDelay() time.Duration {
	if c.DrainDelay != nil {
		return *c.DrainDelay
	}
	if host, _, _ := net.SplitHostPort(c.ListenAddr); host == "localhost" || net.ParseIP(host).IsLoopback() {
		return 0
	}
	return 5 * time.Second
}

// operationsPerProcessor and queuedPerOperation are the defaults of
// MAX_OPERATIONS, for each processor, and MAX_QUEUED, for each of those.
const (
	operationsPerProcessor = 32
	queuedPerOperation     = 8
)

// queue returns the settings of the queue of operations.
func (c *serveConfig) queue() queue.Options {
	o := queue.Options{Running: cmp.Or(c.MaxOperations, operationsPerProcessor*runtime.GOMAXPROCS(0)), Patience: c.QueueTimeout}
	o.Waiting = cmp.Or(c.MaxQueued, queuedPerOperation*o.Running)
	return o
}

// mutationTimeout returns how long a mutation may take: longer than what only
// reads, as it makes its changes one after another and then reads.
func (c *serveConfig) mutationTimeout() time.Duration {
	if c.MutationTimeout != nil {
		return *c.MutationTimeout
	}
	return 2 * c.OperationTimeout
}

// longestOperation returns how long an operation of any kind may take.
func (c *serveConfig) longestOperation() time.Duration {
	return max(c.OperationTimeout, c.mutationTimeout())
}

// checkAddress refuses what is no address to listen on.
func checkAddress(name, address string) error {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return fmt.Errorf("%s is %q; it takes HOST:PORT, such as 127.0.0.1:8080", name, address)
	}
	return nil
}

// limits returns the limits of documents.
func (c *serveConfig) limits() graph.Limits {
	return graph.Limits{Tokens: c.MaxTokens, Depth: c.MaxDepth, ListDepth: c.MaxListDepth, Aliases: c.MaxAliases, Directives: c.MaxDirectives}
}

// driftRate returns how often Drift may be called; the zero Rate for any number.
func (c *serveConfig) driftRate() limit.Rate {
	r := limit.Rate{PerSecond: c.DriftRate, Burst: c.DriftBurst}
	if r.PerSecond > 0 && r.Burst == 0 {
		r.Burst = max(int(r.PerSecond/2), 1)
	}
	return r
}

// open reports whether nobody is asked who they are before they get what is
// somebody's.
func (c *serveConfig) open() bool { return c.Callers.Auth == authNone && !c.sandboxed() }

// credential reports whether there is one for Drift.
func (c *serveConfig) credential() bool { return c.DriftToken != "" || c.DriftRefreshToken != "" }

// sandboxed reports whether the embedded sandbox stands in for Drift.
func (c *serveConfig) sandboxed() bool {
	if c.Sandbox != nil {
		return *c.Sandbox
	}
	return !c.credential() && c.Callers.Auth != authToken
}

// readSecretFiles reads the secrets, by their names, for which a variable names
// a file.
func readSecretFiles(secrets map[string]*string) error {
	for name, into := range secrets {
		file := os.Getenv(name + "_FILE")
		if file == "" {
			continue
		}
		if *into != "" {
			return fmt.Errorf("%s and %s_FILE are both set: set one", name, name)
		}
		text, err := os.ReadFile(file) // #nosec G304 G703 -- the operator names the file
		if err != nil {
			return fmt.Errorf("%s_FILE: %w", name, err)
		}
		if *into = strings.TrimSpace(string(text)); *into == "" {
			return fmt.Errorf("%s_FILE names a file that is empty", name)
		}
	}
	return nil
}

// auth returns the credential for Drift, nil if callers bring theirs.
func (c *serveConfig) auth() (drift.Auth, error) {
	if c.Callers.Auth == authToken {
		return nil, nil
	}
	if c.DriftToken != "" {
		return drift.StaticToken(c.DriftToken), nil
	}
	return drift.NewOAuth(drift.OAuthOptions{
		BaseURL:      c.DriftBaseURL,
		ClientID:     c.DriftClientID,
		ClientSecret: c.DriftClientSecret,
		RefreshToken: c.DriftRefreshToken,
		StorePath:    c.DriftTokenStore,
		Timeout:      c.DriftTimeout,
	})
}
