package sigv4_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"signet/internal/sigv4"
)

func parsed(t *testing.T, text string) *http.Request {
	t.Helper()
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	return request(t, strings.ReplaceAll(head, "\r\n", "\n"), body)
}

func verify(t *testing.T, text string, o sigv4.Options) (sigv4.Identity, error) {
	t.Helper()
	id, _, err := sigv4.Verify(parsed(t, text), lookup(), o)
	return id, err
}

func TestIdentityIsWhoSigned(t *testing.T) {
	holder := &struct{ name string }{"record"}
	cred := sigv4.NewCredential(exampleKey, exampleSecret, "", holder)
	id, _, err := sigv4.Verify(parsed(t, get(t)), only(cred), exampleOptions())
	if err != nil {
		t.Fatal(err)
	}
	if id.Form != sigv4.Header || id.AccessKeyID != exampleKey || id.Credential.Holder() != any(holder) || id.Payload != sigv4.Hashed {
		t.Errorf("got %+v", id)
	}
	if want := []string{"host", "x-amz-content-sha256", "x-amz-date"}; !slices.Equal(id.SignedHeaders, want) {
		t.Errorf("signed headers: got %q, want %q", id.SignedHeaders, want)
	}
	id, err = verify(t, presigned(t, exampleOptions()), exampleOptions())
	if err != nil || id.Form != sigv4.Query || id.Expires != time.Hour || !id.SignedAt.Equal(exampleTime()) || id.Payload != sigv4.Unsigned {
		t.Errorf("presigned: got %+v, %v", id, err)
	}
}

