package authroute_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"signet/internal/authroute"
)

// nameServer is a DNS server on loopback, by UDP and TCP, whose answers a test chooses.
type nameServer struct {
	addr    string
	handler atomic.Pointer[dns.HandlerFunc]
	asked   atomic.Int64

	mu    sync.Mutex
	ports map[string]int // questions by the client's address
	ids   map[uint16]int
}

func newNameServer(t testing.TB, h dns.HandlerFunc) *nameServer {
	t.Helper()
	s := &nameServer{ports: map[string]int{}, ids: map[uint16]int{}}
	s.answer(h)
	udp, tcp := listenBoth(t)
	s.addr = udp.LocalAddr().String()
	for _, server := range []*dns.Server{{PacketConn: udp, Handler: s}, {Listener: tcp, Handler: s}} {
		started, ended := make(chan struct{}), make(chan error, 1)
		server.NotifyStartedFunc = func() { close(started) }
		go func() { ended <- server.ActivateAndServe() }()
		<-started // Shutdown does nothing before
		t.Cleanup(func() {
			_ = server.Shutdown()
			if err := <-ended; err != nil {
				t.Errorf("name server: %v", err)
			}
		})
	}
	return s
}

// listenBoth finds a port that is free for UDP and TCP.
func listenBoth(t testing.TB) (udp net.PacketConn, tcp net.Listener) {
	t.Helper()
	for range 20 {
		udp, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		tcp, err := new(net.ListenConfig).Listen(t.Context(), "tcp", udp.LocalAddr().String())
		if err == nil {
			return udp, tcp
		}
		_ = udp.Close()
	}
	t.Fatal("no port is free for UDP and TCP")
	return nil, nil
}

func (s *nameServer) answer(h dns.HandlerFunc) { s.handler.Store(&h) }

func (s *nameServer) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	s.asked.Add(1)
	s.mu.Lock()
	s.ports[w.RemoteAddr().String()]++
	s.ids[q.Id]++
	s.mu.Unlock()
	(*s.handler.Load())(w, q)
}

// texts answers every question with TXT records.
func texts(ttl int, records ...string) dns.HandlerFunc {
	return func(w dns.ResponseWriter, q *dns.Msg) { _ = w.WriteMsg(textReply(q, ttl, records...)) }
}

func textReply(q *dns.Msg, ttl int, records ...string) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	for _, text := range records {
		m.Answer = append(m.Answer, &dns.TXT{
			Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: uint32(ttl)},
			Txt: split(text),
		})
	}
	return m
}

// split cuts a text into strings as long as a TXT record holds.
func split(text string) (parts []string) {
	for len(text) > 200 {
		parts, text = append(parts, text[:200]), text[200:]
	}
	return append(parts, text)
}

func rcode(code int) dns.HandlerFunc {
	return func(w dns.ResponseWriter, q *dns.Msg) { _ = w.WriteMsg(new(dns.Msg).SetRcode(q, code)) }
}

// missing answers NXDOMAIN with a start of authority that allows to keep it so long.
func missing(minimum uint32) dns.HandlerFunc {
	return func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetRcode(q, dns.RcodeNameError)
		m.Ns = []dns.RR{&dns.SOA{
			Hdr: dns.RR_Header{Name: "example.org.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 3600},
			Ns:  "ns.example.org.", Mbox: "host.example.org.", Minttl: minimum,
		}}
		_ = w.WriteMsg(m)
	}
}

func silence(dns.ResponseWriter, *dns.Msg) {}

// clock is a time that a test moves.
type clock struct{ now atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.now.Store(time.Now().UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.now.Load()) }
func (c *clock) advance(d time.Duration) { c.now.Add(int64(d)) }

func testMetrics() *authroute.Metrics {
	return authroute.NewMetrics(prometheus.NewRegistry(), authroute.Sources{})
}

type resolverFixture struct {
	*authroute.Resolver
	*nameServer
	*clock
	key    authroute.Key
	record string
}

func newResolver(t *testing.T) *resolverFixture {
	f := &resolverFixture{clock: newClock()}
	f.key, _ = testKey(t)
	f.record = authroute.RecordOf(f.key).String()
	f.nameServer = newNameServer(t, texts(60, f.record))
	f.Resolver = authroute.NewResolver(authroute.ResolverConfig{Server: f.addr, Timeout: 400 * time.Millisecond, Now: f.Now}, testMetrics())
	return f
}

// lookup says what the resolver finds of alice's key: key, revoked, none or error.
func (f *resolverFixture) lookup(t *testing.T) string {
	t.Helper()
	rec, ok, err := f.Lookup(t.Context(), f.key.Address, f.key.ID)
	switch {
	case err != nil:
		return "error"
	case !ok:
		return "none"
	case rec.Public == nil:
		return "revoked"
	}
	if !rec.Public.Equal(f.key.Public) {
		t.Error("the key is another one")
	}
	return "key"
}

