package browser

import (
	"github.com/chromedp/cdproto/cdp"
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
	b.HasNoAuthenticator()
	res := call(b, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}})
	return &Authenticator{tab: b, id: res.AuthenticatorID}
}

// HasNoAuthenticator takes the machine's own devices from the tab's browser, until it is
// given one.
func (b *Tab) HasNoAuthenticator() {
	b.t.Helper()
	call(b, webauthn.Enable, webauthn.EnableParams{})
}

// Unplug takes the device away and returns what puts it in again, with its passkeys.
func (a *Authenticator) Unplug() (plugIn func()) {
	a.tab.t.Helper()
	restore := a.Empty()
	call(a.tab, webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: a.id})
	return func() {
		a.tab.t.Helper()
		a.id = a.tab.Authenticator().id
		restore()
	}
}

// Empty takes the passkeys from the device and returns what puts them back.
func (a *Authenticator) Empty() (restore func()) {
	a.tab.t.Helper()
	kept := call(a.tab, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: a.id}).Credentials
	call(a.tab, webauthn.ClearCredentials, webauthn.ClearCredentialsParams{AuthenticatorID: a.id})
	return func() {
		a.tab.t.Helper()
		for _, one := range kept {
			call(a.tab, addCredential, addCredentialParams{a.id, credential{
				one.CredentialID, one.IsResidentCredential, one.RpID, one.PrivateKey, one.UserHandle, one.SignCount,
			}})
		}
	}
}

// addCredential is webauthn.AddCredential without what the browser refuses of a device
// of CTAP 2.0, even where it is false.
var addCredential = cdp.Command[addCredentialParams, cdp.Empty]{Method: webauthn.AddCredential.Method}

type addCredentialParams struct {
	AuthenticatorID webauthn.AuthenticatorID `json:"authenticatorId"`
	Credential      credential               `json:"credential"`
}

type credential struct {
	ID         []byte  `json:"credentialId"`
	Resident   bool    `json:"isResidentCredential"`
	RpID       string  `json:"rpId"`
	PrivateKey []byte  `json:"privateKey"`
	UserHandle []byte  `json:"userHandle"`
	SignCount  float64 `json:"signCount"`
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
