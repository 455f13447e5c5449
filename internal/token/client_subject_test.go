package token

import (
	"crypto/x509"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	commonName   = "2.5.4.3"
	organization = "2.5.4.10"
)

func TestDistinguishedNamesAreReadAsRFC4514WritesThem(t *testing.T) {
	for text, want := range map[string][]rdn{
		"CN=app":                      {{{commonName, "app"}}},
		"CN=app,O=Example":            {{{commonName, "app"}}, {{organization, "Example"}}},
		"cn=app, o=Example Inc":       {{{commonName, "app"}}, {{organization, "Example Inc"}}},
		"O=b+CN=a":                    {{{organization, "b"}, {commonName, "a"}}},
		"CN=a+O=b":                    {{{organization, "b"}, {commonName, "a"}}},
		`CN=a\, b\+c\\d\"\;\<\>`:      {{{commonName, `a, b+c\d";<>`}}},
		`CN=\#a\ `:                    {{{commonName, "#a "}}},
		`CN=Lu\C4\8Di\C4\87`:          {{{commonName, "Lučić"}}}, // RFC 4514, section 4
		"CN=Lučić":                    {{{commonName, "Lučić"}}},
		"CN=a=b":                      {{{commonName, "a=b"}}},
		"1.3.6.1.4.1.1466.0=x":        {{{"1.3.6.1.4.1.1466.0", "x"}}},
		"UID=jsmith,DC=example,DC=ne": {{{"0.9.2342.19200300.100.1.1", "jsmith"}}, {{"0.9.2342.19200300.100.1.25", "example"}}, {{"0.9.2342.19200300.100.1.25", "ne"}}},
	} {
		got, err := parseDN(text)
		if d := cmp.Diff(want, got, cmp.AllowUnexported(attribute{})); err != nil || d != "" {
			t.Errorf("%s: %v\n%s", text, err, d)
		}
	}
	for _, bad := range []string{
		"", "CN", "CN=", "=x", "CN=a,", "CN=a,,O=b", "CN=a+", ",CN=a", "XX=a", "CN =a", "01.2=a", "1..2=a", "CN= a", "CN=a ", "CN=a ,O=b", "CN=#0401",
		`CN=a"`, "CN=a;O=b", "CN=<a>", `CN=a\`, `CN=a\x`, `CN=a\4`, "CN=a\x00",
	} {
		if got, err := parseDN(bad); err == nil {
			t.Errorf("%q is read as %v", bad, got)
		}
	}
}

func FuzzSubjectIsReadOrRefused(f *testing.F) {
	for _, seed := range []string{"dn:CN=app,O=Example", `dn:CN=a\2C\+b+O=c`, "dns:a.example", "ip:::1", "uri:spiffe://a/b", "email:a@b", "dn:=", "x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSubject(text)
		if err != nil {
			return
		}
		if s.names(&x509.Certificate{}) {
			t.Errorf("%q names a certificate that names nobody", text)
		}
		if s.kind == "dn" && (len(s.dn) == 0 || strings.Count(s.value, "=") < len(s.dn)) {
			t.Errorf("%q is read as %v", text, s.dn)
		}
	})
}
