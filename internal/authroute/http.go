package authroute

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"signet/internal/fault"
	"signet/internal/web"
)

// maxBody is how long a request body of the key API may be, in bytes.
const maxBody = 64 << 10

// Services is what the routes serve.
type Services struct {
	Registry *Registry
	Keys     *Keyset
	Verdicts *Verdicts
	Domains  *Domains
	Bypass   *Bypass
	List     *Publisher
	Now      func() time.Time
}

// Routes mounts the key API on api, and the public pages on mux.
func Routes(api huma.API, mux *http.ServeMux, s Services) {
	h := handler{s}
	huma.Register(api, operation(http.MethodGet, "/keys", "list-mail-keys", "List your mail keys", 200), h.list)
	huma.Register(api, operation(http.MethodPost, "/keys/primary", "set-primary-mail-key", "Register or replace your primary key", 201), h.primary)
	huma.Register(api, operation(http.MethodPost, "/keys/generate", "register-mail-subkey", "Register a subkey that you made", 201), h.generate)
	huma.Register(api, operation(http.MethodPost, "/keys/delegate", "delegate-mail-subkey", "Have a subkey made and kept here", 201), h.delegate)
	huma.Register(api, operation(http.MethodPost, "/keys/{key_id}/revoke", "revoke-mail-key", "Revoke a key", 200), h.revoke)
	huma.Register(api, operation(http.MethodGet, "/keys/{key_id}/events", "list-mail-key-events", "What happened to a key", 200), h.events)
	h.operate(api)
	mux.Handle("GET /.well-known/authroute-keys", web.Handler(h.published))
	mux.Handle("GET /.well-known/authroute-revocations", web.Handler(h.revocations))
}

type handler struct{ Services }

// operation describes one call below /api/v1/authroute.
func operation(method, path, id, summary string, status int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: "/api/v1/authroute" + path, Summary: summary,
		DefaultStatus: status, MaxBodyBytes: maxBody, Tags: []string{"authroute"},
	}
}

// keyJSON is a key as its owner sees it; the names are those of the table.
type keyJSON struct {
	KeyID       string `json:"key_id" doc:"Lower-case hex SHA-256 of the public key"`
	KeyType     string `json:"key_type" enum:"primary,subkey"`
	Address     string `json:"address"`
	PublicKey   string `json:"public_key" doc:"Ed25519, standard base64 of 32 bytes"`
	Certificate string `json:"certificate,omitempty" doc:"The primary key's signature, standard base64"`
	CreatedAt   string `json:"created_at"`
	ExpiresAt   string `json:"expires_at,omitempty"`
	RevokedAt   string `json:"revoked_at,omitempty"`
	Reason      string `json:"revoked_reason,omitempty" doc:"What the owner wrote"`
}

func keyOut(k Key) keyJSON {
	out := keyJSON{
		KeyID: k.ID, KeyType: string(k.Type), Address: k.Address, PublicKey: encodeKey(k.Public),
		Certificate: base64.StdEncoding.EncodeToString(k.Certificate), CreatedAt: formatTime(k.Created), Reason: k.Note,
	}
	if !k.Expires.IsZero() {
		out.ExpiresAt = formatTime(k.Expires)
	}
	if !k.Revoked.IsZero() {
		out.RevokedAt = formatTime(k.Revoked)
	}
	return out
}

type output[T any] struct{ Body T }

func (h handler) list(ctx context.Context, in *struct {
	Include string `query:"include" enum:"revoked" doc:"revoked lists revoked keys too"`
},
) (*output[[]keyJSON], error) {
	keys, err := h.Registry.List(ctx, in.Include == "revoked")
	if err != nil {
		return nil, err
	}
	out := &output[[]keyJSON]{Body: []keyJSON{}}
	for _, k := range keys {
		out.Body = append(out.Body, keyOut(k))
	}
	return out, nil
}

func (h handler) primary(ctx context.Context, in *struct {
	Body struct {
		PublicKey         string `json:"public_key"`
		Address           string `json:"address,omitempty"`
		Timestamp         string `json:"timestamp" doc:"RFC 3339, UTC, at most 5 minutes old"`
		Signature         string `json:"signature" doc:"By the new key"`
		PreviousSignature string `json:"previous_signature,omitempty" doc:"By the old primary key, where there is one"`
		Recertify         []struct {
			KeyID     string `json:"key_id"`
			Signature string `json:"signature"`
		} `json:"recertify,omitempty" doc:"New certificates for subkeys of the old primary key; the others are revoked"`
	}
},
) (*output[keyJSON], error) {
	b := in.Body
	n := NewPrimary{
		PublicKey: b.PublicKey, Address: strings.ToLower(b.Address), Timestamp: b.Timestamp,
		Signature: b.Signature, PreviousSignature: b.PreviousSignature,
	}
	for _, c := range b.Recertify {
		n.Recertify = append(n.Recertify, Recertification{KeyID: c.KeyID, Signature: c.Signature})
	}
	k, err := h.Registry.SetPrimary(ctx, n)
	if err != nil {
		return nil, err
	}
	return &output[keyJSON]{keyOut(k)}, nil
}

func (h handler) generate(ctx context.Context, in *struct {
	Body struct {
		KeyID           string `json:"key_id"`
		PublicKey       string `json:"public_key"`
		ExpiresAt       string `json:"expires_at" doc:"RFC 3339, UTC, at most two years ahead"`
		Address         string `json:"address,omitempty"`
		Signature       string `json:"signature" doc:"By the primary key: the certificate"`
		SubkeySignature string `json:"subkey_signature" doc:"By the subkey itself"`
	}
},
) (*output[keyJSON], error) {
	b := in.Body
	k, err := h.Registry.Generate(ctx, NewSubkey{
		KeyID: b.KeyID, PublicKey: b.PublicKey, ExpiresAt: b.ExpiresAt, Address: strings.ToLower(b.Address),
		Signature: b.Signature, SubkeySignature: b.SubkeySignature,
	})
	if err != nil {
		return nil, err
	}
	return &output[keyJSON]{keyOut(k)}, nil
}

