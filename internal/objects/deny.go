package objects

import (
	"net/http"
	"strings"
	"time"

	"signet/internal/sigv4"
	"signet/internal/ticket"
	"signet/internal/web"
)

// Denial is a request that was refused, as people ask about it afterwards.
type Denial struct {
	At          time.Time
	RequestID   string
	Address     string
	AccessKeyID string // as it was sent; empty: none
	Account     string // of the key, where it proved itself
	Operation   string // such as GetObject; empty: none of the door's
	Bucket, Key string
	Code        string // S3's
	Reason      string
	Canonical   string // the canonical request as the server made it, without tokens; of wrong signatures
}

// deny tells of a refusal of somebody who may not.
func (d *Door) deny(q *request, p *web.Problem) {
	if p.Status != http.StatusForbidden {
		return
	}
	d.o.Metrics.deny(p.Word())
	if d.o.Denied == nil {
		return
	}
	d.o.Denied(q.Context(), d.denial(q, p.Word(), p.Detail))
}

// denyProof tells of a refusal of a proof that does not hold.
func (d *Door) denyProof(q *request, e *sigv4.Error) {
	d.o.Metrics.deny(e.Code)
	if d.o.Denied == nil {
		return
	}
	n := d.denial(q, e.Code, e.Message)
	if id := e.Detail("AWSAccessKeyId"); id != "" && n.AccessKeyID == "" {
		n.AccessKeyID, n.Account = id, d.accountOf(q, id)
	}
	n.Canonical = withoutSecrets(e.Detail("CanonicalRequest"))
	d.o.Denied(q.Context(), n)
}

func (d *Door) denial(q *request, word, reason string) Denial {
	req := ticket.RequestFrom(q.Context())
	n := Denial{
		At: d.o.Now(), RequestID: req.ID, Address: req.Address, AccessKeyID: q.caller.AccessKeyID, Account: q.caller.Account,
		Bucket: q.target.bucket, Key: q.key, Code: word, Reason: reason,
	}
	if q.op != nil {
		n.Operation = q.op.name
	}
	return n
}

// withoutSecrets takes out of a canonical request what nobody shall find in a table of
// refusals: session tokens, which with their key are a credential, and keys that clients
// encrypt with.
func withoutSecrets(canonical string) string {
	lines := strings.Split(canonical, "\n")
	for i, line := range lines {
		if name, _, ok := strings.Cut(line, ":"); ok && isSecret(name) {
			lines[i] = name + ":..."
		}
		if i != queryLine {
			continue
		}
		parameters := strings.Split(line, "&")
		for n, p := range parameters {
			if name, _, _ := strings.Cut(p, "="); isSecret(name) {
				parameters[n] = name + "=..."
			}
		}
		lines[i] = strings.Join(parameters, "&")
	}
	return strings.Join(lines, "\n")
}

// queryLine is where the query of a canonical request stands.
const queryLine = 2

// isSecret reports whether the value of a header or parameter is one.
func isSecret(name string) bool {
	name = strings.ToLower(name)
	return name == "x-amz-security-token" || name == "authorization" || strings.HasSuffix(name, "-customer-key")
}

// accountOf is whose key a request named that did not prove it: its owner wants to know.
func (d *Door) accountOf(q *request, accessKeyID string) string {
	c, err := d.o.Lookup(q.Context(), accessKeyID, "")
	if err != nil || c == nil {
		return ""
	}
	holder, _ := c.Holder().(Caller)
	return holder.Account
}
