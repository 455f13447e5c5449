package notify_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"signet/internal/notify"
)

// server is a mail server that keeps what it takes.
type server struct {
	address string
	roots   *x509.CertPool

	mu     sync.Mutex
	mails  []string
	to     []string
	secure bool
	user   string
	answer func(command string) error // what it says to RCPT and DATA
}

// serve starts a server with a certificate for 127.0.0.1: begins with TLS where
// implicit is set, offers STARTTLS otherwise, unless plain is set.
func serve(t *testing.T, mode string, answer func(string) error) *server {
	t.Helper()
	s := &server{answer: answer}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	certificate, roots := selfMade(t)
	s.roots = roots
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{s, c}, nil }))
	server.Domain, server.AllowInsecureAuth = "mail.test", mode == "none"
	server.ErrorLog = quiet{}
	if mode != "none" {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	}
	if mode == "tls" {
		l = tls.NewListener(l, server.TLSConfig)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return s
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

func selfMade(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

func (s *server) seen() (mails, to []string, secure bool, user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mails, s.to, s.secure, s.user
}

type session struct {
	s *server
	c *smtp.Conn
}

func (x *session) Reset()                               {}
func (x *session) Logout() error                        { return nil }
func (x *session) Mail(string, *smtp.MailOptions) error { return x.say("MAIL") }
func (x *session) AuthMechanisms() []string             { return []string{sasl.Plain} }
func (x *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if password != "geheim" {
			return smtp.ErrAuthFailed
		}
		x.s.mu.Lock()
		defer x.s.mu.Unlock()
		x.s.user = user
		return nil
	}), nil
}

func (x *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := x.say("RCPT"); err != nil {
		return err
	}
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	x.s.to = append(x.s.to, to)
	return nil
}

func (x *session) Data(r io.Reader) error {
	mail, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := x.say("DATA"); err != nil {
		return err
	}
	_, secure := x.c.TLSConnectionState()
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	x.s.mails, x.s.secure = append(x.s.mails, string(mail)), secure
	return nil
}

func (x *session) say(command string) error {
	if x.s.answer == nil {
		return nil
	}
	return x.s.answer(command)
}

func (s *server) options(mode string) notify.SMTPOptions {
	return notify.SMTPOptions{Server: s.address, TLS: mode, Roots: s.roots, Timeout: 5 * time.Second}
}

const (
	ours = "signet@auth.example.org"
	bob  = "bob@example.net"
	text = "From: <signet@auth.example.org>\r\nSubject: hi\r\n\r\n.dots\r\nsesame\r\n"
)

func TestAServerTakesMailInEveryMode(t *testing.T) {
	for _, mode := range []string{"starttls", "tls", "none"} {
		s := serve(t, mode, nil)
		o := s.options(mode)
		o.User, o.Password = "signet", "geheim"
		if err := notify.CheckSMTP(t.Context(), o); err != nil {
			t.Errorf("%s: check: %v", mode, err)
		}
		if err := notify.NewSMTP(o).Send(t.Context(), ours, bob, []byte(text)); err != nil {
			t.Errorf("%s: %v", mode, err)
			continue
		}
		mails, to, secure, user := s.seen()
		if len(mails) != 1 || mails[0] != text || to[0] != bob || user != "signet" {
			t.Errorf("%s: got %q to %q as %q", mode, mails, to, user)
		}
		if secure != (mode != "none") {
			t.Errorf("%s: encrypted is %t", mode, secure)
		}
	}
}

func TestOnlyAProvenServerGetsMail(t *testing.T) {
	for name, c := range map[string]struct {
		offers, mode string
		forget       bool
	}{
		"a certificate of nobody known":           {"starttls", "starttls", true},
		"a certificate of nobody known, TLS":      {"tls", "tls", true},
		"STARTTLS was taken out of its greetings": {"none", "starttls", false},
	} {
		s := serve(t, c.offers, nil)
		o := s.options(c.mode)
		o.User, o.Password = "signet", "geheim"
		if c.forget {
			o.Roots = x509.NewCertPool()
		}
		err := notify.NewSMTP(o).Send(t.Context(), ours, bob, []byte(text))
		if err == nil || errors.Is(err, notify.ErrRefused) {
			t.Errorf("%s: got %v, want an error that passes", name, err)
		}
		if mails, _, _, user := s.seen(); len(mails) > 0 || user != "" {
			t.Errorf("%s: it got %q, %q", name, mails, user)
		}
	}
}

