package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/redis/go-redis/v9"

	"github.com/driftgraph/driftgraph/auth"
	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/tracing"
)

// The mark is part of all that is personal in TestLeaks, the other of all that is
// secret in tests.
const (
	mark       = "quokka"
	secretMark = "that-nobody-may-see"
	markedMail = "quokka.lovelace@quokka.example"
	markedKey  = "5eed" // of Redis, 16 times
)

// mailLike is what e-mail addresses look like. The invented people of the sandbox have some, too.
var mailLike = regexp.MustCompile(`(?i)[\w.+-]+(@|%40)[\w-]+\.[a-z]{2,}`)

// leaks returns what a text holds that it must not.
func leaks(text string) (found []string) {
	lower := strings.ToLower(text)
	for _, word := range []string{mark, secretMark, strings.Repeat(markedKey, 16)} {
		if at := strings.Index(lower, word); at >= 0 {
			found = append(found, text[max(0, at-80):min(len(text), at+80)])
		}
	}
	return append(found, mailLike.FindAllString(text, 3)...)
}

// TestLeaks does all that the gateway can do with people who are marked, has all
// go wrong that can, and then looks for the mark: it may stand in the data of
// answers and in the values of Redis, nowhere else. The log is read as it was
// written, not as it is redacted.
func TestLeaks(t *testing.T) {
	codes := map[string]bool{} // of all errors
	for _, sealed := range []bool{false, true} {
		t.Run(fmt.Sprintf("encrypted=%t", sealed), func(t *testing.T) { testLeaks(t, sealed, codes) })
	}
	for _, kind := range []string{"401", "403", "404", "409", "422", "429", "500", "503", "html", "shape", "cut", "hang"} {
		t.Run(kind, func(t *testing.T) { testBadWeather(t, kind, codes) })
	}
	t.Run("turned away", func(t *testing.T) { testTurnedAway(t, codes) })
	for _, code := range allCodes(t) {
		if !codes[code] {
			t.Errorf("no error was a %s, only %v", code, slices.Sorted(maps.Keys(codes)))
		}
	}
}

// allCodes returns the values of extensions.code, as graph/errors.go has them.
func allCodes(t *testing.T) (codes []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("graph", "errors.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for node := range ast.Preorder(file) {
		constant, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(constant.Names[0].Name, "Code") {
			continue
		}
		code, err := strconv.Unquote(constant.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, code)
	}
	if len(codes) < 18 {
		t.Fatalf("the codes are %q", codes)
	}
	return codes
}

