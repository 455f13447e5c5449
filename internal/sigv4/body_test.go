package sigv4_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"signet/internal/sigv4"
)

// received verifies a request as it came, whose body is read through reader.
func received(t *testing.T, text string, reader func(io.Reader) io.Reader) (*sigv4.Body, error) {
	t.Helper()
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	r := request(t, strings.ReplaceAll(head, "\r\n", "\n"), body)
	if reader != nil {
		r.Body = io.NopCloser(reader(r.Body))
	}
	_, b, err := sigv4.Verify(r, lookup(), exampleOptions())
	return b, err
}

func base64Of(sum []byte) string { return base64.StdEncoding.EncodeToString(sum) }

func TestEveryChecksumIsVerifiedInHeaderAndTrailer(t *testing.T) {
	const text = "hello world"
	sha := sha1.Sum([]byte(text))
	castagnoli := binary.BigEndian.AppendUint32(nil, crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli)))
	sums := map[string]string{
		"CRC32":     helloCRC32,
		"CRC32C":    base64Of(castagnoli),
		"CRC64NVME": "jSnVw/bqjr4=", // as the AWS CLI sends it
		"SHA1":      base64Of(sha[:]),
		"SHA256":    "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=",
	}
	for algorithm, value := range sums {
		name := "x-amz-checksum-" + strings.ToLower(algorithm)
		announced := "x-amz-trailer: " + name
		for form, text := range map[string]string{
			"header":  put(t, text, name+": "+value),
			"trailer": streamed(t, streamingUnsigned, len(text), func(string) string { return framing{name: name, value: value}.write(text) }, announced),
			"signed trailer": streamed(t, streamingTrailer, len(text), func(seed string) string {
				return framing{signed: true, last: seed, name: name, value: value}.write(text)
			}, announced),
			"trailer with \\n": streamed(t, streamingUnsigned, len(text), func(string) string { return framing{name: name, value: value, end: "\n\r\n"}.write(text) }, announced),
			"trailer without an empty line": streamed(t, streamingUnsigned, len(text), func(string) string {
				return strings.TrimSuffix(framing{name: name, value: value}.write(text), "\r\n")
			}, announced),
		} {
			t.Run(algorithm+" in "+form, func(t *testing.T) {
				b, err := received(t, text, nil)
				if err != nil {
					t.Fatalf("Verify: %v", err)
				}
				if got, err := io.ReadAll(b); err != nil || string(got) != "hello world" {
					t.Fatalf("body: got %q, %v", got, err)
				}
				if got := b.Checksums(); len(got) != 1 || got[0] != (sigv4.Checksum{Algorithm: algorithm, Value: value}) {
					t.Errorf("checksums: got %v, want %s %s", got, algorithm, value)
				}
			})
		}
	}
}

func TestBodyKnowsItsHashes(t *testing.T) {
	b, err := received(t, put(t, "hello world", "Content-MD5: XrY7u+Ae7tCTyyK7j1rNww=="), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, b); err != nil {
		t.Fatal(err)
	}
	if got, want := b.SHA256(), hashOf("hello world"); got != want {
		t.Errorf("SHA-256: got %q, want %q", got, want)
	}
	if got, want := b.MD5(), "5eb63bbbe01eeed093cb22bb8f5acdc3"; got != want {
		t.Errorf("MD5: got %q, want %q", got, want)
	}
	if b.Length() != 11 || b.Checksums() != nil {
		t.Errorf("got length %d, checksums %v", b.Length(), b.Checksums())
	}
	empty, err := received(t, get(t), nil)
	if err != nil || empty.SHA256() != emptyHash || empty.Length() != 0 {
		t.Errorf("empty body: got %q of %d bytes, %v", empty.SHA256(), empty.Length(), err)
	}
}