func (f *resolverFixture) expect(t *testing.T, what, want string) {
	t.Helper()
	if got := f.lookup(t); got != want {
		t.Errorf("%s: got %s, want %s", what, got, want)
	}
}

func (f *resolverFixture) expectAsked(t *testing.T, what string, want int64) {
	t.Helper()
	if got := f.asked.Load(); got != want {
		t.Errorf("%s: the server was asked %d times, want %d", what, got, want)
	}
}

func TestKeyIsFoundAmongTheRecordsOfItsName(t *testing.T) {
	f := newResolver(t)
	other, _ := testKey(t)
	foreign := f.key
	foreign.Address = "mallory@example.org"
	revoked := f.key
	revoked.Revoked = time.Now()
	for name, c := range map[string]struct {
		records []string
		want    string
	}{
		"alone":                     {[]string{f.record}, "key"},
		"among others":              {[]string{"v=spf1 -all", "v=AUTHROUTE1; broken", authroute.RecordOf(other).String(), f.record}, "key"},
		"another key only":          {[]string{authroute.RecordOf(other).String()}, "none"},
		"for another address":       {[]string{authroute.RecordOf(foreign).String()}, "none"},
		"for both addresses":        {[]string{authroute.RecordOf(foreign).String(), f.record}, "key"},
		"revoked":                   {[]string{authroute.RecordOf(revoked).String()}, "revoked"},
		"revoked beside a live one": {[]string{authroute.RecordOf(revoked).String(), f.record}, "revoked"},
		"live beside a revoked one": {[]string{f.record, authroute.RecordOf(revoked).String()}, "revoked"},
		"nothing of ours":           {[]string{"v=spf1 -all"}, "none"},
	} {
		f.advance(time.Hour)
		f.answer(texts(60, c.records...))
		f.expect(t, name, c.want)
	}
}

func TestQuestionsAreAskedForTheDocumentedName(t *testing.T) {
	f := newResolver(t)
	var got atomic.Pointer[dns.Msg]
	f.answer(func(w dns.ResponseWriter, q *dns.Msg) { got.Store(q.Copy()); texts(60, f.record)(w, q) })
	f.expect(t, "lookup", "key")
	q := got.Load()
	if q.Question[0].Name != "_authroute.alice._domainkey.example.org." || q.Question[0].Qtype != dns.TypeTXT || !q.RecursionDesired {
		t.Errorf("the question was %v", q)
	}
	if e := q.IsEdns0(); e == nil || e.UDPSize() != 1232 {
		t.Errorf("EDNS0: got %v, want a size of 1232", e)
	}
}

func TestAnswersAreKeptBetweenThirtySecondsAndFiveMinutes(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler dns.HandlerFunc
		kept    time.Duration
		want    string
	}{
		{"TTL 60", nil, 60 * time.Second, "key"},
		{"TTL 0", texts(0), 30 * time.Second, "key"},
		{"TTL of a day", texts(86400), 300 * time.Second, "key"},
		{"missing, SOA 60", missing(60), 60 * time.Second, "none"},
		{"missing, SOA 1", missing(1), 30 * time.Second, "none"},
		{"missing, SOA of a day", missing(86400), 300 * time.Second, "none"},
		{"missing without SOA", rcode(dns.RcodeNameError), 30 * time.Second, "none"},
		{"name without TXT", rcode(dns.RcodeSuccess), 30 * time.Second, "none"},
		{"server failure", rcode(dns.RcodeServerFailure), 5 * time.Second, "error"},
		{"refused", rcode(dns.RcodeRefused), 5 * time.Second, "error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newResolver(t)
			switch c.name {
			case "TTL 60":
			case "TTL 0":
				f.answer(texts(0, f.record))
			case "TTL of a day":
				f.answer(texts(86400, f.record))
			default:
				f.answer(c.handler)
			}
			f.expect(t, "first", c.want)
			asked := f.asked.Load()
			f.advance(c.kept - time.Second)
			f.expect(t, "just before the end", c.want)
			f.expectAsked(t, "just before the end", asked)
			f.advance(time.Second)
			f.expect(t, "at the end", c.want)
			if f.asked.Load() == asked {
				t.Error("the answer is kept for too long")
			}
		})
	}
}

