package authroute_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"signet/internal/authroute"
	"signet/internal/policyproto"
)

// judgeFunc judges as a test wants.
type judgeFunc func(ctx context.Context, q authroute.Request) authroute.Verdict

func (f judgeFunc) Judge(ctx context.Context, q authroute.Request) authroute.Verdict {
	return f(ctx, q)
}

// verdictIn is a judge whose every verdict has a cause, in a domain with a mode.
func verdictIn(c authroute.Cause, m authroute.Mode) judgeFunc {
	return func(_ context.Context, q authroute.Request) authroute.Verdict {
		v := verdictOf(c, m)
		v.Sender, v.Tagged = q.Carried.Sender, q.Carried.Form == policyproto.Tagged
		return v
	}
}

// ledger keeps what is recorded in memory.
type ledger struct {
	mu   sync.Mutex
	rows []authroute.Verification
	full bool
	held int
}

func (l *ledger) Record(ctx context.Context, v authroute.Verification) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full {
		return errors.New("full")
	}
	l.rows = append(l.rows, v)
	return nil
}

func (l *ledger) Hold() func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held++
	return func() { l.mu.Lock(); defer l.mu.Unlock(); l.held-- }
}

func (l *ledger) all() []authroute.Verification {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]authroute.Verification(nil), l.rows...)
}

// service is a policy service on a socket.
type service struct {
	*authroute.Policy
	*ledger
	reg  *prometheus.Registry
	l    net.Listener
	stop context.CancelFunc
	done chan error
}

func serve(t testing.TB, c authroute.PolicyConfig, j judgeFunc) *service {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, c, j)
}

