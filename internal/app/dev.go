package app

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"signet/internal/account"
	"signet/internal/authroute"
	"signet/internal/config"
	"signet/internal/durable"
	"signet/internal/keyfile"
	"signet/internal/ticket"
)

// DevOptions is what signet dev is started with.
type DevOptions struct {
	Data     string // directory
	BasePort int    // of the public listener; the others follow
}

// devEmail is the seeded user, who is the administrator.
const (
	devEmail  = "dev@signet.test"
	devDomain = "signet.test"

	devMTLSPort = 8 // after the base port
)

// Ready is what scripts learn of a dev server: the ready file.
type Ready struct {
	Data       string   `json:"data"`
	Public     string   `json:"public"`
	Internal   string   `json:"internal"`
	Objects    string   `json:"objects"`
	Policy     string   `json:"policy"`
	Operations string   `json:"operations"`
	DNS        string   `json:"dns"`
	MTLS       DevMTLS  `json:"mtls"`
	AdminLink  string   `json:"admin_link"`
	User       DevUser  `json:"user"`
	APIToken   string   `json:"api_token"`
	ServiceKey string   `json:"service_key"`
	Authroute  DevMail  `json:"authroute"`
	S3         DevS3    `json:"s3"`
	OAuth      DevOAuth `json:"oauth"`
}

// DevUser is the seeded user.
type DevUser struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// DevMail is what the seeded user signs mail with. Key files are PEM PKCS#8.
type DevMail struct {
	Sender         string `json:"sender"`
	PrimaryKeyFile string `json:"primary_key_file"`
	KeyID          string `json:"key_id"`
	PrivateKeyFile string `json:"private_key_file"`
}

// DevConfig returns the configuration of a dev server: loopback, SQLite, one mail
// domain in enforce mode.
//
// The files of its listener for certificates are made, if they are not there.
func DevConfig(ctx context.Context, o DevOptions) (config.Config, error) {
	c := config.Default()
	port := func(offset int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(o.BasePort+offset)) }
	c.Server.Origin = "http://localhost:" + strconv.Itoa(o.BasePort)
	c.Server.DataDir = o.Data
	c.Server.Listen, c.Server.InternalListen, c.Server.OperationsListen = []string{port(0)}, port(9), port(4)
	// A browser may take localhost for either address.
	if six := net.JoinHostPort("::1", strconv.Itoa(o.BasePort)); canListen(ctx, six) {
		c.Server.Listen = append(c.Server.Listen, six)
	}
	c.Objects.Listen = port(1)
	c.Account.SignUp = "open"
	c.Authroute.Policy.Listen = port(2)
	c.Authroute.Domains = map[string]config.Domain{devDomain: {Mode: "enforce", V1: "accept", Stale: "reject"}}
	c.Authroute.Audiences = []string{"localhost"}
	// Nothing of a dev server may leave the machine: the fake DNS knows no foreign keys.
	c.Authroute.DNS.Resolver = port(6)
	files := devTLSFiles(o.Data)
	c.Server.MTLS = config.MTLSListener{
		Listen: port(devMTLSPort), Origin: devMTLSOrigin(o.BasePort + devMTLSPort), TLSCertFile: files.cert, TLSKeyFile: files.key, ClientCAs: files.ca,
	}
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return c, err
	}
	return c, files.make(time.Now())
}

// canListen reports whether this machine has the address of a listener at all: some
// have no IPv6. A port that is taken shows later, with a better error.
func canListen(ctx context.Context, address string) bool {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return errors.Is(err, syscall.EADDRINUSE)
	}
	return l.Close() == nil
}

