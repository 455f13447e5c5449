package sigv4_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"signet/internal/sigv4"
)

// vector is one of AWS's own for Signature Version 4 (aws-c-auth), of a service that is
// not S3: it cleans paths before it signs them, where a vector does not say that it must
// not.
type vector struct {
	Name    string
	Context struct {
		Credentials struct {
			ID     string `json:"access_key_id"`
			Secret string `json:"secret_access_key"`
			Token  string `json:"token"`
		}
		Normalize bool
		Region    string
		Service   string
		Timestamp time.Time
		OmitToken bool `json:"omit_session_token"`
	}
	HeaderCanonical string `json:"header_canonical_request"`
	HeaderString    string `json:"header_string_to_sign"`
	HeaderRequest   string `json:"header_signed_request"`
	QueryCanonical  string `json:"query_canonical_request"`
	QueryRequest    string `json:"query_signed_request"`
}

// cleaned reports whether the signature is of another path than the request has.
func (v *vector) cleaned() bool {
	p := strings.Split(v.HeaderRequest, " ")[1]
	return v.Context.Normalize && (strings.Contains(p, "//") || strings.Contains(p, "/."))
}

func TestVectorsOfAWSVerify(t *testing.T) {
	data, err := os.ReadFile("testdata/aws-c-auth/aws-sigv4.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, v := range all {
		for form, r := range map[string]struct{ request, canonical, toSign string }{
			"header": {v.HeaderRequest, v.HeaderCanonical, v.HeaderString},
			"query":  {v.QueryRequest, v.QueryCanonical, ""},
		} {
			ran++
			t.Run(v.Name+" "+form, func(t *testing.T) { v.run(t, r.request, r.canonical, r.toSign) })
		}
	}
	if ran != 76 {
		t.Errorf("%d vectors ran, want 76", ran)
	}
}

func (v *vector) run(t *testing.T, text, canonical, toSign string) {
	head, body, _ := strings.Cut(text, "\n\n")
	line, rest, _ := strings.Cut(head, "\n")
	// Their request lines have characters that no client sends as they are.
	target := strings.TrimSuffix(strings.SplitN(line, " ", 2)[1], " HTTP/1.1")
	line = strings.Replace(line, target, strings.ReplaceAll(target, " ", "%20"), 1)
	c := v.Context
	cred := sigv4.NewCredential(c.Credentials.ID, c.Credentials.Secret, c.Credentials.Token, nil)
	o := sigv4.Options{Now: c.Timestamp, Region: c.Region, Service: c.Service}

	e := sigv4.Explain(request(t, line+"\n"+rest, body), cred, o)
	_, _, err := sigv4.Verify(request(t, line+"\n"+rest, body), only(cred), o)
	refused, _ := errors.AsType[*sigv4.Error](err)
	switch {
	case v.cleaned():
		if refused == nil || refused.Code != "SignatureDoesNotMatch" {
			t.Errorf("a path that was cleaned before it was signed: got %v, want SignatureDoesNotMatch", err)
		}
		return
	case c.OmitToken:
		if refused == nil || refused.Status != 403 {
			t.Errorf("a token that was added after it was signed: got %v, want 403", err)
		}
		return
	}
	if err != nil {
		t.Errorf("Verify: %v", err)
	}
	if e.CanonicalRequest != canonical {
		t.Errorf("canonical request:\ngot  %q\nwant %q", e.CanonicalRequest, canonical)
	}
	if toSign != "" && e.StringToSign != toSign {
		t.Errorf("string to sign:\ngot  %q\nwant %q", e.StringToSign, toSign)
	}
	if !e.Matches || len(e.Reasons) > 0 {
		t.Errorf("Explain: matches %t, reasons %q", e.Matches, e.Reasons)
	}
}
