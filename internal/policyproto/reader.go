package policyproto

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Reader reads requests from one connection. It is not safe for concurrent use.
type Reader struct {
	in   *bufio.Reader
	text []byte // lines of the request being read; kept to save allocations
}

// NewReader returns a reader of the requests that arrive on r.
func NewReader(r io.Reader) *Reader { return &Reader{in: bufio.NewReader(r)} }

// Wait returns when the first byte of the next request is there, so that a server
// can allow long pauses between requests and short ones inside. It returns io.EOF
// where the client closed the connection.
func (r *Reader) Wait() error {
	_, err := r.in.Peek(1)
	return err
}

// Whole reports whether the next request is there to its end, so that Read will not
// wait. It may be false of one that is.
func (r *Reader) Whole() bool {
	there, _ := r.in.Peek(r.in.Buffered())
	return bytes.Contains(there, []byte("\n\n"))
}

// Read reads the next request into q, whose former content is lost. Lines may come
// in any order; unknown names are ignored; of two lines with one name the last
// counts. After any error q is not to be used and the connection is to be closed.
func (r *Reader) Read(q *Request) error {
	if err := r.readLines(); err != nil {
		return err
	}
	return q.parse(string(r.text))
}

// readLines fills text with the lines of one request, newlines included, without
// the empty line at the end.
func (r *Reader) readLines() error {
	r.text = r.text[:0]
	for range MaxAttributes + 1 {
		start := len(r.text)
		if err := r.readLine(); err != nil {
			return err
		}
		if len(r.text) == start+1 {
			r.text = r.text[:start]
			return nil
		}
	}
	return ErrTooMany
}

// readLine appends a line and its newline to text.
func (r *Reader) readLine() error {
	start := len(r.text)
	for {
		part, err := r.in.ReadSlice('\n')
		if len(r.text)-start+len(part) > MaxLine+1 || len(r.text)+len(part) > MaxRequest {
			return ErrTooLong
		}
		r.text = append(r.text, part...)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, io.EOF) && len(r.text) > 0:
			return io.ErrUnexpectedEOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// parse reads text, lines that all end in a newline.
func (q *Request) parse(text string) error {
	*q = Request{}
	if strings.IndexByte(text, 0) >= 0 {
		return fmt.Errorf("%w: NUL", ErrMalformed)
	}
	kind := ""
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(line[:len(line)-1], "=")
		if !ok || name == "" {
			return fmt.Errorf("%w: line without a name", ErrMalformed)
		}
		if name == "request" {
			kind = value
			continue
		}
		if err := q.set(name, value); err != nil {
			return err
		}
	}
	if kind != "smtpd_access_policy" {
		return fmt.Errorf("%w: request is not smtpd_access_policy", ErrMalformed)
	}
	return nil
}

func (q *Request) set(name, value string) (err error) {
	switch name {
	case "protocol_state":
		q.ProtocolState = value
	case "protocol_name":
		q.ProtocolName = value
	case "client_address":
		q.ClientAddress = value
	case "client_name":
		q.ClientName = value
	case "reverse_client_name":
		q.ReverseClientName = value
	case "helo_name":
		q.HeloName = value
	case "sender":
		q.Sender = value
	case "recipient":
		q.Recipient = value
	case "recipient_count":
		q.RecipientCount, err = number[int](name, value)
	case "queue_id":
		q.QueueID = value
	case "instance":
		q.Instance = value
	case "sasl_method":
		q.SASLMethod = value
	case "sasl_username":
		q.SASLUsername = value
	case "sasl_sender":
		q.SASLSender = value
	case "size":
		q.Size, err = number[int64](name, value)
	case "policy_context":
		q.PolicyContext = value
	case "ccert_subject":
		q.CCertSubject = value
	case "ccert_fingerprint":
		q.CCertFingerprint = value
	}
	return err
}

// number reads a count; an empty value is an absent one.
func number[N int | int64](name, value string) (N, error) {
	if value == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(value, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%w: %s is not a number", ErrMalformed, name)
	}
	return N(n), nil
}
