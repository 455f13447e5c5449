package sigv4_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"signet/internal/sigv4"
)

// FuzzVerify gives the verifier whatever a server would read as a request.
func FuzzVerify(f *testing.F) {
	f.Add([]byte(get(f)))
	f.Add([]byte(put(f, "hello world")))
	f.Add([]byte(presigned(f, exampleOptions())))
	f.Add([]byte(streamed(f, streamingTrailer, 11, func(seed string) string {
		return framing{signed: true, last: seed, name: "x-amz-checksum-crc32", value: helloCRC32}.write("hello ", "world")
	}, "x-amz-trailer: x-amz-checksum-crc32")))
	var form bytes.Buffer
	if err := example().request(f).Write(&form); err != nil {
		f.Fatal(err)
	}
	f.Add(form.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		read := func() *http.Request {
			r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(data)))
			if err != nil {
				t.Skip("not a request")
			}
			return r.WithContext(t.Context())
		}
		if _, b, err := sigv4.Verify(read(), lookup(), exampleOptions()); err == nil {
			drain(t, b, b.Length())
		} else if _, ok := errors.AsType[*sigv4.Error](err); !ok {
			t.Errorf("Verify: %v is no refusal", err)
		}
		if _, b, err := sigv4.Unverified(read(), exampleOptions()); err == nil {
			drain(t, b, b.Length())
		}
		if _, form, err := sigv4.VerifyForm(read(), lookup(), formOptions()); err == nil {
			drain(t, form.File, -1)
		}
		sigv4.Explain(read(), exampleCredential(), exampleOptions())
	})
}

// drain reads a body to its end, which must be as far as it said.
func drain(t *testing.T, r io.Reader, length int64) {
	t.Helper()
	n, err := io.Copy(io.Discard, r)
	if _, ok := errors.AsType[*sigv4.Error](err); err != nil && !ok {
		t.Errorf("read: %v is no refusal", err)
	}
	if length >= 0 && (err == nil) != (n == length) {
		t.Errorf("read %d of %d bytes, %v", n, length, err)
	}
}

// FuzzCanonical signs with AWS's signer and verifies here, and the other way round.
func FuzzCanonical(f *testing.F) {
	f.Add("GET", "/bucket/a b/../ü//+", "prefix", "a+b %", "list-type", "2", "x-amz-meta-a", " a  b ", "text/plain")
	f.Add("PUT", "/b/%25", "", "", "=", "&", "cache-control", "no-cache, private", "")
	f.Fuzz(func(t *testing.T, method, path, n1, v1, n2, v2, header, value, kind string) {
		if !strings.HasPrefix(path, "/") || !isToken(method) || !isToken(header) || unsent(header) || !isText(value) || !isText(kind) {
			t.Skip("no client sends that")
		}
		// The signer sorts names before it encodes them, S3 after; where that is not the
		// same, S3 is right.
		if !isText(n1 + n2 + v1 + v2) {
			t.Skip("sorted otherwise")
		}
		r := &http.Request{
			Method: method, Host: "s3.example.com:9000", Header: http.Header{}, Body: http.NoBody,
			URL: &url.URL{Scheme: "http", Host: "s3.example.com:9000", Path: path, RawPath: encodedAs(path)},
		}
		r.URL.RawQuery = queryOf(n1, v1, n2, v2)
		r.Header.Set("Content-Type", kind)
		r.Header.Set(header, value)
		theirs, ours, link := r.Clone(t.Context()), r.Clone(t.Context()), r.Clone(t.Context())
		credentials := aws.Credentials{AccessKeyID: exampleKey, SecretAccessKey: exampleSecret}
		signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })

		theirs.Header.Set("X-Amz-Content-Sha256", emptyHash)
		if err := signer.SignHTTP(t.Context(), credentials, theirs, emptyHash, "s3", "us-east-1", exampleTime()); err != nil {
			t.Fatal(err)
		}
		if _, _, err := sigv4.Verify(theirs, lookup(), exampleOptions()); err != nil {
			t.Errorf("AWS's signature: %v\n%s", err, detailOf(err))
		}
		sigv4.Sign(ours, exampleCredential(), emptyHash, exampleOptions())
		if _, _, err := sigv4.Verify(ours, lookup(), exampleOptions()); err != nil {
			t.Errorf("our signature: %v\n%s", err, detailOf(err))
		}
		link.Header = http.Header{}
		link.URL.RawQuery += "&X-Amz-Expires=60"
		text, _, err := signer.PresignHTTP(t.Context(), credentials, link, "UNSIGNED-PAYLOAD", "s3", "us-east-1", exampleTime())
		if err != nil {
			t.Fatal(err)
		}
		if link.URL, err = url.Parse(text); err != nil {
			t.Fatal(err)
		}
		if _, _, err := sigv4.Verify(link, lookup(), exampleOptions()); err != nil {
			t.Errorf("AWS's URL: %v\n%s", err, detailOf(err))
		}
	})
}

