// Package load puts an open-loop load on a policy service over real sockets, with
// real signatures, and checks every answer.
//
// Open loop means that requests are due at fixed times, whether or not earlier
// ones were answered, and that a latency counts from the due time: a service that
// stalls is charged for everything that waited meanwhile.
package load

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"signet/authproof"
)

// Options says what load to put on what.
type Options struct {
	Network     string // tcp or unix
	Address     string
	Rate        int           // requests a second
	For         time.Duration // how long requests become due
	Connections int           // requests under way at once at most
	Sender      string
	Key         ed25519.PrivateKey // a registered subkey for Sender
	Enforced    bool               // Sender's domain is in enforce or require: a bad signature is rejected
	Progress    func(done, total int)
}

// Report is what came of it.
type Report struct {
	Sent, Answered, Wrong, Lost int
	P50, P95, P99, Max          time.Duration
	FirstWrong                  string // an example, with what was expected
}

// Ok reports whether every request was answered rightly.
func (r Report) Ok() bool { return r.Wrong == 0 && r.Lost == 0 && r.Answered == r.Sent }

// question is one request with the answer that is right.
type question struct {
	due  time.Time
	text []byte
	want string // prefix of the answer
}

type result struct {
	took time.Duration
	err  error
	got  string
	want string
}

// Run puts the load on and waits for the answers. The error is that no connection
// could be made at all; everything else stands in the report.
func Run(ctx context.Context, o Options) (Report, error) {
	conns, err := dial(ctx, o)
	if err != nil {
		return Report{}, err
	}
	total := int(float64(o.Rate) * o.For.Seconds())
	questions := make(chan question, 4*o.Connections)
	results := make([]result, total)
	var next atomic.Int64
	var workers sync.WaitGroup
	for _, c := range conns {
		workers.Go(func() {
			defer c.close()
			for q := range questions {
				results[next.Add(1)-1] = c.ask(ctx, q)
			}
		})
	}
	sent := o.send(ctx, questions, total)
	close(questions)
	workers.Wait()
	return report(results[:next.Load()], sent), nil
}

// send makes questions due one after the other, and returns how many.
func (o Options) send(ctx context.Context, questions chan<- question, total int) int {
	every := time.Second / time.Duration(o.Rate)
	start := time.Now()
	for i := range total {
		due := start.Add(time.Duration(i) * every)
		q := o.question(i, time.Now())
		if wait := time.Until(due); wait > 0 {
			t := time.NewTimer(wait)
			select {
			case <-ctx.Done():
				t.Stop()
				return i
			case <-t.C:
			}
		}
		q.due = due
		select {
		case <-ctx.Done():
			return i
		case questions <- q:
		}
		if o.Progress != nil && i%max(1, o.Rate/4) == 0 {
			o.Progress(i, total)
		}
	}
	if o.Progress != nil {
		o.Progress(total, total)
	}
	return total
}

// question makes the request number i: of twenty, one without a proof, one with a
// wrong signature, and eighteen that are good.
func (o Options) question(i int, now time.Time) question {
	id := fmt.Sprintf("<load-%d-%d@signet>", now.UnixNano(), i)
	signed := o.Sender
	want := "action=PREPEND Authenticated-Routing: pass key-id=" + authproof.KeyID(o.Key.Public().(ed25519.PublicKey)) // crypto/ed25519 promises the type
	if i%20 == 7 {
		signed = "x" + o.Sender
		want = "action=PREPEND Authenticated-Routing: fail reason=signature"
		if o.Enforced {
			want = "action=REJECT Invalid signature"
		}
	}
	proof, err := authproof.Sign(o.Key, authproof.Claims{Version: 2, Timestamp: now, MessageID: id, Sender: signed, Audience: authproof.AnyRelay})
	parameter := "sasl_sender=authroute:" + proof + "\n"
	if err != nil || i%20 == 13 {
		parameter, want = "", "action=DUNNO"
	}
	text := fmt.Appendf(nil, "request=smtpd_access_policy\nprotocol_state=DATA\nprotocol_name=ESMTP\nclient_address=192.0.2.%d\nclient_name=unknown\n"+
		"helo_name=load.example\nsender=%s\nrecipient=\nrecipient_count=1\nqueue_id=L%X\ninstance=%x.%x.0\nsize=0\n%s\n",
		i%250+1, o.Sender, i, now.UnixNano(), i, parameter)
	return question{text: text, want: want}
}

// conn is one connection of the load.
type conn struct {
	options Options
	net     net.Conn
	reader  *bufio.Reader
}

func dial(ctx context.Context, o Options) ([]*conn, error) {
	all := make([]*conn, 0, o.Connections)
	for range o.Connections {
		c := &conn{options: o}
		if err := c.dial(ctx); err != nil {
			for _, open := range all {
				open.close()
			}
			return nil, fmt.Errorf("connect to the policy service: %w", err)
		}
		all = append(all, c)
	}
	return all, nil
}

func (c *conn) dial(ctx context.Context) (err error) {
	if c.net, err = new(net.Dialer).DialContext(ctx, c.options.Network, c.options.Address); err == nil {
		c.reader = bufio.NewReader(c.net)
	}
	return err
}

func (c *conn) close() {
	if c.net != nil {
		_ = c.net.Close() // nothing was promised on it
	}
}

// answerTime is how long an answer may take before it counts as lost.
const answerTime = 10 * time.Second

// ask sends one request and reads the answer. After trouble it connects anew once,
// as Postfix does (try_limit=2).
func (c *conn) ask(ctx context.Context, q question) result {
	got, err := c.exchange(q.text)
	if err != nil && ctx.Err() == nil {
		c.close()
		if err = c.dial(ctx); err == nil {
			got, err = c.exchange(q.text)
		}
	}
	return result{took: time.Since(q.due), err: err, got: got, want: q.want}
}

func (c *conn) exchange(text []byte) (string, error) {
	if c.net == nil {
		return "", net.ErrClosed
	}
	if err := c.net.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return "", err
	}
	if _, err := c.net.Write(text); err != nil {
		return "", err
	}
	line, err := c.reader.ReadString('\n')
	if err != nil {
		return "", err
	}
	end, err := c.reader.ReadString('\n')
	if err == nil && end != "\n" {
		err = errors.New("the answer has more than one line")
	}
	return strings.TrimSuffix(line, "\n"), err
}

func report(results []result, sent int) Report {
	r := Report{Sent: sent}
	var took []time.Duration
	for _, x := range results {
		if x.err != nil {
			r.Lost++
			continue
		}
		r.Answered++
		took = append(took, x.took)
		if !strings.HasPrefix(x.got, x.want) {
			r.Wrong++
			if r.FirstWrong == "" {
				r.FirstWrong = fmt.Sprintf("got %q, want %q", x.got, x.want)
			}
		}
	}
	slices.Sort(took)
	at := func(q float64) time.Duration {
		if len(took) == 0 {
			return 0
		}
		return took[min(len(took)-1, int(q*float64(len(took))))]
	}
	r.P50, r.P95, r.P99, r.Max = at(0.50), at(0.95), at(0.99), at(1)
	return r
}
