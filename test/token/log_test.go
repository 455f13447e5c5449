package token_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	signettest "signet/test/signet"
)

func TestLogSaysWhatCameOfASenderAndWhoseItIs(t *testing.T) {
	n := signettest.New(t, signettest.Options{})
	n.BootstrapAdmin("root@signet.test")
	ask := map[string]string{} // Authorization, by client
	for id, demand := range map[string]string{"keyed": "--dpop=required", "certified": "--mtls=required"} {
		var made struct {
			Secret string `json:"client_secret"`
		}
		n.JSON(&made, "admin", "client", "create", "--id", id, "--name", "App", "--grant", "client_credentials", demand)
		n.Secrets.Add(made.Secret)
		ask[id] = "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+made.Secret))
	}
	i := n.Start()
	for id, c := range map[string]struct {
		status int
		event  string
		says   []string
	}{
		"keyed": {http.StatusBadRequest, "authority.dpop.request", []string{"tenant=acc_", "jkt=", "nonce=none", "authority.dpop_result=missing", "request="}},
		"certified": {
			http.StatusUnauthorized, "authority.security.senderConstraint", []string{"kind=mtls", "reason=missing-certificate", "x5t=", "request="},
		},
	} {
		res := i.Call(http.MethodPost, "/token", "", "grant_type=client_credentials", "Authorization", ask[id], "Content-Type", "application/x-www-form-urlencoded")
		if res.Status != c.status {
			t.Errorf("%s: got %d %s, want %d", id, res.Status, res.Body, c.status)
		}
		line := ""
		for text := range strings.Lines(i.Log()) {
			if strings.Contains(text, c.event) && strings.Contains(text, "client="+id) {
				line = text
			}
		}
		for _, want := range c.says {
			if !strings.Contains(line, want) {
				t.Errorf("%s: got %q, want %s with %s", id, line, c.event, want)
			}
		}
	}
}