// The reader of a body that is not what was signed gets all but its end, however it
// reads, and then the same refusal for ever.
func TestLastByteOfAFalseBodyIsNeverGiven(t *testing.T) {
	const text = "hello world"
	crc := "x-amz-checksum-crc32"
	for name, request := range map[string]string{
		"hash":                   change(put(t, text), text, "hello worle"),
		"checksum in the header": put(t, text, crc+": AAAAAA=="),
		"checksum in the trailer": streamed(t, streamingUnsigned, len(text), func(string) string {
			return framing{name: crc, value: "AAAAAA=="}.write("hello ", "world")
		}, "x-amz-trailer: "+crc),
		"chunk": change(streamed(t, streamingSigned, len(text), func(seed string) string {
			return framing{signed: true, last: seed}.write("hello ", "world")
		}), "world", "worle"),
		"last chunk": streamed(t, streamingSigned, len(text), func(seed string) string {
			return strings.TrimSuffix(framing{signed: true, last: seed}.write("hello ", "world"), "\r\n") + "rest"
		}),
		"trailer signature": streamed(t, streamingTrailer, len(text), func(seed string) string {
			return framing{signed: true, last: seed, name: crc, value: helloCRC32, trailer: strings.Repeat("0", 64)}.write("hello ", "world")
		}, "x-amz-trailer: "+crc),
	} {
		for how, reader := range map[string]func(io.Reader) io.Reader{
			"whole": nil, "byte by byte": iotest.OneByteReader, "by halves": iotest.HalfReader,
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				b, err := received(t, request, reader)
				if err != nil {
					t.Fatalf("Verify: %v", err)
				}
				var got bytes.Buffer
				_, err = io.Copy(&got, iotest.OneByteReader(b))
				if refused, ok := errors.AsType[*sigv4.Error](err); !ok {
					t.Fatalf("got %v, want an *Error", err)
				} else if _, again := b.Read(make([]byte, 8)); !errors.Is(again, refused) {
					t.Errorf("second read: got %v, want %v", again, refused)
				}
				if got.Len() >= len(text) {
					t.Errorf("got %q of a false body", got.String())
				}
				if n, _ := b.Read(make([]byte, 8)); n != 0 {
					t.Errorf("read %d bytes after the refusal", n)
				}
			})
		}
	}
}

func TestBodyIsTheSameHoweverItIsCutAndRead(t *testing.T) {
	text := strings.Repeat("0123456789abcdef", 1024)
	crc := crcOf([]byte(text))
	for _, size := range []int{1, 2, 15, 4093, 4094, 4095, 4096, 4097, 8192, 16384} {
		var cut []string
		for from := 0; from < len(text); from += size {
			cut = append(cut, text[from:min(from+size, len(text))])
		}
		request := streamed(t, streamingTrailer, len(text), func(seed string) string {
			return framing{signed: true, last: seed, name: "x-amz-checksum-crc32", value: crc}.write(cut...)
		}, "x-amz-trailer: x-amz-checksum-crc32")
		for _, reader := range []func(io.Reader) io.Reader{nil, iotest.OneByteReader, iotest.HalfReader} {
			b, err := received(t, request, reader)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(iotest.HalfReader(b)); err != nil || string(got) != text {
				t.Errorf("chunks of %d: got %d bytes, %v", size, len(got), err)
			}
		}
	}
}

func TestEmptyBodyInChunksProvesItself(t *testing.T) {
	empty := func(seed string) string { return framing{signed: true, last: seed}.write() }
	b, err := received(t, streamed(t, streamingSigned, 0, empty), nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := b.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("got %d, %v", n, err)
	}
	b, err = received(t, streamed(t, streamingSigned, 0, func(string) string { return empty(emptyHash) }), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
		t.Error("a chunk with another signature was taken for the end")
	}
}

type timeout struct{}

func (timeout) Error() string { return "too slow" }
func (timeout) Timeout() bool { return true }