func serveOn(t testing.TB, l net.Listener, c authroute.PolicyConfig, j judgeFunc) *service {
	t.Helper()
	s := &service{ledger: &ledger{}, reg: prometheus.NewRegistry(), l: l, done: make(chan error, 1)}
	c.Host = "this-host"
	s.Policy = authroute.NewPolicy(c, j, s.ledger, authroute.NewMetrics(s.reg, authroute.Sources{}))
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	ended := make(chan struct{})
	go func() { s.done <- s.Serve(ctx, l); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	return s
}

// metric returns the value of a metric, named as "name label=value".
func (s *service) metric(t testing.TB, name string) float64 { return metricOf(t, s.reg, name) }

func metricOf(t testing.TB, reg *prometheus.Registry, wanted string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetName() + "=" + l.GetValue()
			}
			if name == wanted {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	t.Errorf("no metric %s", wanted)
	return 0
}

// client is a connection to a policy service.
type client struct {
	net.Conn
	in *bufio.Reader
}

func dial(t testing.TB, addr net.Addr) *client {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &client{conn, bufio.NewReader(conn)}
}

// ask sends a request and returns the action; it is empty where the connection ended.
func (c *client) ask(t testing.TB, attributes ...string) string {
	t.Helper()
	if _, err := fmt.Fprint(c, request(attributes...)); err != nil {
		return ""
	}
	return c.answer(t)
}

func (c *client) answer(t testing.TB) string {
	t.Helper()
	line, err := c.in.ReadString('\n')
	if err != nil {
		return ""
	}
	if blank, err := c.in.ReadString('\n'); err != nil || blank != "\n" {
		t.Errorf("the answer %q does not end in an empty line: %q, %v", line, blank, err)
	}
	action, ok := strings.CutPrefix(line, "action=")
	if !ok {
		t.Errorf("the answer %q is no action", line)
	}
	return strings.TrimSuffix(action, "\n")
}

// request is one as Postfix sends it; attributes win over the usual ones.
func request(attributes ...string) string {
	usual := []string{
		"request=smtpd_access_policy", "protocol_state=RCPT", "protocol_name=ESMTP", "client_address=192.0.2.1",
		"sender=alice@example.org", "recipient=bob@example.net", "instance=1.2.3",
	}
	return strings.Join(append(usual, attributes...), "\n") + "\n\n"
}

func (c *client) expect(t testing.TB, what, want string, attributes ...string) {
	t.Helper()
	if got := c.ask(t, attributes...); got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestHeaderComesOnceForSeveralRecipients(t *testing.T) {
	s := serve(t, authroute.PolicyConfig{}, verdictIn(passes, authroute.Enforce))
	c := dial(t, s.l.Addr())
	c.expect(t, "first recipient", passHeader)
	c.expect(t, "second recipient", "DUNNO", "queue_id=ABC")
	other := dial(t, s.l.Addr())
	other.expect(t, "third recipient on another connection", "DUNNO", "queue_id=ABC")
	c.expect(t, "at the data stage too", "DUNNO", "queue_id=ABC", "protocol_state=DATA")
	c.expect(t, "next mail", passHeader, "instance=1.2.4")
	c.expect(t, "next mail at the data stage alone", passHeader, "instance=1.2.5", "protocol_state=DATA")
	c.expect(t, "begun anew with another sender", passHeader, "instance=1.2.5", "sender=al@example.org")
	if rows := s.all(); len(rows) != 4 {
		t.Errorf("%d verdicts for 4 mails", len(rows))
	}
}

// Postfix gives up on a slow answer and asks again, on another connection.
func TestMailThatIsAskedAboutTwiceHasOneVerdictAndOneAnswer(t *testing.T) {
	begun := make(chan struct{}, 3)
	s := serve(t, authroute.PolicyConfig{}, func(_ context.Context, q authroute.Request) authroute.Verdict {
		begun <- struct{}{}
		<-time.After(100 * time.Millisecond) // for the others to come
		return verdictOf(passes, authroute.Enforce)
	})
	answers := make([]string, 3)
	var askers sync.WaitGroup
	for n := range answers {
		c := dial(t, s.l.Addr())
		askers.Go(func() { answers[n] = c.ask(t, "protocol_state=DATA") })
	}
	askers.Wait()
	for _, got := range answers {
		if got != passHeader {
			t.Errorf("got %q, want %q for each", answers, passHeader)
		}
	}
	if rows := s.all(); len(rows) != 1 || len(begun) != 1 {
		t.Errorf("judged %d times, %d verdicts, want one", len(begun), len(rows))
	}
}

func TestRefusalIsRepeatedForEveryRecipient(t *testing.T) {
	for mode, want := range map[authroute.Mode]string{authroute.Enforce: "REJECT Key revoked", authroute.Quarantine: "HOLD"} {
		s := serve(t, authroute.PolicyConfig{}, verdictIn(authroute.Revoked, mode))
		c := dial(t, s.l.Addr())
		for range 3 {
			c.expect(t, string(mode), want)
		}
		if rows := s.all(); len(rows) != 1 || rows[0].Action != want {
			t.Errorf("%s: got %v, want one verdict", mode, rows)
		}
	}
}

func TestMailWithoutInstanceIsJudgedEachTime(t *testing.T) {
	s := serve(t, authroute.PolicyConfig{}, verdictIn(passes, authroute.Enforce))
	c := dial(t, s.l.Addr())
	for range 2 {
		c.expect(t, "no instance", passHeader, "instance=")
	}
}

func TestOtherStagesHaveNoVerdict(t *testing.T) {
	s := serve(t, authroute.PolicyConfig{}, verdictIn(authroute.Revoked, authroute.Enforce))
	c := dial(t, s.l.Addr())
	for _, state := range []string{"CONNECT", "HELO", "EHLO", "VRFY", "ETRN", "END-OF-MESSAGE", "", "data", "XYZ"} {
		c.expect(t, state, "DUNNO", "protocol_state="+state)
	}
	if rows := s.all(); len(rows) != 0 {
		t.Errorf("got verdicts %v", rows)
	}
	c.expect(t, "MAIL", "REJECT Key revoked", "protocol_state=MAIL")
}

func TestVerdictIsRecordedAsPostfixWasTold(t *testing.T) {
	s := serve(t, authroute.PolicyConfig{Now: func() time.Time { return time.Unix(1_800_000_000, 0) }}, func(_ context.Context, q authroute.Request) authroute.Verdict {
		v := verdictOf(authroute.Stale, authroute.Monitor)
		v.MessageID = "<1@example.org>"
		if q.Host != "this-host" || q.ClientAddress != "192.0.2.1" || q.Instance != "1.2.3" || q.QueueID != "Q1" || q.Carried.Proof != "xyz" {
			t.Errorf("asked for %+v", q)
		}
		return v
	})
	dial(t, s.l.Addr()).expect(t, "stale", failHeader+"stale", "queue_id=Q1", "sasl_sender=authroute:xyz")
	rows := s.all()
	if len(rows) != 1 {
		t.Fatalf("got %d verdicts", len(rows))
	}
	got := rows[0]
	want := authroute.Verification{
		MessageID: "<1@example.org>", Sender: "alice@example.org", KeyID: aliceHash, Result: authroute.Fail, Cause: authroute.Stale,
		At: time.Unix(1_800_000_000, 0), Instance: "1.2.3", QueueID: "Q1", ClientAddress: "192.0.2.1", Mode: authroute.Monitor,
		Action: failHeader + "stale",
	}
	if got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestJudgementThatTakesTooLongMeansDunno(t *testing.T) {
	s := serve(t, authroute.PolicyConfig{Deadline: 50 * time.Millisecond, Tagged: true}, func(ctx context.Context, q authroute.Request) authroute.Verdict {
		<-ctx.Done()
		v := verdictOf(authroute.StoreTrouble, authroute.Enforce)
		v.Tagged = q.Carried.Form == policyproto.Tagged
		return v
	})
	c := dial(t, s.l.Addr())
	for n := range 3 {
		c.expect(t, "slow", "DUNNO", fmt.Sprint("instance=", n))
	}
	if got := s.metric(t, "authroute_default_actions_total reason=deadline"); got != 3 {
		t.Errorf("%v counted as deadline, want 3", got)
	}
	c.expect(t, "tagged sender", "REJECT Proof not verified", "instance=t", "sender=alice+ap=x@example.org")
	rows := s.all()
	if len(rows) != 4 || rows[0].Result != authroute.TempError || rows[0].Cause != authroute.Deadline || rows[0].Sender != "alice@example.org" {
		t.Errorf("got verdicts %+v", rows)
	}
}

func TestJudgeThatPanicsMeansDunno(t *testing.T) {
	s := serve(t, authroute.PolicyConfig{Tagged: true}, func(context.Context, authroute.Request) authroute.Verdict { panic("bug") })
	c := dial(t, s.l.Addr())
	c.expect(t, "panic", "DUNNO")
	c.expect(t, "next one on the same connection", "DUNNO", "instance=2")
	c.expect(t, "tagged sender", "REJECT Proof not verified", "instance=3", "sender=alice+ap=x@example.org")
	if got := s.metric(t, "authroute_default_actions_total reason=panic"); got != 3 {
		t.Errorf("%v counted, want 3", got)
	}
	if rows := s.all(); len(rows) != 3 || rows[0].Cause != authroute.Trouble {
		t.Errorf("got verdicts %+v", rows)
	}
}

func TestVerdictThatCannotBeRecordedMeansDunno(t *testing.T) {
	s := serve(t, authroute.PolicyConfig{Tagged: true}, verdictIn(authroute.Revoked, authroute.Enforce))
	s.full = true
	c := dial(t, s.l.Addr())
	c.expect(t, "queue full", "DUNNO")
	c.expect(t, "tagged sender", "REJECT Key revoked", "instance=t", "sender=alice+ap=x@example.org")
	if got := s.metric(t, "authroute_default_actions_total reason=queue_full"); got != 2 {
		t.Errorf("%v counted, want 2", got)
	}
}

func TestMetricsCountVerdictsAndActions(t *testing.T) {
	s := serve(t, authroute.PolicyConfig{}, func(ctx context.Context, q authroute.Request) authroute.Verdict {
		v := verdictIn(authroute.Cause(q.Carried.Proof), authroute.Enforce)(ctx, q)
		v.Retried = q.QueueID == "retry"
		return v
	})
	c := dial(t, s.l.Addr())
	for n, cause := range []string{"revoked", "replayed", "no-proof", ""} {
		c.ask(t, fmt.Sprint("instance=", n), "sasl_sender=authroute:"+cause)
	}
	c.ask(t, "instance=r", "queue_id=retry", "sasl_sender=authroute:")
	c.ask(t, "instance=r", "queue_id=retry", "sasl_sender=authroute:") // second recipient
	for name, want := range map[string]float64{
		"authroute_verdicts_total cause=revoked result=fail":  1,
		"authroute_verdicts_total cause=replayed result=fail": 1,
		"authroute_verdicts_total cause=no-proof result=none": 1,
		"authroute_verdicts_total cause=verified result=pass": 2,
		"authroute_actions_total action=REJECT":               2,
		"authroute_actions_total action=PREPEND":              2,
		"authroute_actions_total action=DUNNO":                2,
		"authroute_retries_total":                             1,
		"authroute_replays_total":                             1,
		"authroute_verified_ratio":                            0.4,
		"authroute_policy_connections":                        1,
		"authroute_policy_duration_seconds":                   6,
	} {
		eventually(t, name, func() bool { return s.metric(t, name) == want }) // counted just after the answer
	}
}

func TestOnlyListedHostsMayAsk(t *testing.T) {
	nobody := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	all := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for name, c := range map[string]struct {
		allow []netip.Prefix
		want  string
	}{"loopback without a list": {nil, "DUNNO"}, "loopback not in the list": {nobody, ""}, "in the list": {all, "DUNNO"}} {
		s := serve(t, authroute.PolicyConfig{Allow: c.allow}, verdictIn(authroute.NoProof, authroute.Monitor))
		dial(t, s.l.Addr()).expect(t, name, c.want)
	}
}

func TestUnixSocketServes(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", filepath.Join(t.TempDir(), "policy"))
	if err != nil {
		t.Fatal(err)
	}
	s := serveOn(t, l, authroute.PolicyConfig{}, func(_ context.Context, q authroute.Request) authroute.Verdict {
		if q.Host != "this-host" {
			t.Errorf("host is %q", q.Host)
		}
		return verdictOf(passes, authroute.Enforce)
	})
	dial(t, l.Addr()).expect(t, "on a UNIX socket", passHeader)
	s.stop()
	if err := <-s.done; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestMalformedRequestEndsItsConnectionOnly(t *testing.T) {
	s := serve(t, authroute.PolicyConfig{}, verdictIn(passes, authroute.Enforce))
	good := dial(t, s.l.Addr())
	good.expect(t, "before", passHeader)
	for n, text := range []string{"nonsense\n\n", "\n", "request=other\n\n", "=x\n\n", "a\x00=b\n\n", strings.Repeat("x", 9000), strings.Repeat("a=b\n", 200) + "\n"} {
		bad := dial(t, s.l.Addr())
		_, _ = fmt.Fprint(bad, text)
		if got := bad.answer(t); got != "" {
			t.Errorf("%.20q: got %q, want the connection to end", text, got)
		}
		good.expect(t, "meanwhile", passHeader, fmt.Sprint("instance=", n))
	}
	if got := s.metric(t, "authroute_policy_malformed_total"); got != 7 {
		t.Errorf("%v counted, want 7", got)
	}
}

// pipes is a listener of connections inside this process.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial() *client {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return &client{ours, bufio.NewReader(ours)}
}

// ended reports whether the service has closed the connection.
func (c *client) ended() bool {
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	defer func() { _ = c.SetReadDeadline(time.Time{}) }()
	_, err := c.in.Peek(1)
	e, ok := errors.AsType[net.Error](err)
	return err != nil && (!ok || !e.Timeout())
}

func after(d time.Duration) { <-time.After(d) }

func TestIdleConnectionIsKeptAndAPartialRequestIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		serveOn(t, p, authroute.PolicyConfig{}, verdictIn(passes, authroute.Enforce))
		idle, slow, halfOpen := p.dial(), p.dial(), p.dial()
		defer idle.Close()
		idle.expect(t, "at first", passHeader)
		_, _ = fmt.Fprint(slow, "request=smtpd_access_policy\n")
		after(9 * time.Second)
		if slow.ended() {
			t.Error("a slow request is cut after 9 s, want 10 s")
		}
		after(2 * time.Second)
		if !slow.ended() {
			t.Error("a slow request is not cut after 11 s, want 10 s")
		}
		after(300 * time.Second)
		idle.expect(t, "after five idle minutes", passHeader, "instance=2")
		after(14 * time.Minute)
		idle.expect(t, "after fourteen idle minutes", passHeader, "instance=3")
		if !halfOpen.ended() {
			t.Error("a connection without a word is kept for ever")
		}
	})
}

func TestDripOfBytesDoesNotProlongARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		serveOn(t, p, authroute.PolicyConfig{}, verdictIn(passes, authroute.Enforce))
		c := p.dial()
		sent := 0
		for range 100 {
			if _, err := fmt.Fprint(c, "a"); err != nil {
				break
			}
			sent++
			after(time.Second)
		}
		if sent < 9 || sent > 11 {
			t.Errorf("%d bytes were taken in as many seconds, want 10", sent)
		}
	})
}

func TestClientThatDoesNotReadIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		s := serveOn(t, p, authroute.PolicyConfig{}, verdictIn(passes, authroute.Enforce))
		c := p.dial()
		_, _ = fmt.Fprint(c, request())
		after(11 * time.Second)
		if got := c.answer(t); got != "" {
			t.Errorf("got %q, want the connection to end", got)
		}
		if got := s.metric(t, "authroute_policy_connections"); got != 0 {
			t.Errorf("%v connections are open", got)
		}
	})
}

func TestFullHouseSendsAwayWhoIsIdleLongest(t *testing.T) {
	begun, block := make(chan struct{}, 3), make(chan struct{})
	p := newPipes()
	s := serveOn(t, p, authroute.PolicyConfig{MaxConnections: 3, Deadline: 10 * time.Second}, func(context.Context, authroute.Request) authroute.Verdict {
		begun <- struct{}{}
		<-block
		return verdictOf(passes, authroute.Enforce)
	})
	work := func(c *client, instance string) *client {
		_, _ = fmt.Fprint(c, request("instance="+instance))
		<-begun
		return c
	}
	busy := work(p.dial(), "1")
	oldest, slow := p.dial(), p.dial()
	_, _ = fmt.Fprint(slow, "request=")
	next := work(p.dial(), "2")
	eventually(t, "the idle one goes", oldest.ended)
	another := work(p.dial(), "3")
	eventually(t, "the slow one goes", slow.ended)
	eventually(t, "the new one goes, since all others work", p.dial().ended)
	if got := s.metric(t, "authroute_policy_refused_connections_total"); got != 1 {
		t.Errorf("%v count as refused, want 1", got)
	}
	close(block)
	for _, c := range []*client{busy, next, another} {
		if got := c.answer(t); got != passHeader {
			t.Errorf("got %q, want %q", got, passHeader)
		}
	}
}

func TestStopAnswersWhatIsInHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := make(chan struct{})
		p := newPipes()
		s := serveOn(t, p, authroute.PolicyConfig{}, func(ctx context.Context, _ authroute.Request) authroute.Verdict {
			close(begun)
			select {
			case <-time.After(500 * time.Millisecond):
			case <-ctx.Done():
			}
			return verdictOf(passes, authroute.Enforce)
		})
		working, idle, partial := p.dial(), p.dial(), p.dial()
		_, _ = fmt.Fprint(working, request())
		whole := request("protocol_state=HELO")
		_, _ = fmt.Fprint(partial, whole[:20])
		<-begun
		synctest.Wait()
		s.stop()
		synctest.Wait()
		if !idle.ended() {
			t.Error("the idle connection stays open")
		}
		if s.held != 1 {
			t.Error("the recorder is let go before the last answer")
		}
		if got := working.answer(t); got != passHeader {
			t.Errorf("the request in hand: got %q, want %q", got, passHeader)
		}
		_, _ = fmt.Fprint(partial, whole[20:])
		if got := partial.answer(t); got != "DUNNO" {
			t.Errorf("the request on its way: got %q, want DUNNO", got)
		}
		if err := <-s.done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if !working.ended() || !partial.ended() || s.held != 0 {
			t.Error("connections stay open after the end")
		}
	})
}

func TestStopDoesNotOutlastTheDrainTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		s := serveOn(t, p, authroute.PolicyConfig{Partial: time.Hour, Drain: 5 * time.Second}, verdictIn(passes, authroute.Enforce))
		c := p.dial()
		_, _ = fmt.Fprint(c, "request=")
		start := time.Now()
		s.stop()
		if err := <-s.done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("it took %s, want 5 s", took)
		}
		if !c.ended() {
			t.Error("the connection stays open")
		}
	})
}

func TestAcceptSurvivesATroubledListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		troubled := &troubledListener{pipes: p}
		troubled.errors.Store(5)
		s := serveOn(t, troubled, authroute.PolicyConfig{}, verdictIn(passes, authroute.Enforce))
		p.dial().expect(t, "after the trouble", passHeader)
		s.stop()
		if err := <-s.done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

type troubledListener struct {
	*pipes
	errors atomic.Int64
}

func (l *troubledListener) Accept() (net.Conn, error) {
	if l.errors.Add(-1) >= 0 {
		return nil, errors.New("too many open files")
	}
	return l.pipes.Accept()
}

func TestSlowClientsDoNotDisturbOthers(t *testing.T) {
	s := serve(t, authroute.PolicyConfig{MaxConnections: 500}, verdictIn(passes, authroute.Enforce))
	for n := range 400 {
		c := dial(t, s.l.Addr())
		switch n % 3 {
		case 0: // half-open: never a word
		case 1:
			_, _ = fmt.Fprint(c, "request=smtpd_access_policy\nsender=")
		case 2:
			_, _ = fmt.Fprint(c, request(fmt.Sprint("instance=", n))) // and never reads
		}
	}
	c := dial(t, s.l.Addr())
	start := time.Now()
	for n := range 1000 {
		c.expect(t, "an honest client", passHeader, fmt.Sprint("instance=h", n))
	}
	if each := time.Since(start) / 1000; each > 20*time.Millisecond {
		t.Errorf("an answer takes %s beside 400 slow clients", each)
	}
}
