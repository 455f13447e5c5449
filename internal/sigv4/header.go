package sigv4

import (
	"net/http"
	"strings"
	"time"
)

// headerClaim reads the header Authorization. Some clients put a comma between its
// parts, some a comma and blanks.
func headerClaim(r *http.Request, text string, o Options) (claim, error) {
	c := claim{form: Header, token: headerValue(r.Header, "x-amz-security-token")}
	scheme, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	switch scheme {
	case algorithm:
	case algorithmA:
		return c, signatureV4A()
	case "AWS":
		return c, signatureV2()
	default:
		return c, invalidArgument("Unsupported Authorization Type", "Authorization", text)
	}
	var credential string
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.Trim(part, " \t"), "=")
		var into *string
		switch name {
		case "Credential":
			into = &credential
		case "SignedHeaders":
			into = &c.signed
		case "Signature":
			into = &c.signature
		}
		if into == nil || *into != "" || value == "" {
			return c, needsParts()
		}
		*into = value
	}
	if credential == "" || c.signed == "" || c.signature == "" {
		return c, needsParts()
	}
	if err := c.readDate(r.Header); err != nil {
		return c, err
	}
	return c, c.check(credential, "", o)
}

func needsParts() error {
	return malformed(Header, "", "the authorization header requires three components: Credential, SignedHeaders, and Signature.")
}

// readDate reads the time of a request from X-Amz-Date, or else from Date.
func (c *claim) readDate(h http.Header) error {
	c.stamp = headerValue(h, "x-amz-date")
	if at, err := time.Parse(longDate, c.stamp); err == nil {
		c.at = at
		return nil
	}
	date := headerValue(h, "date")
	if at, err := time.Parse(longDate, date); err == nil && c.stamp == "" {
		c.at, c.stamp = at, date
		return nil
	}
	if at, err := http.ParseTime(date); err == nil && c.stamp == "" {
		c.at, c.stamp = at, at.UTC().Format(longDate)
		return nil
	}
	return denied("AWS authentication requires a valid Date or x-amz-date header")
}

// headerValue returns the lines of a header, joined, as they are signed.
func headerValue(h http.Header, name string) string {
	values := headerValues(h, name)
	if len(values) == 1 {
		return values[0]
	}
	return strings.Join(values, ",")
}