// testTurnedAway has those who are not let in, ask too often or name documents
// that are none show what is secret and whom they ask for.
func testTurnedAway(t *testing.T, codes map[string]bool) {
	received, traces := collect(t)
	file := newKeysFile(t)
	key, line := newKey(t, "dashboard", time.Time{}, auth.Permissions()...)
	file.write(line)
	manifest := filepath.Join(t.TempDir(), "manifest.json")
	if err := os.WriteFile(manifest, []byte(`{"quokka":"{ contact(id: 5) { name } }"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	g := assemble(t, parts{traces: traces}, "--auth=api-key", "--auth-keys-file="+file.path, "--caller-rate=0.01", "--caller-burst=4",
		"--trusted-documents="+manifest, "--trusted-documents-only")
	i := &informer{t: t, g: g, codes: codes}
	header := func(credential string) http.Header {
		return http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + credential}, "X-Request-Id": {markedMail}}
	}
	query := fmt.Sprintf(`{"query":%q}`, `{ contactsByEmail(email: "`+markedMail+`") { nodes { name } } }`)
	i.raw(http.MethodPost, "/graphql", `{"documentId":"quokka"}`, header(key))
	for _, request := range []string{query, `{"documentId":"` + markedMail + `"}`, `{"id":"quokka","query":"{ quokka }"}`} {
		i.raw(http.MethodPost, "/graphql", request, header(key))
	}
	if text := i.raw(http.MethodPost, "/graphql", query, header(key)); !strings.Contains(text, graph.CodeRateLimited) {
		t.Errorf("who asks too often is told %s", text)
	}
	i.raw(http.MethodPost, "/graphql", query, nil)
	for n := 0; !strings.Contains(i.raw(http.MethodPost, "/graphql", query, header(fmt.Sprint(mark, n, secretMark))), graph.CodeRateLimited); n++ {
		if n == 100 {
			t.Fatal("nobody is locked out")
		}
	}
	traces.Close(t.Context())
	for where, text := range map[string]string{"the log": g.log.String(), "the spans": received.String()} {
		for _, found := range append(leaks(text), regexp.MustCompile(regexp.QuoteMeta(key)).FindAllString(text, 1)...) {
			t.Errorf("%s tells: …%s…", where, found)
		}
	}
}

// collect returns what tells a collector of operations and calls, and the
// collector.
func collect(t *testing.T) (*spans, *tracing.Tracing) {
	t.Helper()
	received := new(spans)
	receiver := httptest.NewServer(received)
	t.Cleanup(receiver.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.URL)
	traces, err := tracing.New(t.Context(), "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { traces.Close(context.Background()) })
	return received, traces
}

// String returns all that was received.
func (s *spans) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintln(s.about, s.all)
}

// testBadWeather asks a Drift at which a thing goes wrong, and who says so with
// names and addresses.
func testBadWeather(t *testing.T, kind string, codes map[string]bool) {
	received, traces := collect(t)
	for i, args := range [][]string{{"--drift-timeout=500ms", "--operation-timeout=3s"}, {"--operation-timeout=200ms"}} {
		g := assemble(t, parts{front: (&weather{kind}).front, traces: traces}, args...)
		by := &informer{t: t, g: g, codes: codes}
		by.ask(`{ contact(id: 5) { name } contactsByEmail(email: "`+markedMail+`") { nodes { name } } contactsByExternalId(externalIds: ["quokka-7"]) { name } }`, nil)
		by.ask(`mutation { updateContact(input: {id: 5, attributes: {name: "Quokka"}}) { userErrors { message field code } }
			createContact(input: {email: "`+markedMail+`"}) { userErrors { message field code } } requestDataRetrieval(input: {email: "`+markedMail+`"}) { message } }`, nil)
		for _, found := range leaks(g.log.String()) {
			t.Errorf("the log tells: …%s…", found)
		}
		if i == 0 && kind != "404" && kind != "hang" && !strings.Contains(g.log.String(), "a call to Drift failed") {
			t.Errorf("the log tells of no call that failed: %s", g.log)
		}
	}
	traces.Close(t.Context())
	for _, found := range leaks(received.String()) {
		t.Errorf("the spans tell: …%s…", found)
	}
}

func testLeaks(t *testing.T, sealed bool, codes map[string]bool) {
	server := startRedis(t)
	client := server.client(t)
	spy := server.spy(t, client)
	trail := filepath.Join(t.TempDir(), "audit.log")
	args := []string{"--audit-log=" + trail, "--max-rest-calls=200", "--max-subscriptions=3"}
	if sealed {
		args = append(args, "--redis-url=redis://"+server.Address, "--cache-key="+strings.Repeat(markedKey, 16))
	}
	received, traces := collect(t)
	g := assemble(t, parts{redis: client, front: new(weather).front, use: panics{}, traces: traces}, args...)
	i := &informer{t: t, g: g, codes: codes}
	f := g.drift.Fixtures()

	// What succeeds.
	for _, q := range goldens(t) {
		i.ask(q.query, q.variables)
	}
	for _, q := range changes(t) {
		i.ask(q.query, q.variables)
	}
	contact := at(i.ask(`mutation { createContact(input: {email: "`+markedMail+`", externalId: "quokka-7", attributes: {name: "Quokka Lovelace", phone: "+1 555 quokka"}})
		{ contact { id } userErrors { code message } } }`, nil), "createContact.contact.id")
	thread := at(i.ask(`mutation { startConversation(input: {email: "`+markedMail+`", body: "the quokka sings"}) { conversation { id } } }`, nil), "startConversation.conversation.id")
	account := at(i.ask(fmt.Sprintf(`mutation { createAccount(input: {ownerId: %d, name: "Quokka Inc", domain: "quokka.example"}) { account { id } } }`, f.UserIDs[0]), nil), "createAccount.account.id")
	ids := map[string]any{"contact": contact, "thread": thread, "account": account, "user": fmt.Sprint(f.UserIDs[0])}
	read := `query($contact: ID!, $thread: ID!, $account: ID!, $user: ID!) {
		contact(id: $contact) { name email phone externalId attributes account { name owner { name email } } conversations { nodes { messages { nodes { body } } } } }
		contactsByEmail(email: "` + markedMail + `") { nodes { name email } }
		contactsByExternalId(externalIds: ["quokka-7"]) { name }
		conversation(id: $thread) { contact { name } messages { nodes { body author { ... on Contact { name } ... on User { name } } } } transcript }
		account(id: $account) { name domain } accountByDomain(domain: "quokka.example") { name } accounts(first: 100) { nodes { name domain } }
		user(id: $user) { name email phone alias }
	}`
	i.ask(`mutation($user: ID!) { updateUser(input: {id: $user, name: "Agent Quokka", email: "agent@quokka.example", phone: "quokka"}) { user { name } } }`, map[string]any{"user": ids["user"]})
	heard := g.listenBySocket(t, "subscription { messageAdded { body conversation { contact { name email } } } }")
	listened := g.listenByEvents(t, "subscription { contactUpdated { name email } }")
	g.subscribed(t, 2)
	var held string
	for range 2 { // from Drift, and from the cache
		held += fmt.Sprint(i.ask(read, ids))
	}
	i.ask(`mutation($thread: ID!) { sendMessage(input: {conversationId: $thread, body: "QUOKKA"}) { message { body } } }`, map[string]any{"thread": ids["thread"]})
	i.ask(`mutation { requestDataRetrieval(input: {email: "`+markedMail+`"}) { message sentToEmail } unsubscribeEmails(input: {emails: ["`+markedMail+`"]}) { emails } }`, nil)
	i.ask(`mutation($contact: ID!) { createTimelineEvent(input: {contactId: $contact, event: "met a quokka"}) { event { event } }
		updateContact(input: {id: $contact, attributes: {name: "Quokka II"}}) { contact { name } } }`, map[string]any{"contact": ids["contact"]})
	i.ask(`mutation { createContact(input: {email: "`+markedMail+`"}) { userErrors { message field code } } }`, nil)
	numbers := regexp.MustCompile(`\d+`)
	id := numbers.FindString(fmt.Sprint(contact))
	for kind, data := range map[string]string{
		"new_message":        fmt.Sprintf(`{"conversationId":%s,"id":5,"body":"quokka","author":{"name":"Quokka"}}`, numbers.FindString(fmt.Sprint(thread))),
		"contact_updated":    fmt.Sprintf(`{"endUserId":%s,"email":%q,"name":"Quokka"}`, id, markedMail),
		"contact_identified": `{"email":"` + markedMail + `"}`,
		"phone_captured":     `{"phone":"quokka"}`,
		"something_new":      `{"name":"Quokka"}`,
	} {
		i.post(fmt.Sprintf(`{"type":%q,"data":%s}`, kind, data), webhookSecret)
	}
	i.post(`{"type":"contact_updated","token":"`+testToken+`","data":{"email":"`+markedMail+`"}}`, "")
	i.post(`quokka`, webhookSecret)
	for _, answer := range []*reply{heard.next(t), listened.next(t)} {
		held += string(answer.Data)
		i.told("an event of a subscription", answer)
	}
	i.ask(read, ids)
	registered := `{ contactsByEmail(email: "` + markedMail + `") { nodes { id } } }`
	for _, request := range []map[string]any{byHash(sha(registered), ""), byHash(sha(registered), registered), byHash(sha(registered), "")} {
		i.told("a persisted query", g.send(t, request))
	}
	g.records.Wait()
	keys, values := dump(t, client)
	if !strings.Contains(keys, sha(registered)) {
		t.Errorf("the persisted query is not in Redis: %s", keys)
	}
	if strings.Contains(strings.ToLower(values), mark) == sealed {
		t.Errorf("encrypted %t, and the mark is in the values of Redis: %t", sealed, !sealed)
	}
	i.post(`{"type":"gdpr_delete_requested","data":{"email":"`+markedMail+`"}}`, webhookSecret)
	i.ask(`mutation { requestDataDeletion(input: {email: "`+markedMail+`"}) { message } }`, nil)

	// What is refused.
	i.ask(`{ contact(id: "`+markedMail+`") { name } conversations(after: "quokka") { nodes { id } } }`, nil)
	i.ask(`query($n: Int) { users(first: $n) { nodes { id } } }`, map[string]any{"n": markedMail})
	i.ask(`{ users(first: "`+markedMail+`") { nodes { id } } }`, nil)
	i.ask(`{ contact(id: `+markedMail+`) `, nil)
	i.ask("{"+strings.Repeat("contact(id: 5) { conversations { nodes { ", 9)+"id"+strings.Repeat("}}}", 9)+"}", nil)
	i.ask("{ conversations(first: 100) { nodes { messages { nodes { author { ... on Contact { account { name } } } } } } } }", nil)
	i.raw(http.MethodPost, "/graphql", `quokka {"query`, http.Header{"Content-Type": {"application/json"}})
	i.raw(http.MethodPost, "/graphql", `{"query": {"quokka": "`+markedMail+`"}}`, http.Header{"Content-Type": {"application/json"}})
	i.raw(http.MethodPost, "/graphql", `query={quokka}`, http.Header{"Content-Type": {"text/" + mark}})
	i.raw(http.MethodPut, "/graphql", mark, http.Header{"Authorization": {"Bearer " + testToken}, "Cookie": {markedMail}})
	i.raw(http.MethodGet, "/graphql?quokka="+markedMail, "", nil)
	i.raw(http.MethodGet, "/contacts/"+markedMail, "", nil)
	i.raw(http.MethodGet, "/"+mark+"%00/..%2f", "", nil)
	over := g.dial(t)
	over.subscribe(t, "1", `subscription { messageAdded { body } }`)
	g.subscribed(t, 3)
	over.subscribe(t, "2", `subscription { contactUpdated { name } }`)
	i.look("a subscription too many", string(over.read(t).Payload))
	i.told("a caller without permissions", (&gateway{url: calledFrom(t, g)}).ask(t, `mutation { requestDataDeletion(input: {email: "`+markedMail+`"}) { message } }`))

	// What goes wrong inside.
	i.ask(`{ viewer { panics: caller } }`, nil)
	if text := i.raw(http.MethodPost, "/graphql", `{"query":"query Panics { viewer { caller } }"}`, http.Header{"Content-Type": {"application/json"}}); !strings.Contains(text, "errorId") {
		t.Errorf("a panic outside of the fields is told as %s", text)
	}
	over.subscribe(t, "3", `query Panics { viewer { caller } }`)
	if m := over.read(t); m.Type != "error" || !strings.Contains(string(m.Payload), graph.CodeInternalServerError) {
		t.Errorf("a panic over a socket is told as %s %s", m.Type, m.Payload)
	} else {
		i.look("a panic over a socket", string(m.Payload))
	}
	i.ask(`{ viewer { caller } }`, nil) // it goes on

	// What the run was to bring about.
	if n := len(leaks(held)); n == 0 || !strings.Contains(held, mark) {
		t.Error("the mark is not in the data that were asked for")
	}
	g.receiver.Close()
	g.records.Wait()
	later, _ := dump(t, client)

	// Where nothing of it may be.
	audited, err := os.ReadFile(trail)
	if err != nil || !bytes.Contains(audited, []byte("requestDataDeletion")) {
		t.Fatalf("the audit log is %s, %v", audited, err)
	}
	metrics := i.raw(http.MethodGet, "/metrics", "", nil)
	traces.Close(t.Context())
	told := spy.published.String()
	for where, text := range map[string]string{
		"the log": g.log.String(), "the audit log": string(audited),
		"the keys of Redis": keys + later, "what is published in Redis": told, "the metrics": metrics, "the spans": received.String(),
	} {
		if len(text) < 100 {
			t.Errorf("%s has little to say: %q", where, text)
		}
		for _, found := range leaks(text) {
			t.Errorf("%s tells: …%s…", where, found)
		}
	}
	if wire := strings.ToLower(spy.commands.String()); sealed && strings.Contains(wire, mark) || !strings.Contains(wire, "evalsha") {
		at := max(strings.Index(wire, mark), 200)
		t.Errorf("what goes to Redis is not encrypted: …%s…", wire[at-200:min(at+50, len(wire))])
	}
	for _, line := range []string{"panic: string", "leaks_test.go", `"errorId"`} {
		if !strings.Contains(g.log.String(), line) {
			t.Errorf("the log lacks %s", line)
		}
	}
}

// TestLeaksAreFound holds that what TestLeaks looks for, it finds.
func TestLeaksAreFound(t *testing.T) {
	for text, want := range map[string]int{
		"GET /contacts/{id}: not found":               0,
		`{"name":"Agent Quokka"}`:                     1,
		`{"error":"ada@example.com is taken"}`:        1,
		"/contacts?email=ada%40example.com":           1,
		"Bearer " + testToken:                         1,
		"gqlgen@v0.17.98/graphql/executor.go:12":      0,
		"key " + strings.Repeat(markedKey, 16):        1,
		"QUOKKA.lovelace@quokka.example " + testToken: 3,
	} {
		if got := leaks(text); len(got) != want {
			t.Errorf("in %q are found %q, want %d", text, got, want)
		}
	}
}

// An informer asks, and looks at all of the answers but for their data.
type informer struct {
	t     *testing.T
	g     *gateway
	codes map[string]bool // seen
}

// ask asks with the plan, and returns the data.
func (i *informer) ask(query string, variables map[string]any) any {
	i.t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		i.t.Fatal(err)
	}
	text := i.send(http.MethodPost, "/graphql", string(body), http.Header{"Content-Type": {"application/json"}, "Driftgraph-Plan": {"full"}})
	var answer map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		i.t.Fatalf("%v: %s", err, text)
	}
	data := answer["data"]
	delete(answer, "data")
	i.look(query, fmt.Sprintf("%s", answer))
	if failures := userErrors.FindAllString(string(data), -1); failures != nil {
		i.look(query, fmt.Sprint(failures))
	}
	if data == nil {
		return nil
	}
	return (&reply{Text: []byte(text), Data: data}).data(i.t)
}

// userErrors are those of the payload of a mutation.
var userErrors = regexp.MustCompile(`"userErrors":\[[^\]]*\]`)

func (i *informer) told(of string, r *reply) {
	i.t.Helper()
	faults, err := json.Marshal(r.Errors)
	if err != nil {
		i.t.Fatal(err)
	}
	i.look(of, string(faults))
}

// raw sends what is no operation that succeeds: all of the answer must be clean.
func (i *informer) raw(method, path, body string, header http.Header) string {
	i.t.Helper()
	text := i.send(method, path, body, header)
	i.look(method+" "+path, text)
	return text
}

func (i *informer) post(event, token string) {
	i.t.Helper()
	i.raw(http.MethodPost, webhookPath, event, http.Header{"X-Verification-Token": {token}, "Content-Type": {"application/json"}})
}

func (i *informer) send(method, path, body string, header http.Header) string {
	i.t.Helper()
	req, err := http.NewRequestWithContext(i.t.Context(), method, i.g.url+path, strings.NewReader(body))
	if err != nil {
		i.t.Fatal(err)
	}
	req.Header = header.Clone()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		i.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		i.t.Fatal(err)
	}
	i.look(path, fmt.Sprint(res.Header))
	return string(text)
}

func (i *informer) look(at, text string) {
	i.t.Helper()
	i.codesIn(text)
	for _, found := range leaks(text) {
		i.t.Errorf("the answer to %.200s tells: …%s…", at, found)
	}
}

var codeIn = regexp.MustCompile(`"code":"([A-Z_]+)"`)

func (i *informer) codesIn(text string) {
	for _, code := range codeIn.FindAllStringSubmatch(text, -1) {
		i.codes[code[1]] = true
	}
}

// calledFrom returns where the gateway is called by somebody without permissions.
func calledFrom(t *testing.T, g *gateway) string {
	t.Helper()
	return assemble(t, parts{drift: g.drift, caller: &auth.Caller{Name: "somebody"}}).url
}

// A weather is what Drift is like: in which way it fails, "" for none.
type weather struct{ kind string }

// front answers for Drift when it is bad, in words that name people. In good
// weather it does so only for what Drift refuses.
func (w *weather) front(next http.Handler) http.Handler {
	const complaint = `{"error":{"type":"quokka_error","message":"quokka.lovelace@quokka.example exists already","param":"quokka"}}`
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		out.Header().Set("X-Quokka", markedMail)
		var status int
		switch _, _ = fmt.Sscan(w.kind, &status); {
		case status != 0:
			out.WriteHeader(status)
			_, _ = io.WriteString(out, complaint)
		case w.kind == "html":
			_, _ = io.WriteString(out, "<h1>quokka "+markedMail)
		case w.kind == "shape":
			_, _ = io.WriteString(out, `{"data":{"id":"quokka","attributes":"`+markedMail+`"}}`)
		case w.kind == "cut":
			out.Header().Set("Content-Length", "9999")
			_, _ = io.WriteString(out, `{"data":{"id":5,"attributes":{"name":"Quokka`)
		case w.kind == "hang":
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		default:
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			maps.Copy(out.Header(), answer.Header())
			out.WriteHeader(answer.Code)
			if answer.Code >= 400 {
				_, _ = io.WriteString(out, complaint)
				return
			}
			_, _ = out.Write(answer.Body.Bytes())
		}
	})
}