type delegationJSON struct {
	KeyID           string `json:"key_id"`
	PublicKey       string `json:"public_key"`
	Address         string `json:"address"`
	ExpiresAt       string `json:"expires_at"`
	SubkeySignature string `json:"subkey_signature" doc:"Send it on to keys/generate, with your primary key's signature"`
}

func (h handler) delegate(ctx context.Context, in *struct {
	Body struct {
		Address   string `json:"address,omitempty"`
		ExpiresAt string `json:"expires_at"`
	}
},
) (*output[delegationJSON], error) {
	d, err := h.Registry.Delegate(ctx, strings.ToLower(in.Body.Address), in.Body.ExpiresAt)
	if err != nil {
		return nil, err
	}
	return &output[delegationJSON]{delegationJSON{d.KeyID, d.PublicKey, d.Address, formatTime(d.Expires), d.SubkeySignature}}, nil
}

type revokeJSON struct {
	Reason string `json:"reason,omitempty" doc:"Kept; published is only unspecified, keyCompromise, superseded or cessation"`
}

type statusJSON struct {
	Status string `json:"status"`
}

func (h handler) revoke(ctx context.Context, in *struct {
	KeyID string      `path:"key_id"`
	Body  *revokeJSON // a pointer: it may be missing
},
) (*output[statusJSON], error) {
	reason := ""
	if in.Body != nil {
		reason = in.Body.Reason
	}
	if err := h.Registry.Revoke(ctx, in.KeyID, reason); err != nil {
		return nil, err
	}
	return &output[statusJSON]{statusJSON{"revoked"}}, nil
}

type eventJSON struct {
	Type string         `json:"event_type"`
	Data map[string]any `json:"event_data"`
	At   string         `json:"created_at"`
}

func (h handler) events(ctx context.Context, in *struct {
	KeyID string `path:"key_id"`
},
) (*output[[]eventJSON], error) {
	events, err := h.Registry.Events(ctx, in.KeyID)
	if err != nil {
		return nil, err
	}
	out := &output[[]eventJSON]{Body: []eventJSON{}}
	for _, e := range events {
		out.Body = append(out.Body, eventJSON{e.Type, e.Data, formatTime(e.At)})
	}
	return out, nil
}

// publishedJSON is a key as anybody sees it.
type publishedJSON struct {
	KeyID       string `json:"key_id"`
	PublicKey   string `json:"public_key"`
	ExpiresAt   string `json:"expires_at"`
	Certificate string `json:"certificate"`
}

// published answers an unknown address as one without keys: it must not tell who
// has a mailbox here.
func (h handler) published(w http.ResponseWriter, r *http.Request) error {
	address := strings.ToLower(r.URL.Query().Get("address"))
	if !strings.Contains(address, "@") {
		return fault.New(fault.Invalid, "want ?address=alice@example.org").At("address")
	}
	keys := []publishedJSON{}
	for _, k := range h.Keys.Live(address, h.Now()) {
		keys = append(keys, publishedJSON{k.ID, encodeKey(k.Public), formatTime(k.Expires), base64.StdEncoding.EncodeToString(k.Certificate)})
	}
	w.Header().Set("Cache-Control", "max-age=60")
	return web.WriteJSON(w, http.StatusOK, map[string]any{"keys": keys})
}

type listJSON struct {
	Version     string           `json:"version"`
	UpdatedAt   string           `json:"updated_at"`
	NextUpdate  string           `json:"next_update"`
	Sequence    int64            `json:"sequence"`
	Revocations []revocationJSON `json:"revocations"`
	Signature   string           `json:"signature"`
}

type revocationJSON struct {
	KeyID     string `json:"key_id"`
	Domain    string `json:"domain"`
	RevokedAt string `json:"revoked_at"`
	Reason    string `json:"reason"`
}

func (h handler) revocations(w http.ResponseWriter, r *http.Request) error {
	since, err := sinceOf(r)
	if err != nil {
		return err
	}
	l, err := h.List.List(since, h.Now())
	if err != nil {
		return err
	}
	if since > l.Sequence {
		return errSince.At("since")
	}
	// The list of a date and a sequence never changes (RFC 9110, section 8.8.3).
	tag := fmt.Sprintf(`"%d-%d-%d"`, l.Sequence, l.Updated.Unix(), since)
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "max-age=30")
	if matches(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	out := listJSON{
		Version: l.Version, UpdatedAt: formatTime(l.Updated), NextUpdate: formatTime(l.NextUpdate),
		Sequence: l.Sequence, Revocations: []revocationJSON{}, Signature: l.Signature,
	}
	for _, e := range l.Revocations {
		out.Revocations = append(out.Revocations, revocationJSON{e.KeyID, e.Domain, formatTime(e.Revoked), string(e.Reason)})
	}
	return web.WriteJSON(w, http.StatusOK, out)
}

var errSince = fault.New(fault.Invalid, "want the sequence of a list that you have, such as ?since=17")

func sinceOf(r *http.Request) (int64, error) {
	s := r.URL.Query().Get("since")
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, errSince.At("since")
	}
	return n, nil
}

// matches compares an If-None-Match field weakly (RFC 9110, section 13.1.2).
func matches(field, tag string) bool {
	for candidate := range strings.SplitSeq(field, ",") {
		if c := strings.TrimPrefix(strings.TrimSpace(candidate), "W/"); c == tag || c == "*" {
			return true
		}
	}
	return false
}
