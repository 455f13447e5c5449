package sigv4_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"signet/internal/sigv4"
)

// BenchmarkVerify is the verification of a GET, beside one as it is written at first.
func BenchmarkVerify(b *testing.B) {
	cred := exampleCredential()
	keys := only(cred)
	o := exampleOptions()
	get := func(b *testing.B, path string) *http.Request {
		r := request(b, "GET "+path+" HTTP/1.1\nHost: s3.example.com:9000\nUser-Agent: aws-sdk-go-v2/1.47\nAccept-Encoding: identity\n"+
			"Amz-Sdk-Invocation-Id: 9d3f1d44-5f4c-4b43-9d1e-1d9a1a1a1a1a", "")
		sigv4.Sign(r, cred, emptyHash, o)
		return r
	}
	for name, path := range map[string]string{"header": "/bucket/photos/2026/november/22.jpg", "list": "/bucket?list-type=2&prefix=photos%2F2026&max-keys=100"} {
		b.Run(name, func(b *testing.B) {
			r := get(b, path)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := sigv4.Verify(r, keys, o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("presigned", func(b *testing.B) {
		r := request(b, "GET /bucket/photos/2026/november/22.jpg HTTP/1.1\nHost: s3.example.com:9000", "")
		u, err := sigv4.Presign(r, cred, 3600e9, o)
		if err != nil {
			b.Fatal(err)
		}
		r.URL = u
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := sigv4.Verify(r, keys, o); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("naive", func(b *testing.B) {
		r := get(b, "/bucket/photos/2026/november/22.jpg")
		key := naiveKey("20130524", "us-east-1", "s3")
		b.ReportAllocs()
		for b.Loop() {
			if !naive(r, key) {
				b.Fatal("does not verify")
			}
		}
	})
}

func naiveHMAC(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

func naiveKey(parts ...string) []byte {
	key := []byte("AWS4" + exampleSecret)
	for _, p := range append(parts, "aws4_request") {
		key = naiveHMAC(key, p)
	}
	return key
}

// naive verifies as the documentation describes it, step by step.
func naive(r *http.Request, key []byte) bool {
	fields := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[name] = value
	}
	names := strings.Split(fields["SignedHeaders"], ";")
	slices.Sort(names)
	var headers strings.Builder
	for _, n := range names {
		v := strings.Join(strings.Fields(strings.Join(r.Header.Values(n), ",")), " ")
		if n == "host" {
			v = r.Host
		}
		headers.WriteString(n + ":" + v + "\n")
	}
	canonical := strings.Join([]string{
		r.Method, (&url.URL{Path: r.URL.Path}).EscapedPath(), strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20"),
		headers.String(), strings.Join(names, ";"), r.Header.Get("X-Amz-Content-Sha256"),
	}, "\n")
	sum := sha256.Sum256([]byte(canonical))
	scope := strings.SplitN(fields["Credential"], "/", 2)[1]
	text := "AWS4-HMAC-SHA256\n" + r.Header.Get("X-Amz-Date") + "\n" + scope + "\n" + hex.EncodeToString(sum[:])
	return hmac.Equal([]byte(hex.EncodeToString(naiveHMAC(key, text))), []byte(fields["Signature"]))
}

// BenchmarkBody reads 8 MiB as they come, beside their SHA-256 alone.
func BenchmarkBody(b *testing.B) {
	const size = 8 << 20
	data := strings.Repeat("0123456789abcdef", size/16)
	var cut []string
	for from := 0; from < size; from += 64 << 10 {
		cut = append(cut, data[from:from+64<<10])
	}
	buffer := make([]byte, 128<<10)
	for name, text := range map[string]string{
		"hash": put(b, data),
		"signed chunks": streamed(b, streamingSigned, size, func(seed string) string {
			return framing{signed: true, last: seed}.write(cut...)
		}),
		"unsigned chunks, CRC32": streamed(b, streamingUnsigned, size, func(string) string {
			return framing{name: "x-amz-checksum-crc32", value: crcOf([]byte(data))}.write(cut...)
		}, "x-amz-trailer: x-amz-checksum-crc32"),
	} {
		head, body, _ := strings.Cut(text, "\r\n\r\n")
		r := request(b, strings.ReplaceAll(head, "\r\n", "\n"), "")
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				r.Body = io.NopCloser(strings.NewReader(body))
				_, got, err := sigv4.Verify(r, lookup(), exampleOptions())
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, got, buffer); n != size || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
	b.Run("SHA-256 alone", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			h := sha256.New()
			if _, err := io.CopyBuffer(h, struct{ io.Reader }{strings.NewReader(data)}, buffer); err != nil {
				b.Fatal(err)
			}
		}
	})
}