func TestBrokenConnectionIsNamed(t *testing.T) {
	for want, cause := range map[string]error{
		"IncompleteBody": io.ErrUnexpectedEOF, "RequestTimeout": timeout{}, "EntityTooLarge": &http.MaxBytesError{Limit: 5},
	} {
		for form, text := range map[string]string{
			"plain":  put(t, "hello world"),
			"chunks": streamed(t, streamingUnsigned, 11, func(string) string { return "b\r\nhello world\r\n" }, "x-amz-trailer: x-amz-checksum-crc32"),
		} {
			b, err := received(t, text, func(r io.Reader) io.Reader {
				return io.MultiReader(io.LimitReader(r, 5), iotest.ErrReader(cause))
			})
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.ReadAll(b)
			if e, ok := errors.AsType[*sigv4.Error](err); !ok || e.Code != want {
				t.Errorf("%s, %v: got %v, want %s", form, cause, err, want)
			} else if want == "IncompleteBody" && !errors.Is(err, cause) {
				t.Errorf("%s: %v does not say why", form, err)
			}
		}
	}
}

// Nothing of a body is read before Verify has said yes: 100 Continue goes out with the
// first read.
func TestVerifyReadsNothing(t *testing.T) {
	for name, text := range map[string]string{
		"hash":   put(t, "hello world", "Expect: 100-continue"),
		"chunks": streamed(t, streamingSigned, 11, func(seed string) string { return framing{signed: true, last: seed}.write("hello world") }),
	} {
		b, err := received(t, text, func(io.Reader) io.Reader { return iotest.ErrReader(errors.New("was read")) })
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := b.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s: the body was not read at all", name)
		}
	}
}

func TestRefusalGoesOutBeforeContinue(t *testing.T) {
	w := dial(t, serve(t, exampleOptions()))
	text := put(t, "hello world", "Expect: 100-continue")
	head := strings.TrimSuffix(change(text, "/bucket/key", "/bucket/other"), "hello world")
	if a := w.ask(t, head); a.Code != "SignatureDoesNotMatch" { // 100 Continue would come first
		t.Errorf("got %d %s", a.Status, a.Code)
	}
}

// aws-chunked in the chunks of HTTP: what follows on the connection is the next request.
func TestChunksInChunksKeepTheConnectionInStep(t *testing.T) {
	w := dial(t, serve(t, exampleOptions()))
	for range 3 {
		d := draft{"PUT", "/bucket/key", []string{
			"x-amz-decoded-content-length: 11", "Content-Encoding: aws-chunked",
			"x-amz-trailer: x-amz-checksum-crc32", "Transfer-Encoding: chunked",
		}, "0\r\n\r\n"}
		text := strings.TrimSuffix(signed(t, d, streamingTrailer), "0\r\n\r\n")
		body := framing{signed: true, last: signature(text), name: "x-amz-checksum-crc32", value: helloCRC32}.write("hello ", "world")
		for len(body) > 0 {
			n := min(7, len(body))
			text += string("0123456789"[n]) + "\r\n" + body[:n] + "\r\n"
			body = body[n:]
		}
		if a := w.ask(t, text+"0\r\n\r\n"); a.Status != 200 || a.Body != "hello world" {
			t.Fatalf("got %d %s %s, %q", a.Status, a.Code, a.Message, a.Body)
		}
	}
}

// The checksum of CompleteMultipartUpload is that of the object, not of the XML.
func TestChecksumOfAnObjectIsNotHeldAgainstTheBody(t *testing.T) {
	d := draft{"POST", "/bucket/key?uploadId=1", []string{"x-amz-checksum-crc32: AAAAAA==", "Content-Length: 11"}, "hello world"}
	b, err := received(t, signed(t, d, hashOf("hello world")), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(b); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestContentEncodingIsThatOfTheObject(t *testing.T) {
	for want, lines := range map[string][]string{
		"":         {"aws-chunked"},
		"gzip":     {"aws-chunked,gzip"},
		"gzip, br": {"gzip, AWS-Chunked", "br"},
		"identity": {"identity"},
	} {
		if got := sigv4.ContentEncoding(http.Header{"Content-Encoding": lines}); got != want {
			t.Errorf("%q: got %q, want %q", lines, got, want)
		}
	}
}
