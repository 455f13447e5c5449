package policyproto_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"signet/internal/policyproto"

	"github.com/google/go-cmp/cmp"
)

const first = "request=smtpd_access_policy\n"

// readmeExample is the request that Postfix's SMTPD_POLICY_README shows.
func readmeExample(tb testing.TB) []byte {
	tb.Helper()
	text, err := os.ReadFile("testdata/readme.txt")
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

var readmeRequest = policyproto.Request{
	ProtocolState: "RCPT", ProtocolName: "SMTP", ClientAddress: "1.2.3.4",
	ClientName: "another.domain.tld", ReverseClientName: "another.domain.tld", HeloName: "some.domain.tld",
	Sender: "foo@bar.tld", Recipient: "bar@foo.tld", QueueID: "8045F2AB23", Instance: "123.456.7",
	SASLMethod: "plain", SASLUsername: "you", Size: 12345, PolicyContext: "submission",
	CCertSubject:     "solaris9.porcupine.org",
	CCertFingerprint: "C2:9D:F4:87:71:73:73:D9:18:E7:C2:F3:C1:DA:6E:04",
}

func read(text string) (policyproto.Request, error) {
	var q policyproto.Request
	err := policyproto.NewReader(strings.NewReader(text)).Read(&q)
	return q, err
}

func TestReadmeExampleIsRead(t *testing.T) {
	got, err := read(string(readmeExample(t)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(readmeRequest, got); diff != "" {
		t.Error(diff)
	}
}

func TestOrderOfAttributesHasNoMeaning(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(string(readmeExample(t))), "\n")
	for range lines {
		lines = append(lines[1:], lines[0])
		got, err := read(strings.Join(lines, "\n") + "\n\n")
		if err != nil {
			t.Fatal(err)
		}
		if got != readmeRequest {
			t.Fatalf("beginning with %s: got %+v", lines[0], got)
		}
	}
}

func TestRequestsFollowEachOtherOnOneConnection(t *testing.T) {
	in := first + "sender=a@b\nsize=7\n\n" + first + "queue_id=ABC\n\n"
	r := policyproto.NewReader(iotest.OneByteReader(strings.NewReader(in)))
	for i, want := range []policyproto.Request{{Sender: "a@b", Size: 7}, {QueueID: "ABC"}} {
		if err := r.Wait(); err != nil {
			t.Fatal(err)
		}
		var got policyproto.Request
		if err := r.Read(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("request %d: got %+v, want %+v", i, got, want)
		}
	}
	if err := r.Wait(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last request, Wait: got %v, want io.EOF", err)
	}
	if err := r.Read(new(policyproto.Request)); err != io.EOF { //nolint:errorlint // bare: a clean end
		t.Errorf("after the last request, Read: got %v, want io.EOF", err)
	}
}

func TestNothingOfThePreviousRequestRemains(t *testing.T) {
	q := readmeRequest
	if err := policyproto.NewReader(strings.NewReader(first + "\n")).Read(&q); err != nil {
		t.Fatal(err)
	}
	if q != (policyproto.Request{}) {
		t.Errorf("got %+v, want a request without attributes", q)
	}
}

func TestValuesKeepTheirBytes(t *testing.T) {
	got, err := read(first + "sender= a=b+ap=x=@c \nhelo_name=\xff\r\n\n")
	if err != nil {
		t.Fatal(err)
	}
	if got.Sender != " a=b+ap=x=@c " || got.HeloName != "\xff\r" {
		t.Errorf("got sender %q, helo %q", got.Sender, got.HeloName)
	}
}

func TestRequestsOutOfFormAreRefused(t *testing.T) {
	attributes := func(n int) string { return strings.Repeat("x=\n", n) }
	line := func(n int) string { return "x=" + strings.Repeat("y", n-2) + "\n" }
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"nothing":                   {"", io.EOF},
		"cut inside a line":         {"request=smtpd", io.ErrUnexpectedEOF},
		"cut between lines":         {first, io.ErrUnexpectedEOF},
		"empty request":             {"\n", policyproto.ErrMalformed},
		"no request attribute":      {"sender=a@b\n\n", policyproto.ErrMalformed},
		"another request":           {"request=other\n\n", policyproto.ErrMalformed},
		"line without =":            {first + "sender\n\n", policyproto.ErrMalformed},
		"line without a name":       {first + "=x\n\n", policyproto.ErrMalformed},
		"HTTP":                      {"GET / HTTP/1.1\r\nHost: x\r\n\r\n\n", policyproto.ErrMalformed},
		"NUL":                       {first + "sender=a\x00b\n\n", policyproto.ErrMalformed},
		"size is no number":         {first + "size=1k\n\n", policyproto.ErrMalformed},
		"size is negative":          {first + "size=-1\n\n", policyproto.ErrMalformed},
		"size over 63 bits":         {first + "size=9223372036854775808\n\n", policyproto.ErrMalformed},
		"128 attributes":            {first + attributes(127) + "\n", nil},
		"129 attributes":            {first + attributes(128) + "\n", policyproto.ErrTooMany},
		"line of 8 KiB":             {first + line(8192) + "\n", nil},
		"line over 8 KiB":           {first + line(8193) + "\n", policyproto.ErrTooLong},
		"line that never ends":      {strings.Repeat("x", 1<<20), policyproto.ErrTooLong},
		"attributes that never end": {strings.Repeat("x=\n", 1<<20), policyproto.ErrTooMany},
		"64 KiB of long lines":      {first + strings.Repeat(line(8000), 9) + "\n", policyproto.ErrTooLong},
	} {
		if _, err := read(c.text); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestErrorsOfTheConnectionComeThrough(t *testing.T) {
	broken := errors.New("connection reset")
	for _, before := range []string{"", first} {
		r := policyproto.NewReader(io.MultiReader(strings.NewReader(before), iotest.ErrReader(broken)))
		if err := r.Read(new(policyproto.Request)); !errors.Is(err, broken) {
			t.Errorf("after %q: got %v, want %v", before, err, broken)
		}
	}
}

// FuzzRead: no input panics, and what is read survives being written and read again.
func FuzzRead(f *testing.F) {
	f.Add(readmeExample(f))
	f.Add([]byte(first + "sender=a+ap=x@b\nsasl_sender=authroute:y\n\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := policyproto.NewReader(bytes.NewReader(in))
		var q policyproto.Request
		for r.Read(&q) == nil {
			if c := policyproto.ProofFrom(&q, false); c.Form == policyproto.Tagged || c.Sender != q.Sender {
				t.Fatalf("tags switched off: got %+v of %+v", c, q)
			}
			if c := policyproto.ProofFrom(&q, true); c.Form == policyproto.Tagged && len(c.Sender) >= len(q.Sender) {
				t.Fatalf("tag not removed: got %+v of %+v", c, q)
			}
			again, err := read(first + "sender=" + q.Sender + "\nsasl_sender=" + q.SASLSender + "\n\n")
			if err != nil || again.Sender != q.Sender || again.SASLSender != q.SASLSender {
				t.Fatalf("read again: got %+v, %v, want %+v", again, err, q)
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	text := bytes.Repeat(readmeExample(b), 100)
	in := bytes.NewReader(text)
	r := policyproto.NewReader(in)
	var q policyproto.Request
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Read(&q); errors.Is(err, io.EOF) {
			in.Reset(text)
		} else if err != nil {
			b.Fatal(err)
		}
	}
}
