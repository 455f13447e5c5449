package objects

import (
	"maps"
	"slices"
	"strings"
	"time"

	"signet/internal/bucketpolicy"
)

// actions are those that policies can name.
func actions() (all []string) {
	for _, op := range operations() {
		all = append(all, op.action)
	}
	for _, named := range ofVersion {
		all = append(all, named)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// CheckPolicy reads a policy for a bucket, and reports whether it lets everybody do
// something. What it cannot judge rightly is ErrMalformedPolicy, which says what it is.
func CheckPolicy(bucket string, doc []byte) (public bool, err error) {
	p, err := bucketpolicy.Parse(doc, bucket, actions())
	if err != nil {
		return false, ErrMalformedPolicy.Because("%v", err)
	}
	return p.Public(), nil
}

// readPolicy is a policy with the text that it was read from.
type readPolicy struct {
	text   string
	policy bucketpolicy.Policy
	bad    bool // it cannot be read any more, and denies everything
}

// maxPolicies bounds the memory that policies take; beyond it all are read anew.
const maxPolicies = 1000

// policy returns the policy of a bucket, read once for as long as it stays.
func (a *Access) policy(b Bucket) readPolicy {
	a.lock.Lock()
	defer a.lock.Unlock()
	if p, ok := a.policies[b.Name]; ok && p.text == b.Policy {
		return p
	}
	p, err := bucketpolicy.Parse([]byte(b.Policy), b.Name, actions())
	if len(a.policies) >= maxPolicies {
		clear(a.policies)
	}
	read := readPolicy{text: b.Policy, policy: p, bad: err != nil}
	a.policies[b.Name] = read
	return read
}

// verdict is what a policy says.
type verdict struct{ allows, denies bool }

// judge says what the bucket's policy makes of a question.
func (a *Access) judge(c Caller, q Question) verdict {
	if q.Bucket.Policy == "" {
		return verdict{}
	}
	p := a.policy(q.Bucket)
	if p.bad {
		return verdict{denies: true}
	}
	r := bucketpolicy.Request{Action: q.Action, Resource: q.Bucket.Name, Values: a.values(c, q)}
	if q.Key != "" {
		r.Resource += "/" + q.Key
	}
	r.Names = c.names()
	r.Allowed = r.Names
	if c.Limited && len(r.Names) > 0 {
		r.Allowed = r.Names[:1] // itself; not its user or account
	}
	v := p.policy.Judge(r)
	return verdict{allows: v == bucketpolicy.Allow, denies: v == bucketpolicy.Deny}
}

// roleOwner begins Caller.Owner of keys that a role of the configuration was assumed with.
const roleOwner = "role:"

// names are the ARNs of a caller, the most exact first.
func (c Caller) names() (all []string) {
	if c.Anonymous() || c.Account == "" {
		return nil
	}
	role, assumed := strings.CutPrefix(c.Owner, roleOwner)
	switch {
	case assumed:
		all = []string{bucketpolicy.SessionARN(c.Account, role, c.Name), bucketpolicy.RoleARN(c.Account, role)}
	case c.Temporary:
		all = []string{bucketpolicy.SessionARN(c.Account, roleSelf, c.Name)}
	default:
		all = []string{bucketpolicy.KeyARN(c.Account, c.AccessKeyID)}
	}
	if c.User != "" {
		all = append(all, bucketpolicy.UserARN(c.Account, c.User))
	}
	return append(all, bucketpolicy.AccountARN(c.Account))
}

// values are the condition keys of a question, with those that say who calls.
func (a *Access) values(c Caller, q Question) map[string][]string {
	all := map[string][]string{"aws:currenttime": {a.now().UTC().Format(time.RFC3339)}}
	maps.Copy(all, q.Values)
	if names := c.names(); len(names) > 0 {
		arn, id := names[0], c.Key
		if c.User != "" {
			id = c.User
			if !c.Temporary {
				arn = bucketpolicy.UserARN(c.Account, c.User)
			}
		}
		all["aws:principalarn"], all["aws:userid"], all["aws:username"] = []string{arn}, []string{id}, []string{id}
	}
	return all
}
