package authroute

import "signet/internal/policyproto"

// Verdict is what was found about one mail.
type Verdict struct {
	Result    Result
	Cause     Cause  // empty where Result is Pass
	Sender    string // envelope sender without a tag
	Domain    Domain // how mail of the sender's domain is treated
	KeyID     string // as the proof names it; empty where there is none that can be read
	MessageID string // likewise
	Tagged    bool   // the proof stood in the sender itself
	Retried   bool   // passes as another attempt at a mail that was seen before
}

// Decide returns what Postfix is to do with a mail.
//
// A tagged sender whose proof does not hold is refused in every mode, even while
// verification is bypassed: it has walked around Postfix's sender-login maps, and
// would be delivered as mail of the plain address.
func Decide(v Verdict) policyproto.Action {
	if v.Result == Pass {
		return policyproto.Prepend("Authenticated-Routing: pass key-id=" + v.KeyID)
	}
	if v.Tagged {
		return policyproto.Reject(refusal(v.Cause))
	}
	if v.Result == Fail {
		return decideFailure(v)
	}
	if v.Domain.Mode != Require {
		return policyproto.Dunno()
	}
	switch v.Cause { //nolint:exhaustive // the rest has no opinion
	case NoProof, Malformed, KeyNotFound:
		return policyproto.Reject(refusal(v.Cause))
	case DNSTrouble, StoreTrouble, Deadline, Trouble:
		return policyproto.Defer("")
	}
	return policyproto.Dunno()
}

func decideFailure(v Verdict) policyproto.Action {
	switch v.Domain.Mode {
	case Quarantine:
		return policyproto.Hold("")
	case Monitor:
	case Enforce, Require:
		if v.Cause == Stale && v.Domain.DeferStale {
			return policyproto.Defer(refusal(v.Cause))
		}
		return policyproto.Reject(refusal(v.Cause))
	}
	return policyproto.Prepend("Authenticated-Routing: fail reason=" + string(v.Cause))
}

// refusal is the text in the SMTP reply.
func refusal(c Cause) string {
	switch c {
	case Revoked:
		return "Key revoked"
	case Expired:
		return "Key expired"
	case BadSigned:
		return "Invalid signature"
	case WrongSender:
		return "Key not valid for sender"
	case Replayed:
		return "Proof replayed"
	case Stale:
		return "Timestamp out of range"
	case KeyNotFound:
		return "Key not found"
	case DNSTrouble, StoreTrouble, Deadline, Trouble, Exempt, Bypassed:
		return "Proof not verified"
	case NullSender, NoProof, Malformed:
	}
	return "Proof required"
}