// panics has operations and fields panic that are called so, with the mark.
type panics struct{}

func (panics) ExtensionName() string                   { return "panics" }
func (panics) Validate(graphql.ExecutableSchema) error { return nil }
func (panics) InterceptField(ctx context.Context, next graphql.Resolver) (any, error) {
	if graphql.GetFieldContext(ctx).Field.Alias == "panics" {
		panic("Quokka Lovelace, " + markedMail)
	}
	return next(ctx)
}

func (panics) InterceptOperation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	if graphql.GetOperationContext(ctx).Operation.Name == "Panics" {
		panic(errors.New("Quokka Lovelace, " + markedMail))
	}
	return next(ctx)
}

// A spy hears what goes to Redis.
type spy struct{ commands, published *logbook }

func (s redisServer) spy(t *testing.T, client redis.UniversalClient) spy {
	t.Helper()
	heard := spy{new(logbook), new(logbook)}
	conn, err := net.Dial("tcp", s.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, "MONITOR\r\n"); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(conn)
	if _, err := lines.ReadString('\n'); err != nil { // from now on it hears
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(heard.commands, lines) }()
	all := client.PSubscribe(t.Context(), "*")
	t.Cleanup(func() { all.Close() })
	if _, err := all.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	messages := all.Channel()
	go func() {
		for m := range messages {
			fmt.Fprintln(heard.published, m.Channel, m.Payload)
		}
	}()
	return heard
}

