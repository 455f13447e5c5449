package token_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/fault"
	"signet/internal/token"
)

// store is another service of this product, with a listener of its own.
const store = "https://s3.example.org"

// storeClient registers a client whose tokens are for the store.
func (h *house) storeClient() (id, secret string) {
	h.t.Helper()
	return h.client(func(n *token.NewClient) { n.Audiences = []string{store, api} })
}

func (n *node) presents(t *testing.T, value string, proofs ...string) (token.Presented, error) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, store+"/", nil)
	for _, p := range proofs {
		r.Header.Add("DPoP", p)
	}
	return n.Present(r, value, store+"/", store)
}

func TestTokenIsPresentedToAnotherServiceWithItsProof(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d, houseOptions{})
		id, secret := h.storeClient()
		n, owner, thief := h.nodes[0], h.holder(), h.holder()

		bearer := n.call(t, "/token", id, secret, exchange(h.authorize(id, "resource", store))).text("access_token")
		got, err := n.presents(t, bearer)
		if err != nil || got.Subject != "usr_alice" || got.Account != "acme" || got.Session != "ses_alice" || got.Family == "" || got.Client != id {
			t.Errorf("got %+v, %v", got, err)
		}

		elsewhere := n.call(t, "/token", id, secret, exchange(h.authorize(id, "resource", api))).text("access_token")
		bound := n.call(t, "/token", id, secret, exchange(h.authorize(id, "resource", store)), "DPoP", owner.proof("/token", nil)).text("access_token")
		good := func(k holder) string {
			return k.proof("", map[string]any{"htu": store + "/", "ath": ath(bound)})
		}
		used := good(owner)
		if _, err := n.presents(t, bound, used); err != nil {
			t.Errorf("a bound token with its proof: %v", err)
		}
		for name, c := range map[string]struct {
			value  string
			proofs []string
		}{
			"for others":                             {elsewhere, nil},
			"bound, without a proof":                 {bound, nil},
			"bound, with another key's proof":        {bound, []string{good(thief)}},
			"bound, with a used proof":               {bound, []string{used}},
			"bound, with a proof of another address": {bound, []string{owner.proof("/token", map[string]any{"ath": ath(bound)})}},
			"nonsense":                               {"nonsense", nil},
		} {
			if _, err := n.presents(t, c.value, c.proofs...); fault.KindOf(err) != fault.Unauthorized {
				t.Errorf("%s: got %v, want it refused", name, err)
			}
		}
	})
}

func TestWhatCameOfATokenLivesAsLongAsItsAuthorization(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d, houseOptions{})
		n := h.nodes[0]
		for name, end := range map[string]func(t *testing.T, id, secret, access string){
			"token revoked": func(t *testing.T, id, secret, access string) {
				n.call(t, "/revoke", id, secret, form("token", access)).wants(t, "revoke", 200, "")
			},
			"session ended": func(t *testing.T, _, _, _ string) {
				err := d.Update(t.Context(), func(tx *db.Tx) error { return h.codes.SessionsEnded(t.Context(), tx, []string{"ses_alice"}) })
				if err != nil {
					t.Fatal(err)
				}
			},
			"client deleted": func(t *testing.T, id, _, _ string) {
				if err := h.clients.Disable(member(t.Context(), "acme", "oauth:clients", "mail:send"), id); err != nil {
					t.Fatal(err)
				}
			},
			"user disabled": func(t *testing.T, _, _, _ string) {
				if err := d.Update(t.Context(), func(tx *db.Tx) error { return h.codes.CloseUser(t.Context(), tx, "usr_alice") }); err != nil {
					t.Fatal(err)
				}
			},
		} {
			t.Run(name, func(t *testing.T) {
				id, secret := h.storeClient()
				access := n.call(t, "/token", id, secret, exchange(h.authorize(id, "resource", store))).text("access_token")
				p, err := n.presents(t, access)
				if err != nil {
					t.Fatal(err)
				}
				lives := func(ctx context.Context) bool {
					live, err := h.codes.Lives(ctx, token.Source{Client: p.Client, User: p.Subject, Session: p.Session, Family: p.Family, Hash: p.Hash})
					if err != nil {
						t.Fatal(err)
					}
					return live
				}
				if !lives(t.Context()) {
					t.Error("before: it does not live")
				}
				if end(t, id, secret, access); lives(t.Context()) {
					t.Error("afterwards: it lives")
				}
			})
		}
		id, _ := h.storeClient()
		for session, want := range map[string]bool{"ses_alice": true, "ses_gone": false, "": true} {
			if live, err := h.codes.Lives(t.Context(), token.Source{Client: id, User: "usr_alice", Session: session}); err != nil || live != want {
				t.Errorf("without an authorization, session %q: got %t, %v", session, live, err)
			}
		}
	})
}
