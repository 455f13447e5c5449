package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strings"
)

//go:embed assets/*
var embedded embed.FS

var types = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

type asset struct {
	kind         string
	text, packed []byte
}

// assets serves files under names with a hash of their content in them.
type assets struct {
	named map[string]string // "signet.css" -> "/assets/signet-0123456789abcdef.css"
	files map[string]asset  // "signet-0123456789abcdef.css"
}

func loadAssets() (*assets, error) {
	a := &assets{named: map[string]string{}, files: map[string]asset{}}
	entries, err := embedded.ReadDir("assets")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		text, err := embedded.ReadFile("assets/" + e.Name())
		if err != nil {
			return nil, err
		}
		sum, ext := sha256.Sum256(text), path.Ext(e.Name())
		name := strings.TrimSuffix(e.Name(), ext) + "-" + hex.EncodeToString(sum[:8]) + ext
		a.named[e.Name()] = "/assets/" + name
		a.files[name] = asset{kind: types[ext], text: text, packed: pack(text)}
	}
	return a, nil
}

func pack(text []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(text) // a buffer takes everything
	_ = z.Close()
	return b.Bytes()
}

// path returns the address of an asset, "" where there is none of that name.
func (a *assets) path(name string) string { return a.named[name] }

// ServeHTTP serves one file.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := a.files[r.PathValue("name")]
	if !ok {
		http.Error(w, "there is nothing at this path", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	text := f.text
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		text = f.packed
	}
	_, _ = w.Write(text) // the client may be gone
}
