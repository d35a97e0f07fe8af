package drift

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"time"
)

// SetClock makes a read the time from now.
func (a *OAuth) SetClock(now func() time.Time) { a.now = now }

// CursorPage is what a page of the older paging of conversations begins with.
const CursorPage = cursorPage

// Trust makes c accept certificates that the pool vouches for.
func (c *Client) Trust(pool *x509.CertPool) {
	c.http.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool}
}

// Watch notes whether a request may have been sent.
var Watch = watch
