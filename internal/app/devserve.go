package app

import (
	"context"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"signet/internal/authroute"
)

// ServeDev is Serve with the fakes of signet dev beside it.
func (a *App) ServeDev(ctx context.Context, ready func() error) error {
	group, ctx := errgroup.WithContext(ctx)
	conn, err := new(net.ListenConfig).ListenPacket(ctx, "udp", a.Config.Authroute.DNS.Resolver)
	if err != nil {
		return err
	}
	// The fake ends when serving ends for whatever reason.
	ctx, cancel := context.WithCancel(ctx)
	group.Go(func() error { return a.serveDNS(ctx, conn) })
	group.Go(func() error {
		defer cancel()
		return a.Serve(ctx, AllRoles(), func(Listening) error { return ready() })
	})
	return group.Wait()
}

// serveDNS is the fake DNS: it knows the keys of this installation, as a publisher
// would have written them, and nothing else.
func (a *App) serveDNS(ctx context.Context, conn net.PacketConn) error {
	s := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(a.answerDNS)}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		_ = s.Shutdown() // it was not started yet, or is down
		_ = conn.Close()
	})
	err := s.ActivateAndServe()
	if stop() || ctx.Err() == nil {
		return err
	}
	<-stopped
	return nil
}

func (a *App) answerDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	m.Authoritative = true
	if len(q.Question) == 1 && q.Question[0].Qtype == dns.TypeTXT {
		for _, text := range a.publishedAt(q.Question[0].Name) {
			m.Answer = append(m.Answer, &dns.TXT{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60},
				Txt: chunks(text),
			})
		}
	}
	if len(m.Answer) == 0 {
		m.Rcode = dns.RcodeNameError
	}
	_ = w.WriteMsg(m) // the asker asks again
}

// publishedAt returns the records of a name.
func (a *App) publishedAt(name string) (records []string) {
	user, ok := strings.CutPrefix(strings.ToLower(name), "_authroute.")
	local, ok2 := strings.CutSuffix(user, "._domainkey."+devDomain+".")
	if !ok || !ok2 {
		return nil
	}
	for _, k := range a.Keys.Live(local+"@"+devDomain, time.Now()) {
		records = append(records, authroute.RecordOf(k).String())
	}
	return records
}

// chunks cuts a text into the strings of a TXT record (RFC 1035, section 3.3).
func chunks(text string) (all []string) {
	for len(text) > 255 {
		all, text = append(all, text[:255]), text[255:]
	}
	return append(all, text)
}
