package main

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// certificateRecheck is how old what is known of a certificate's files may be.
const certificateRecheck = time.Second

// A certificate is what the gateway shows of itself by TLS. A change of its files
// is taken up within a second; a pair that does not fit changes nothing.
type certificate struct {
	files   [2]string // certificate and key
	log     *slog.Logger
	current atomic.Pointer[tls.Certificate]
	checked atomic.Int64 // when the files were last looked at, in nanoseconds since 1970

	mu      sync.Mutex // held by who looks at the files
	stamps  [2]time.Time
	trouble string // why they could not be taken up; "" if they could
}

// openCertificate reads a certificate and its key.
func openCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{files: [2]string{certFile, keyFile}, log: log}
	if err := c.read(); err != nil {
		return nil, err
	}
	return c, nil
}

// config returns the settings of a server that shows the certificate.
func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}

// get returns the certificate as it is now. One who finds that it is time looks at
// the files; the others go on with what is known meanwhile.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	now := time.Now().UnixNano()
	if now-c.checked.Load() < int64(certificateRecheck) || !c.mu.TryLock() {
		return c.current.Load(), nil
	}
	defer c.mu.Unlock()
	if err := c.read(); err == nil {
		c.trouble = ""
	} else if c.trouble != err.Error() { // told once, not each second
		c.trouble = err.Error()
		c.log.Error("the certificate cannot be taken up; it is that of before", "file", c.files[0], "error", err)
	}
	c.checked.Store(now)
	return c.current.Load(), nil
}

// read takes the files up if they have changed.
func (c *certificate) read() error {
	var stamps [2]time.Time
	for i, file := range c.files {
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		stamps[i] = info.ModTime()
	}
	if c.current.Load() != nil && stamps == c.stamps && c.trouble == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.files[0], c.files[1])
	if err != nil {
		return errors.New("the certificate and the key cannot be read, or do not fit each other") // the cause may quote the key
	}
	c.checked.Store(time.Now().UnixNano())
	c.stamps = stamps
	if c.current.Swap(&pair) != nil {
		c.log.Info("the certificate was taken up", "file", c.files[0], "expires", pair.Leaf.NotAfter)
	}
	return nil
}
