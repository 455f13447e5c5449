package sigv4_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"signet/internal/sigv4"
)

// sessionKey is an access key with a token.
const sessionKey = "ASIASESSION"

// lookup knows a key that stays, and one of a session.
func lookup() sigv4.KeyLookup {
	known := only(exampleCredential(), sigv4.NewCredential(sessionKey, exampleSecret, "the-token", nil))
	return func(ctx context.Context, accessKeyID, token string) (*sigv4.Credential, error) {
		if token == "ended" {
			return nil, &sigv4.Error{Code: "ExpiredToken", Message: "The provided token has expired.", Status: http.StatusBadRequest}
		}
		return known(ctx, accessKeyID, token)
	}
}

// answer is what the server of the tests says.
type answer struct {
	Status  int
	Code    string
	Message string
	Details []sigv4.Detail
	Body    string
	Form    sigv4.Form
}

func (a answer) detail(name string) string {
	return (&sigv4.Error{Details: a.Details}).Detail(name)
}

// serve starts a server that verifies what it gets, reads the body and says what came.
func serve(t *testing.T, o sigv4.Options) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := answer{Status: http.StatusOK}
		id, body, err := sigv4.Verify(r, lookup(), o)
		if err == nil {
			a.Form = id.Form
			var data []byte
			data, err = io.ReadAll(body)
			a.Body = string(data)
		}
		if err == nil && id.Form == sigv4.None {
			err = &sigv4.Error{Code: "AccessDenied", Message: "Access Denied", Status: http.StatusForbidden}
		}
		if e, ok := errors.AsType[*sigv4.Error](err); ok {
			a.Status, a.Code, a.Message, a.Details = e.Status, e.Code, e.Message, e.Details
		} else if err != nil {
			a.Status, a.Message = http.StatusInternalServerError, err.Error()
		}
		w.WriteHeader(a.Status)
		if err := json.NewEncoder(w).Encode(a); err != nil {
			t.Errorf("encode: %v", err)
		}
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// A wire is a connection on which requests go as they are written.
type wire struct {
	net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, address string) *wire {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &wire{c, bufio.NewReader(c)}
}

func (w *wire) ask(t *testing.T, text string) answer {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatalf("write: %v", err)
	}
	res, err := http.ReadResponse(w.in, nil)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	defer res.Body.Close()
	var a answer
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &a); err != nil {
		t.Fatalf("answer %d: %q", res.StatusCode, data)
	}
	return a
}

// A draft is a request before it goes on the wire. Its host stands before its headers.
type draft struct {
	method, target string
	headers        []string
	body           string
}

func (d draft) text() string {
	lines := append([]string{d.method + " " + d.target + " HTTP/1.1", "Host: s3.example.com"}, d.headers...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + d.body
}

// signature returns what the header Authorization of a text ends with.
func signature(text string) string {
	_, after, _ := strings.Cut(text, "Signature=")
	return after[:64]
}

// signed signs a draft with the example's key. What is not in the draft is not signed.
func signed(tb testing.TB, d draft, payload string) string {
	return signedBy(tb, exampleCredential(), exampleOptions(), d, payload)
}

func signedBy(tb testing.TB, c *sigv4.Credential, o sigv4.Options, d draft, payload string) string {
	tb.Helper()
	r := request(tb, strings.ReplaceAll(strings.TrimSuffix(d.text(), "\r\n\r\n"+d.body), "\r\n", "\n"), d.body)
	sigv4.Sign(r, c, payload, o)
	for _, name := range []string{"X-Amz-Date", "X-Amz-Content-Sha256", "X-Amz-Security-Token", "Authorization"} {
		if v := r.Header.Get(name); v != "" {
			d.headers = append(d.headers, name+": "+v)
		}
	}
	return d.text()
}

func get(tb testing.TB) string {
	return signed(tb, draft{method: "GET", target: "/bucket/key"}, emptyHash)
}

func put(tb testing.TB, body string, headers ...string) string {
	sum := sha256.Sum256([]byte(body))
	headers = append(headers, "Content-Length: "+strconv.Itoa(len(body)))
	return signed(tb, draft{"PUT", "/bucket/key", headers, body}, hex.EncodeToString(sum[:]))
}

func presigned(tb testing.TB, o sigv4.Options) string {
	tb.Helper()
	r := request(tb, "GET /bucket/key HTTP/1.1\nHost: s3.example.com", "")
	u, err := sigv4.Presign(r, exampleCredential(), 3600e9, o)
	if err != nil {
		tb.Fatal(err)
	}
	return draft{method: "GET", target: u.String()}.text()
}

// A framing writes a body in chunks, as the documentation describes it.
type framing struct {
	signed  bool
	last    string // signature before
	name    string // of the trailer
	value   string
	trailer string // signature, in place of the right one
	end     string // of trailer lines; \r\n where empty
	service string // s3 where empty
	key     []byte // of the scope, once it was derived
}

func (f framing) chain(kind, tail string) string {
	return f.sign("AWS4-HMAC-SHA256-" + kind + "\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n" + f.last + "\n" + tail)
}

func (f framing) sign(text string) string {
	return hex.EncodeToString(naiveHMAC(f.scopeKey(), text))
}

func (f framing) scopeKey() []byte {
	switch {
	case f.key != nil:
		return f.key
	case f.service != "":
		return naiveKey("20130524", "us-east-1", f.service)
	}
	return naiveKey("20130524", "us-east-1", "s3")
}

func hashOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func (f framing) write(chunks ...string) string {
	var b strings.Builder
	f.key = f.scopeKey()
	for _, data := range append(chunks, "") {
		fmt.Fprintf(&b, "%x", len(data))
		if f.signed {
			f.last = f.chain("PAYLOAD", emptyHash+"\n"+hashOf(data))
			b.WriteString(";chunk-signature=" + f.last)
		}
		b.WriteString("\r\n" + data)
		if data != "" {
			b.WriteString("\r\n")
		}
	}
	end := f.end
	if end == "" {
		end = "\r\n"
	}
	if f.name != "" {
		b.WriteString(f.name + ":" + f.value + end)
	}
	if f.name != "" && f.signed {
		if f.trailer == "" {
			f.trailer = f.chain("TRAILER", hashOf(f.name+":"+f.value+"\n"))
		}
		b.WriteString("x-amz-trailer-signature:" + f.trailer + end)
	}
	return b.String() + "\r\n"
}

// streamed is a PUT with an aws-chunked body of so many bytes. The body is written once
// the signature that its chain begins with is known.
func streamed(tb testing.TB, payload string, decoded int, body func(seed string) string, headers ...string) string {
	d := draft{"PUT", "/bucket/key", append(headers, "Content-Encoding: aws-chunked",
		"x-amz-decoded-content-length: "+strconv.Itoa(decoded)), ""}
	text := signed(tb, d, payload)
	b := body(signature(text))
	return strings.TrimSuffix(text, "\r\n") + "Content-Length: " + strconv.Itoa(len(b)) + "\r\n\r\n" + b
}
