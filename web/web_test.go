package web_test

import (
	"compress/gzip"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/driftgraph/driftgraph/web"
)

func TestIndex(t *testing.T) {
	get := serve(t)
	res, body := get(t, "/", nil)
	if res.StatusCode != http.StatusOK || !strings.Contains(body, "<title>Driftgraph</title>") {
		t.Fatalf("GET /: got %s and\n%s", res.Status, body)
	}
	for name, want := range map[string]string{
		"Cache-Control":          "no-cache",
		"Content-Type":           "text/html; charset=utf-8",
		"Referrer-Policy":        "no-referrer",
		"X-Content-Type-Options": "nosniff",
		"X-Frame-Options":        "DENY",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("GET /: header %s is %q, want %q", name, got, want)
		}
	}
	policy := res.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "connect-src 'self';", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("Content-Security-Policy lacks %q: %s", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe-eval") || strings.Contains(policy, "http") || strings.Contains(policy, "*") {
		t.Errorf("Content-Security-Policy allows more than this host: %s", policy)
	}
}

func TestIndexNamesOnlyWhatIsThere(t *testing.T) {
	get := serve(t)
	_, body := get(t, "/", nil)
	references := regexp.MustCompile(`(?:src|href)="\./([^"]+)"`).FindAllStringSubmatch(body, -1)
	if len(references) == 0 {
		t.Fatal("the page refers to no script")
	}
	for _, reference := range references {
		if res, _ := get(t, "/"+reference[1], nil); res.StatusCode != http.StatusOK {
			t.Errorf("the page refers to %s: got %s", reference[1], res.Status)
		}
	}
}

func TestAssets(t *testing.T) {
	get := serve(t)
	for name, content := range assets(t) {
		t.Run(path.Base(name), func(t *testing.T) {
			res, body := get(t, name, nil)
			if res.StatusCode != http.StatusOK || body != content {
				t.Fatalf("got %s and %d bytes, want %d", res.Status, len(body), len(content))
			}
			if got, want := res.Header.Get("Cache-Control"), "public, max-age=31536000, immutable"; got != want {
				t.Errorf("Cache-Control is %q, want %q", got, want)
			}
			if kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err != nil || kind == "application/octet-stream" {
				t.Errorf("Content-Type is %q", res.Header.Get("Content-Type"))
			}

			packed, body := get(t, name, http.Header{"Accept-Encoding": {"gzip, deflate, br, zstd"}})
			switch packed.Header.Get("Content-Encoding") {
			case "gzip":
				if body = unzip(t, body); body != content {
					t.Errorf("gzip: got %d bytes, want %d", len(body), len(content))
				}
				if packed.Header.Get("ETag") == res.Header.Get("ETag") {
					t.Error("gzip: the ETag is that of the content as it is")
				}
			case "":
				if ext := path.Ext(name); len(content) > 1000 && (ext == ".js" || ext == ".css") {
					t.Errorf("%d bytes were not compressed", len(content))
				}
			}
			for _, first := range []*http.Response{res, packed} {
				header := http.Header{"If-None-Match": {first.Header.Get("ETag")}, "Accept-Encoding": first.Request.Header["Accept-Encoding"]}
				if again, body := get(t, name, header); again.StatusCode != http.StatusNotModified || body != "" {
					t.Errorf("with If-None-Match: got %s and %d bytes, want 304 and none", again.Status, len(body))
				}
			}
		})
	}
}

func TestEncoding(t *testing.T) {
	get := serve(t)
	tests := []struct{ accept, want string }{
		{"gzip", "gzip"},
		{"deflate, gzip;q=0.5", "gzip"},
		{"gzip; q=1.0", "gzip"},
		{"GZIP", "gzip"},
		{"gzip;q=0", ""},
		{"gzip; q=0.000", ""},
		{"br", ""},
		{"identity", ""},
		{"", ""},
	}
	for _, tt := range tests {
		res, _ := get(t, "/", http.Header{"Accept-Encoding": {tt.accept}})
		if got := res.Header.Get("Content-Encoding"); got != tt.want {
			t.Errorf("Accept-Encoding %q: got Content-Encoding %q, want %q", tt.accept, got, tt.want)
		}
		if got := res.Header.Get("Vary"); got != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: got Vary %q", tt.accept, got)
		}
	}
}

