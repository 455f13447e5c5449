package bucketpolicy

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
)

// principals are whom a statement is about.
type principals struct {
	everybody bool
	names     []string // ARNs
}

func (p principals) match(names []string) bool {
	return p.everybody || slices.ContainsFunc(names, func(n string) bool { return slices.Contains(p.names, n) })
}

// The ARNs of callers.

// AccountARN names every caller of an account.
func AccountARN(account string) string { return "arn:aws:iam::" + account + ":root" }

// UserARN names a user, in an account.
func UserARN(account, user string) string { return "arn:aws:iam::" + account + ":user/" + user }

// KeyARN names one access key.
func KeyARN(account, accessKeyID string) string {
	return "arn:aws:iam::" + account + ":key/" + accessKeyID
}

// RoleARN names a role of STS, and so whoever assumed it.
func RoleARN(account, role string) string { return "arn:aws:iam::" + account + ":role/" + role }

// SessionARN names temporary keys of STS.
func SessionARN(account, role, name string) string {
	return "arn:aws:sts::" + account + ":assumed-role/" + role + "/" + name
}

const part = `[A-Za-z0-9_+=,.@-]{1,128}`

var (
	accountID  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	callersARN = regexp.MustCompile(`^arn:aws:(iam::[A-Za-z0-9_-]{1,64}:(root|user/` + part + `|key/` + part + `|role/` + part + `)|sts::[A-Za-z0-9_-]{1,64}:assumed-role/` + part + `/` + part + `)$`)
)

func readPrincipals(raw json.RawMessage) (p principals, err error) {
	if raw == nil {
		return p, errors.New("it has no Principal")
	}
	if raw[0] == '"' {
		var word string
		if err := json.Unmarshal(raw, &word); err != nil || word != "*" {
			return p, errors.New(`its Principal must be "*" or an object with AWS`)
		}
		return principals{everybody: true}, nil
	}
	m, err := members("Principal", raw)
	if err != nil {
		return p, err
	}
	if err := only("Principal", m, "AWS"); err != nil {
		return p, err
	}
	if m["AWS"] == nil {
		return p, errors.New("its Principal is empty")
	}
	words, err := texts("Principal", m["AWS"])
	if err != nil {
		return p, err
	}
	for _, word := range words {
		switch {
		case word == "*":
			p.everybody = true
		case accountID.MatchString(word):
			p.names = append(p.names, AccountARN(word))
		case callersARN.MatchString(word):
			p.names = append(p.names, word)
		default:
			return p, fmt.Errorf("its Principal %q is none that there can be: want *, the id of an account, or the ARN of an account (root), user, key, role or assumed-role", word)
		}
	}
	return p, nil
}
