package authroute

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"signet/authproof"
	"signet/internal/policyproto"
)

// keyFinder knows the keys of the domains that this installation hosts.
type keyFinder interface {
	Find(id string) (Key, bool)
	// Fresh reports whether Find knows of every change that is older than seconds.
	Fresh(now time.Time) bool
}

// VerifierConfig says which mail is judged, and by which rules.
type VerifierConfig struct {
	Window        time.Duration  // how far a timestamp may lie from now
	Audiences     []string       // names of this relay that a version 2 proof may be made for; * always counts
	TrustedRelays []netip.Prefix // have judged their mail already
	ExemptClients []netip.Prefix
	ExemptSenders []string         // addresses, or @domains
	Now           func() time.Time // nil: time.Now
}

// Verifier judges one mail at a time. It is safe for concurrent use.
type Verifier struct {
	config  VerifierConfig
	signed  *audiences
	clients []netip.Prefix
	senders map[string]bool
	domains *Domains
	bypass  *Bypass
	keys    keyFinder
	dns     *Resolver
	replay  *Replay
	unknown sparse
}

// NewVerifier returns a verifier of mail that takes the keys of hosted domains from
// keys alone, and those of all others from the DNS.
func NewVerifier(c VerifierConfig, domains *Domains, bypass *Bypass, keys keyFinder, dns *Resolver, replay *Replay) *Verifier {
	if c.Now == nil {
		c.Now = time.Now
	}
	senders := map[string]bool{}
	for _, s := range c.ExemptSenders {
		senders[strings.ToLower(s)] = true
	}
	return &Verifier{
		config: c, signed: newAudiences(c.Audiences, c.Now), clients: slices.Concat(c.TrustedRelays, c.ExemptClients), senders: senders,
		domains: domains, bypass: bypass, keys: keys, dns: dns, replay: replay,
	}
}

// Request is one mail to judge.
type Request struct {
	Carried       policyproto.Carried // its proof, and its envelope sender
	ClientAddress string
	Host          string // that runs the Postfix which asks
	Instance      string // Postfix's instance attribute
	QueueID       string
}

// Judge says whether the mail's proof holds.
//
// Trouble with the DNS or the store makes the verdict temperror, and so does the
// end of ctx.
func (v *Verifier) Judge(ctx context.Context, q Request) Verdict {
	now := v.config.Now()
	sender := q.Carried.Sender
	d := Verdict{Sender: sender, Domain: v.domains.OfSender(sender), Tagged: q.Carried.Form == policyproto.Tagged}
	switch {
	case v.bypass.Active(now):
		return d.because(Bypassed)
	case v.exempt(q):
		return d.because(Exempt)
	case sender == "" || sender == "<>":
		return d.because(NullSender)
	case q.Carried.Form == policyproto.NoProof:
		return d.because(NoProof)
	}
	p, err := authproof.Parse(q.Carried.Proof)
	if err != nil || p.Version == 1 && (d.Domain.RefuseV1 || strings.Contains(sender, ":")) {
		return d.because(Malformed)
	}
	d.KeyID, d.MessageID = p.KeyID, p.MessageID
	cause := v.check(ctx, q, p, d.Domain, now)
	if cause != "" {
		return d.because(cause)
	}
	return v.use(ctx, q, p, d)
}

// check goes through everything but earlier uses of the proof.
func (v *Verifier) check(ctx context.Context, q Request, p authproof.Proof, d Domain, now time.Time) Cause {
	k, cause := v.find(ctx, q.Carried.Sender, p.KeyID, d, now)
	switch {
	case cause != "":
		return cause
	case !k.Revoked.IsZero():
		return Revoked
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return Expired
	}
	err := v.signed.verify(p, k.Public, q.Carried.Sender, now, v.config.Window)
	switch {
	case errors.Is(err, authproof.ErrMalformed):
		return Malformed
	case err != nil && !errors.Is(err, authproof.ErrStale):
		return BadSigned
	case k.Type != Subkey || k.Address != strings.ToLower(q.Carried.Sender):
		return WrongSender
	case err != nil:
		return Stale
	}
	return ""
}

// find returns the key that may sign for the sender, or that claims to.
func (v *Verifier) find(ctx context.Context, sender, id string, d Domain, now time.Time) (Key, Cause) {
	if !d.Hosted {
		return v.findForeign(ctx, sender, id, now)
	}
	if !v.keys.Fresh(now) {
		return Key{}, StoreTrouble
	}
	k, ok := v.keys.Find(id)
	if !ok {
		return Key{}, KeyNotFound
	}
	return k, ""
}

func (v *Verifier) findForeign(ctx context.Context, sender, id string, now time.Time) (Key, Cause) {
	rec, ok, err := v.dns.Lookup(ctx, sender, id)
	switch {
	case err != nil:
		return Key{}, DNSTrouble
	case !ok:
		return Key{}, KeyNotFound
	}
	k := Key{ID: id, Type: Subkey, Address: strings.ToLower(sender), Public: rec.Public}
	if rec.Public == nil {
		k.Revoked = now
	}
	return k, ""
}

// use takes the proof, which is sound, for this mail.
func (v *Verifier) use(ctx context.Context, q Request, p authproof.Proof, d Verdict) Verdict {
	outcome, err := v.replay.Check(ctx, Use{
		KeyID: p.KeyID, Timestamp: p.Timestamp, MessageID: p.MessageID, Sender: d.Sender,
		Host: q.Host, Instance: q.Instance, QueueID: q.QueueID, ClientAddress: q.ClientAddress,
	})
	switch {
	case err != nil:
		if v.unknown.due(v.config.Now()) {
			slog.WarnContext(ctx, "earlier uses of proofs are not known", "error", err)
		}
		return d.because(StoreTrouble)
	case outcome == ReplayUse:
		return d.because(Replayed)
	}
	d.Result, d.Retried = Pass, outcome == RetryUse
	return d
}

// because returns the verdict for a cause.
func (v Verdict) because(c Cause) Verdict {
	v.Cause, v.Result = c, c.Result()
	return v
}

// Result is the word that a verdict with this cause has.
func (c Cause) Result() Result {
	switch c {
	case Revoked, Expired, BadSigned, WrongSender, Replayed, Stale:
		return Fail
	case DNSTrouble, StoreTrouble, Deadline, Trouble:
		return TempError
	case NullSender, NoProof, Malformed, KeyNotFound, Exempt, Bypassed:
		return None
	case "":
		return Pass
	}
	return None
}

func (v *Verifier) exempt(q Request) bool {
	if len(v.senders) > 0 {
		sender := strings.ToLower(q.Carried.Sender)
		if v.senders[sender] || v.senders["@"+domainOf(sender)] {
			return true
		}
	}
	if len(v.clients) == 0 {
		return false
	}
	a, err := netip.ParseAddr(q.ClientAddress)
	return err == nil && containsAddr(v.clients, a)
}

func containsAddr(list []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}
