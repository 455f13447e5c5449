package postfix

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/mail"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"
)

// Message is a mail that the next hop received.
type Message struct {
	Sender     string   // between the angle brackets of MAIL FROM
	Params     []string // parameters of MAIL FROM, as they were sent
	Recipients []string // between the angle brackets of RCPT TO
	Raw        []byte   // header and body, lines ended by \n
}

// Auth returns the AUTH= parameter of MAIL FROM, and whether there was one.
func (m Message) Auth() (string, bool) {
	for _, p := range m.Params {
		if name, value, ok := strings.Cut(p, "="); ok && strings.EqualFold(name, "AUTH") {
			return value, true
		}
	}
	return "", false
}

// Header returns the fields of that name from top to bottom, unfolded.
func (m Message) Header(name string) []string {
	parsed, err := mail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		return nil
	}
	return parsed.Header[textproto.CanonicalMIMEHeaderKey(name)]
}

// Sink is an SMTP server that accepts every mail and keeps it.
type Sink struct {
	listener net.Listener

	mu       sync.Mutex
	messages []Message
	changed  chan struct{} // closed and replaced when a message arrives
	open     map[net.Conn]struct{}
	closed   bool
	running  sync.WaitGroup
}

func startSink(t testing.TB) *Sink {
	t.Helper()
	k := &Sink{listener: listen(t), changed: make(chan struct{}), open: map[net.Conn]struct{}{}}
	k.running.Go(k.accept)
	t.Cleanup(k.close)
	return k
}

// Addr returns the host and port of the sink.
func (k *Sink) Addr() string { return k.listener.Addr().String() }

// Messages returns what arrived up to now, in the order of arrival.
func (k *Sink) Messages() []Message {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]Message(nil), k.messages...)
}

// Find returns the first message of which is returns true, and waits for it. It ends
// the test where none arrives within deadline.
func (k *Sink) Find(t testing.TB, deadline time.Duration, is func(Message) bool) Message {
	t.Helper()
	late := time.NewTimer(deadline)
	defer late.Stop()
	for seen := 0; ; {
		k.mu.Lock()
		for _, m := range k.messages[seen:] {
			if is(m) {
				k.mu.Unlock()
				return m
			}
		}
		seen = len(k.messages)
		changed := k.changed
		k.mu.Unlock()
		select {
		case <-changed:
		case <-late.C:
			t.Fatalf("next hop: the message did not arrive within %v", deadline)
		}
	}
}

// Wait returns all messages once there are n or more. It ends the test where they do
// not arrive within deadline.
func (k *Sink) Wait(t testing.TB, n int, deadline time.Duration) []Message {
	t.Helper()
	late := time.NewTimer(deadline)
	defer late.Stop()
	for {
		k.mu.Lock()
		got, changed := len(k.messages), k.changed
		k.mu.Unlock()
		if got >= n {
			return k.Messages()
		}
		select {
		case <-changed:
		case <-late.C:
			t.Fatalf("next hop: got %d messages within %v, want %d", got, deadline, n)
		}
	}
}

func (k *Sink) accept() {
	for {
		conn, err := k.listener.Accept()
		if err != nil {
			return
		}
		if !k.track(conn) {
			return
		}
		k.running.Go(func() {
			defer k.untrack(conn)
			k.serve(conn)
		})
	}
}

func (k *Sink) track(conn net.Conn) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		_ = conn.Close()
		return false
	}
	k.open[conn] = struct{}{}
	return true
}

func (k *Sink) untrack(conn net.Conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.open, conn)
	_ = conn.Close()
}

func (k *Sink) close() {
	_ = k.listener.Close()
	k.mu.Lock()
	k.closed = true
	for conn := range k.open {
		_ = conn.Close()
	}
	k.mu.Unlock()
	k.running.Wait()
}

func (k *Sink) keep(m Message) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.messages = append(k.messages, m)
	close(k.changed)
	k.changed = make(chan struct{})
}

// serve holds one SMTP session. Replies are flushed when nothing more is to be read,
// so that pipelined commands cost one write.
func (k *Sink) serve(conn net.Conn) {
	in := textproto.NewReader(bufio.NewReader(conn))
	out := bufio.NewWriter(conn)
	say := func(lines string) bool {
		_, _ = out.WriteString(lines + "\r\n")
		return in.R.Buffered() > 0 || out.Flush() == nil
	}
	var m Message
	for ok := say("220 sink.test ESMTP"); ok; {
		line, err := in.ReadLine()
		if err != nil {
			return
		}
		verb, args, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			ok = say("250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250 SIZE 104857600")
		case "MAIL":
			m = newMessage(args)
			ok = say("250 2.1.0 Ok")
		case "RCPT":
			recipient, _ := path(args)
			m.Recipients = append(m.Recipients, recipient)
			ok = say("250 2.1.5 Ok")
		case "DATA":
			ok = say("354 Go on") && k.receive(in, &m) == nil && say("250 2.0.0 Kept")
		case "QUIT":
			say("221 2.0.0 Bye")
			return
		default:
			ok = say("250 2.0.0 Ok")
		}
	}
}

func (k *Sink) receive(in *textproto.Reader, m *Message) error {
	raw, err := io.ReadAll(in.DotReader())
	if err != nil {
		return errors.New("connection ended inside a message")
	}
	m.Raw = raw
	k.keep(*m)
	return nil
}

func newMessage(args string) Message {
	sender, rest := path(args)
	return Message{Sender: sender, Params: strings.Fields(rest)}
}

// path splits FROM:<path> params. A quoted local part may hold a bracket.
func path(args string) (inside, rest string) {
	_, text, _ := strings.Cut(args, "<")
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '>' && !quoted:
			return text[:i], text[i+1:]
		}
	}
	return text, ""
}