func TestLicences(t *testing.T) {
	get := serve(t)
	res, body := get(t, "/licenses.md", nil)
	if res.StatusCode != http.StatusOK || !strings.Contains(body, "## monaco-editor") || !strings.Contains(body, "## @fontsource-variable/inter") || res.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("GET /licenses.md: got %s, Cache-Control %q and %d bytes", res.Status, res.Header.Get("Cache-Control"), len(body))
	}
}

func TestRefusals(t *testing.T) {
	console := web.Handler()
	tests := []struct {
		method, path string
		want         int
	}{
		{"GET", "/nothing", 404},
		{"GET", "/index.html", 404},
		{"GET", "/assets/", 404},
		{"GET", "/assets/nothing.js", 404},
		{"GET", "/assets/%2e%2e/index.html", 404},
		{"GET", "/favicon.ico", 404},
		{"POST", "/", 405},
		{"DELETE", "/", 405},
		{"HEAD", "/", 200},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			res := httptest.NewRecorder()
			console.ServeHTTP(res, httptest.NewRequest(tt.method, tt.path, nil))
			if res.Code != tt.want {
				t.Errorf("got %d, want %d", res.Code, tt.want)
			}
			if got, want := res.Header().Get("Allow"), "GET, HEAD"; tt.want == 405 && got != want {
				t.Errorf("Allow is %q, want %q", got, want)
			}
			if res.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Error("X-Content-Type-Options is not nosniff")
			}
			if tt.method == "HEAD" && res.Body.Len() > 0 {
				t.Errorf("got a body of %d bytes", res.Body.Len())
			}
		})
	}
}

// The test in the browser sees what is fetched on the ways it takes; this one looks at the others too.
func TestNothingComesFromAnotherHost(t *testing.T) {
	get := serve(t)
	_, index := get(t, "/", nil)
	texts := assets(t)
	texts["/index.html"] = index

	markup := regexp.MustCompile(`(?i)(src|href|url|@import)[=( ]*["']?(https?:)?//`)
	var calls []string
	for _, call := range []string{"import", "import(", "from", "fetch(", "importScripts(", "Worker("} {
		for _, quote := range []string{`"`, `'`, "`"} {
			for _, scheme := range []string{"http:", "https:", "//"} {
				calls = append(calls, call+quote+scheme)
			}
		}
	}
	hosts := []string{"jsdelivr", "unpkg", "cdnjs", "esm.sh", "googleapis", "gstatic"}

	for name, text := range texts {
		suspects := hosts
		switch path.Ext(name) {
		case ".js":
			suspects = slices.Concat(hosts, calls)
		case ".css", ".html", ".svg":
			suspects = slices.Concat(hosts, markup.FindAllString(text, -1))
		case ".ttf", ".woff2":
			continue
		}
		for _, suspect := range suspects {
			if strings.Contains(text, suspect) {
				t.Errorf("%s has %q", name, suspect)
			}
		}
	}
}

// assets returns the content of the built assets by path.
func assets(t *testing.T) map[string]string {
	t.Helper()
	dist := os.DirFS("dist")
	names, err := fs.Glob(dist, "assets/*")
	if err != nil || len(names) == 0 {
		t.Fatalf("assets: %d files, %v", len(names), err)
	}
	contents := make(map[string]string)
	for _, name := range names {
		content, err := fs.ReadFile(dist, name)
		if err != nil {
			t.Fatal(err)
		}
		contents["/"+name] = string(content)
	}
	return contents
}

// serve starts the console and returns a function that asks it for a path, and returns the answer and its body as it was sent.
func serve(t *testing.T) func(t *testing.T, path string, header http.Header) (*http.Response, string) {
	t.Helper()
	server := httptest.NewServer(web.Handler())
	t.Cleanup(server.Close)
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	t.Cleanup(client.CloseIdleConnections)
	return func(t *testing.T, path string, header http.Header) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, values := range header {
			req.Header[name] = values
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(body)
	}
}

// unzip returns what was compressed.
func unzip(t *testing.T, packed string) string {
	t.Helper()
	z, err := gzip.NewReader(strings.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
