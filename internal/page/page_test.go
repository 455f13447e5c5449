package page_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"signet/internal/locale"
	"signet/internal/page"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newSite(t *testing.T) *page.Site {
	t.Helper()
	texts, err := locale.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := page.New(texts, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// show shows a page with that main part.
func show(t *testing.T, main string, v page.View, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	s := newSite(t)
	pages, err := s.Parse(page.Card, fstest.MapFS{"one.html": {Data: []byte(`{{define "title"}}One{{end}}{{define "main"}}` + main + `{{end}}`)}}, ".")
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.Languages(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := pages.Show(w, r, http.StatusOK, "one", v); err != nil {
			t.Error(err)
		}
	})).ServeHTTP(w, r)
	return w
}

func get(t *testing.T, target string, header ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func TestAPageLoadsNothingFromElsewhereAndRunsNothingInline(t *testing.T) {
	w := show(t, `x`, page.View{Script: []string{"passkey.js"}}, get(t, "/"))
	body := w.Body.String()
	for _, bad := range []string{"http://", "https://", "<style", " style=", "onclick"} {
		if strings.Contains(body, bad) {
			t.Errorf("page has %q:\n%s", bad, body)
		}
	}
	csp := w.Header().Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(csp, part) {
			t.Errorf("policy %q lacks %q", csp, part)
		}
	}
	if strings.Contains(csp, "unsafe") {
		t.Errorf("policy allows inline: %s", csp)
	}
}

func TestTheLanguageIsChosenByParameterThenCookieThenBrowser(t *testing.T) {
	for _, c := range []struct{ name, target, cookie, accept, want string }{
		{"nothing", "/", "", "", "en"},
		{"browser", "/", "", "fr-FR,fr;q=0.9", "fr"},
		{"cookie", "/", "de", "fr", "de"},
		{"parameter", "/?locale=fr", "de", "en", "fr"},
		{"forged parameter", "/?locale=%3Cscript%3E", "de", "en", "de"},
		{"forged cookie", "/", "../../x", "fr", "fr"},
	} {
		r := get(t, c.target, "Accept-Language", c.accept)
		r.AddCookie(&http.Cookie{Name: "signet-locale", Value: c.cookie})
		w := show(t, `x`, page.View{}, r)
		if !strings.Contains(w.Body.String(), `<html lang="`+c.want+`">`) || w.Header().Get("Content-Language") != c.want {
			t.Errorf("%s: got %s, want %s", c.name, w.Header().Get("Content-Language"), c.want)
		}
		if set := w.Header().Get("Set-Cookie"); set != "" && !strings.HasPrefix(set, "signet-locale="+c.want+";") {
			t.Errorf("%s: cookie %q", c.name, set)
		}
	}
}

func TestNamesThatDeceiveAreShownForWhatTheyAre(t *testing.T) {
	w := show(t, `{{plain .Data}}`, page.View{Data: "a\u202egnp.exe\x00<b>\u200b"}, get(t, "/"))
	if want := `a\u{202e}gnp.exe\u{0}&lt;b&gt;\u{200b}`; !strings.Contains(w.Body.String(), want) {
		t.Errorf("got %s, want %s in it", w.Body.String(), want)
	}
}

func TestTimesAreInWordsWithTheExactTimeBeside(t *testing.T) {
	w := show(t, `{{ago .Data}}`, page.View{Data: now.Add(-2 * time.Hour)}, get(t, "/?locale=de"))
	if want := `<time datetime="2026-03-01T10:00:00Z" title="2026-03-01 10:00:00 UTC">vor 2 Stunden</time>`; !strings.Contains(w.Body.String(), want) {
		t.Errorf("got %s, want %s in it", w.Body.String(), want)
	}
}

func TestAFailingPageWritesNothing(t *testing.T) {
	s := newSite(t)
	pages, err := s.Parse(page.Card, fstest.MapFS{"one.html": {Data: []byte(`{{define "title"}}One{{end}}{{define "main"}}{{.Data.Missing}}{{end}}`)}}, ".")
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := pages.Show(w, get(t, "/"), http.StatusOK, "one", page.View{Data: struct{}{}}); err == nil {
		t.Error("no error")
	}
	if w.Body.Len() > 0 || len(w.Header()) > 0 {
		t.Errorf("wrote %q, %v", w.Body, w.Header())
	}
}

func TestAssetsHaveNamesThatChangeWithThem(t *testing.T) {
	mux := http.NewServeMux()
	newSite(t).Routes(mux)
	body := show(t, `x`, page.View{}, get(t, "/")).Body.String()
	_, rest, _ := strings.Cut(body, `<link rel="stylesheet" href="`)
	href, _, _ := strings.Cut(rest, `"`)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, get(t, href, "Accept-Encoding", "gzip"))
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/css; charset=utf-8" || w.Header().Get("Content-Encoding") != "gzip" || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("%s: %d %v", href, w.Code, w.Header())
	}
	if n := len(body) + w.Body.Len(); n > 20<<10 {
		t.Errorf("an empty page weighs %d bytes", n)
	}
	w = httptest.NewRecorder()
	mux.ServeHTTP(w, get(t, "/assets/signet.css"))
	if w.Code != http.StatusNotFound {
		t.Errorf("name without hash: got %d, want 404", w.Code)
	}
}

func TestPartsBesideAndAboveTheirPagesAreFound(t *testing.T) {
	s := newSite(t)
	pages, err := s.Parse(page.Card, fstest.MapFS{
		"pages/_all.html":       {Data: []byte(`{{define "all"}}from above{{end}}`)},
		"pages/card/_own.html":  {Data: []byte(`{{define "own"}}from beside{{end}}`)},
		"pages/card/one.html":   {Data: []byte(`{{define "title"}}One{{end}}{{define "main"}}{{template "all"}}, {{template "own"}}{{end}}`)},
		"pages/other/two.html":  {Data: []byte(`{{define "title"}}Two{{end}}{{define "main"}}{{end}}`)},
		"pages/other/_own.html": {Data: []byte(`{{define "own"}}of others{{end}}`)},
	}, "pages/card")
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := pages.Show(w, get(t, "/"), http.StatusOK, "one", page.View{}); err != nil || !strings.Contains(w.Body.String(), "from above, from beside") {
		t.Errorf("got %v\n%s", err, w.Body)
	}
	if pages.Has("two") || pages.Has("_own") {
		t.Error("pages of another directory, or parts, are pages")
	}
}
