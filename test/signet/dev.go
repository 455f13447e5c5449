package signettest

import (
	"crypto/ed25519"
	"encoding/json"
	"os"
	"strconv"
	"testing"

	"signet/internal/keyfile"
)

// Ready is the ready file of signet dev, as scripts read it.
type Ready struct {
	Data       string `json:"data"`
	Public     string `json:"public"`
	Internal   string `json:"internal"`
	Policy     string `json:"policy"`
	Objects    string `json:"objects"`
	Operations string `json:"operations"`
	AdminLink  string `json:"admin_link"`
	User       struct {
		Email    string `json:"email"`
		Password string `json:"password"`
	} `json:"user"`
	APIToken   string `json:"api_token"`
	ServiceKey string `json:"service_key"`
	Authroute  struct {
		Sender         string `json:"sender"`
		PrimaryKeyFile string `json:"primary_key_file"`
		KeyID          string `json:"key_id"`
		PrivateKeyFile string `json:"private_key_file"`
	} `json:"authroute"`
	S3 struct {
		AccessKeyID     string `json:"access_key_id"`
		SecretAccessKey string `json:"secret_access_key"`
		Region          string `json:"region"`
		Bucket          string `json:"bucket"`
	} `json:"s3"`
	OAuth struct {
		Issuer           string `json:"issuer"`
		ClientID         string `json:"client_id"`
		ClientSecret     string `json:"client_secret"`
		PublicClientID   string `json:"public_client_id"`
		DPoPClientID     string `json:"dpop_client_id"`
		DPoPClientSecret string `json:"dpop_client_secret"`
	} `json:"oauth"`
	MTLS struct {
		URL            string `json:"url"`
		CAFile         string `json:"ca_file"`
		ClientCertFile string `json:"client_cert_file"`
		ClientKeyFile  string `json:"client_key_file"`
	} `json:"mtls"`
}

// DevInstance is a running signet dev.
type DevInstance struct {
	*Instance
	Ready     Ready
	ReadyFile string
	Key       ed25519.PrivateKey // of the seeded user's subkey
}

// Dev starts signet dev with a temporary state and returns it once it is ready.
func Dev(t testing.TB) *DevInstance {
	t.Helper()
	secrets := newSecrets(t)
	base := FreePorts(t)
	i := newInstance(t, base, secrets)
	i.args = []string{"dev", "--data", t.TempDir(), "--base-port", strconv.Itoa(base), "--ready-file", i.readyFile, "--quiet"}
	i.start()
	d := &DevInstance{Instance: i, ReadyFile: i.readyFile}
	text, err := os.ReadFile(i.readyFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d.Ready); err != nil {
		t.Fatalf("ready file: %v\n%s", err, text)
	}
	if d.Key, err = keyfile.Read(d.Ready.Authroute.PrivateKeyFile); err != nil {
		t.Fatal(err)
	}
	secrets.Add(d.Ready.APIToken, d.Ready.ServiceKey, d.Ready.User.Password, d.Ready.OAuth.ClientSecret, d.Ready.OAuth.DPoPClientSecret, d.Ready.S3.SecretAccessKey)
	secrets.AddKey(d.Key)
	return d
}
