package policyproto

import "strings"

// Form says how a proof came.
type Form int

// The forms. Tagged is not safe by itself: see ProofFrom.
const (
	NoProof   Form = iota
	Parameter      // MAIL FROM:<a@b> AUTH-PROOF=x, which Postfix hands on as sasl_sender
	Tagged         // MAIL FROM:<a+ap=x@b>
)

// Carried is the proof that a request carries.
type Carried struct {
	Form   Form
	Proof  string // as it was sent, for authproof.Parse; may be nonsense
	Sender string // envelope sender that the proof is about, without its tag
}

const (
	parameterPrefix = "authroute:"
	tagPrefix       = "+ap="
)

// ProofFrom returns the proof that came with q. Without one, Form is NoProof and
// Sender is that of q.
//
// The tagged form counts only where tagged is set. Then it goes before the other,
// since Postfix will deliver the mail as Sender whatever the tag holds: the caller
// must reject a tagged request that does not verify, in every mode. A sender with two
// tags has a Proof that cannot be parsed.
//
// A client may write AUTH=authroute:x itself. It gains nothing: x is a proof or not.
func ProofFrom(q *Request, tagged bool) Carried {
	if tagged {
		if c, ok := fromTag(q.Sender); ok {
			return c
		}
	}
	if proof, ok := strings.CutPrefix(q.SASLSender, parameterPrefix); ok {
		return Carried{Parameter, proof, q.Sender}
	}
	return Carried{NoProof, "", q.Sender}
}

// fromTag must find a tag wherever deploy/postfix/authroute_canonical.pcre does,
// which Postfix applies in any case of letters and until nothing changes.
func fromTag(sender string) (Carried, bool) {
	at := strings.LastIndexByte(sender, '@')
	if at < 0 {
		at = len(sender) // Postfix will complete the address, and then drop the tag
	}
	local, domain := sender[:at], sender[at:]
	start := indexTag(local)
	if start <= 0 {
		return Carried{}, false
	}
	return Carried{Tagged, local[start+len(tagPrefix):], local[:start] + domain}, true
}

// indexTag returns where the first tag begins, or -1.
func indexTag(local string) int {
	for i := range len(local) - len(tagPrefix) + 1 {
		if strings.EqualFold(local[i:i+len(tagPrefix)], tagPrefix) {
			return i
		}
	}
	return -1
}
