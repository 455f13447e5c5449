package objects

import (
	"net/url"
	"regexp"
	"strconv"
	"time"
)

// wanted is what a request for temporary keys asks for.
type wanted struct {
	account, role string
	name          string
	token         string
	lasting       time.Duration
}

var sessionName = regexp.MustCompile(`^[A-Za-z0-9_+=,.@-]{2,64}$`)

func readWanted(form url.Values) (w wanted, err error) {
	for _, name := range []string{"Policy", "PolicyArns.member.1.arn", "ProviderId"} {
		if form.Get(name) != "" {
			return w, stsInvalid(name + " is not supported: a key that may less is made by signet admin create-key --grant")
		}
	}
	var ok bool
	if w.account, w.role, ok = readRoleARN(form.Get("RoleArn")); !ok {
		return w, stsInvalid("RoleArn must be arn:aws:iam::ACCOUNT:role/NAME")
	}
	if w.name = form.Get("RoleSessionName"); !sessionName.MatchString(w.name) {
		return w, stsInvalid("RoleSessionName must have 2 to 64 letters, digits and _+=,.@-")
	}
	if w.token = form.Get("WebIdentityToken"); len(w.token) < 4 || len(w.token) > maxWebToken {
		return w, stsInvalid("WebIdentityToken must have 4 to 20000 characters")
	}
	w.lasting = longestSession
	if text := form.Get("DurationSeconds"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < int(shortestSession/time.Second) || n > int(longestSession/time.Second) {
			return w, stsInvalid("DurationSeconds must be from 900 to 3600")
		}
		w.lasting = time.Duration(n) * time.Second
	}
	return w, nil
}
