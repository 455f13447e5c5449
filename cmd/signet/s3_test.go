package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRefusalOfTheS3APISaysWhatToLookAt(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		code   string
		exit   int
		hint   string
	}{
		"another region":  {http.StatusBadRequest, "AuthorizationHeaderMalformed", exitRefused, "--region"},
		"another secret":  {http.StatusForbidden, "SignatureDoesNotMatch", exitRefused, "AWS_SECRET_ACCESS_KEY"},
		"an expired key":  {http.StatusForbidden, "InvalidAccessKeyId", exitRefused, "expired"},
		"no grant":        {http.StatusForbidden, "AccessDenied", exitRefused, "no grant"},
		"no bucket":       {http.StatusNotFound, "NoSuchBucket", exitRefused, "signet s3 ls"},
		"pages":           {http.StatusSeeOther, "", exitRefused, "is that the S3 listener?"},
		"another server":  {http.StatusNotFound, "", exitRefused, "is that the S3 listener?"},
		"a failed server": {http.StatusNotImplemented, "InternalError", exitUnreachable, "InternalError"},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			if c.code != "" {
				_, _ = w.Write([]byte("<Error><Code>" + c.code + "</Code><Message>No.</Message></Error>"))
			}
		}))
		var said strings.Builder
		got := run(t.Context(), []string{"s3", "ls", "s3://files", "--endpoint", s.URL}, console{
			out: &said, err: &said, environ: []string{"AWS_ACCESS_KEY_ID=AKIANOBODYNOBODY2222", "AWS_SECRET_ACCESS_KEY=secret"},
		})
		s.Close()
		if got != c.exit || !strings.Contains(said.String(), c.hint) {
			t.Errorf("%s: got %d and %q, want %d with %q", name, got, said.String(), c.exit, c.hint)
		}
	}
}
