package login_test

import (
	"testing"

	"signet/test/browser"
	signettest "signet/test/signet"
)

func TestAdministratorOfDevServerSetsUpHowTheySignIn(t *testing.T) {
	d := signettest.Dev(t)
	b := browser.New(t)
	b.OffersNothing()
	b.Go(d.Ready.AdminLink)
	b.Sees("Welcome")
	b.Sees("You set up how " + d.Ready.User.Email + " signs in from now on.")
	b.Look("link-setup")
	b.Press("Begin")
	b.At(d.Ready.Public + "/account/security")
	b.Authenticator()
	b.Press("Add a passkey")
	b.Press("Create the passkey")
	b.Sees("The passkey is added.")
	b.Press("Sign out")
	b.Sees("You are signed out")
	b.Go(d.Ready.AdminLink)
	b.Sees("This link was used already, has expired or is not complete.")
	b.Go(d.Ready.Public + "/login")
	b.Press("Sign in with a passkey")
	b.At(d.Ready.Public + "/account")
	b.Sees(d.Ready.User.Email)
}