func TestKnownKeySurvivesTroubleForFiveMinutes(t *testing.T) {
	for name, trouble := range map[string]dns.HandlerFunc{"SERVFAIL": rcode(dns.RcodeServerFailure), "silence": silence} {
		t.Run(name, func(t *testing.T) {
			f := newResolver(t)
			f.expect(t, "in good times", "key")
			f.answer(trouble)
			f.advance(time.Minute)
			f.expect(t, "TTL over", "key")
			asked := f.asked.Load()
			f.expect(t, "at once again", "key")
			f.expectAsked(t, "a failed name is left alone for a moment", asked)
			f.advance(5*time.Minute - time.Second)
			f.expect(t, "5 minutes later", "key")
			f.advance(time.Second)
			f.expect(t, "after 5 minutes", "error")
			f.answer(texts(60, f.record))
			f.advance(5 * time.Second)
			f.expect(t, "in good times again", "key")
		})
	}
}

func TestMissingKeyIsNotRememberedThroughTrouble(t *testing.T) {
	f := newResolver(t)
	f.answer(missing(60))
	f.expect(t, "missing", "none")
	f.answer(rcode(dns.RcodeServerFailure))
	f.advance(time.Minute)
	f.expect(t, "trouble", "error")
}

func TestRevocationIsSeenAfterTheTTL(t *testing.T) {
	f := newResolver(t)
	f.expect(t, "live", "key")
	f.key.Revoked = time.Now()
	f.answer(texts(60, authroute.RecordOf(f.key).String()))
	f.advance(authroute.RecordTTL * time.Second)
	f.expect(t, "revoked", "revoked")
}

func TestTruncatedAnswerIsAskedForByTCP(t *testing.T) {
	f := newResolver(t)
	var many []string
	for range 60 {
		k, _ := testKey(t)
		many = append(many, authroute.RecordOf(k).String())
	}
	many = append(many, f.record)
	f.answer(func(w dns.ResponseWriter, q *dns.Msg) {
		m := textReply(q, 60, many...)
		if w.RemoteAddr().Network() == "udp" {
			m.Answer, m.Truncated = m.Answer[:1], true
		}
		_ = w.WriteMsg(m)
	})
	f.expect(t, "long answer", "key")
	f.expectAsked(t, "long answer", 2)
}

func TestForgedAnswersArePassedOver(t *testing.T) {
	otherRecord := func() string {
		k, _ := testKey(t)
		return authroute.RecordOf(k).String()
	}()
	forgeries := map[string]func(q *dns.Msg) []byte{
		"garbage":     func(*dns.Msg) []byte { return []byte("this is no DNS message at all") },
		"nothing":     func(*dns.Msg) []byte { return nil },
		"header only": func(q *dns.Msg) []byte { return pack(textReply(q, 60, otherRecord))[:12] },
		"wrong ID":    func(q *dns.Msg) []byte { m := textReply(q, 60, otherRecord); m.Id++; return pack(m) },
		"wrong name": func(q *dns.Msg) []byte {
			m := textReply(q, 60, otherRecord)
			m.Question[0].Name = "x.org."
			return pack(m)
		},
		"wrong type": func(q *dns.Msg) []byte {
			m := textReply(q, 60, otherRecord)
			m.Question[0].Qtype = dns.TypeA
			return pack(m)
		},
		"wrong class": func(q *dns.Msg) []byte {
			m := textReply(q, 60, otherRecord)
			m.Question[0].Qclass = dns.ClassCHAOS
			return pack(m)
		},
		"no question": func(q *dns.Msg) []byte { m := textReply(q, 60, otherRecord); m.Question = nil; return pack(m) },
		"a query":     pack,
		"not this name": func(q *dns.Msg) []byte {
			m := new(dns.Msg).SetRcode(q, dns.RcodeNameError)
			m.Question = nil
			return pack(m)
		},
		"two questions": func(q *dns.Msg) []byte {
			m := textReply(q, 60, otherRecord)
			m.Question = append(m.Question, m.Question[0])
			return pack(m)
		},
		"another opcode": func(q *dns.Msg) []byte {
			m := textReply(q, 60, otherRecord)
			m.Opcode = dns.OpcodeNotify
			return pack(m)
		},
	}
	for name, forge := range forgeries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newResolver(t)
			f.answer(func(w dns.ResponseWriter, q *dns.Msg) {
				_, _ = w.Write(forge(q))
				texts(60, f.record)(w, q)
			})
			f.expect(t, "the true answer comes second", "key")

			alone := newResolver(t)
			alone.answer(func(w dns.ResponseWriter, q *dns.Msg) { _, _ = w.Write(forge(q)) })
			alone.expect(t, "no true answer comes", "error")
		})
	}
}

