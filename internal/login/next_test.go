package login_test

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"signet/internal/login"
)

var registered = []string{"https://app.example.org/callback", "https://app.example.org:8443/", "http://localhost:3000/cb"}

func TestNextIsAPageOfOursOrOfTheApp(t *testing.T) {
	for _, next := range []string{
		"", "/", "/console", "/console?tab=keys&q=a%2Fb", "/a/b/", "/caf%C3%A9", "/a:b@c",
		"https://app.example.org", "https://app.example.org/", "https://app.example.org/deep/path?x=1&y=//z",
		"https://app.example.org?x=https://elsewhere.example/", "https://app.example.org:8443/a", "http://localhost:3000/a",
	} {
		if got, err := login.CheckNext(next, registered); err != nil || got != next {
			t.Errorf("%q: got %q, %v, want it as it is", next, got, err)
		}
	}
}

func TestNextElsewhereIsRefused(t *testing.T) {
	for _, next := range []string{
		// Not a path, though it begins like one.
		"//evil.example", "///evil.example", "////evil.example/", `/\evil.example`, `\/evil.example`, `\\evil.example`,
		"/\t/evil.example", "/\n/evil.example", "/\r/evil.example", "\t//evil.example", " //evil.example", "/ /evil.example",
		"/%2f%2fevil.example", "/%2Fevil.example", "/%5cevil.example", "/%5Cevil.example", "/%09/evil.example", "/%252f%252fevil.example",
		"/./evil", "/../evil", "/a/../../evil", "/.//evil.example", "/%2e%2e/evil", "/a//evil.example", "/%00", "/a%0d%0aSet-Cookie:x=y", "/%zz",
		"/console#fragment", "/a;\x7f", "/ü", "/%ff", "/\u2028/evil", "/?a;b", "/?%zz",
		// Somebody who looks like the app.
		"https://evil.example/", "https://app.example.org.evil.example/", "https://evilapp.example.org/", "https://sub.app.example.org/",
		"https://example.org/", "https://app.example.orgevil/", "https://app.example.org@evil.example/", "https://app.example.org:x@evil.example/",
		"https://user@app.example.org/", "https://user:pass@app.example.org/", "https://@app.example.org/", "https://app.example.org%2eevil.example/",
		"https://app.example.org%00.evil.example/", `https://app.example.org\.evil.example/`, `https://app.example.org\@evil.example/`, `https://evil.example\app.example.org`,
		"https://app.example.org#@evil.example/", "https://app.example.org?@evil.example/#", "https://app.example.org;evil.example/",
		"https://app.example.org,evil.example/", "https://app.example.org&evil.example/",
		// The app, not exactly.
		"http://app.example.org/", "https://app.example.org:443/", "https://app.example.org:8444/", "https://app.example.org:84430/", "https://app.example.org:/",
		"https://app.example.org./", "https://app.example.org.:8443/", "https://APP.example.org/", "HTTPS://app.example.org/", "hTTps://app.example.org/",
		"https:app.example.org/", "https:/app.example.org/", "https:///app.example.org/", "https:\\\\app.example.org", "://app.example.org/", "//app.example.org/", "app.example.org/",
		" https://app.example.org/", "https://app.example.org/ ", "https://app.example.org/\n", "\x00https://app.example.org/", "https://app.exam\tple.org/", "ht\ntps://app.example.org/",
		"https://localhost:3000/", "http://localhost/", "http://localhost:3000.evil.example/", "http://127.0.0.1:3000/", "http://[::1]:3000/",
		// Look-alikes, and what IDNA folds.
		"https://аpp.example.org/", "https://app。example。org/", "https://app\u2024example.org/", "https://app.examp\u200dle.org/", "https://app.example.org\u2044evil.example/", "https://ａpp.example.org/", "https://xn--pp-7lc.example.org/", "https://app.example.org\ufeff/",
		// Other schemes.
		"javascript:alert(1)", "javascript://app.example.org/%0aalert(1)", "data:text/html,x", "ftp://app.example.org/", "file:///etc/passwd", "blob:https://app.example.org/x", "view-source:https://app.example.org/", "mailto:a@app.example.org",
		// At the app, but not a plain path, or with a code of the attacker's.
		"https://app.example.org//evil.example", "https://app.example.org/%2f%2fevil.example", "https://app.example.org/../x", "https://app.example.org/%5c", "https://app.example.org/?nonce=stolen", "https://app.example.org/?a=1&%6eonce=stolen", "https://app.example.org/#x",
		// No address at all.
		".", "..", "?", "?next=/", "#", "console", "*", "/" + strings.Repeat("a", 2048),
	} {
		if got, err := login.CheckNext(next, registered); !errors.Is(err, login.ErrNext) || got != "" {
			t.Errorf("%q: got %q, %v, want ErrNext", next, got, err)
		}
	}
}

func TestAppWithoutRedirectsHasOurPagesAlone(t *testing.T) {
	if _, err := login.CheckNext("https://app.example.org/", nil); err == nil {
		t.Error("an address passed that nobody registered")
	}
	for _, r := range []string{"", "https://", "//", "https://app.example.org.", "https://APP.example.org/", "app:"} {
		if got, err := login.CheckNext(r, []string{r}); err == nil && got != "" {
			t.Errorf("%q passed because it is registered", r)
		}
	}
}

// FuzzNext holds what CheckNext promises, by another parser.
func FuzzNext(f *testing.F) {
	for _, s := range []string{
		"", "/console?x=1", "//evil.example", `/\evil.example`, "https://app.example.org/a?b=c", "https://app.example.org@evil.example",
		"https://app.example.org:8443", "/%2f%2fevil", "http://localhost:3000/x", "https:app.example.org",
	} {
		f.Add(s)
	}
	origins := []string{"https://app.example.org", "https://app.example.org:8443", "http://localhost:3000"}
	f.Fuzz(func(t *testing.T, next string) {
		got, err := login.CheckNext(next, registered)
		if err != nil || got == "" {
			return
		}
		if got != next {
			t.Fatalf("%q became %q", next, got)
		}
		u, err := url.Parse(got)
		if err != nil {
			t.Fatalf("%q passed and is none: %v", got, err)
		}
		local := u.Scheme == "" && u.Host == "" && strings.HasPrefix(u.Path, "/") && !strings.HasPrefix(u.Path, "//")
		if u.User != nil || u.Opaque != "" || u.Fragment != "" || !local && !slices.Contains(origins, u.Scheme+"://"+u.Host) {
			t.Fatalf("%q passed and leads to %s", got, u.Redacted())
		}
		// Where a page of ours sends a browser, by the rules of RFC 3986, section 5.2.
		base := &url.URL{Scheme: "https", Host: "auth.example.org", Path: "/login/callback/github"}
		if to := base.ResolveReference(u); local && (to.Host != "auth.example.org" || to.Path != u.Path) {
			t.Fatalf("%q resolves to %s", got, to)
		}
		if strings.ContainsAny(got, "\\\t\r\n \x00") || u.Query().Has("nonce") {
			t.Fatalf("%q passed", got)
		}
	})
}
