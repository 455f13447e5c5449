package objects

import (
	"encoding/xml"
	"net/http"
	"time"

	"signet/internal/bucketpolicy"
	"signet/internal/ticket"
)

// stsSpace is the namespace of the answers.
const stsSpace = "https://sts.amazonaws.com/doc/2011-06-15/"

// stsError is a refusal in the words of STS.
type stsError struct {
	status        int
	code, message string
}

func (e *stsError) Error() string { return "sts: " + e.code + ": " + e.message }

func stsRefusal(status int, code, message string) *stsError { return &stsError{status, code, message} }

func stsInvalid(message string) error {
	return stsRefusal(http.StatusBadRequest, "ValidationError", message)
}

func stsDenied(message string) error {
	return stsRefusal(http.StatusForbidden, "AccessDenied", message)
}

type stsErrorOut struct {
	XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
	Type    string   `xml:"Error>Type"`
	Code    string   `xml:"Error>Code"`
	Message string   `xml:"Error>Message"`
	Request string   `xml:"RequestId"`
}

func (e *stsError) out(r *http.Request) *stsErrorOut {
	side := "Sender"
	if e.status >= http.StatusInternalServerError {
		side = "Receiver"
	}
	return &stsErrorOut{Type: side, Code: e.code, Message: e.message, Request: ticket.RequestFrom(r.Context()).ID}
}

type stsAssumedOut struct {
	XMLName xml.Name `xml:"AssumeRoleWithWebIdentityResponse"`
	Space   string   `xml:"xmlns,attr"`
	Result  struct {
		Subject  string `xml:"SubjectFromWebIdentityToken"`
		Audience string
		User     struct {
			ARN string `xml:"Arn"`
			ID  string `xml:"AssumedRoleId"`
		} `xml:"AssumedRoleUser"`
		Credentials struct {
			SessionToken    string
			SecretAccessKey string
			Expiration      string
			AccessKeyID     string `xml:"AccessKeyId"`
		}
		Provider string
	} `xml:"AssumeRoleWithWebIdentityResult"`
	Request string `xml:"ResponseMetadata>RequestId"`
}

func assumedOut(n newTemporary, made Temporary, provider, audience string) *stsAssumedOut {
	out := &stsAssumedOut{}
	out.Result.Subject, out.Result.Audience, out.Result.Provider = n.subject, audience, provider
	out.Result.User.ARN, out.Result.User.ID = bucketpolicy.SessionARN(n.account, n.role, n.name), made.ID+":"+n.name
	c := &out.Result.Credentials
	c.SessionToken, c.SecretAccessKey, c.AccessKeyID = made.SessionToken, made.Secret, made.AccessKeyID
	c.Expiration = made.Expires.UTC().Format(time.RFC3339)
	return out
}

type stsIdentityOut struct {
	XMLName xml.Name `xml:"GetCallerIdentityResponse"`
	Space   string   `xml:"xmlns,attr"`
	ARN     string   `xml:"GetCallerIdentityResult>Arn"`
	User    string   `xml:"GetCallerIdentityResult>UserId"`
	Account string   `xml:"GetCallerIdentityResult>Account"`
	Request string   `xml:"ResponseMetadata>RequestId"`
}

func identityOut(c Caller) *stsIdentityOut {
	out := &stsIdentityOut{ARN: c.arn(), User: c.Key, Account: c.Account}
	if c.Temporary {
		out.User += ":" + c.Name
	} else if c.User != "" {
		out.User = c.User
	}
	return out
}

// writeSTS writes an answer. It may hold a key, so that nobody on the way keeps it.
func writeSTS(w http.ResponseWriter, r *http.Request, status int, out any) {
	id := ticket.RequestFrom(r.Context()).ID
	switch o := out.(type) {
	case *stsAssumedOut:
		o.Space, o.Request = stsSpace, id
	case *stsIdentityOut:
		o.Space, o.Request = stsSpace, id
	}
	text, err := xml.Marshal(out)
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/xml")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Amzn-Requestid", id)
	w.WriteHeader(status)
	_, _ = w.Write(append([]byte(xml.Header), text...)) //nolint:gosec // escaped by encoding/xml, under its media type and nosniff
}
