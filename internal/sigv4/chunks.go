package sigv4

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// A seed is what the signatures of chunks go on from.
type seed struct {
	key         signingKey
	accessKeyID string
	stamp       string
	scope       string
	last        string // signature before, in hex
}

func (c *claim) seed(key *signingKey) *seed {
	return &seed{key: *key, accessKeyID: c.accessKeyID, stamp: c.stamp, scope: c.scope, last: c.signature}
}

// maxLine is the longest line of framing: the size and signature of a chunk, or a trailer.
const maxLine = 4 << 10

// chunks takes the framing off a body that is aws-chunked:
//
//	hex(size)[;chunk-signature=hex]\r\n data \r\n ... 0[;chunk-signature=hex]\r\n trailers \r\n
type chunks struct {
	in       *bufio.Reader
	payload  payload
	declared declared
	seed     *seed     // nil: signatures are read and not checked
	hash     hash.Hash // of the chunk at hand, with a seed
	left     int64     // of its bytes
	given    string    // its signature
	trailer  string    // value of the declared checksum, at the end
}

func newChunks(r io.Reader, p payload, s *seed, d declared) *chunks {
	c := &chunks{in: bufio.NewReaderSize(r, maxLine), payload: p, declared: d}
	if s != nil {
		c.seed, c.hash = s, sha256.New()
	}
	return c
}

// read reads data of one chunk, of a body that has left bytes to come. The last byte of
// a chunk is given only when its signature is right.
func (c *chunks) read(p []byte, left int64) (int, error) {
	if c.left == 0 {
		size, err := c.next()
		switch {
		case err != nil:
			return 0, err
		case size == 0:
			return 0, incomplete(nil)
		case size > left:
			return 0, tooMuch()
		}
		c.left = size
	}
	n, err := c.in.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if c.hash != nil {
		c.hash.Write(p[:n])
	}
	if c.left == 0 {
		return n, c.closeChunk()
	}
	return n, broken(err)
}

// next reads the line before a chunk.
func (c *chunks) next() (int64, error) {
	line, err := c.line()
	if err != nil {
		return 0, err
	}
	size, extension, _ := strings.Cut(line, ";")
	signature, signed := strings.CutPrefix(extension, "chunk-signature=")
	if signed != c.payload.signed() || !signed && extension != "" {
		return 0, badFraming("chunk signature")
	}
	c.given = signature
	n, err := strconv.ParseUint(size, 16, 63)
	if err != nil {
		return 0, badFraming("chunk size")
	}
	return int64(n), nil
}

// closeChunk reads the line end after a chunk's data and checks its signature.
func (c *chunks) closeChunk() error {
	if err := c.lineEnd(); err != nil {
		return err
	}
	return c.checkChunk()
}

// checkChunk checks the signature of a chunk: of the one before, the hash of nothing
// (the place of headers, which chunks do not have) and the hash of its data.
func (c *chunks) checkChunk() error {
	if c.seed == nil {
		return nil
	}
	sum := hex.EncodeToString(c.hash.Sum(nil))
	c.hash.Reset()
	return c.seed.check("-PAYLOAD", emptyHash+"\n"+sum, c.given)
}

// check checks one more signature of the chain.
func (s *seed) check(kind, tail, signature string) error {
	text := algorithm + kind + "\n" + s.stamp + "\n" + s.scope + "\n" + s.last + "\n" + tail
	if !s.key.signed([]byte(text), signature) {
		return mismatch(s.accessKeyID, text, signature, "")
	}
	s.last = signature
	return nil
}

// end reads what comes after the last byte: the chunk of no bytes, the trailer, and
// nothing else. What follows would be taken for the next request of the connection, or
// be lost.
func (c *chunks) end() error {
	size, err := c.next()
	if err != nil {
		return err
	}
	if size > 0 {
		return tooMuch()
	}
	if err := c.checkChunk(); err != nil {
		return err
	}
	if err := c.readTrailer(); err != nil {
		return err
	}
	switch _, err := c.in.ReadByte(); {
	case err == nil:
		return badFraming("end")
	case !errors.Is(err, io.EOF):
		return broken(err)
	}
	return nil
}

// readTrailer reads the declared checksum and, where chunks are signed, the signature of
// the trailer. Its lines end with \r\n; some clients end them with \n\r\n, as AWS prints
// the text that is signed. An empty line ends the trailer, or the end of the body does.
func (c *chunks) readTrailer() error {
	var signature string
	for {
		line, more, err := c.trailerLine()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		name = strings.ToLower(name)
		var into *string
		switch {
		case name == "x-amz-trailer-signature" && c.payload.kind == StreamingSignedTrailer:
			into = &signature
		case c.declared.trailer && name == checksumPrefix+c.declared.name:
			into = &c.trailer
		}
		if !ok || into == nil || *into != "" {
			return badTrailer()
		}
		*into = strings.Trim(value, " \t")
	}
	return c.checkTrailer(signature)
}

func (c *chunks) checkTrailer(signature string) error {
	if !c.declared.trailer {
		return nil
	}
	d := c.declared
	d.value = c.trailer
	switch {
	case c.trailer == "":
		return badTrailer()
	case !d.wellFormed():
		return invalidRequest("Value for " + checksumPrefix + d.name + " trailing header is invalid.")
	case c.seed == nil:
		return nil
	case signature == "":
		return badTrailer()
	}
	sum := sha256.Sum256([]byte(checksumPrefix + d.name + ":" + c.trailer + "\n"))
	return c.seed.check("-TRAILER", hex.EncodeToString(sum[:]), signature)
}

// trailerLine reads a line of the trailer; more is false at its end.
func (c *chunks) trailerLine() (line string, more bool, err error) {
	text, err := c.in.ReadSlice('\n')
	if errors.Is(err, io.EOF) && len(text) == 0 {
		return "", false, nil
	}
	if err != nil {
		return "", false, lineError(err)
	}
	if line, ok := strings.CutSuffix(string(text), "\r\n"); ok {
		return line, line != "", nil
	}
	return strings.TrimSuffix(string(text), "\n"), true, c.lineEnd()
}

// line reads a line of framing, without its end.
func (c *chunks) line() (string, error) {
	text, err := c.in.ReadSlice('\n')
	if err != nil {
		return "", lineError(err)
	}
	line, ok := strings.CutSuffix(string(text), "\r\n")
	if !ok {
		return "", badFraming("line end")
	}
	return line, nil
}

func (c *chunks) lineEnd() error {
	for _, want := range []byte("\r\n") {
		got, err := c.in.ReadByte()
		if err != nil {
			return broken(err)
		}
		if got != want {
			return badFraming("line end")
		}
	}
	return nil
}

func lineError(err error) error {
	if errors.Is(err, bufio.ErrBufferFull) {
		return badFraming("line length")
	}
	return broken(err)
}

func badFraming(what string) error {
	return invalidRequest("The aws-chunked body is not well-formed: " + what)
}

func badTrailer() error {
	return refuse(http.StatusBadRequest, "MalformedTrailerError",
		"The request contained trailing data that was not well-formed or did not conform to our published schema.")
}

func tooMuch() error {
	return refuse(http.StatusBadRequest, "IncompleteBody",
		"The request body is longer than the x-amz-decoded-content-length header says")
}
