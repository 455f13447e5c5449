package authroute

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"signet/internal/deadline"
	"signet/internal/policyproto"
)

// judge says whether a mail's proof holds. It returns soon after ctx ends.
type judge interface {
	Judge(ctx context.Context, q Request) Verdict
}

// recorder writes down what was judged.
type recorder interface {
	// Record waits for room until ctx ends. It returns an error where the verdict
	// will not be written.
	Record(ctx context.Context, v Verification) error
	// Hold keeps the recorder at work until release is called.
	Hold() (release func())
}

// PolicyConfig is how Postfix is served. Durations of zero have the default named.
type PolicyConfig struct {
	Host           string           // name of this machine, for clients on loopback and UNIX sockets
	Allow          []netip.Prefix   // networks that may ask; none means loopback
	Tagged         bool             // a proof in user+ap=PROOF@domain counts
	MaxConnections int              // default 1,000
	Deadline       time.Duration    // for one answer; default 1 s
	Idle           time.Duration    // between two requests; default 15 min (Postfix: max_idle, 300 s)
	Partial        time.Duration    // from a request's first byte to its last, and to send the answer; default 10 s
	Drain          time.Duration    // for requests in hand at the end; default 30 s
	Now            func() time.Time // default time.Now

	// Domain tells how mail of a sender is treated where judging it came to nothing;
	// nil leaves such mail to Postfix.
	Domain func(sender string) Domain
}

// Policy answers Postfix's policy requests (Postfix SMTPD_POLICY_README). It never
// answers OK, and answers DUNNO where it is in trouble itself. It is safe for
// concurrent use.
type Policy struct {
	config   PolicyConfig
	judge    judge
	verdicts recorder
	metrics  *Metrics
	guests   *guests
	recent   *memory[delivery, *decided]

	strangers, broken, unrecorded sparse
}

// delivery is one attempt of a client to deliver one mail, as Postfix names it.
type delivery struct{ host, instance string }

// decided is what was answered about a delivery. Whoever decides has the lock: Postfix
// asks again on another connection where an answer takes too long, and both questions
// are about one mail, which has one verdict.
type decided struct {
	sync.Mutex
	answered bool
	envelope string // a client may begin anew with another sender
	atData   bool   // asked at DATA, which is once a mail
	action   policyproto.Action
}

const (
	recentSize = 65_536
	// The recipients of one mail come within the time that Postfix gives a client.
	recentTime = 10 * time.Minute
)

// NewPolicy returns a policy service that asks j, and tells v what it answered.
func NewPolicy(c PolicyConfig, j judge, v recorder, m *Metrics) *Policy {
	c.MaxConnections = cmp.Or(c.MaxConnections, 1000)
	c.Deadline = cmp.Or(c.Deadline, time.Second)
	c.Idle = cmp.Or(c.Idle, 15*time.Minute)
	c.Partial = cmp.Or(c.Partial, 10*time.Second)
	c.Drain = cmp.Or(c.Drain, 30*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Policy{
		config: c, judge: j, verdicts: v, metrics: m,
		guests: newGuests(c.MaxConnections),
		recent: newMemory[delivery, *decided](recentSize, recentTime, c.Now),
	}
}

// Serve answers the clients of l until ctx ends. Then it closes l and the
// connections between two requests, answers the requests in hand, within the drain
// time, and returns. Several listeners share one Policy and its limits.
func (p *Policy) Serve(ctx context.Context, l net.Listener) error {
	defer p.verdicts.Hold()()
	closing := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer closing()
	party := newParty(p.guests)
	err := p.acceptAll(ctx, l, party)
	_ = l.Close()
	if !party.leave(p.config.Drain) {
		slog.WarnContext(ctx, "policy requests were cut at the end of the drain time")
	}
	return err
}

// acceptAll returns nil once ctx ends.
func (p *Policy) acceptAll(ctx context.Context, l net.Listener, party *party) error {
	pause := time.Duration(0)
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			p.welcome(ctx, conn, party)
			continue
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the end that was asked for
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept policy connections: %w", err)
		}
		// Out of file descriptors, or a client that left already: others still come.
		slog.WarnContext(ctx, "a policy connection was not accepted", "error", err)
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// welcome serves conn in the background where its host may ask.
func (p *Policy) welcome(ctx context.Context, conn net.Conn, party *party) {
	host, ok := p.hostOf(conn.RemoteAddr())
	if !ok && p.strangers.due(p.config.Now()) {
		slog.WarnContext(ctx, "a host that may not ask the policy service was turned away", "address", conn.RemoteAddr().String())
	}
	if !ok || !party.admit(conn) {
		p.metrics.refused.Inc()
		_ = conn.Close()
		return
	}
	p.metrics.connections.Inc()
	go func() {
		defer p.metrics.connections.Dec()
		defer party.dismiss(conn)
		p.serve(context.WithoutCancel(ctx), party.guest(conn), host)
	}()
}

// hostOf returns the name under which the machine of a client is known, and
// whether it may ask. Loopback is another machine on every instance.
func (p *Policy) hostOf(remote net.Addr) (host string, ok bool) {
	tcp, isTCP := remote.(*net.TCPAddr)
	if !isTCP {
		return p.config.Host, true // the socket's file mode says who may
	}
	a := tcp.AddrPort().Addr().Unmap()
	if len(p.config.Allow) > 0 {
		ok = containsAddr(p.config.Allow, a)
	} else {
		ok = a.IsLoopback()
	}
	if a.IsLoopback() {
		return p.config.Host, ok
	}
	return a.String(), ok
}

// serve answers the requests of one connection until either side ends it.
func (p *Policy) serve(ctx context.Context, g *guest, host string) {
	in := policyproto.NewReader(g.Conn)
	var q policyproto.Request
	var out []byte
	for g.rest(p.config.Idle) && in.Wait() == nil && (in.Whole() || g.reads(p.config.Partial)) {
		if err := in.Read(&q); err != nil {
			p.noteBroken(ctx, host, err)
			return
		}
		if !g.works() {
			return
		}
		start := time.Now()
		action := p.answer(ctx, host, &q)
		out = action.AppendTo(out[:0])
		if err := g.send(out, p.config.Partial); err != nil {
			return
		}
		p.metrics.action(action)
		p.metrics.answered.Observe(time.Since(start).Seconds())
	}
}

// noteBroken tells of a request that could not be read. A client that went in the
// middle of one is no news.
func (p *Policy) noteBroken(ctx context.Context, host string, err error) {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return
	}
	p.metrics.malformed.Inc()
	if p.broken.due(p.config.Now()) {
		slog.WarnContext(ctx, "a policy connection was closed", "host", host, "error", err)
	}
}

