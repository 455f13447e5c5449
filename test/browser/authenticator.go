package browser

import (
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/webauthn"
)

// Authenticator is a device of the user that makes passkeys: internal, with resident
// keys, which verifies its user and confirms by itself.
type Authenticator struct {
	tab *Tab
	id  webauthn.AuthenticatorID
}

// Authenticator gives the tab's browser a device.
func (b *Tab) Authenticator() *Authenticator {
	b.t.Helper()
	call(b, webauthn.Enable, webauthn.EnableParams{})
	res := call(b, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}})
	return &Authenticator{tab: b, id: res.AuthenticatorID}
}

// Passkeys returns how many passkeys the device has.
func (a *Authenticator) Passkeys() int {
	a.tab.t.Helper()
	return len(call(a.tab, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: a.id}).Credentials)
}

// Verifies says whether the device will verify its user from now on.
func (a *Authenticator) Verifies(yes bool) {
	a.tab.t.Helper()
	call(a.tab, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: a.id, IsUserVerified: yes})
}

// OffersNothing makes the tab one of a browser that offers no passkeys by itself, only
// at a button (without conditional mediation).
func (b *Tab) OffersNothing() {
	b.t.Helper()
	call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
		Source: `if (window.PublicKeyCredential) delete PublicKeyCredential.isConditionalMediationAvailable`,
	})
}
