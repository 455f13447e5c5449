package sigv4

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// A Body is what a request carries, without the framing of aws-chunked. It is read once,
// by one goroutine.
//
// Read gives away the last byte only when hash, chunk signatures, trailer and checksums
// all held: the reader of a body that is not what was signed never sees its end. After a
// failure Read returns the same *[Error] for ever.
type Body struct {
	source  io.ReadCloser
	chunks  *chunks // nil where the body is as it is
	witness witness
	length  int64
	left    int64
	found   sums
	err     error // what Read returns from now on
}

// newBody returns the body of a request. The seed is nil where its chunks have no
// signatures, or none that is looked at.
//
// A body of no bytes that is not in chunks proves itself here: nobody reads that of a GET.
func newBody(r *http.Request, p payload, s *seed, o Options) (*Body, error) {
	length, err := lengthOf(r, p)
	if err != nil {
		return nil, err
	}
	if o.MaxBody > 0 && length > o.MaxBody {
		return nil, tooLarge(length, o.MaxBody)
	}
	b := &Body{source: r.Body, length: length, left: length}
	if b.source == nil {
		b.source = http.NoBody
	}
	if length == 0 && !p.chunked() && p.kind == Hashed && p.hash == emptyHash && !hasSums(r) {
		b.err = io.EOF // what every GET has: nothing to compute
		return b, nil
	}
	if b.witness, err = newWitness(r.Header, p, ofObject(r)); err != nil {
		return nil, err
	}
	if p.chunked() {
		b.chunks = newChunks(b.source, p, s, b.witness.declared)
		return b, nil
	}
	if length == 0 {
		if err := b.finish(); err != nil {
			return nil, err
		}
		b.err = io.EOF
	}
	return b, nil
}

func hasSums(r *http.Request) bool {
	for name := range r.Header {
		if name == "Content-Md5" || name == "X-Amz-Trailer" || strings.HasPrefix(name, "X-Amz-Checksum-") {
			return true
		}
	}
	return false
}

// lengthOf returns how many bytes a body has when it is decoded.
func lengthOf(r *http.Request, p payload) (int64, error) {
	if !p.chunked() {
		if r.ContentLength < 0 {
			return 0, missingLength()
		}
		return r.ContentLength, nil
	}
	text := headerValue(r.Header, "x-amz-decoded-content-length")
	if text == "" {
		return 0, missingLength()
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, invalidArgument("x-amz-decoded-content-length must be a number of bytes", "x-amz-decoded-content-length", text)
	}
	return int64(n), nil
}

// Length returns how many bytes Read gives before io.EOF.
func (b *Body) Length() int64 { return b.length }

// Checksums returns what the request declared and the body had, after io.EOF.
func (b *Body) Checksums() []Checksum {
	if b.found.sum == nil {
		return nil
	}
	return []Checksum{{Algorithm: strings.ToUpper(b.witness.name), Value: base64.StdEncoding.EncodeToString(b.found.sum)}}
}

// SHA256 returns the hash of the body in hex, after io.EOF, or "" where none was needed.
func (b *Body) SHA256() string {
	if b.found.sha256 == nil && b.err == io.EOF && b.length == 0 { //nolint:errorlint // set by this type alone
		return emptyHash
	}
	return hex.EncodeToString(b.found.sha256)
}

// MD5 returns the hash that Content-MD5 was held to in hex, after io.EOF, or "".
func (b *Body) MD5() string { return hex.EncodeToString(b.found.md5) }

// Close closes the request's body.
func (b *Body) Close() error { return b.source.Close() }

func (b *Body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := b.read(p)
	if err != nil {
		b.err = err
		return 0, err
	}
	if b.left == 0 {
		b.err = io.EOF
	}
	if n == 0 && b.left == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// read reads some bytes, and with the last one all that must follow it.
func (b *Body) read(p []byte) (int, error) {
	n, err := 0, error(nil)
	if b.left > 0 {
		p = p[:min(int64(len(p)), b.left)]
		if b.chunks != nil {
			n, err = b.chunks.read(p, b.left)
		} else {
			n, err = b.source.Read(p)
		}
		b.witness.write(p[:n])
		b.left -= int64(n)
	}
	if b.left > 0 {
		return n, broken(err)
	}
	return n, b.finish()
}

// finish reads what comes after the last byte, and proves the whole.
func (b *Body) finish() error {
	if b.chunks != nil {
		if err := b.chunks.end(); err != nil {
			return err
		}
		if b.witness.trailer {
			b.witness.value = b.chunks.trailer
		}
	}
	var err error
	b.found, err = b.witness.prove()
	return err
}

// broken names the error of a source that ended or failed before its time.
func broken(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if limit, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(-1, limit.Limit)
	}
	if t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && t.Timeout() {
		return refuse(http.StatusBadRequest, "RequestTimeout", "Your socket connection to the server was not read from or "+
			"written to within the timeout period. Idle connections will be closed.").because(err)
	}
	return incomplete(err)
}

// ContentEncoding returns the Content-Encoding of an object: what the request says,
// without aws-chunked, which only frames the request.
func ContentEncoding(h http.Header) string {
	var kept []string
	for _, line := range h.Values("Content-Encoding") {
		for part := range strings.SplitSeq(line, ",") {
			if part = strings.Trim(part, " \t"); part != "" && !strings.EqualFold(part, "aws-chunked") {
				kept = append(kept, part)
			}
		}
	}
	return strings.Join(kept, ", ")
}
