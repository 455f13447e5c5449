package authroute

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// udpSize is the largest answer by UDP that passes the Internet in one piece.
const udpSize = 1232

// maxRecords bounds how many TXT records of one name are read.
const maxRecords = 100

// maxRecordText bounds the text of one record, in bytes: ours has about 220.
const maxRecordText = 512

var errDNS = errors.New("the DNS gave no answer")

// exchange asks a resolver for the TXT records of name: by UDP, twice, since a
// packet may be lost, and by TCP where the answer is too long for UDP. Every try
// has a socket, and so a source port, and an ID of its own (RFC 5452, section 9.2).
func exchange(ctx context.Context, server, name string, timeout time.Duration) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	reply, err := ask(ctx, "udp", server, name, timeout/2)
	if err != nil && ctx.Err() == nil {
		reply, err = ask(ctx, "udp", server, name, timeout)
	}
	if err == nil && reply.Truncated {
		reply, err = ask(ctx, "tcp", server, name, timeout)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDNS, err)
	}
	return reply, nil
}

func ask(ctx context.Context, network, server, name string, timeout time.Duration) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	query := new(dns.Msg).SetQuestion(name, dns.TypeTXT).SetEdns0(udpSize, false)
	c := &dns.Conn{Conn: conn, UDPSize: udpSize}
	if err := c.WriteMsg(query); err != nil {
		return nil, err
	}
	return await(c, query, network == "tcp")
}

// await reads until the answer to query is there. By UDP anybody may send: what is
// no answer to query is passed over, so that it cannot stand in for the answer.
func await(c *dns.Conn, query *dns.Msg, stream bool) (*dns.Msg, error) {
	for {
		reply, err := c.ReadMsg()
		if _, broken := errors.AsType[net.Error](err); broken {
			return nil, err
		}
		if err == nil && answers(reply, query) {
			return reply, nil
		}
		if stream {
			return nil, errors.Join(errors.New("no answer to the question"), err)
		}
	}
}

// answers reports whether reply is about query (RFC 5452, section 9.1). A server
// that refuses may leave the question out.
func answers(reply, query *dns.Msg) bool {
	if reply.Id != query.Id || !reply.Response || reply.Opcode != dns.OpcodeQuery {
		return false
	}
	if len(reply.Question) == 0 {
		return reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError
	}
	got, want := reply.Question[0], query.Question[0]
	return len(reply.Question) == 1 && got.Qtype == want.Qtype && got.Qclass == want.Qclass && strings.EqualFold(got.Name, want.Name)
}

// txtOf returns the texts that reply holds for name, and how many seconds they hold.
// Without texts the time is that of the negative answer (RFC 2308, section 5); zero
// where the reply does not say.
func txtOf(reply *dns.Msg, name string) (texts []string, seconds uint32, err error) {
	switch reply.Rcode {
	case dns.RcodeSuccess:
	case dns.RcodeNameError:
		return nil, negativeTTL(reply), nil
	default:
		return nil, 0, fmt.Errorf("%w: %s", errDNS, dns.RcodeToString[reply.Rcode])
	}
	name, seconds = followAliases(reply, name)
	for _, rr := range reply.Answer {
		txt, ok := rr.(*dns.TXT)
		if !ok || txt.Hdr.Class != dns.ClassINET || !strings.EqualFold(txt.Hdr.Name, name) || len(texts) == maxRecords {
			continue
		}
		text := strings.Join(txt.Txt, "")
		if len(text) > maxRecordText {
			continue // whoever asks for the memory of long texts gets none
		}
		texts = append(texts, text)
		seconds = min(seconds, txt.Hdr.Ttl)
	}
	if len(texts) == 0 {
		return nil, negativeTTL(reply), nil
	}
	return texts, seconds, nil
}

// followAliases returns the name at the end of the reply's CNAMEs, and the shortest
// time that one of them holds.
func followAliases(reply *dns.Msg, name string) (end string, seconds uint32) {
	seconds = ^uint32(0)
	for range len(reply.Answer) { // no chain is longer, and a ring ends
		next := ""
		for _, rr := range reply.Answer {
			if c, ok := rr.(*dns.CNAME); ok && strings.EqualFold(c.Hdr.Name, name) {
				next, seconds = c.Target, min(seconds, c.Hdr.Ttl)
			}
		}
		if next == "" {
			break
		}
		name = next
	}
	return name, seconds
}

func negativeTTL(reply *dns.Msg) uint32 {
	for _, rr := range reply.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return min(soa.Hdr.Ttl, soa.Minttl)
		}
	}
	return 0
}
