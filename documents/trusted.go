package documents

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
)

const (
	recheck     = time.Second // how old what is known of a manifest may be
	maxManifest = 64 << 20    // bytes
	maxNamed    = 10          // ids that are logged of documents that are not valid
)

// errManifest says what a manifest is.
var errManifest = errors.New("it is no manifest; it takes Apollo's, with its format and operations, or a map from ids to texts, as Relay and GraphQL Codegen write it")

// Trusted are the documents of a manifest. Changes of the file are taken up within
// a second; a file that cannot be read as a whole changes nothing.
type Trusted struct {
	path    string
	check   func(text string) error
	log     *slog.Logger
	current atomic.Pointer[manifest]

	mu      sync.Mutex // held by who looks at the file
	stamp   stamp      // of the file as it was last read
	trouble string     // why it could not be taken up then; "" if it could
}

// A manifest is what a file tells.
type manifest struct {
	byID    map[string]string
	texts   map[string]struct{}
	checked atomic.Int64 // when the file was last looked at, in nanoseconds since 1970
}

// A stamp is what shows that a file has changed.
type stamp struct {
	modified time.Time
	size     int64
}

// OpenTrusted reads a manifest. What check refuses of it is logged by its id, and
// not trusted.
func OpenTrusted(path string, check func(text string) error, log *slog.Logger) (*Trusted, error) {
	t := &Trusted{path: path, check: check, log: log}
	if err := t.read(); err != nil {
		return nil, err
	}
	return t, nil
}

// Text returns the document that has an id.
func (t *Trusted) Text(id string) (string, bool) {
	text, found := t.manifest().byID[id]
	return text, found
}

// Has reports whether a text is that of a document.
func (t *Trusted) Has(text string) bool {
	_, found := t.manifest().texts[text]
	return found
}

// Len returns how many documents there are.
func (t *Trusted) Len() int { return len(t.manifest().byID) }

// manifest returns what the file tells. One who finds that it is time looks at the
// file; the others go on with what is known meanwhile.
func (t *Trusted) manifest() *manifest {
	m, now := t.current.Load(), time.Now().UnixNano()
	if now-m.checked.Load() < int64(recheck) || !t.mu.TryLock() {
		return m
	}
	defer t.mu.Unlock()
	if err := t.read(); err != nil {
		if t.trouble != err.Error() { // told once, not each second
			t.trouble = err.Error()
			t.log.Error("the trusted documents cannot be taken up; they are those of before", "file", t.path, "error", err)
		}
	} else {
		t.trouble = ""
	}
	m = t.current.Load()
	m.checked.Store(now)
	return m
}

// read takes the file up if it has changed.
func (t *Trusted) read() error {
	file, err := os.Open(t.path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	seen := stamp{info.ModTime(), info.Size()}
	if t.current.Load() != nil && seen == t.stamp && t.trouble == "" {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(file, maxManifest+1))
	if err != nil {
		return err
	}
	if len(text) > maxManifest {
		return fmt.Errorf("it has more than %d bytes", maxManifest)
	}
	byID, err := parse(text)
	if err != nil {
		return err
	}
	m := &manifest{byID: byID, texts: make(map[string]struct{}, len(byID))}
	var invalid []string
	var first error
	for id, text := range byID {
		if err := t.check(text); err != nil {
			invalid, first = append(invalid, id), err
			delete(byID, id)
			continue
		}
		m.texts[text] = struct{}{}
	}
	if len(invalid) > 0 {
		slices.Sort(invalid)
		t.log.Error("documents of the manifest are not valid, and not trusted", "file", t.path, "count", len(invalid), "ids", invalid[:min(len(invalid), maxNamed)], "error", first)
	}
	m.checked.Store(time.Now().UnixNano())
	t.stamp = seen
	if t.current.Swap(m) != nil {
		t.log.Info("the trusted documents were taken up", "file", t.path, "documents", len(byID))
	}
	return nil
}

// parse reads a manifest in one of the formats in use.
func parse(text []byte) (map[string]string, error) {
	var apollo struct {
		Format     string `json:"format"`
		Version    int    `json:"version"`
		Operations []struct {
			ID   string `json:"id"`
			Body string `json:"body"`
		} `json:"operations"`
	}
	byID := map[string]string{}
	if err := json.Unmarshal(text, &apollo); err == nil && apollo.Format != "" {
		if apollo.Format != "apollo-persisted-query-manifest" || apollo.Version != 1 {
			return nil, fmt.Errorf("its format is %q %d; of those with a name it takes apollo-persisted-query-manifest 1", apollo.Format, apollo.Version)
		}
		for _, operation := range apollo.Operations {
			byID[operation.ID] = operation.Body
		}
	} else if err := json.Unmarshal(text, &byID); err != nil || byID == nil {
		return nil, errManifest
	}
	for id, text := range byID {
		if id == "" || text == "" {
			return nil, errManifest
		}
	}
	return byID, nil
}
