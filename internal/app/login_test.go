package app

import (
	"testing"

	"signet/internal/config"
)

func TestProviderWithoutClientIsNotOffered(t *testing.T) {
	a := &App{Config: config.Default()}
	if all, err := a.providers(); err != nil || len(all) != 0 {
		t.Errorf("got %d providers, %v, want none", len(all), err)
	}
	c := &a.Config.Login
	c.GitHub.ClientID, c.Google.ClientID = "a", "b"
	c.OIDC["staff"] = config.OIDC{Issuer: "https://id.example.org/staff", ClientID: "c", Label: "Staff"}
	c.OIDC["guests"] = config.OIDC{Issuer: "http://127.0.0.1:9/guests", ClientID: "d"}
	c.OIDC["off"] = config.OIDC{Issuer: "https://id.example.org/off"}
	all, err := a.providers()
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, p := range all {
		got += p.Name() + "=" + p.Label() + "@" + p.Issuer() + " "
		if issuers(a.Config.Login)[p.Name()] != p.Issuer() {
			t.Errorf("%s: identities are kept for %q, want %q", p.Name(), issuers(a.Config.Login)[p.Name()], p.Issuer())
		}
	}
	want := "github=GitHub@https://github.com google=Google@https://accounts.google.com guests=guests@http://127.0.0.1:9/guests staff=Staff@https://id.example.org/staff "
	if got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestProvidersHaveTheNamesThatPeopleKnow(t *testing.T) {
	c := config.Login{OIDC: map[string]config.OIDC{"staff": {Label: "Example Ltd"}, "plain": {}}}
	for provider, want := range map[string]string{"github": "GitHub", "google": "Google", "staff": "Example Ltd", "plain": "plain", "gone": "gone"} {
		if got := providerName(c, provider); got != want {
			t.Errorf("%s: got %s, want %s", provider, got, want)
		}
	}
}
