package signettest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"
)

// Verdict is one row of what was judged, as the API shows it.
type Verdict struct {
	MessageID     string    `json:"message_id"`
	Sender        string    `json:"sender_email"`
	KeyID         string    `json:"key_id"`
	Result        string    `json:"verification_result"`
	Reason        string    `json:"failure_reason"`
	At            time.Time `json:"verified_at"`
	Instance      string    `json:"instance"`
	QueueID       string    `json:"queue_id"`
	ClientAddress string    `json:"client_address"`
	Mode          string    `json:"mode"`
	Action        string    `json:"action"`
}

// writtenWithin is how long a verdict may take to be written.
const writtenWithin = 5 * time.Second

// Verdicts returns all verdicts that query finds, such as "sender=alice@example.org",
// the first written first.
func (i *Instance) Verdicts(token, query string) []Verdict {
	i.t.Helper()
	var all []Verdict
	for cursor := ""; ; {
		path := "/api/v1/authroute/verifications?limit=500&" + query
		if cursor != "" {
			path += "&cursor=" + url.QueryEscape(cursor)
		}
		a := i.Call(http.MethodGet, path, token, "")
		if a.Status != http.StatusOK {
			i.t.Fatalf("%s: %d %s", path, a.Status, a.Body)
		}
		var page struct {
			Verifications []Verdict `json:"verifications"`
			Next          string    `json:"next"`
		}
		a.JSON(i.t, &page)
		all = append(all, page.Verifications...)
		if cursor = page.Next; cursor == "" {
			slices.Reverse(all)
			return all
		}
	}
}

// AwaitVerdicts is Verdicts once there are n or more.
func (i *Instance) AwaitVerdicts(t testing.TB, token, query string, n int) (all []Verdict) {
	t.Helper()
	Await(t, fmt.Sprintf("%d verdicts", n), writtenWithin, func() error {
		if all = i.Verdicts(token, query); len(all) < n {
			return fmt.Errorf("got %d", len(all))
		}
		return nil
	})
	return all
}

// AwaitKeys waits until the policy service of i knows the keys.
func (i *Instance) AwaitKeys(t testing.TB, keys ...Key) {
	t.Helper()
	for _, k := range keys {
		Await(t, "key of "+k.Address+" is known", writtenWithin, func() error {
			return i.lists("/.well-known/authroute-keys?address="+url.QueryEscape(k.Address), "keys", k.ID)
		})
	}
}

// AwaitRevoked waits until i refuses the keys.
func (i *Instance) AwaitRevoked(t testing.TB, keys ...Key) {
	t.Helper()
	for _, k := range keys {
		Await(t, "key of "+k.Address+" is revoked", writtenWithin, func() error {
			return i.lists("/.well-known/authroute-revocations", "revocations", k.ID)
		})
	}
}

// lists returns an error unless member of the answer lists the key.
func (i *Instance) lists(path, member, keyID string) error {
	i.t.Helper()
	a := i.Call(http.MethodGet, path, "", "")
	var body map[string]json.RawMessage
	a.JSON(i.t, &body)
	var list []struct {
		KeyID string `json:"key_id"`
	}
	if err := json.Unmarshal(body[member], &list); err != nil {
		return fmt.Errorf("%s: %d %s", path, a.Status, a.Body)
	}
	for _, one := range list {
		if one.KeyID == keyID {
			return nil
		}
	}
	return fmt.Errorf("%s does not list %s", path, keyID)
}
