package authroute_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	signettest "signet/test/signet"
)

// effectWithin is how long a change by the command line takes to reach an instance.
const effectWithin = 3 * time.Second

// awaitMode waits until the instance treats a sender domain so.
func (w *world) awaitMode(t *testing.T, domain, mode string) {
	t.Helper()
	asker := signettest.NewAsker(t, w.signet.Policy)
	key := w.keys["monitor"]
	first := map[string]string{"monitor": "PREPEND Authenticated-Routing: fail", "quarantine": "HOLD", "enforce": "REJECT"}[mode]
	signettest.Await(t, domain+" is in mode "+mode, effectWithin, func() error {
		w.sent++
		w.judged++
		proof := underName(t, signettest.NewKey(t, key.Address).Proof(t), key.ID)
		action, err := asker.Ask(t.Context(), signettest.Mail{Sender: key.Address, Proof: proof})
		if err == nil && len(action) >= len(first) && action[:len(first)] == first {
			return nil
		}
		return fmt.Errorf("got %s, %w", action, err)
	})
}

func (w *world) awaitBypass(t *testing.T, active bool) {
	t.Helper()
	signettest.Await(t, "bypass", effectWithin, func() error {
		var state struct {
			Active bool `json:"active"`
		}
		w.signet.Call(http.MethodGet, "/api/v1/authroute/bypass", w.admin, "").JSON(t, &state)
		if state.Active != active {
			return fmt.Errorf("active is %v", state.Active)
		}
		if shown := w.signet.Metric("authroute_bypass_active") == 1; shown != active {
			return fmt.Errorf("metric says %v", shown)
		}
		return nil
	})
}
