package boundary_test

import (
	"net/http"
	"strings"
	"testing"

	signettest "signet/test/signet"
)

// RFC 9700, section 2.6: a script of another origin gets nothing of it.
func TestNoScriptOfAnotherOriginReadsTheAuthorizationEndpoint(t *testing.T) {
	d := signettest.Dev(t)
	a := d.SignedIn(t)
	for _, method := range []string{http.MethodGet, http.MethodOptions} {
		res := a.Do(method, "/authorize?"+asks(d.Ready.OAuth.PublicClientID).Encode(), nil,
			"Origin", "https://app.example.org", "Access-Control-Request-Method", "GET")
		for name := range res.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: got %s: %s", method, name, res.Header.Get(name))
			}
		}
	}
}
