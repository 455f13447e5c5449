package sigv4

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// An Explanation says what a request was held to, for the administrator who asks why it
// was refused. It has no signature that would be right: whoever may ask could sign with
// the keys of others.
type Explanation struct {
	Form             Form
	AccessKeyID      string
	SignedAt         time.Time
	CanonicalRequest string
	StringToSign     string
	Provided         string   // the signature of the request
	Matches          bool     // it is right
	Reasons          []string // why the request is refused, in plain English; empty: it is not
}

// Explain says why a request is refused, as far as its head can tell: the body is not
// read. The credential is that of its access key, nil where there is none. With
// o.Now zero the time is taken to be that of the request.
func Explain(r *http.Request, cred *Credential, o Options) Explanation {
	var e Explanation
	c, err := claimOf(r, o)
	if err != nil {
		e.blame(err)
		// The signature may be right for another region or service.
		if c, err = claimOf(r, Options{}); err != nil {
			return e
		}
	}
	if c.form == None {
		e.add("the request has no credentials: neither a header Authorization nor the parameters of a presigned URL")
		return e
	}
	e.Form, e.AccessKeyID, e.SignedAt, e.Provided = c.form, c.accessKeyID, c.at, c.signature
	if o.Now.IsZero() {
		o.Now = c.at
	}
	e.checkTime(&c, o.Now)
	e.blame(c.checkHeaders(r))
	_, err = c.payloadOf(r, o)
	e.blame(err)
	m := c.message(r, o)
	canonical := m.appendCanonical(nil, r)
	e.CanonicalRequest = string(canonical)
	e.StringToSign = string(appendStringToSign(nil, c.stamp, c.scope, canonical))
	if cred == nil {
		e.add("the access key " + c.accessKeyID + " is not known or not active")
		return e
	}
	e.checkToken(cred, &c)
	e.Matches = cred.keyFor(c.scope).signed([]byte(e.StringToSign), c.signature)
	if !e.Matches {
		e.add(guess(r, cred, &c, m))
	}
	return e
}

func (e *Explanation) add(reason string) { e.Reasons = append(e.Reasons, reason) }

func (e *Explanation) blame(err error) {
	refusal, ok := errors.AsType[*Error](err)
	if !ok {
		return
	}
	reason := refusal.Message
	if names := refusal.Detail("HeadersNotSigned"); names != "" {
		reason = "headers are in the request and not signed: " + names
	}
	e.add(reason)
}

func (e *Explanation) checkTime(c *claim, now time.Time) {
	if c.checkTime(now) == nil {
		return
	}
	switch ahead := c.at.Sub(now).Round(time.Second); {
	case ahead > 0:
		e.add(fmt.Sprintf("the request was signed %s ahead of the server's clock; %s are allowed", ahead, MaxSkew))
	case c.form == Query:
		e.add(fmt.Sprintf("the presigned URL expired %s ago", -ahead-c.expires))
	default:
		e.add(fmt.Sprintf("the request was signed %s before the server's clock; %s are allowed", -ahead, MaxSkew))
	}
}

func (e *Explanation) checkToken(cred *Credential, c *claim) {
	switch {
	case cred.token == c.token:
	case c.token == "":
		e.add("the access key belongs to a session, and the request has no X-Amz-Security-Token")
	case cred.token != "":
		e.add("the X-Amz-Security-Token is not that of the access key")
	}
}
