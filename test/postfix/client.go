package postfix

import (
	"net"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

// replyWithin bounds one SMTP reply: longer than Postfix waits for a policy service
// that does not answer, twice.
const replyWithin = 30 * time.Second

// Client speaks SMTP line by line. It belongs to one goroutine, that of its test.
type Client struct {
	t    testing.TB
	conn net.Conn
	text *textproto.Conn
}

// Dial connects, reads the greeting and says EHLO. The connection ends with the test.
func (s *Server) Dial(t testing.TB) *Client {
	t.Helper()
	return s.DialFrom(t, "127.0.0.1")
}

// DialFrom is Dial from another client address; all of 127.0.0.0/8 is this machine's.
func (s *Server) DialFrom(t testing.TB, address string) *Client {
	t.Helper()
	d := net.Dialer{Timeout: replyWithin, LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	conn, err := d.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	c := &Client{t: t, conn: conn, text: textproto.NewConn(conn)}
	t.Cleanup(c.Close)
	if code, text := c.reply(); code != 220 {
		t.Fatalf("greeting: %d %s", code, text)
	}
	c.Expect(250, "EHLO client.test")
	return c
}

// Cmd sends a line and returns the reply's code and text. Lines of a long reply are
// separated by newlines.
func (c *Client) Cmd(line string) (code int, text string) {
	c.t.Helper()
	c.Send(line)
	return c.reply()
}

// Send sends a line and reads no reply.
func (c *Client) Send(line string) {
	c.t.Helper()
	_ = c.conn.SetDeadline(time.Now().Add(replyWithin))
	if _, err := c.conn.Write([]byte(line + "\r\n")); err != nil {
		c.t.Fatalf("send %.60q: %v", line, err)
	}
}

// Expect sends a line, ends the test where the reply has another code, and returns
// the reply's text.
func (c *Client) Expect(code int, line string) string {
	c.t.Helper()
	got, text := c.Cmd(line)
	if got != code {
		c.t.Fatalf("%.100s: got %d %s, want %d", line, got, text, code)
	}
	return text
}

// Mail gives a MAIL FROM command as it is, the recipients and a message (header,
// empty line, body, with \n), and returns the reply to the message, or the first
// reply that is no success.
func (c *Client) Mail(mailFrom string, to []string, message string) (code int, text string) {
	c.t.Helper()
	if code, text = c.Cmd(mailFrom); code != 250 {
		return code, text
	}
	for _, recipient := range to {
		if code, text = c.Cmd("RCPT TO:<" + recipient + ">"); code != 250 {
			return code, text
		}
	}
	if code, text = c.Cmd("DATA"); code != 354 {
		return code, text
	}
	w := c.text.DotWriter()
	if _, err := w.Write([]byte(strings.ReplaceAll(message, "\n", "\r\n"))); err != nil {
		c.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		c.t.Fatal(err)
	}
	return c.reply()
}

// Close ends the connection; it may be called again.
func (c *Client) Close() { _ = c.text.Close() }

func (c *Client) reply() (int, string) {
	c.t.Helper()
	_ = c.conn.SetDeadline(time.Now().Add(replyWithin))
	code, text, err := c.text.ReadResponse(0)
	if err != nil {
		c.t.Fatalf("read reply: %v", err)
	}
	return code, text
}
