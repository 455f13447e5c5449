package login_test

import "testing"

// flows are what people do, each in a browser of its own.
var flows = []struct {
	name string
	run  func(*testing.T, *world)
}{
	{"sign-up by a mailed link", signUp},
	{"password", password},
	{"forgotten password", reset},
	{"signing out", signOut},
	{"authenticator app", authenticatorApp},
	{"passkey", passkey},
	{"passkey that the browser offers", conditional},
	{"passkey of a device that comes later", conditionalLater},
	{"passkey beside the password", passkeyAsFactor},
	{"passkey answer that is sent again", replay},
	{"GitHub", gitHub},
	{"Google", google},
	{"OpenID Connect provider", staff},
	{"linking a provider", linking},
	{"Google with the address of a user", sameAddress},
	{"callbacks of others", states},
	{"sign-in for an app", handoff},
	{"signing out of apps", everywhere},
	{"an app with a key of its own", appWithKey},
	{"app that asks again", stepUp},
	{"app that asks for access", consent},
	{"app that wants nobody to be asked", silent},
	{"app that wants a new sign-in", recent},
	{"letting an app in as somebody else", somebodyElse},
	{"app of another tenant", elsewhere},
	{"device without a browser", device},
	{"signing out by an app", endSession},
	{"removing an app", removeApp},
	{"sessions", sessions},
	{"API tokens", tokens},
	{"access keys", accessKeys},
	{"profile", profile},
	{"languages", languages},
	{"without script", withoutScript},
	{"weight of the sign-in page", weight},
}

func TestPeopleSignIn(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, k)
			for _, f := range flows {
				t.Run(f.name, func(t *testing.T) { f.run(t, w) })
			}
		})
	}
}
