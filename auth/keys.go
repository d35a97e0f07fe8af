package auth

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
)

const (
	// recheck is how old what is known of a keys file may be.
	recheck = time.Second

	// maxKeysFile bounds a keys file, which has some 200 bytes for each key.
	maxKeysFile = 4 << 20
)

// Keys let in whoever shows a key of which a file tells. Changes of the file are
// taken up within a second; a file that cannot be read as a whole changes nothing.
type Keys struct {
	path    string
	log     *slog.Logger
	now     func() time.Time
	current atomic.Pointer[keyring]

	mu      sync.Mutex // held by who reads the file
	text    []byte     // as it was last read
	trouble string     // why it could not be read then; "" if it could
}

// A keyring is what a keys file tells.
type keyring struct {
	keys map[Hash]*member
	read atomic.Int64 // when the file was last looked at, in nanoseconds since 1970
}

// A member is a key of a keyring.
type member struct {
	hash    Hash
	expires time.Time
	caller  *Caller
}

// OpenKeys reads a keys file. Its errors name the line that is wrong, and hold
// nothing that it says. Nil stands for the clock of the machine.
func OpenKeys(path string, log *slog.Logger, now func() time.Time) (*Keys, error) {
	k := &Keys{path: path, log: log, now: now}
	if now == nil {
		k.now = time.Now
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o002 != 0 {
		return nil, errors.New("everyone on this machine may write to it: chmod 600 it")
	}
	text, err := readBounded(path)
	if err != nil {
		return nil, err
	}
	ring, err := parseKeys(text)
	if err != nil {
		return nil, err
	}
	ring.read.Store(k.now().UnixNano())
	k.text = text
	k.current.Store(ring)
	return k, nil
}

// Len returns how many keys there are, expired ones too.
func (k *Keys) Len() int { return len(k.current.Load().keys) }

// Enter lets in whoever a key is of.
func (k *Keys) Enter(ctx context.Context, key string, _ bool) (context.Context, error) {
	ring := k.ring()
	// A map finds a key by its hash, which whoever guesses cannot steer: the time
	// that takes tells of no key. The comparison that decides takes always the same.
	hash := HashOf(key)
	m, found := ring.keys[hash]
	if !found {
		m = nobody
	}
	same := subtle.ConstantTimeCompare(hash[:], m.hash[:]) == 1
	if !same || !wellFormed(key) || !m.expires.IsZero() && !k.now().Before(m.expires) {
		return nil, ErrUnauthenticated
	}
	return WithCaller(ctx, m.caller), nil
}

// nobody stands for the member that there is not.
var nobody = &member{caller: &Caller{}}

// ring returns what the file tells. One who finds that it is time looks at the
// file; the others go on with what is known meanwhile.
func (k *Keys) ring() *keyring {
	ring, now := k.current.Load(), k.now().UnixNano()
	if now-ring.read.Load() < int64(recheck) || !k.mu.TryLock() {
		return ring
	}
	defer k.mu.Unlock()
	k.reread()
	k.current.Load().read.Store(now)
	return k.current.Load()
}

// reread takes the file up if it has changed. The text is compared, not the time
// of the change: two changes may bear the same.
func (k *Keys) reread() {
	text, err := readBounded(k.path)
	if err == nil && k.trouble == "" && bytes.Equal(text, k.text) {
		return
	}
	var ring *keyring
	if err == nil {
		ring, err = parseKeys(text)
	}
	if err != nil {
		if err.Error() != k.trouble { // told once, not each second
			k.trouble = err.Error()
			k.log.Error("the keys file cannot be taken up; the keys are those of before", "file", k.path, "error", err)
		}
		return
	}
	k.text, k.trouble = text, ""
	k.current.Store(ring)
	k.log.Info("the keys file was taken up", "file", k.path, "keys", len(ring.keys))
}

func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path) // #nosec G304 -- the operator names the file
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxKeysFile+1))
	if err == nil && len(text) > maxKeysFile {
		err = fmt.Errorf("it is longer than %d bytes", maxKeysFile)
	}
	return text, err
}

// parseKeys reads a keys file: a key in each line, but for blank lines and those
// that begin with #.
func parseKeys(text []byte) (*keyring, error) {
	ring := &keyring{keys: make(map[Hash]*member)}
	number := 0
	for line := range strings.SplitSeq(string(text), "\n") {
		number++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		var key Key
		if err := json.Unmarshal([]byte(line), &key, json.RejectUnknownMembers(true)); err != nil {
			return nil, fmt.Errorf("line %d is no key: a JSON object with name, hash, permissions and perhaps created and expires", number)
		}
		if err := key.check(); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if ring.keys[key.Hash] != nil {
			return nil, fmt.Errorf("line %d: the hash is that of an earlier line", number)
		}
		ring.keys[key.Hash] = &member{key.Hash, key.Expires, &Caller{Name: key.Name, Permissions: key.Permissions}}
	}
	return ring, nil
}

// AppendKey adds a line to a keys file, which is made for its owner alone if it is
// not there.
func AppendKey(path, line string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600) // #nosec G304 -- the operator names the file
	if err != nil {
		return err
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > 0 {
		last := make([]byte, 1)
		if _, err := file.ReadAt(last, info.Size()-1); err == nil && last[0] != '\n' {
			line = "\n" + line
		}
	}
	if _, err := file.WriteString(line); err != nil {
		return err
	}
	return file.Close()
}
