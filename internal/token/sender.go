package token

import (
	"context"
	"net/http"
	"net/netip"
)

// Sent is what a request brings to prove its sender.
type Sent struct {
	Method      string
	URL         string       // of the endpoint as configured, never of the Host header (RFC 9449, section 4.3)
	Proofs      []string     // values of the DPoP field lines
	Certificate *Certificate // nil where the client showed none
	Address     netip.Addr
}

// Senders holds requests to what their senders must prove: a key by DPoP (RFC 9449),
// a certificate by mutual TLS (RFC 8705), or both.
type Senders struct{}

// Read returns what r brings. path is the endpoint's. It refuses a certificate that
// comes by header in another form than one.
func (s *Senders) Read(r *http.Request, path string) (Sent, error) {
	return Sent{Method: r.Method, URL: path}, nil
}

// Checked is a sender as far as a request proves it without a trace in any store: the
// proof's own checks and its nonce. Its jti is not used yet.
type Checked struct {
	Confirm Confirmation // what a token for this sender is bound to; zero for a bearer
	Nonce   string       // for the DPoP-Nonce header of the answer; "" where none is to be sent
	// NoRefresh says that a refresh token must not be issued: the emergency bypass is on,
	// and what is issued now ends with it, at Until (zero: no such end).
	NoRefresh bool
}

// Check holds a request at /token or /par to the policy of client, its account and the
// audiences that it asks for.
func (s *Senders) Check(ctx context.Context, sent Sent, client Client, audiences []string) (Checked, error) {
	return Checked{}, nil
}

// Matches returns ErrGrant where a code or refresh token is bound to another sender
// than the one that was checked.
func (c Checked) Matches(want Confirmation) error { return nil }

// Spend uses the proof up: the client is authenticated and its grant was found good,
// but is not consumed yet.
func (c Checked) Spend(ctx context.Context) error { return nil }

// AtResource holds a request with an access token to what the token is bound to, and
// uses the proof up. scheme is that of the Authorization header.
func (s *Senders) AtResource(ctx context.Context, sent Sent, scheme, token string, want Confirmation, audience string) error {
	return nil
}
