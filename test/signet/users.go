package signettest

import (
	"crypto/ed25519"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"signet/authproof"
	"signet/client"
)

// keyLife is how long subkeys are good unless a test says otherwise.
const keyLife = 24 * time.Hour

// Key signs mail for one address.
type Key struct {
	Private ed25519.PrivateKey
	ID      string
	Address string
}

// NewKey returns a key that nobody has registered.
func NewKey(t testing.TB, address string) Key {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return Key{priv, authproof.KeyID(pub), address}
}

// Claims returns what a proof of version 2 for the key's own address states now,
// with a new Message-ID.
func (k Key) Claims() authproof.Claims {
	return authproof.Claims{
		Version: 2, Timestamp: time.Now(), Sender: k.Address, Audience: authproof.AnyRelay,
		MessageID: "<" + strings.ToLower(rand.Text()) + "@client.test>",
	}
}

// Sign returns the proof of c.
func (k Key) Sign(t testing.TB, c authproof.Claims) string {
	t.Helper()
	proof, err := authproof.Sign(k.Private, c)
	if err != nil {
		t.Fatal(err)
	}
	return proof
}

// Proof returns a new proof for the key's own address.
func (k Key) Proof(t testing.TB) string {
	t.Helper()
	return k.Sign(t, k.Claims())
}

// User is a person with an API token and a primary key.
type User struct {
	*client.Client
	ID, Email, Token string
	Primary          Key

	secrets *Secrets
}

// BootstrapAdmin makes the first administrator and returns an API token of theirs.
func (n *Installation) BootstrapAdmin(email string) (token string) {
	n.t.Helper()
	n.Run("admin", "bootstrap-admin", "--email", email)
	_, token = n.CreateToken(email)
	return token
}

// SetupLink returns the path and code of a link by which a user sets up their sign-in.
func (n *Installation) SetupLink(user string) (path string) {
	n.t.Helper()
	var out struct {
		Link string `json:"setup_link"`
	}
	n.JSON(&out, "admin", "user", "setup-link", user)
	path = out.Link[strings.LastIndex(out.Link, "/setup/"):]
	n.Secrets.Add(strings.TrimPrefix(path, "/setup/"))
	return path
}

// CreateUser makes a user and returns their id. Further arguments are those of signet
// admin create-user.
func (n *Installation) CreateUser(email string, args ...string) (id string) {
	n.t.Helper()
	var out struct {
		ID string `json:"user_id"`
	}
	n.JSON(&out, append([]string{"admin", "create-user", "--email", email}, args...)...)
	return out.ID
}

// CreateToken makes an API token and returns its id and secret. Further arguments are
// those of signet admin create-token.
func (n *Installation) CreateToken(user string, args ...string) (id, secret string) {
	n.t.Helper()
	var out struct {
		ID    string `json:"token_id"`
		Token string `json:"api_token"`
	}
	n.JSON(&out, append([]string{"admin", "create-token", "--user", user, "--name", "test"}, args...)...)
	n.Secrets.Add(out.Token)
	return out.ID, out.Token
}

// NewUser makes a user with a token, who registers a primary key at i.
func (n *Installation) NewUser(i *Instance, email string) *User {
	n.t.Helper()
	u := &User{ID: n.CreateUser(email), Email: email, secrets: n.Secrets}
	_, u.Token = n.CreateToken(u.ID)
	u.Client = n.Client(i, u.Token)
	u.Primary = NewKey(n.t, email)
	u.secrets.AddKey(u.Primary.Private)
	if _, err := u.SetPrimary(n.t.Context(), email, u.Primary.Private, nil); err != nil {
		n.t.Fatalf("register primary key of %s: %v", email, err)
	}
	return u
}

// Client returns a client of i with a token.
func (n *Installation) Client(i *Instance, token string) *client.Client {
	n.t.Helper()
	c, err := client.New(i.Origin, client.WithToken(token))
	if err != nil {
		n.t.Fatal(err)
	}
	return c
}

// NewKey registers a new subkey for an address of the user.
func (u *User) NewKey(t testing.TB, address string) Key {
	t.Helper()
	return u.NewKeyUntil(t, address, time.Now().Add(keyLife))
}

// NewKeyUntil is NewKey with an expiry, in whole seconds.
func (u *User) NewKeyUntil(t testing.TB, address string, expires time.Time) Key {
	t.Helper()
	k := NewKey(t, address)
	u.secrets.AddKey(k.Private)
	if _, err := u.RegisterSubkey(t.Context(), address, u.Primary.Private, k.Private, expires); err != nil {
		t.Fatalf("register subkey for %s: %v", address, err)
	}
	return k
}
