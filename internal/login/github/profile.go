package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"signet/internal/login"
)

// user is the answer of GET /user.
type user struct {
	ID    int64   `json:"id"`
	Login string  `json:"login"`
	Name  *string `json:"name"` // null where the user gave none
}

// email is one of the answer of GET /user/emails.
type email struct {
	Email    string `json:"email"`
	Primary  bool   `json:"primary"`
	Verified bool   `json:"verified"`
}

// user asks whose token it is. The address in this answer is the one that the user
// shows to the public, which says nothing: it is not read.
func (p *Provider) user(ctx context.Context, token string) (login.Profile, error) {
	var u user
	if err := p.get(ctx, token, "/user", &u); err != nil {
		return login.Profile{}, err
	}
	if u.ID <= 0 {
		return login.Profile{}, errors.New("the user has no id")
	}
	name := u.Login
	if u.Name != nil && *u.Name != "" {
		name = *u.Name
	}
	return login.Profile{Sub: strconv.FormatInt(u.ID, 10), DisplayName: name}, nil
}

func (p *Provider) emails(ctx context.Context, token string) (all []email, err error) {
	return all, p.get(ctx, token, "/user/emails?per_page=100", &all)
}

// choose takes the primary address. It may find a user here only where it is
// verified, and the operator wants that: GitHub does not host it, and who had the
// address once keeps it at GitHub. That is why a code is mailed too.
func (p *Provider) choose(profile *login.Profile, all []email) {
	for _, e := range all {
		if !e.Primary || noreply(e.Email) {
			continue
		}
		profile.Email = e.Email
		profile.EmailVerified = e.Verified && p.c.LinkByEmail
		profile.MailCode = profile.EmailVerified
	}
}

// noreply reports whether no mail reaches an address, in any case or subdomain.
func noreply(address string) bool {
	_, domain, _ := strings.Cut(strings.ToLower(address), "@")
	return strings.HasPrefix(domain, "users.noreply.") || strings.HasPrefix(domain, "noreply.")
}

// get asks the API as the user.
func (p *Provider) get(ctx context.Context, token, path string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.api+path, http.NoBody)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept", "application/vnd.github+json")
	r.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	r.Header.Set("User-Agent", "signet") // GitHub refuses requests without one
	res, err := p.c.Client.Do(r)
	if err != nil {
		return err
	}
	if res.Status != http.StatusOK { // suspended, rate limit, revoked
		return fmt.Errorf("%s: %w", path, statusError(res.Status))
	}
	if err := json.Unmarshal(res.Body, into); err != nil {
		return fmt.Errorf("%s: the answer is not of its shape", path)
	}
	return nil
}
