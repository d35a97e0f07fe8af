package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/graph"
	"github.com/driftgraph/driftgraph/sandbox"
)

func sha(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// byHash is a request that names a document by its hash, and has its text if it is
// not "".
func byHash(hash, text string) map[string]any {
	request := map[string]any{"extensions": map[string]any{"persistedQuery": map[string]any{"version": 1, "sha256Hash": hash}}}
	if text != "" {
		request["query"] = text
	}
	return request
}

// send posts a request and returns its answer.
func (g *gateway) send(t *testing.T, request map[string]any) *reply {
	t.Helper()
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	res, text := exchange(t, http.MethodPost, g.url+"/graphql", string(body), map[string]string{"Content-Type": "application/json"})
	r := &reply{Status: res.StatusCode, Text: []byte(text)}
	if err := json.Unmarshal(r.Text, r); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return r
}

// code returns the code of the first error, "" if there is none.
func (r *reply) code() string {
	if len(r.Errors) == 0 {
		return ""
	}
	return fmt.Sprint(r.Errors[0].Extensions["code"])
}

// TestPersistedQueries names documents by their hashes, as Apollo's clients do:
// first without the text, then with it, then without it again.
func TestPersistedQueries(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	first := assemble(t, parts{redis: client})
	second := assemble(t, parts{redis: server.client(t), drift: first.drift})
	const query = `{ viewer { caller } }`
	r := first.send(t, byHash(sha(query), ""))
	if r.code() != graph.CodePersistedQueryNotFound || r.Errors[0].Message != "PersistedQueryNotFound" || r.Status != 200 || r.Data != nil {
		t.Errorf("what nobody registered is answered %s", r.Text)
	}
	first.send(t, byHash(sha(query), query)).mustSucceed(t)
	for name, g := range map[string]*gateway{"the same process": first, "another": second} {
		g.send(t, byHash(sha(query), "")).mustSucceed(t)
		g.send(t, byHash(strings.ToUpper(sha(query)), "")).mustSucceed(t)
		address := g.url + "/graphql?" + url.Values{"extensions": {`{"persistedQuery":{"version":1,"sha256Hash":"` + sha(query) + `"}}`}}.Encode()
		if res, text := exchange(t, "GET", address, "", nil); res.StatusCode != 200 || !strings.Contains(text, "anonymous") {
			t.Errorf("%s answers by GET %d %s", name, res.StatusCode, text)
		}
		if res, _ := exchange(t, "GET", address, "", map[string]string{"User-Agent": browser}); res.StatusCode != 403 {
			t.Errorf("%s answers a page of another origin %d", name, res.StatusCode)
		}
	}

	t.Run("what is not kept", func(t *testing.T) {
		invalid, large := `{ nothing }`, `{ viewer { caller } } `+strings.Repeat(" ", 40<<10)
		first.send(t, byHash(sha(invalid), invalid))
		first.send(t, byHash(sha(large), large)).mustSucceed(t)
		deep := "{" + aliases(31) + "}"
		first.send(t, byHash(sha(deep), deep))
		for _, text := range []string{invalid, large, deep} {
			if r := first.send(t, byHash(sha(text), "")); r.code() != graph.CodePersistedQueryNotFound {
				t.Errorf("%.40s is kept: %s", text, r.Text)
			}
		}
		if r := first.send(t, byHash(sha("x"), query)); r.code() != graph.CodeBadUserInput {
			t.Errorf("under the hash of another text it is answered %s", r.Text)
		}
		if r := first.send(t, byHash(sha("x"), "")); r.code() != graph.CodePersistedQueryNotFound {
			t.Errorf("it is kept under the hash of another text: %s", r.Text)
		}
		mutation := `mutation { deleteContact(input: {id: 5}) { deletedId } }`
		first.send(t, byHash(sha(mutation), mutation))
		address := first.url + "/graphql?" + url.Values{"extensions": {`{"persistedQuery":{"version":1,"sha256Hash":"` + sha(mutation) + `"}}`}}.Encode()
		if res, _ := exchange(t, "GET", address, "", nil); res.StatusCode != 405 {
			t.Errorf("a mutation by GET is answered %d", res.StatusCode)
		}
	})
	for name, extension := range map[string]any{"version 2": map[string]any{"version": 2, "sha256Hash": sha(query)}, "no hash": map[string]any{"version": 1}, "text": "x", "a number": map[string]any{"version": 1, "sha256Hash": 7}} {
		if r := first.send(t, map[string]any{"query": query, "extensions": map[string]any{"persistedQuery": extension}}); r.Status != 400 {
			t.Errorf("%s is answered %d %s", name, r.Status, r.Text)
		}
	}

	t.Run("bounded", func(t *testing.T) {
		indexes, err := client.Keys(t.Context(), "*:documents}:asked").Result()
		if err != nil || len(indexes) != 1 {
			t.Fatalf("the keys are %v, %v", indexes, err)
		}
		texts := strings.TrimSuffix(indexes[0], "asked") + "texts"
		pipe := client.Pipeline()
		for i := range 3000 {
			pipe.Do(t.Context(), "ZADD", indexes[0], 1, fmt.Sprint("old", i))
			pipe.HSet(t.Context(), texts, fmt.Sprint("old", i), "{a}")
		}
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		const another = `{ viewer { __typename caller } }`
		first.send(t, byHash(sha(another), another))
		eventually(t, func() bool { return client.HLen(t.Context(), texts).Val() == 2000 })
		if !client.HExists(t.Context(), texts, sha(query)).Val() {
			t.Error("what was asked for last is gone")
		}
		for _, key := range []string{indexes[0], texts} {
			if life := client.PTTL(t.Context(), key).Val(); life <= 0 {
				t.Errorf("%s is kept for ever: %s", key, life)
			}
		}
	})

	t.Run("without Redis", func(t *testing.T) {
		server.Kill()
		const another = `{ viewer { caller __typename } }`
		if r := second.send(t, byHash(sha(another), "")); r.code() != graph.CodePersistedQueryNotFound {
			t.Errorf("what nobody registered is answered %s", r.Text)
		}
		second.send(t, byHash(sha(another), another)).mustSucceed(t)
		second.send(t, byHash(sha(another), "")).mustSucceed(t)
	})
}

// TestPersistedSealed encrypts what clients register: no text can be read in Redis,
// replicas with a key in common find it, and no other text takes its place.
func TestPersistedSealed(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	replica := func(keys ...string) *gateway {
		args := []string{}
		for i, key := range keys {
			keys[i] = strings.Repeat(key, 16)
		}
		if len(keys) > 0 {
			args = append(args, "--redis-url="+server.URL(), "--cache-key="+strings.Join(keys, ","))
		}
		return assemble(t, parts{redis: server.client(t)}, args...)
	}
	const query = `query Marked { viewer { caller } }`
	find := func(name string, g *gateway, want string) {
		t.Helper()
		if r := g.send(t, byHash(sha(query), "")); r.code() != want {
			t.Errorf("%s: it is answered %s, want the code %q", name, r.Text, want)
		}
	}
	first := replica("0e0f")
	first.send(t, byHash(sha(query), query)).mustSucceed(t)
	texts := client.Keys(t.Context(), "*:documents}:texts").Val()
	if len(texts) != 1 {
		t.Fatalf("the texts are at %q", texts)
	}
	kept := func() string { return client.HGet(t.Context(), texts[0], sha(query)).Val() }
	if sealed := kept(); len(sealed) < len(query) || strings.Contains(sealed, "Marked") {
		t.Errorf("Redis has %q", sealed)
	}
	find("the same key", replica("0e0f"), "")
	find("rotated: the old key still opens", replica("1e1f", "0e0f"), "")
	find("another key", replica("1e1f"), graph.CodePersistedQueryNotFound)
	find("no key", replica(), graph.CodePersistedQueryNotFound)

	const other = `{ viewer { permissions } }`
	first.send(t, byHash(sha(other), other)).mustSucceed(t)
	for name, forged := range map[string]string{
		"a text that is not sealed":           query,
		"one that is sealed for another hash": client.HGet(t.Context(), texts[0], sha(other)).Val(),
	} {
		client.HSet(t.Context(), texts[0], sha(query), forged)
		find(name, replica("0e0f"), graph.CodePersistedQueryNotFound)
	}
	second := replica("1e1f", "0e0f")
	second.send(t, byHash(sha(query), query)).mustSucceed(t) // written anew, by the first key
	find("a process that has only the new key", replica("1e1f"), "")

	plain := replica()
	plain.send(t, byHash(sha(query), query)).mustSucceed(t)
	if kept() != query {
		t.Errorf("without a key Redis has %q", kept())
	}
	client.HSet(t.Context(), texts[0], sha(query), other)
	find("without a key, the text of another hash", replica(), graph.CodePersistedQueryNotFound)
}

// manifests are the same documents as tools write them: the id of each, and the
// file.
func manifests(t *testing.T, documents ...string) map[string]struct{ file, id string } {
	t.Helper()
	apollo := map[string]any{"format": "apollo-persisted-query-manifest", "version": 1}
	var operations []any
	plain, relay := map[string]string{}, map[string]string{}
	for i, text := range documents {
		operations = append(operations, map[string]any{"id": sha(text), "name": fmt.Sprint("Q", i), "type": "query", "body": text})
		plain[sha(text)[:40]] = text
		relay[sha(text)[:32]] = text
	}
	apollo["operations"] = operations
	files := map[string]struct{ file, id string }{}
	for name, content := range map[string]any{"Apollo": apollo, "GraphQL Codegen": plain, "Relay": relay} {
		text, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = struct{ file, id string }{string(text), sha(documents[0])[:map[string]int{"Apollo": 64, "GraphQL Codegen": 40, "Relay": 32}[name]]}
	}
	return files
}

// TestTrustedDocuments names documents of manifests in each format, in each way in
// which clients do, and sends what is none of them.
func TestTrustedDocuments(t *testing.T) {
	const trusted = `query Caller { viewer { caller } }`
	const other = `{ viewer { __typename caller } }`
	for format, m := range manifests(t, trusted, `{ teams { name } }`) {
		t.Run(format, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "manifest.json")
			if err := os.WriteFile(file, []byte(m.file), 0o600); err != nil {
				t.Fatal(err)
			}
			open := newGateway(t, sandbox.Config{}, "--trusted-documents="+file)
			only := newGateway(t, sandbox.Config{}, "--trusted-documents="+file, "--trusted-documents-only")
			for _, request := range map[string]map[string]any{
				"documentId":     {"documentId": m.id},
				"id":             {"id": m.id},
				"doc_id":         {"doc_id": m.id},
				"sha256Hash":     byHash(m.id, ""),
				"with its text":  {"id": m.id, "query": trusted},
				"the text alone": {"query": trusted},
			} {
				for _, g := range []*gateway{open, only} {
					g.send(t, request).mustSucceed(t)
				}
			}
			for name, tt := range map[string]struct {
				request    map[string]any
				open, only string // codes
			}{
				"another text":              {map[string]any{"query": other}, "", graph.CodeDocumentNotTrusted},
				"the text with a blank":     {map[string]any{"query": trusted + " "}, "", graph.CodeDocumentNotTrusted},
				"an unknown id":             {map[string]any{"documentId": "x"}, graph.CodeDocumentNotTrusted, graph.CodeDocumentNotTrusted},
				"an unknown hash":           {byHash(sha("x"), ""), graph.CodePersistedQueryNotFound, graph.CodeDocumentNotTrusted},
				"a registration":            {byHash(sha(other), other), "", graph.CodeDocumentNotTrusted},
				"what was registered":       {byHash(sha(other+" "), ""), graph.CodePersistedQueryNotFound, graph.CodeDocumentNotTrusted},
				"an id with another text":   {map[string]any{"id": m.id, "query": other}, graph.CodeBadUserInput, graph.CodeBadUserInput},
				"an unknown id with a text": {map[string]any{"id": "x", "query": other}, "", graph.CodeDocumentNotTrusted},
				"introspection":             {map[string]any{"query": "{ __schema { queryType { name } } }"}, "", graph.CodeDocumentNotTrusted},
			} {
				if r := open.send(t, tt.request); r.code() != tt.open {
					t.Errorf("%s is answered %s, want %q", name, r.Text, tt.open)
				}
				if r := only.send(t, tt.request); r.code() != tt.only {
					t.Errorf("where nothing else is executed, %s is answered %s, want %q", name, r.Text, tt.only)
				}
			}
			if res, text := exchange(t, "GET", only.url+"/graphql?documentId="+m.id, "", map[string]string{"Accept": "text/event-stream"}); !strings.Contains(text, "anonymous") {
				t.Errorf("as events it is answered %d %s", res.StatusCode, text)
			}
			s := only.dial(t)
			s.write(t, wireMessage{Type: "subscribe", ID: "1", Payload: json.RawMessage(`{"documentId":"` + m.id + `"}`)})
			if r := s.read(t); r.Type != "next" || !strings.Contains(string(r.Payload), "anonymous") {
				t.Errorf("by WebSocket it is answered %s %s", r.Type, r.Payload)
			}
			s.read(t) // that it is complete
			s.subscribe(t, "2", other)
			if r := s.read(t); r.Type != "error" || !strings.Contains(string(r.Payload), graph.CodeDocumentNotTrusted) {
				t.Errorf("by WebSocket another text is answered %s %s", r.Type, r.Payload)
			}
		})
	}
}