func TestAnswersDecideWhetherAMailIsTriedAgain(t *testing.T) {
	for _, command := range []string{"MAIL", "RCPT", "DATA"} {
		for code, final := range map[int]bool{451: false, 550: true} {
			s := serve(t, "none", func(c string) error {
				if c != command {
					return nil
				}
				return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 7, 1}, Message: "no " + bob + " sesame"}
			})
			err := notify.NewSMTP(s.options("none")).Send(t.Context(), ours, bob, []byte(text))
			if err == nil || errors.Is(err, notify.ErrRefused) != final {
				t.Errorf("%s %d: got %v, for good %t", command, code, err, final)
			}
			if err != nil && (strings.Contains(err.Error(), "bob") || strings.Contains(err.Error(), "sesame") || !strings.Contains(err.Error(), "7.1")) {
				t.Errorf("%s %d: the error has the server's words, or not its code: %v", command, code, err)
			}
		}
	}
}

func TestAWrongPasswordIsNoRefusalOfTheMail(t *testing.T) {
	s := serve(t, "starttls", nil)
	o := s.options("starttls")
	o.User, o.Password = "signet", "wrong-one"
	err := notify.NewSMTP(o).Send(t.Context(), ours, bob, []byte(text))
	if err == nil || errors.Is(err, notify.ErrRefused) || strings.Contains(err.Error(), "wrong-one") {
		t.Errorf("got %v, want an error that passes", err)
	}
	if err := notify.CheckSMTP(t.Context(), o); err == nil || !strings.Contains(err.Error(), "AUTH: answer 535") {
		t.Errorf("check: got %v", err)
	}
}

func TestAServerThatHangsHoldsNobody(t *testing.T) {
	for _, mode := range []string{"starttls", "tls", "none"} {
		for name, greeting := range map[string]string{"silent": "", "after its greeting": "220 mail.test ESMTP\r\n"} {
			l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					defer c.Close() // they stay open until the test ends
					_, _ = io.WriteString(c, greeting)
				}
			}()
			o := notify.SMTPOptions{Server: l.Addr().String(), TLS: mode, Timeout: 200 * time.Millisecond}
			start := time.Now()
			if err := notify.NewSMTP(o).Send(t.Context(), ours, bob, []byte(text)); err == nil || errors.Is(err, notify.ErrRefused) {
				t.Errorf("%s, %s: got %v, want an error that passes", mode, name, err)
			}
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("%s, %s: it took %v", mode, name, took)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			o.Timeout = time.Minute
			start = time.Now()
			if err := notify.NewSMTP(o).Send(ctx, ours, bob, []byte(text)); err == nil {
				t.Errorf("%s, %s: mail was taken", mode, name)
			}
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("%s, %s: a caller that gave up waited %v", mode, name, took)
			}
			cancel()
			_ = l.Close()
		}
	}
}

func TestAnEnvelopeHasNoLineBreaks(t *testing.T) {
	s := serve(t, "none", nil)
	err := notify.NewSMTP(s.options("none")).Send(t.Context(), ours, "bob@example.net>\r\nRCPT TO:<eve@example.net", []byte(text))
	if _, to, _, _ := s.seen(); err == nil || len(to) > 0 {
		t.Errorf("got %v, mail to %q", err, to)
	}
}

func TestAComposedMailArrivesWhole(t *testing.T) {
	first := true
	s := serve(t, "starttls", func(command string) error {
		if command == "RCPT" && first { // greylisting
			first = false
			return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "later"}
		}
		return nil
	})
	p := newPost(t, notify.NewSMTP(s.options("starttls")))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	p.Send(ctx, notify.Message{To: []string{bob}, Locale: "fr", What: notify.Reset, Link: link})
	deadline := time.After(20 * time.Second)
	for tick := time.Tick(20 * time.Millisecond); ; {
		if mails, _, _, _ := s.seen(); len(mails) > 0 {
			break
		}
		select {
		case <-tick:
		case <-deadline:
			t.Fatal("no mail arrived")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	mails, _, _, _ := s.seen()
	m := parse(t, []byte(mails[0]))
	if len(mails) != 1 || m.subject != "Un nouveau mot de passe pour auth.example.org" || !strings.Contains(m.text, "\n"+link+"\n") {
		t.Errorf("got %d mails: %s\n%s", len(mails), m.subject, m.text)
	}
	for line := range strings.Lines(mails[0]) {
		if len(line) > 78 {
			t.Errorf("a line of %d bytes: %q", len(line), line)
		}
	}
}