// Clients write the header in ways of their own.
func TestSpellingsOfClientsVerify(t *testing.T) {
	good := get(t)
	for name, text := range map[string]string{
		"commas without blanks":        strings.ReplaceAll(good, ", S", ",S"),
		"commas with tabs and blanks":  strings.ReplaceAll(good, ", S", " ,\t  S"),
		"blanks after the algorithm":   change(good, "AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256   "),
		"names of headers in capitals": change(good, "X-Amz-Date", "X-AMZ-DATE"),
		"blanks around a value":        change(good, "X-Amz-Date: 2", "X-Amz-Date:    2"),
		"another order of the parts":   reordered(good),
	} {
		if _, err := verify(t, text, exampleOptions()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// reordered puts the signature first.
func reordered(text string) string {
	s := "Signature=" + signature(text)
	return change(change(text, ", "+s, ""), "Credential=", s+", Credential=")
}

func TestEdgesOfTimeAreInside(t *testing.T) {
	d := draft{method: "GET", target: "/bucket/key"}
	for name, text := range map[string]string{
		"signed 15 minutes ago":        signedBy(t, exampleCredential(), at(-15*time.Minute), d, emptyHash),
		"signed in 15 minutes":         signedBy(t, exampleCredential(), at(15*time.Minute), d, emptyHash),
		"presigned, in its last hour":  presigned(t, at(-time.Hour)),
		"presigned, 15 minutes early":  presigned(t, at(15*time.Minute)),
		"date in the header Date":      dated("Fri, 24 May 2013 00:00:00 GMT"),
		"long date in the header Date": dated("20130524T000000Z"),
	} {
		if _, err := verify(t, text, exampleOptions()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// dated is a request without X-Amz-Date, signed with the header Date.
func dated(date string) string {
	canonical := "GET\n/bucket/key\n\ndate:" + date + "\nhost:s3.example.com\nx-amz-content-sha256:" + emptyHash +
		"\n\ndate;host;x-amz-content-sha256\n" + emptyHash
	return draft{"GET", "/bucket/key", []string{
		"Date: " + date, "x-amz-content-sha256: " + emptyHash,
		signedWith + "SignedHeaders=date;host;x-amz-content-sha256,Signature=" + signatureOf(canonical),
	}, ""}.text()
}

// signatureOf signs a canonical request as the documentation describes it.
func signatureOf(canonical string) string {
	return framing{}.sign("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n" + hashOf(canonical))
}

// Every way to spell a key has one signature; no two keys share one.
func TestPathIsSignedAsItIsAndNeverCleaned(t *testing.T) {
	for target, canonical := range map[string]string{
		"/b//k":                "/b//k",
		"/b/./k":               "/b/./k",
		"/b/../k":              "/b/../k",
		"//b/k/":               "//b/k/",
		"/b/%6b":               "/b/k",
		"/b/a%2fb":             "/b/a/b",
		"/b/a+b":               "/b/a%2Bb",
		"/b/a%20b":             "/b/a%20b",
		"/b/a%252fb":           "/b/a%252fb",
		"/b/!$&'()*,;=:@~":     "/b/%21%24%26%27%28%29%2A%2C%3B%3D%3A%40~",
		"/b/%E1%88%B4":         "/b/%E1%88%B4",
		"/b/%ff":               "/b/%FF",
		"http://other/b/k":     "/b/k",
		"/b/k?":                "/b/k",
		"/":                    "/",
		"http://s3.amazon.com": "/",
	} {
		e := sigv4.Explain(request(t, "GET "+target+" HTTP/1.1\nHost: a\nX-Amz-Date: 20130524T000000Z\nx-amz-content-sha256: "+emptyHash+"\n"+
			signedWith+"SignedHeaders=host,Signature=a", ""), nil, exampleOptions())
		if got := strings.Split(e.CanonicalRequest+"\n\n", "\n")[1]; got != canonical {
			t.Errorf("%s: got %q, want %q", target, got, canonical)
		}
	}
}

func TestQueryIsSortedAndEncodedOnce(t *testing.T) {
	for raw, canonical := range map[string]string{
		"b=2&a=1":       "a=1&b=2",
		"a=2&a=1":       "a=1&a=2",
		"a&a-=&b":       "a=&a-=&b=", // by name, though - stands before =
		"a=b=c":         "a=b%3Dc",
		"a=1+1&b=1%2B1": "a=1%201&b=1%2B1",
		"%61=%7e":       "a=~",
		"&&a=1&":        "a=1",
		"a;b=1":         "a%3Bb=1",
		"B=1&a=1":       "B=1&a=1",
	} {
		e := sigv4.Explain(request(t, "GET /?"+raw+" HTTP/1.1\nHost: a\nX-Amz-Date: 20130524T000000Z\nx-amz-content-sha256: "+emptyHash+"\n"+
			signedWith+"SignedHeaders=host,Signature=a", ""), nil, exampleOptions())
		if got := strings.Split(e.CanonicalRequest+"\n\n\n", "\n")[2]; got != canonical {
			t.Errorf("%s: got %q, want %q", raw, got, canonical)
		}
	}
}

func TestHostIsThatOfTheClient(t *testing.T) {
	text := change(get(t), "Host: s3.example.com", "Host: inside:9000")
	if _, err := verify(t, text, exampleOptions()); err == nil {
		t.Error("another host was taken")
	}
	o := exampleOptions()
	o.Host = "s3.example.com"
	if _, err := verify(t, text, o); err != nil {
		t.Errorf("forwarded host: %v", err)
	}
}

// An SDK moves x-amz headers into the query when it presigns; sent besides, they must
// say the same.
func TestPresignedHeadersMayStandInTheQuery(t *testing.T) {
	r := request(t, "PUT /bucket/key?x-amz-acl=private HTTP/1.1\nHost: s3.example.com", "")
	u, err := sigv4.Presign(r, exampleCredential(), time.Hour, exampleOptions())
	if err != nil {
		t.Fatal(err)
	}
	for header, ok := range map[string]bool{"private": true, "public-read": false} {
		text := draft{"PUT", u.String(), []string{"x-amz-acl: " + header}, ""}.text()
		if _, err := verify(t, text, exampleOptions()); (err == nil) != ok {
			t.Errorf("x-amz-acl: %s: got %v", header, err)
		}
	}
}

func TestPresignedHeadersMustBeSent(t *testing.T) {
	r := request(t, "PUT /bucket/key HTTP/1.1\nHost: s3.example.com\nContent-Type: text/plain\nx-amz-meta-a: 1", "")
	u, err := sigv4.Presign(r, exampleCredential(), time.Hour, exampleOptions())
	if err != nil {
		t.Fatal(err)
	}
	for sent, ok := range map[string]bool{"text/plain": true, "text/html": false} {
		text := draft{"PUT", u.String(), []string{"x-amz-meta-a: 1", "Content-Type: " + sent}, ""}.text()
		if _, err := verify(t, text, exampleOptions()); (err == nil) != ok {
			t.Errorf("Content-Type: %s: got %v", sent, err)
		}
	}
	for _, d := range []time.Duration{0, time.Second - 1, sigv4.MaxExpires + 1} {
		if _, err := sigv4.Presign(r, exampleCredential(), d, exampleOptions()); err == nil {
			t.Errorf("presigned for %s", d)
		}
	}
}

func TestSessionCredentialsVerifyWithTheirToken(t *testing.T) {
	cred := sigv4.NewCredential(sessionKey, exampleSecret, "the-token", nil)
	text := signedBy(t, cred, exampleOptions(), draft{method: "GET", target: "/b/k"}, emptyHash)
	if id, err := verify(t, text, exampleOptions()); err != nil || id.AccessKeyID != sessionKey {
		t.Errorf("header: got %q, %v", id.AccessKeyID, err)
	}
	u, err := sigv4.Presign(request(t, "GET /b/k HTTP/1.1\nHost: s3.example.com", ""), cred, time.Hour, exampleOptions())
	if err != nil {
		t.Fatal(err)
	}
	if id, err := verify(t, draft{method: "GET", target: u.String()}.text(), exampleOptions()); err != nil || id.AccessKeyID != sessionKey {
		t.Errorf("query: got %q, %v", id.AccessKeyID, err)
	}
}

func TestErrorsOfTheLookupAreInternal(t *testing.T) {
	broken := errors.New("database is away")
	_, _, err := sigv4.Verify(parsed(t, get(t)), func(context.Context, string, string) (*sigv4.Credential, error) {
		return nil, broken
	}, exampleOptions())
	if _, ok := errors.AsType[*sigv4.Error](err); ok || !errors.Is(err, broken) {
		t.Errorf("got %v, want one that is %v and no *Error", err, broken)
	}
}

// A signing key is kept for its day and region, and not for another.
func TestSigningKeyChangesWithTheScope(t *testing.T) {
	cred := exampleCredential()
	for _, off := range []time.Duration{0, 24 * time.Hour, 0} {
		for _, region := range []string{"us-east-1", "eu-central-1"} {
			o := at(off)
			o.Region = region
			text := signedBy(t, exampleCredential(), o, draft{method: "GET", target: "/b/k"}, emptyHash)
			if _, _, err := sigv4.Verify(parsed(t, text), only(cred), o); err != nil {
				t.Errorf("after %s in %s: %v", off, region, err)
			}
		}
	}
}

func TestAnonymousRequestsAreNoError(t *testing.T) {
	crc := "x-amz-checksum-crc32"
	for name, text := range map[string]string{
		"plain": draft{"PUT", "/b/k", []string{"Content-Length: 11"}, "hello world"}.text(),
		"chunks": draft{
			"PUT", "/b/k", []string{
				"x-amz-content-sha256: " + streamingUnsigned, "x-amz-decoded-content-length: 11", "x-amz-trailer: " + crc, "Content-Length: 52",
			}, framing{name: crc, value: helloCRC32}.write("hello world"),
		}.text(),
	} {
		id, b, err := sigv4.Verify(parsed(t, text), lookup(), exampleOptions())
		if err != nil || id.Form != sigv4.None || id.AccessKeyID != "" {
			t.Errorf("%s: got %+v, %v", name, id, err)
			continue
		}
		if got, err := io.ReadAll(b); err != nil || string(got) != "hello world" {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	signed := draft{"PUT", "/b/k", []string{"x-amz-content-sha256: " + streamingSigned, "x-amz-decoded-content-length: 0"}, ""}.text()
	if _, err := verify(t, signed, exampleOptions()); err == nil {
		t.Error("signed chunks of nobody were taken")
	}
}

func TestUnverifiedTakesAnyCredentialsButNoFalseBody(t *testing.T) {
	zeros := strings.Repeat("0", 64)
	good := put(t, "hello world")
	chunks := streamed(t, streamingSigned, 11, func(string) string { return framing{signed: true, last: zeros}.write("hello world") })
	for name, c := range map[string]struct {
		text, key string
		form      sigv4.Form
		ok        bool
	}{
		"wrong signature":        {change(good, signature(good), zeros), exampleKey, sigv4.Header, true},
		"no credentials":         {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world", "", sigv4.None, true},
		"version 2":              {"PUT / HTTP/1.1\r\nHost: a\r\nAuthorization: AWS a:b\r\nContent-Length: 11\r\n\r\nhello world", "", sigv4.Header, true},
		"presigned and expired":  {change(presigned(t, at(-99*time.Hour)), "\r\n\r\n", "\r\nContent-Length: 11\r\n\r\nhello world"), exampleKey, sigv4.Query, true},
		"chunks of another":      {chunks, exampleKey, sigv4.Header, true},
		"body that was changed":  {change(good, "hello world", "hello worle"), exampleKey, sigv4.Header, false},
		"checksum that is wrong": {change(good, "\r\n\r\n", "\r\nx-amz-checksum-crc32: AAAAAA==\r\n\r\n"), exampleKey, sigv4.Header, false},
	} {
		id, b, err := sigv4.Unverified(parsed(t, c.text), exampleOptions())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if id.Form != c.form || id.AccessKeyID != c.key || id.Credential != nil {
			t.Errorf("%s: got %+v", name, id)
		}
		if got, err := io.ReadAll(b); (err == nil) != c.ok || c.ok && string(got) != "hello world" {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

// What STS is asked has no hash in a header; the body is read, hashed and put back.
func TestBodyOfAnotherServiceIsSignedWithoutSayingItsHash(t *testing.T) {
	o := exampleOptions()
	o.Service = "sts"
	body := "Action=GetCallerIdentity&Version=2011-06-15"
	d := draft{"POST", "/", []string{"Content-Length: 43"}, body}
	text := without(signedBy(t, exampleCredential(), o, d, hashOf(body)), "X-Amz-Content-Sha256")
	canonical := "POST\n/\n\nhost:s3.example.com\nx-amz-date:20130524T000000Z\n\nhost;x-amz-date\n" + hashOf(body)
	text = change(change(text, ";x-amz-content-sha256", ""), signature(text), framing{service: "sts"}.sign(
		"AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/sts/aws4_request\n"+hashOf(canonical)))

	_, b, err := sigv4.Verify(parsed(t, text), lookup(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(b); err != nil || string(got) != body {
		t.Errorf("got %q, %v", got, err)
	}
	if _, _, err := sigv4.Verify(parsed(t, change(text, "Version", "version")), lookup(), o); err == nil {
		t.Error("a body that was changed was taken")
	}
	for limit, text := range map[int64]string{42: text, 0: change(text, "Content-Length: 43", "Content-Length: 131073")} {
		o.MaxBody = limit
		_, err = verify(t, text, o)
		if e, ok := errors.AsType[*sigv4.Error](err); !ok || e.Code != "EntityTooLarge" {
			t.Errorf("body over the limit: got %v, want EntityTooLarge", err)
		}
	}
}

// The server of Go takes some headers out of the map, and some proxies before it do.
func TestHeadersThatTheServerTakesOutVerify(t *testing.T) {
	for header, value := range map[string]string{"Transfer-Encoding": "chunked", "Content-Length": "0"} {
		name := strings.ToLower(header)
		names := []string{name, "host", "x-amz-content-sha256", "x-amz-date"}
		slices.Sort(names)
		var lines strings.Builder
		for _, n := range names {
			lines.WriteString(n + ":" + map[string]string{
				name: value, "host": "s3.example.com", "x-amz-content-sha256": streamingUnsigned, "x-amz-date": "20130524T000000Z",
			}[n] + "\n")
		}
		canonical := "PUT\n/b/k\n\n" + lines.String() + "\n" + strings.Join(names, ";") + "\n" + streamingUnsigned
		r := parsed(t, draft{"PUT", "/b/k", []string{
			header + ": " + value, "x-amz-date: 20130524T000000Z", "x-amz-content-sha256: " + streamingUnsigned,
			signedWith + "SignedHeaders=" + strings.Join(names, ";") + ",Signature=" + signatureOf(canonical),
		}, ""}.text())
		r.Header.Del(header)
		_, _, err := sigv4.Verify(r, lookup(), exampleOptions())
		if e, ok := errors.AsType[*sigv4.Error](err); !ok || e.Code != "MissingContentLength" { // the next thing that is missing
			t.Errorf("%s: got %v", header, err)
		}
	}
}

// The figure of the design: six at most, for the common request.
func TestVerificationAllocatesLittle(t *testing.T) {
	cred := exampleCredential()
	r, keys, o := parsed(t, get(t)), only(cred), exampleOptions()
	if got := testing.AllocsPerRun(100, func() {
		if _, _, err := sigv4.Verify(r, keys, o); err != nil {
			t.Error(err)
		}
	}); got > 6 {
		t.Errorf("%v allocations, want 6 at most", got)
	}
}

// A head of a megabyte is not sent back four times over.
func TestRefusalShowsNoMoreThanItGot(t *testing.T) {
	text := change(get(t), "/bucket/key", "/bucket/"+strings.Repeat("k", 32<<10))
	_, err := verify(t, text, exampleOptions())
	e, ok := errors.AsType[*sigv4.Error](err)
	if !ok || e.Code != "SignatureDoesNotMatch" || e.Detail("CanonicalRequest") != "" || e.Detail("StringToSign") == "" {
		t.Errorf("got %.200v", err)
	}
}
