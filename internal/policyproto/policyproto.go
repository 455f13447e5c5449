// Package policyproto speaks Postfix's policy delegation protocol (Postfix
// SMTPD_POLICY_README): it reads requests, writes answers, and finds the
// AUTH-PROOF that a request carries.
//
// On one connection requests and answers alternate. A request is lines
// name=value and an empty line; the answer is one line action=... and an empty
// line. Nothing in the protocol says who asks.
package policyproto

import "errors"

// What Reader can refuse. The connection is out of step afterwards and must be
// closed; other connections are not concerned. Besides these, Read returns io.EOF
// between two requests, io.ErrUnexpectedEOF inside one, and errors of the connection.
var (
	ErrMalformed = errors.New("malformed policy request")
	ErrTooLong   = errors.New("policy request is too long")
	ErrTooMany   = errors.New("policy request has too many attributes")
)

// Limits of one request. Postfix sends about 30 attributes and 1 KiB, and no line
// over its own line_length_limit (2 KiB) plus the attribute's name.
const (
	MaxLine       = 8 << 10 // bytes, without the newline
	MaxAttributes = 128
	MaxRequest    = 64 << 10 // bytes of all lines
)

// Request is one question of Postfix. Attributes that were not sent are empty or
// zero. Control characters were replaced by Postfix, but text may be any bytes else.
//
// The strings of one request share one allocation: clone what is kept for long.
type Request struct {
	ProtocolState     string // CONNECT, HELO, EHLO, MAIL, RCPT, DATA, END-OF-MESSAGE, VRFY, ETRN
	ProtocolName      string // SMTP, ESMTP
	ClientAddress     string // IPv4 or IPv6, without brackets
	ClientName        string // verified, or "unknown"
	ReverseClientName string // not verified, or "unknown"
	HeloName          string
	Sender            string // envelope sender without quotes and brackets; empty for the null sender
	Recipient         string // at RCPT; at DATA only where there is one
	RecipientCount    int    // at DATA and END-OF-MESSAGE
	QueueID           string // from the first accepted recipient on
	Instance          string // equal in all requests about one delivery attempt
	SASLMethod        string
	SASLUsername      string
	SASLSender        string // AUTH= of MAIL FROM, not decoded
	Size              int64  // bytes; announced by the client, at END-OF-MESSAGE measured
	PolicyContext     string // policy_context of the Postfix setting that asks
	CCertSubject      string // common name of a verified client certificate, as xtext
	CCertFingerprint  string // of any client certificate
}
