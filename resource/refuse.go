package resource

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Error is why a request is not let in, in the words of RFC 6750, section 3.1, RFC 9449,
// section 12.2, and RFC 9470, section 3.
type Error struct {
	Status      int    // 400, 401 or 403
	Code        string // error; empty where no credentials came
	Description string // error_description: which check failed; nothing of the token or proof
	Scopes      []string
	MaxAge      time.Duration // of the sign-in, in whole seconds
	ACR         []string
}

// Error returns the code and the description.
func (e *Error) Error() string {
	if e.Code == "" {
		return "no credentials"
	}
	return e.Code + ": " + e.Description
}

func invalidToken(format string, args ...any) *Error {
	return &Error{Status: http.StatusUnauthorized, Code: "invalid_token", Description: fmt.Sprintf(format, args...)}
}

// Requirement is something more that a token must say. It returns an [*Error] where it
// does not.
type Requirement func(c Claims, now time.Time) error

// RequireScope demands all the scopes. A token that lacks one gets 403 insufficient_scope.
func RequireScope(scopes ...string) Requirement {
	return func(c Claims, _ time.Time) error {
		for _, s := range scopes {
			if !c.HasScope(s) {
				return &Error{Status: http.StatusForbidden, Code: "insufficient_scope", Description: "the token lacks a scope", Scopes: scopes}
			}
		}
		return nil
	}
}

// RequireFresh demands that a person proved themselves at most maxAge ago (0: whenever) and
// by one of the acr, if any are named. Others get 401 insufficient_user_authentication with
// max_age and acr_values, so that the client can have the person sign in anew (RFC 9470).
func RequireFresh(maxAge time.Duration, acr ...string) Requirement {
	return func(c Claims, now time.Time) error {
		e := &Error{Status: http.StatusUnauthorized, Code: "insufficient_user_authentication", MaxAge: maxAge, ACR: acr}
		switch {
		case c.AuthTime.IsZero():
			e.Description = "nobody has signed in"
		case maxAge > 0 && now.Sub(c.AuthTime) > maxAge:
			e.Description = "the sign-in is too long ago"
		case len(acr) > 0 && !slices.Contains(acr, c.ACR):
			e.Description = "the sign-in was of another kind"
		default:
			return nil
		}
		return e
	}
}

// parameters are those of WWW-Authenticate. What stands in quotes is ours or the app's.
func (e *Error) parameters() string {
	var all []string
	add := func(name, value string) {
		if value != "" {
			all = append(all, name+"="+strconv.Quote(value))
		}
	}
	add("error", e.Code)
	add("error_description", e.Description)
	add("scope", strings.Join(e.Scopes, " "))
	add("acr_values", strings.Join(e.ACR, " "))
	if e.MaxAge > 0 {
		add("max_age", strconv.Itoa(int(e.MaxAge/time.Second)))
	}
	return strings.Join(all, ", ")
}

func (e *Error) write(w http.ResponseWriter, challenges []string) {
	h := w.Header()
	if e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden {
		for _, c := range challenges {
			h.Add("WWW-Authenticate", c)
		}
		h.Add("Access-Control-Expose-Headers", "WWW-Authenticate")
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(w).Encode(struct { // who does not read it has gone
		Error       string `json:"error,omitempty"`
		Description string `json:"error_description,omitempty"`
	}{e.Code, e.Description})
}
