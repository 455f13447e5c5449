package objects

import (
	"regexp"
	"strings"
)

// roleSelf is the role by which access tokens of this product become keys of their user.
const roleSelf = "self"

// TrustedRole is a role of the configuration: whose tokens get keys, and what those may.
type TrustedRole struct {
	Account  string // name or id
	Issuer   string // of the tokens, exactly as their iss
	Audience string // that their aud must name
	Subject  string // what their sub must be; * stands for any text
	Grants   []Allowance
}

// admits reports whether the role is for a subject.
func (r TrustedRole) admits(subject string) bool {
	parts := strings.Split(r.Subject, "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	fits, err := regexp.MatchString(`^(?s:`+strings.Join(parts, ".*")+`)$`, subject)
	return err == nil && fits && subject != ""
}

var roleARN = regexp.MustCompile(`^arn:aws:iam::([A-Za-z0-9_.-]{1,64}):role/([A-Za-z0-9_.-]{1,64})$`)

// readRoleARN returns the account and the name of a role.
func readRoleARN(arn string) (account, name string, ok bool) {
	m := roleARN.FindStringSubmatch(arn)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}
