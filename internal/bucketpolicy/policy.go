// Package bucketpolicy reads bucket policies of S3 and judges requests by them.
//
// It knows the part of the language that it judges rightly, and refuses all else: a Deny
// that is not understood must not be passed over. Elements, actions, operators and
// condition keys that it does not know make a policy malformed, as do NotPrincipal and
// NotResource. The rules are those of the IAM user guide, "IAM JSON policy elements
// reference" and "Policy evaluation logic".
package bucketpolicy

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"signet/internal/jws"
)

// MaxSize is how long a policy may be, in bytes, as S3's.
const MaxSize = 20 << 10

// Verdict is what a policy says of a request.
type Verdict int

// The verdicts. A Deny wins over any Allow.
const (
	None Verdict = iota // nothing
	Allow
	Deny
)

// Policy is a policy that was read whole. The zero Policy has nothing to say.
type Policy struct{ statements []statement }

// Request is what is judged.
type Request struct {
	Action   string // such as s3:GetObject
	Resource string // BUCKET or BUCKET/KEY

	// Names are the ARNs of the caller, the most exact first; none of an anonymous one. A
	// Deny counts if it names any of them, an Allow if it names one of Allowed.
	Names, Allowed []string

	Values map[string][]string // of condition keys, by their names in lower case
}

// The versions of the language. Variables such as ${aws:username} are text in the old one.
const (
	version2008 = "2008-10-17"
	version2012 = "2012-10-17"
)

// Parse reads a policy for a bucket. actions are those that there are, such as
// s3:GetObject. Every error says what is wrong with the document, for its author.
func Parse(doc []byte, bucket string, actions []string) (Policy, error) {
	if len(doc) > MaxSize {
		return Policy{}, fmt.Errorf("it has more than %d bytes", MaxSize)
	}
	if _, ok := jws.ParseObject(string(doc)); !ok {
		return Policy{}, errors.New("it is not a JSON object whose members are named once each")
	}
	top, err := members("the policy", doc)
	if err != nil {
		return Policy{}, err
	}
	if err := only("the policy", top, "Version", "Id", "Statement"); err != nil {
		return Policy{}, err
	}
	s := scope{bucket: bucket, actions: actions, spent: new(int)}
	version, err := optionalText(top, "Version", version2008)
	if err != nil {
		return Policy{}, err
	}
	if version != version2008 && version != version2012 {
		return Policy{}, fmt.Errorf("its Version must be %s or %s", version2012, version2008)
	}
	s.variables = version == version2012
	if _, err := optionalText(top, "Id", ""); err != nil {
		return Policy{}, err
	}
	list, err := statements(top["Statement"])
	if err != nil {
		return Policy{}, err
	}
	var p Policy
	for i, raw := range list {
		one, err := s.statement(raw)
		if err != nil {
			return Policy{}, fmt.Errorf("statement %d: %w", i+1, err)
		}
		p.statements = append(p.statements, one)
	}
	return p, nil
}

// statements returns the elements of Statement, which is one object or a list.
func statements(raw json.RawMessage) ([]json.RawMessage, error) {
	if raw == nil {
		return nil, errors.New("it has no Statement")
	}
	if raw[0] == '{' {
		return []json.RawMessage{raw}, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil || len(list) == 0 {
		return nil, errors.New("its Statement must be an object or a list of them")
	}
	return list, nil
}

// Judge says what the policy makes of a request.
func (p Policy) Judge(r Request) Verdict {
	v := None
	for _, s := range p.statements {
		if s.effect > v && s.matches(r) {
			v = s.effect
		}
	}
	return v
}

// Public reports whether the policy lets everybody do something: an Allow to * that no
// condition keeps to certain callers or addresses.
func (p Policy) Public() bool {
	return slices.ContainsFunc(p.statements, func(s statement) bool {
		return s.effect == Allow && s.principals.everybody && !slices.ContainsFunc(s.conditions, condition.narrows)
	})
}