func detailOf(err error) string {
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		return e.Detail("CanonicalRequest")
	}
	return ""
}

func isToken(s string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
	return s != "" && strings.Trim(s, allowed) == ""
}

// unsent lists headers that the signer treats in ways of its own, and those of the
// signature itself.
func unsent(name string) bool {
	return slices.Contains([]string{
		"authorization", "user-agent", "x-amzn-trace-id", "expect", "transfer-encoding", "host", "content-length",
		"content-md5", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token", "x-amz-trailer", "x-amz-decoded-content-length",
	}, strings.ToLower(name)) || strings.HasPrefix(strings.ToLower(name), "x-amz-checksum-")
}

// isText reports whether s is of printable ASCII.
func isText(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f })
}

// encodedAs is how an SDK of AWS spells a path.
func encodedAs(path string) string {
	return strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(path), "+", "%20"), "%2F", "/")
}

// queryOf writes parameters that are not those of the signature, in the order in which
// both signers have them.
func queryOf(pairs ...string) string {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if !strings.HasPrefix(strings.ToLower(pairs[i]), "x-amz-") && !slices.Contains([]string{"AWSAccessKeyId", "Signature"}, pairs[i]) {
			q.Add(plain(pairs[i]), plain(pairs[i+1]))
		}
	}
	return strings.ReplaceAll(q.Encode(), "+", "%20")
}

// plain keeps what sorts the same, encoded or not: letters, digits and what no other
// sign stands below.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("-._~ %+&", r) {
			return r
		}
		return 'x'
	}, s)
}

// FuzzChunks cuts a body in any way, breaks any byte of it, and reads it in any steps: what
// is read is the body, or has no end.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("hello world"), uint16(3), uint16(0), byte(0), uint8(2))
	f.Add(bytes.Repeat([]byte("a"), 5000), uint16(4096), uint16(77), byte(1), uint8(255))
	f.Fuzz(func(t *testing.T, body []byte, size, at uint16, flip byte, step uint8) {
		if size == 0 || step == 0 {
			t.Skip("no steps")
		}
		var cut []string
		for c := range slices.Chunk(body, int(size)) {
			cut = append(cut, string(c))
		}
		head := signed(t, draft{"PUT", "/b/k", []string{
			"x-amz-decoded-content-length: " + strconv.Itoa(len(body)), "x-amz-trailer: x-amz-checksum-crc32",
		}, ""}, streamingTrailer)
		sum := crcOf(body)
		text := []byte(framing{signed: true, last: signature(head), name: "x-amz-checksum-crc32", value: sum}.write(cut...))
		text[int(at)%len(text)] ^= flip

		r := parsed(t, head)
		r.ContentLength, r.Body = int64(len(text)), io.NopCloser(iotest.HalfReader(bytes.NewReader(text)))
		_, b, err := sigv4.Verify(r, lookup(), exampleOptions())
		if err != nil {
			t.Fatalf("Verify: %v", err)
		}
		got, err := io.ReadAll(stepReader{b, int(step)})
		switch {
		case err == nil && !bytes.Equal(got, body):
			t.Errorf("read %q of %q without an error", got, body)
		case err != nil && flip == 0:
			t.Errorf("a good body: %v", err)
		case err != nil && len(body) > 0 && len(got) >= len(body):
			t.Errorf("a bad body was read to its end, then %v", err)
		}
	})
}

type stepReader struct {
	r io.Reader
	n int
}

func (s stepReader) Read(p []byte) (int, error) { return s.r.Read(p[:min(len(p), s.n)]) }

func crcOf(body []byte) string {
	return base64Of(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body)))
}