// Seed gives the installation its user, credentials and mail keys, or reads those
// that an earlier start has made, and returns what the ready file tells. It returns
// db.ErrServed, and changes nothing, where another server runs on the store.
func (a *App) Seed(ctx context.Context) (Ready, error) {
	release, err := a.DB.Serve()
	if err != nil {
		return Ready{}, err
	}
	defer release()
	path := filepath.Join(a.Config.Server.DataDir, "dev.json")
	r, err := readSeed(path)
	if errors.Is(err, fs.ErrNotExist) {
		if r, err = a.seed(ctx); err != nil {
			return Ready{}, fmt.Errorf("seed: %w", err)
		}
		err = WriteReady(path, r)
	}
	if err != nil {
		return r, err
	}
	// Good for an hour: each start makes a new one.
	if r.AdminLink, err = a.Gate.SetupLink(a.AsOperator(ctx), devEmail); err != nil {
		return r, err
	}
	s := a.Config.Server
	r.Data, r.Public = s.DataDir, s.Origin
	r.Internal, r.Operations = "http://"+s.InternalListen, "http://"+s.OperationsListen
	r.Objects = a.Config.ObjectsOrigin()
	r.Policy, r.DNS = a.Config.Authroute.Policy.Listen, a.Config.Authroute.DNS.Resolver
	files := devTLSFiles(s.DataDir)
	r.MTLS = DevMTLS{URL: s.MTLS.Origin, CAFile: files.ca, ClientCertFile: files.clientCert, ClientKeyFile: files.clientKey}
	return r, a.moveOAuth(ctx, &r.OAuth)
}

func readSeed(path string) (r Ready, err error) {
	b, err := os.ReadFile(path) //nolint:gosec // in the data directory
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(b, &r)
}

func (a *App) seed(ctx context.Context) (r Ready, err error) {
	u, err := a.Accounts.BootstrapAdmin(ctx, devEmail)
	if err != nil {
		return r, err
	}
	_, token, err := a.Accounts.CreateToken(a.AsOperator(ctx), account.NewToken{User: u.ID, Name: "dev"})
	if err != nil {
		return r, err
	}
	r.User, r.APIToken = DevUser{Email: devEmail, Password: strings.ToLower(rand.Text())}, token
	if err := a.Credentials.SetPassword(a.AsOperator(ctx), u.ID, "", r.User.Password); err != nil {
		return r, err
	}
	_, r.ServiceKey, err = a.Accounts.CreateKey(a.AsOperator(ctx), account.NewKey{
		Name: "dev", Permissions: []string{"auth:login", "auth:oauth"}, Providers: []string{"*"},
	})
	if err != nil {
		return r, err
	}
	if r.OAuth, err = a.seedOAuth(ctx); err != nil {
		return r, err
	}
	if r.S3, err = a.seedObjects(ctx, u.ID); err != nil {
		return r, err
	}
	r.Authroute, err = a.seedMail(ticket.With(ctx, &ticket.Ticket{Kind: ticket.User, Subject: u.ID}))
	return r, err
}

// seedMail registers a primary key and a subkey for the seeded user.
func (a *App) seedMail(ctx context.Context) (DevMail, error) {
	dir := a.Config.Server.DataDir
	m := DevMail{
		Sender: devEmail, PrimaryKeyFile: filepath.Join(dir, "dev-primary.pem"), PrivateKeyFile: filepath.Join(dir, "dev-subkey.pem"),
	}
	primary, err := newKeyFile(m.PrimaryKeyFile)
	if err != nil {
		return m, err
	}
	subkey, err := newKeyFile(m.PrivateKeyFile)
	if err != nil {
		return m, err
	}
	now := time.Now().UTC().Truncate(time.Second)
	_, err = a.Registry.SetPrimary(ctx, authroute.PrimaryRequest(primary, a.Config.Server.Origin, devEmail, now))
	if err != nil {
		return m, err
	}
	k, err := a.Registry.Generate(ctx, authroute.SubkeyRequest(primary, subkey, devEmail, now.AddDate(1, 0, 0)))
	m.KeyID = k.ID
	return m, err
}

// newKeyFile makes an Ed25519 key and writes it to a file.
func newKeyFile(path string) (ed25519.PrivateKey, error) {
	_, priv, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	return priv, keyfile.Write(path, priv)
}

// WriteReady writes r to path, mode 0600, by rename: who sees the file sees all of it.
func WriteReady(path string, r Ready) error {
	b, err := json.Marshal(r) //nolint:gosec // the file is for its owner alone, and holds what was seeded
	if err != nil {
		return err
	}
	return durable.Replace(path, append(b, '\n'))
}
