package dpop_test

import (
	"testing"

	"signet/internal/dpop"
)

func TestAddressesAreComparedAsRFC3986Says(t *testing.T) {
	for from, want := range map[string]string{
		"https://a.example":                      "https://a.example/",
		"https://a.example/":                     "https://a.example/",
		"HTTPS://A.Example/B":                    "https://a.example/B",
		"https://a.example:443/b":                "https://a.example/b",
		"https://a.example:/b":                   "https://a.example/b",
		"http://a.example:80":                    "http://a.example/",
		"https://a.example:80/":                  "https://a.example:80/",
		"http://[::1]:8080/b":                    "http://[::1]:8080/b",
		"http://[2001:DB8::1]:80/b":              "http://[2001:db8::1]/b",
		"https://a.example?b=c":                  "https://a.example/",
		"https://a.example/b?c#d":                "https://a.example/b",
		"https://a.example/b/":                   "https://a.example/b/",
		"https://a.example//b":                   "https://a.example//b",
		"https://a.example/%7eb/%41%2d":          "https://a.example/~b/A-",
		"https://a.example/%2f%c3%bc":            "https://a.example/%2F%C3%BC",
		"https://a.example/%252e":                "https://a.example/%252e",
		"https://a.example/b/./c":                "https://a.example/b/c",
		"https://a.example/b/../c":               "https://a.example/c",
		"https://a.example/b/..":                 "https://a.example/",
		"https://a.example/b/.":                  "https://a.example/b/",
		"https://a.example/../../c":              "https://a.example/c",
		"https://a.example/%2E%2e/c":             "https://a.example/c",
		"https://a.example/b.c/.d/..e":           "https://a.example/b.c/.d/..e",
		"https://a.example/b;c=d/(e),f!$&'*+=:@": "https://a.example/b;c=d/(e),f!$&'*+=:@",
	} {
		got, err := dpop.Normalize(from)
		if err != nil || got != want {
			t.Errorf("%s: got %s (%v), want %s", from, got, err, want)
		}
		if again, err := dpop.Normalize(got); err != nil || again != got {
			t.Errorf("%s: a second time it is %s (%v)", got, again, err)
		}
	}
	for _, bad := range []string{
		"", "/b", "a.example/b", "//a.example/b", "ftp://a.example/b", "https:a.example", "https:///b", "https://:443/b", "https://u:p@a.example/", "https://@a.example/",
		"https://a.example/%zz", "https://a.example/%", "https://a b/", "https://a.example/ b", "https://a.example/\n", "https://a.example\\b", "https://a.example:x/",
		"https://a%2eexample/b", "https://a%fe/", "https://a%c3%bc/", "http://[fe80::1%25eth0]/", "https://ä.example/b", "https://a.example/ü", "javascript:alert(1)", "https://a.example/\"",
	} {
		if got, err := dpop.Normalize(bad); err == nil {
			t.Errorf("%q: got %s, want an error", bad, got)
		}
	}
}

func FuzzNormalize(f *testing.F) {
	for _, s := range []string{"https://a.example:443/%7e/../b?c#d", "http://[::1]:80", "https://x@y", "https://a/.//..//%2e", "https://a%fe/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once, err := dpop.Normalize(s)
		if err != nil {
			return
		}
		if twice, err := dpop.Normalize(once); err != nil || twice != once {
			t.Fatalf("%q is %q, and that is %q (%v)", s, once, twice, err)
		}
	})
}