// TestTrustedSubscription listens by the id of a document: each event is answered
// by it.
func TestTrustedSubscription(t *testing.T) {
	const query = `subscription { contactUpdated { phone } }`
	file := filepath.Join(t.TempDir(), "manifest.json")
	if err := os.WriteFile(file, fmt.Appendf(nil, `{"live":%q}`, query), 0o600); err != nil {
		t.Fatal(err)
	}
	g := newGateway(t, sandbox.Config{}, "--trusted-documents="+file)
	s := g.dial(t)
	s.write(t, wireMessage{Type: "subscribe", ID: "1", Payload: json.RawMessage(`{"documentId":"live"}`)})
	g.subscribed(t, 1)
	for i := range 2 {
		g.post(t, "POST", webhookSecret, fmt.Sprintf(`{"type":"contact_updated","data":{"endUserId":%d,"timestamp":%d}}`, g.drift.Fixtures().EnrichedContactID, i+1))
		if m := s.read(t); m.Type != "next" || strings.Contains(string(m.Payload), "errors") {
			t.Errorf("event %d is %s %s", i, m.Type, m.Payload)
		}
	}
}

// TestTrustedReload changes the manifest while the gateway runs: a broken one
// changes nothing and is told once, a good one holds within a moment.
func TestTrustedReload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "manifest.json")
	replace := func(text string) { // as a deployment does, at once
		t.Helper()
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	replace(`{"one": "{ viewer { caller } }", "wrong": "{ nothing }"}`)
	g := newGateway(t, sandbox.Config{}, "--trusted-documents="+file, "--trusted-documents-only")
	ask := func(id string) bool { return g.send(t, map[string]any{"documentId": id}).code() == "" }
	if !ask("one") || ask("wrong") || ask("two") {
		t.Error("the documents are not those of the manifest")
	}
	if log := g.log.String(); !strings.Contains(log, `"ids":["wrong"]`) {
		t.Errorf("nothing tells of the one that is not valid: %s", log)
	}
	replace(`{"two": "{ viewer`)
	eventually(t, func() bool { return ask("one") && strings.Contains(g.log.String(), "cannot be taken up") })
	replace(`{"two": "{ viewer { caller } }"}`)
	eventually(t, func() bool { return ask("two") })
	if ask("one") {
		t.Error("what is no longer in the manifest is executed")
	}
	if n := strings.Count(g.log.String(), "cannot be taken up"); n != 1 {
		t.Errorf("the broken manifest is told of %d times", n)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(1100 * time.Millisecond); time.Now().Before(end); { // past the time in which it is not looked at
		if !ask("two") {
			t.Fatal("without its file the manifest is forgotten")
		}
	}
}
