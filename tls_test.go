package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// writeCertificate writes a certificate of 127.0.0.1 with a serial number, and its
// key, to a directory.
func writeCertificate(t *testing.T, dir string, serial int64) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// TestTLS starts the program with a certificate: queries, events and WebSockets
// are answered by TLS, what happens in the sandbox is heard, and a new certificate
// is taken up, unless it is broken.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := writeCertificate(t, dir, 1)
	p := start(t, "--listen-addr=127.0.0.1:0", "--tls-cert-file="+certFile, "--tls-key-file="+keyFile, "--sandbox-activity=50ms")
	defer func() {
		p.stop()
		if err := <-p.ended; err != nil {
			t.Error(err)
		}
	}()
	if !strings.HasPrefix(p.url, "https://") {
		t.Fatalf("it says that it is at %s", p.url)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	serial := func() int64 {
		transport.CloseIdleConnections()
		res, err := client.Get(p.url + "/graphql?query={viewer{caller}}")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != 200 || res.ProtoMajor != 2 || res.Header.Get("Strict-Transport-Security") == "" {
			t.Fatalf("it is answered %s %s %v, %v", res.Proto, res.Status, res.Header, err)
		}
		return res.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	if serial() != 1 {
		t.Error("the certificate is another")
	}

	req, err := http.NewRequestWithContext(t.Context(), "GET", p.url+"/graphql?query=subscription{messageAdded{id}}", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	streaming := &http.Transport{TLSClientConfig: transport.TLSClientConfig.Clone(), ForceAttemptHTTP2: true} // whose connection stays
	defer streaming.CloseIdleConnections()
	res, err := streaming.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	heard, part := "", make([]byte, 4096)
	for !strings.Contains(heard, "event: next") {
		n, err := res.Body.Read(part)
		if err != nil {
			t.Fatalf("the stream ends after %q: %v", heard, err)
		}
		heard += string(part[:n])
	}

	conn, _, err := websocket.Dial(t.Context(), "wss"+strings.TrimPrefix(p.url, "https")+"/graphql", &websocket.DialOptions{
		Subprotocols: []string{"graphql-transport-ws"}, HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	s := &socket{conn}
	s.write(t, wireMessage{Type: "connection_init"})
	if m := s.read(t); m.Type != "connection_ack" {
		t.Errorf("by WebSocket it begins with %+v", m)
	}

	if want := "https://" + strings.TrimPrefix(p.url, "https://") + "/metrics"; !strings.Contains(p.stdout.String(), want) {
		t.Errorf("the summary does not tell of %s:\n%s", want, p.stdout)
	}
	if _, err := tls.Dial("tcp", strings.TrimPrefix(p.url, "https://"), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}

	whole, err := os.ReadFile(certFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(certFile, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		return serial() == 1 && strings.Contains(p.stderr.String(), "the certificate cannot be taken up")
	})
	writeCertificate(t, dir, 2)
	eventually(t, func() bool { return serial() == 2 })
}