// answer says what to do about one request.
func (p *Policy) answer(ctx context.Context, host string, q *policyproto.Request) policyproto.Action {
	switch q.ProtocolState {
	case "MAIL", "RCPT", "DATA":
	default:
		return policyproto.Dunno()
	}
	if q.Instance == "" {
		return p.decide(ctx, host, q)
	}
	// What is kept must not hold on to the whole request.
	this := p.recent.getOr(delivery{host, strings.Clone(q.Instance)}, &decided{})
	this.Lock()
	defer this.Unlock()
	envelope := q.Sender + "\n" + q.SASLSender
	atData := q.ProtocolState == "DATA"
	switch {
	case !this.answered || this.envelope != envelope:
		this.action = p.decide(ctx, host, q)
		this.answered, this.envelope, this.atData = true, envelope, atData
		return this.action
	case this.atData && atData:
		return this.action // the first answer came too late
	}
	return repeated(this.action)
}

// repeated is the answer to further recipients of a mail: its header is there already.
func repeated(a policyproto.Action) policyproto.Action {
	if a.Verb() == "PREPEND" {
		return policyproto.Dunno()
	}
	return a
}

// decide judges a mail and writes the verdict down.
func (p *Policy) decide(ctx context.Context, host string, q *policyproto.Request) policyproto.Action {
	ctx, cancel := deadline.Within(ctx, p.config.Deadline)
	defer cancel()
	r := Request{
		Carried:       policyproto.ProofFrom(q, p.config.Tagged),
		ClientAddress: q.ClientAddress, Host: host, Instance: q.Instance, QueueID: q.QueueID,
	}
	v := p.judgeInTime(ctx, r)
	if v.Domain.Mode == "" && p.config.Domain != nil {
		v.Domain = p.config.Domain(v.Sender) // whoever slows us down must not get around require
	}
	action := Decide(v)
	p.metrics.verdict(v)
	if err := p.verdicts.Record(ctx, verification(v, r, action, p.config.Now())); err != nil {
		p.metrics.defaultAction(byQueue)
		if p.unrecorded.due(p.config.Now()) {
			slog.ErrorContext(ctx, "a verdict was not recorded", "queue_id", q.QueueID, "error", err)
		}
		if !v.Tagged {
			return policyproto.Dunno()
		}
	}
	return action
}

// judgeInTime makes temperror of a judgement that took too long, and of a panic.
func (p *Policy) judgeInTime(ctx context.Context, r Request) (v Verdict) {
	defer func() {
		if panicked := recover(); panicked != nil {
			p.metrics.defaultAction(byPanic)
			slog.ErrorContext(ctx, "judging a mail panicked", "panic", fmt.Sprint(panicked), "stack", string(debug.Stack()))
			v = r.unjudged(Trouble)
		}
	}()
	v = p.judge.Judge(ctx, r)
	if v.Result == TempError && ctx.Err() != nil {
		p.metrics.defaultAction(byDeadline)
		return v.because(Deadline)
	}
	return v
}

// unjudged is the verdict on a mail that nothing was found out about.
func (q Request) unjudged(c Cause) Verdict {
	v := Verdict{Sender: q.Carried.Sender, Tagged: q.Carried.Form == policyproto.Tagged}
	return v.because(c)
}

func verification(v Verdict, r Request, a policyproto.Action, now time.Time) Verification {
	return Verification{
		MessageID: v.MessageID, Sender: v.Sender, KeyID: v.KeyID, Result: v.Result, Cause: v.Cause, At: now,
		Instance: r.Instance, QueueID: r.QueueID, ClientAddress: r.ClientAddress,
		Mode: v.Domain.Mode, Action: a.String(), hosted: v.Domain.Hosted,
	}
}