func pack(m *dns.Msg) []byte {
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

func TestRecordsOfOtherNamesInTheAnswerDoNotCount(t *testing.T) {
	f := newResolver(t)
	f.answer(func(w dns.ResponseWriter, q *dns.Msg) {
		m := textReply(q, 60, f.record)
		m.Answer[0].Header().Name = "_authroute.alice._domainkey.evil.example."
		_ = w.WriteMsg(m)
	})
	f.expect(t, "record of another name", "none")
}

func TestAliasLeadsToTheRecords(t *testing.T) {
	f := newResolver(t)
	alias := func(from, to string) dns.RR {
		return &dns.CNAME{Hdr: dns.RR_Header{Name: from, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 40}, Target: to}
	}
	f.answer(func(w dns.ResponseWriter, q *dns.Msg) {
		m := textReply(q, 60, f.record)
		m.Answer[0].Header().Name = "keys.host.example."
		m.Answer = append(m.Answer, alias("Via.host.example.", "KEYS.host.example."), alias(q.Question[0].Name, "via.host.example."))
		_ = w.WriteMsg(m)
	})
	f.expect(t, "two aliases", "key")
	f.advance(40 * time.Second)
	f.expect(t, "after the TTL of the alias", "key")
	f.expectAsked(t, "the shortest TTL counts", 2)

	f.answer(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Answer = []dns.RR{alias(q.Question[0].Name, "x.example."), alias("x.example.", q.Question[0].Name)}
		_ = w.WriteMsg(m)
	})
	f.advance(time.Hour)
	f.expect(t, "ring of aliases", "none")
}

func TestLostPacketIsAskedForAgain(t *testing.T) {
	f := newResolver(t)
	var n atomic.Int64
	f.answer(func(w dns.ResponseWriter, q *dns.Msg) {
		if n.Add(1) > 1 {
			texts(60, f.record)(w, q)
		}
	})
	f.expect(t, "first packet lost", "key")
}

func TestDeadServerIsTrouble(t *testing.T) {
	f := newResolver(t)
	l, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := l.LocalAddr().String()
	_ = l.Close()
	f.Resolver = authroute.NewResolver(authroute.ResolverConfig{Server: dead, Timeout: 200 * time.Millisecond}, testMetrics())
	f.expect(t, "nobody listens", "error")
}

func TestSourcePortAndIDChangeWithEveryQuestion(t *testing.T) {
	f := newResolver(t)
	const n = 50
	for i := range n {
		if _, _, err := f.Lookup(t.Context(), fmt.Sprintf("user%d@example.org", i), f.key.ID); err != nil {
			t.Fatal(err)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.ports) < n*8/10 || len(f.ids) < n*9/10 {
		t.Errorf("%d questions came from %d ports with %d ids", n, len(f.ports), len(f.ids))
	}
}

func TestOneQuestionServesAllWhoWait(t *testing.T) {
	f := newResolver(t)
	const waiting = 50
	arrived := make(chan struct{})
	f.answer(func(w dns.ResponseWriter, q *dns.Msg) { <-arrived; texts(60, f.record)(w, q) })
	var group sync.WaitGroup
	var started sync.WaitGroup
	started.Add(waiting)
	for range waiting {
		group.Go(func() {
			started.Done()
			f.expect(t, "together", "key")
		})
	}
	started.Wait()
	close(arrived)
	group.Wait()
	if got := f.asked.Load(); got > 2 { // two where the first packet was late
		t.Errorf("%d questions for %d lookups", got, waiting)
	}
}

func TestOneWhoGivesUpDoesNotSpoilTheOthers(t *testing.T) {
	f := newResolver(t)
	asked, reply := make(chan struct{}, 9), make(chan struct{})
	f.answer(func(w dns.ResponseWriter, q *dns.Msg) { asked <- struct{}{}; <-reply; texts(60, f.record)(w, q) })
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error)
	go func() {
		_, _, err := f.Lookup(ctx, f.key.Address, f.key.ID)
		gaveUp <- err
	}()
	<-asked
	patient := make(chan string)
	go func() { patient <- f.lookup(t) }()
	cancel()
	if err := <-gaveUp; err == nil {
		t.Error("the cancelled lookup: got no error")
	}
	close(reply)
	if got := <-patient; got != "key" {
		t.Errorf("the other lookup: got %s, want key", got)
	}
}

func TestSenderWithoutADomainHasNoKey(t *testing.T) {
	f := newResolver(t)
	for _, address := range []string{"alice", "alice@", "alice@[192.0.2.1]", "alice@" + strings.Repeat("x", 300) + ".org"} {
		if _, ok, err := f.Lookup(t.Context(), address, f.key.ID); ok || err != nil {
			t.Errorf("%.40s: got %v, %v, want no key", address, ok, err)
		}
	}
	f.expectAsked(t, "nothing to ask for", 0)
}
