package signettest

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// answerWithin bounds one answer of a policy service.
const answerWithin = 10 * time.Second

// Mail is one question to a policy service, as Postfix asks it at the data stage.
type Mail struct {
	Sender        string
	Proof         string // empty: the client gave none
	ClientAddress string // empty: 192.0.2.1
	Instance      string // empty: a new one
	QueueID       string // empty: a new one
}

// Asker is one connection to a policy service. It belongs to one goroutine.
type Asker struct {
	addr string
	conn net.Conn
	in   *bufio.Reader
}

// NewAsker returns a connection to the policy service at addr, which is made at the
// first question.
func NewAsker(t testing.TB, addr string) *Asker {
	t.Helper()
	a := &Asker{addr: addr}
	t.Cleanup(a.Close)
	return a
}

// Close ends the connection; the next question makes a new one.
func (a *Asker) Close() {
	if a.conn != nil {
		_ = a.conn.Close()
		a.conn = nil
	}
}

// Ask returns the action for a mail, such as "REJECT Key revoked".
func (a *Asker) Ask(ctx context.Context, m Mail) (action string, err error) {
	text := m.text()
	if a.conn == nil {
		a.conn, err = new(net.Dialer).DialContext(ctx, "tcp", a.addr)
		if err != nil {
			a.conn = nil
			return "", err
		}
		a.in = bufio.NewReader(a.conn)
	}
	defer func() {
		if err != nil {
			a.Close()
		}
	}()
	if err := a.conn.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return "", err
	}
	if _, err := a.conn.Write([]byte(text)); err != nil {
		return "", err
	}
	line, err := a.in.ReadString('\n')
	if err != nil {
		return "", err
	}
	if end, err := a.in.ReadString('\n'); err != nil || end != "\n" {
		return "", fmt.Errorf("after %q: %q, %w", line, end, err)
	}
	action, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "action=")
	if !ok {
		return "", fmt.Errorf("answer %q is no action", line)
	}
	return action, nil
}

func (m Mail) text() string {
	if m.ClientAddress == "" {
		m.ClientAddress = "192.0.2.1"
	}
	if m.Instance == "" {
		m.Instance = rand.Text()
	}
	if m.QueueID == "" {
		m.QueueID = rand.Text()[:12]
	}
	carried := ""
	if m.Proof != "" {
		carried = "sasl_sender=authroute:" + m.Proof + "\n"
	}
	return fmt.Sprintf("request=smtpd_access_policy\nprotocol_state=DATA\nprotocol_name=ESMTP\nhelo_name=client.test\n"+
		"client_address=%s\nclient_name=unknown\nsender=%s\nrecipient=\nrecipient_count=1\nqueue_id=%s\ninstance=%s\nsize=0\n%s\n",
		m.ClientAddress, m.Sender, m.QueueID, m.Instance, carried)
}
