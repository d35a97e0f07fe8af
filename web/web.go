// Package web is the console of Driftgraph: at / a GraphQL playground.
//
// Its pages are built from the sources in this folder with npm, and what was built, dist, is committed and part of the binary:
//
//	npm ci && npm run build
//
// gives the same bytes every time. Among the sources are the queries in ../testdata/readme, which are the first tabs of a visitor. The
// pages ask no other host for anything, so the console works where there is no internet.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed all:dist
var dist embed.FS

// policy is the Content-Security-Policy of everything the console serves: nothing from another host, no inline script, no eval.
// Styles are the exception: Monaco, the editor, sets them inline, as elements and as attributes, so that neither can be refused. The
// data: images are icons in its style sheets.
const policy = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; " +
	"style-src 'self' 'unsafe-inline'; font-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// contentTypes are those of the kinds of files in dist. The system's table may lack one, and is not the same everywhere.
var contentTypes = map[string]string{
	".css":   "text/css; charset=utf-8",
	".html":  "text/html; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".md":    "text/plain; charset=utf-8",
	".svg":   "image/svg+xml",
	".ttf":   "font/ttf",
	".woff2": "font/woff2",
}

// Handler serves the console: the playground at /, what it is made of below /assets/, and the licences of what it is made of at
// /licenses.md. Any other path is 404, and any method but GET and HEAD is 405. Assets, whose names change with their content, are kept
// by the browser for good; the rest is checked for changes at each visit.
//
// It panics if the embedded files cannot be read, which only a broken build can cause.
func Handler() http.Handler {
	mux := http.NewServeMux()
	err := fs.WalkDir(dist, "dist", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := dist.ReadFile(name)
		if err != nil {
			return err
		}
		route, cacheControl := strings.TrimPrefix(name, "dist"), "no-cache"
		if strings.HasPrefix(route, "/assets/") {
			cacheControl = "public, max-age=31536000, immutable"
		}
		if route == "/index.html" {
			route = "/{$}"
		}
		mux.Handle("GET "+route, newFile(name, content, cacheControl))
		return nil
	})
	if err != nil {
		panic(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		mux.ServeHTTP(w, r)
	})
}

// A file is one file of dist as it is served.
type file struct {
	content      []byte
	gzipped      func() []byte // content compressed, at the first call; nil if it is no smaller
	contentType  string
	cacheControl string
	etag         string // without quotes; the compressed content has one of its own
}

func newFile(name string, content []byte, cacheControl string) *file {
	sum := sha256.Sum256(content)
	return &file{
		content:      content,
		gzipped:      sync.OnceValue(func() []byte { return compress(content) }),
		contentType:  contentTypes[path.Ext(name)],
		cacheControl: cacheControl,
		etag:         base64.RawURLEncoding.EncodeToString(sum[:12]),
	}
}

func (f *file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", f.cacheControl)
	h.Set("Vary", "Accept-Encoding")
	content, etag := f.content, f.etag
	if acceptsGzip(r) {
		if gzipped := f.gzipped(); gzipped != nil {
			content, etag = gzipped, etag+"-gzip"
			h.Set("Content-Encoding", "gzip")
			h.Set("Content-Length", strconv.Itoa(len(content))) // ServeContent leaves it out where there is an encoding
		}
	}
	h.Set("ETag", `"`+etag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// acceptsGzip reports whether the client takes gzip. How it weighs one encoding against another does not matter, as there is no other.
func acceptsGzip(r *http.Request) bool {
	for encoding := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(encoding, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64)
			return err != nil || q > 0
		}
	}
	return false
}

// compress returns content compressed, or nil if that saves nothing, as for fonts.
func compress(content []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(content) // a bytes.Buffer never fails
	_ = z.Close()
	if b.Len() >= len(content) {
		return nil
	}
	return b.Bytes()
}
