package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// SMTPOptions say where mail goes next (RFC 6409).
type SMTPOptions struct {
	Server         string         // HOST:PORT
	TLS            string         // starttls, tls or none
	User, Password string         // empty: no AUTH
	Roots          *x509.CertPool // whom the server's certificate may be from; nil: those of the system
	Timeout        time.Duration  // of connecting, and of each answer; zero: 15 s
}

// NewSMTP returns a sender that hands mails to a server. STARTTLS is demanded, not
// wished for, and certificates are verified.
//
// Mails are composed with go-mail but sent with go-smtp, whose errors keep the code
// of the answer and whose connection we open, bound in time and close ourselves.
func NewSMTP(o SMTPOptions) Sender {
	if o.Timeout == 0 {
		o.Timeout = 15 * time.Second
	}
	return submission{o}
}

// CheckSMTP connects to the server and signs in, and sends nothing.
func CheckSMTP(ctx context.Context, o SMTPOptions) error {
	s, ok := NewSMTP(o).(submission)
	if !ok {
		return errors.ErrUnsupported
	}
	return s.within(ctx, func(c *smtp.Client) error { return reason("NOOP", c.Noop()) })
}

type submission struct{ o SMTPOptions }

// Send implements [Sender].
func (s submission) Send(ctx context.Context, from, to string, mail []byte) error {
	return s.within(ctx, func(c *smtp.Client) error {
		// Only these answers are about the mail. An answer before is about us, and may
		// be another one when the operator has seen to it.
		if err := c.Mail(from, nil); err != nil {
			return final("MAIL", err)
		}
		if err := c.Rcpt(to, nil); err != nil {
			return final("RCPT", err)
		}
		return final("DATA", data(c, mail))
	})
}

func data(c *smtp.Client, mail []byte) error {
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := bytes.NewReader(mail).WriteTo(w); err != nil {
		return err
	}
	return w.Close()
}

// within runs fn on a connection that is ready for mail.
func (s submission) within(ctx context.Context, fn func(*smtp.Client) error) error {
	conn, err := s.dial(ctx)
	if err != nil {
		return err // says the operator's address, and no more
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	c, err := s.open(conn)
	if err != nil {
		return err
	}
	if err := fn(c); err != nil {
		return err
	}
	_ = c.Quit() // the mail is taken already
	return nil
}

func (s submission) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	var conn net.Conn
	var err error
	if s.o.TLS == "tls" {
		conn, err = (&tls.Dialer{Config: s.tls()}).DialContext(ctx, "tcp", s.o.Server)
	} else {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", s.o.Server)
	}
	if err != nil {
		return nil, err
	}
	return bounded{conn, s.o.Timeout}, nil
}

// open says hello, and signs in.
func (s submission) open(conn net.Conn) (c *smtp.Client, err error) {
	if s.o.TLS == "starttls" {
		c, err = smtp.NewClientStartTLS(conn, s.tls())
	} else {
		c = smtp.NewClient(conn)
	}
	if err != nil {
		return nil, reason("STARTTLS", err)
	}
	if err := c.Hello(hostname()); err != nil { // after STARTTLS: once more (RFC 3207, section 4.2)
		return nil, reason("EHLO", err)
	}
	if s.o.User == "" {
		return c, nil
	}
	auth := sasl.NewPlainClient("", s.o.User, s.o.Password)
	if !c.SupportsAuth(sasl.Plain) && c.SupportsAuth(sasl.Login) {
		auth = sasl.NewLoginClient(s.o.User, s.o.Password)
	}
	return c, reason("AUTH", c.Auth(auth))
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "localhost"
	}
	return name
}

// bounded is a connection on which nothing takes longer than each: the client's own
// limits are minutes, and cannot be set before STARTTLS.
type bounded struct {
	net.Conn
	each time.Duration
}

// SetDeadline sets the deadline, or an earlier one.
func (b bounded) SetDeadline(t time.Time) error {
	if limit := time.Now().Add(b.each); t.IsZero() || t.After(limit) {
		t = limit
	}
	return b.Conn.SetDeadline(t)
}

func (s submission) tls() *tls.Config {
	host, _, _ := net.SplitHostPort(s.o.Server)
	return &tls.Config{ServerName: host, RootCAs: s.o.Roots, MinVersion: tls.VersionTLS12}
}

// final is reason for an answer about the mail itself.
func final(command string, err error) error {
	if answer, ok := errors.AsType[*smtp.SMTPError](err); ok && answer.Code >= 500 {
		return fmt.Errorf("%w: %w", ErrRefused, reason(command, err))
	}
	return reason(command, err)
}

// reason says what failed without the server's words: they may hold the address, or
// the link.
func reason(command string, err error) error {
	if err == nil {
		return nil
	}
	if answer, ok := errors.AsType[*smtp.SMTPError](err); ok {
		e := answer.EnhancedCode
		return fmt.Errorf("%s: answer %d %d.%d.%d", command, answer.Code, e[0], e[1], e[2])
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return fmt.Errorf("%s: %w", command, err)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("%s: %w", command, err)
	}
	return fmt.Errorf("%s: the server does not answer as it must", command)
}
