package objects_test

import (
	"testing"
	"time"

	"signet/internal/db"
	signettest "signet/test/signet"
)

// makeKey makes an access key at the command line. Further arguments are those of signet
// admin create-key.
func makeKey(t testing.TB, n *signettest.Installation, name string, args ...string) key {
	t.Helper()
	var made struct {
		ID     string `json:"access_key_id"`
		Secret string `json:"secret_access_key"`
	}
	n.JSON(&made, append([]string{"admin", "create-key", "--name", name}, args...)...)
	n.Secrets.Add(made.Secret)
	return key{made.ID, made.Secret}
}

func revokeKey(n *signettest.Installation, k key) {
	n.Run("admin", "revoke-key", "--access-key-id", k.id)
}

// expireKey has a key end a minute ago: none can be made so.
func expireKey(t testing.TB, n *signettest.Installation, k key) {
	t.Helper()
	_, err := n.Store(t).SQL().ExecContext(t.Context(), `UPDATE api_keys SET expires_at = $1 WHERE access_key_id = $2`, db.Now(time.Now().Add(-time.Minute)), k.id)
	if err != nil {
		t.Fatal(err)
	}
}
