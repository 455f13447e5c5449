package faults_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"signet/authproof"
	"signet/internal/authroute"
	signettest "signet/test/signet"
)

// foreign is a domain that this installation does not host.
const foreign = "foreign.test"

// Whatever the DNS does, mail of foreign and of own senders is answered in time, and
// nothing heaps up.
func TestDNSTroubleHoldsUpNoMail(t *testing.T) {
	t.Parallel()
	key := signettest.NewKey(t, "known@"+foreign)
	resolver := newResolver(t, key)
	s := newSite(t, signettest.Options{Env: []string{"SIGNET_AUTHROUTE_DNS_RESOLVER=" + resolver.addr}})
	l := s.startLoad(t, s.signet)

	// Only with this the rest means anything: the DNS is asked.
	action, err := signettest.NewAsker(t, s.signet.Policy).Ask(t.Context(), signettest.Mail{Sender: key.Address, Proof: key.Proof(t)})
	if err != nil || !strings.HasPrefix(action, "PREPEND Authenticated-Routing: pass") {
		t.Fatalf("foreign key in the DNS: got %q, %v; want a pass", action, err)
	}
	s.more(t, "PREPEND", 20, 20*time.Second)
	before := s.signet.Metric("go_goroutines")
	for how := silentDNS; how <= lastDNS; how++ {
		resolver.how.Store(int32(how))
		s.restart()
		answers, slowest := askForeign(t, s.signet.Policy, how, size(100, 2000))
		t.Logf("%s: %v, slowest %v; own mail at %v", how, answers, slowest, s.slowestAnswer())
		if len(answers) != 1 || answers["DUNNO"] == 0 {
			t.Errorf("%s: got answers %v, want DUNNO alone", how, answers)
		}
		if slowest > answerBar || s.slowestAnswer() > answerBar {
			t.Errorf("%s: foreign mail was answered after %v, own mail after %v, want %v at most", how, slowest, s.slowestAnswer(), answerBar)
		}
		s.more(t, "PREPEND", 20, 20*time.Second)
	}
	signettest.Await(t, "nothing is left of the questions", 10*time.Second, func() error {
		if now := s.signet.Metric("go_goroutines"); now > before+20 {
			return fmt.Errorf("%v goroutines, %v before", now, before)
		}
		return nil
	})
	l.end()
	s.verify(t, s.signet)
}

// trouble is what a resolver does.
type trouble int32

const (
	wellDNS    trouble = iota
	silentDNS          // no answer
	slowDNS            // an answer after three seconds
	failingDNS         // SERVFAIL
	refusingDNS
	garbageDNS   // bytes that are no message
	liarDNS      // the answer to another question
	truncatedDNS // and by TCP garbage
	lastDNS      = truncatedDNS
)

// String names the trouble.
func (t trouble) String() string {
	return [...]string{"well", "silent", "slow", "failing", "refusing", "garbage", "lying", "truncated"}[t]
}

// resolver is a fake DNS resolver that knows one key.
type resolver struct {
	addr string
	how  atomic.Int32
	name string
	text string
}

func newResolver(t *testing.T, key signettest.Key) *resolver {
	t.Helper()
	name, err := authroute.KeyName(key.Address)
	if err != nil {
		t.Fatal(err)
	}
	pub := key.Private.Public().(ed25519.PublicKey) // crypto/ed25519 promises the type
	r := &resolver{name: name, text: authroute.RecordOf(authroute.Key{ID: key.ID, Address: key.Address, Public: pub}).String()}
	udp, tcp := listenBoth(t)
	r.addr = udp.LocalAddr().String()
	for _, s := range []*dns.Server{{PacketConn: udp, Handler: r}, {Listener: tcp, Handler: r}} {
		go func() { _ = s.ActivateAndServe() }()
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return r
}

// listenBoth returns a UDP and a TCP listener on one port. A port that is free for
// the one may be another test's for the other.
func listenBoth(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	var err error
	for range 20 {
		var udp net.PacketConn
		if udp, err = new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0"); err != nil {
			continue
		}
		var tcp net.Listener
		if tcp, err = new(net.ListenConfig).Listen(t.Context(), "tcp", udp.LocalAddr().String()); err == nil {
			return udp, tcp
		}
		_ = udp.Close()
	}
	t.Fatalf("no port is free for both UDP and TCP: %v", err)
	return nil, nil
}

// ServeDNS answers, or does not, as the trouble of the time has it.
func (r *resolver) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	switch how := trouble(r.how.Load()); how {
	case wellDNS:
		if strings.EqualFold(q.Question[0].Name, r.name) {
			m.Answer = []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: r.name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}, Txt: []string{r.text}}}
		}
	case silentDNS:
		return
	case slowDNS:
		<-time.After(3 * time.Second)
	case failingDNS:
		m.Rcode = dns.RcodeServerFailure
	case refusingDNS:
		m.Rcode = dns.RcodeRefused
	case liarDNS:
		m.Question[0].Name = "other.test."
	case garbageDNS:
		_, _ = w.Write([]byte("\xff\x00garbage\xff"))
		return
	case truncatedDNS:
		if _, byTCP := w.RemoteAddr().(*net.TCPAddr); byTCP {
			_, _ = w.Write([]byte("\xff\x00garbage\xff"))
			return
		}
		m.Truncated = true
	}
	_ = w.WriteMsg(m) // whoever asked may have gone
}

// askForeign asks about n mails of different foreign senders over many connections,
// and returns the answers by verb and the longest time to one.
func askForeign(t *testing.T, policy string, how trouble, n int) (answers map[string]int, slowest time.Duration) {
	t.Helper()
	answers = map[string]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	senders := make(chan string)
	for range 50 {
		asker := signettest.NewAsker(t, policy)
		all.Go(func() {
			defer asker.Close()
			for sender := range senders {
				action, took, err := askOnce(t.Context(), asker, sender)
				mu.Lock()
				verb, _, _ := strings.Cut(action, " ")
				if err != nil {
					verb = err.Error()
				}
				answers[verb]++
				slowest = max(slowest, took)
				mu.Unlock()
			}
		})
	}
	for i := range n {
		senders <- fmt.Sprintf("%s%d@%s", how, i, foreign)
	}
	close(senders)
	all.Wait()
	return answers, slowest
}

func askOnce(ctx context.Context, asker *signettest.Asker, sender string) (action string, took time.Duration, err error) {
	k, err := newKey(sender)
	if err != nil {
		return "", 0, err
	}
	proof, err := authproof.Sign(k.Private, k.Claims())
	if err != nil {
		return "", 0, err
	}
	begun := time.Now()
	action, err = asker.Ask(ctx, signettest.Mail{Sender: sender, Proof: proof})
	return action, time.Since(begun), err
}