// dump returns the keys in Redis with what names records in sets, and the values.
func dump(t *testing.T, client redis.UniversalClient) (keys, values string) {
	t.Helper()
	var names, all strings.Builder
	for _, key := range client.Keys(t.Context(), "*").Val() {
		fmt.Fprintln(&names, key)
		switch client.Type(t.Context(), key).Val() {
		case "zset":
			fmt.Fprintln(&names, client.ZRange(t.Context(), key, 0, -1).Val())
		case "none": // it has ended
		case "hash":
			fields := client.HGetAll(t.Context(), key).Val()
			if strings.HasSuffix(key, ":documents}:texts") {
				for hash, text := range fields {
					fmt.Fprintln(&names, hash)
					fmt.Fprintln(&all, text)
				}
				continue
			}
			fmt.Fprintln(&names, fields)
		case "string":
			fmt.Fprintln(&all, client.Get(t.Context(), key).Val())
		default:
			t.Errorf("%s is of a type that nobody looks into", key)
		}
	}
	return names.String(), all.String()
}

// TestPasswordsOfRedis holds that the passwords in a URL of a Redis are known as
// secrets, in each form that it may have.
func TestPasswordsOfRedis(t *testing.T) {
	for _, address := range []string{
		"redis://user:hunter2-hunter2@127.0.0.1:6379",
		"rediss://:hunter2-hunter2@127.0.0.1:7001,127.0.0.1:7002,[::1]:7003/0?pool_size=5",
		"redis://user:hunter2%2Dhunter2@one,two",
		"redis-sentinel://127.0.0.1:26379,127.0.0.1:26380/main?sentinel_username=x&sentinel_password=hunter2-hunter2",
		"redis://127.0.0.1:6379?password=hunter2-hunter2",
	} {
		c := cli{Serve: serveConfig{RedisURL: address}}
		if told := c.redactor().Text("WRONGPASS of hunter2-hunter2 at " + address); strings.Contains(told, "hunter2") {
			t.Errorf("of %s is told %s", address, told)
		}
		t.Setenv("REDIS_URL", address)
		if told := new(cli).redactor().Text("hunter2-hunter2"); strings.Contains(told, "hunter2") {
			t.Errorf("%s, which was not read yet, is told", address)
		}
	}
}
