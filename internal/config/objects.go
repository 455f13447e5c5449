package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Objects is the S3 door.
type Objects struct {
	Listen      string   `yaml:"listen" doc:"Listener of the S3 API; empty for none"`
	Origin      string   `yaml:"origin" doc:"How clients reach it, such as https://s3.example.org; its host name must not be that of server.origin, since cookies ignore ports. Empty: the listener's own address"`
	Hosts       []string `yaml:"hosts" doc:"Names under which buckets are host names: with s3.example.org, BUCKET.s3.example.org is a bucket. Path style always works"`
	Region      string   `yaml:"region" doc:"Region that clients sign for"`
	TLSCertFile string   `yaml:"tlsCertFile" doc:"PEM certificate chain of the listener; read again within seconds where the file changed"`
	TLSKeyFile  string   `yaml:"tlsKeyFile" doc:"PEM private key of tlsCertFile"`

	Auth        string `yaml:"auth" doc:"on checks the signature of each request; off lets everybody do everything, and is for loopback (POST3_AUTH_ENABLED=false says the same)" one:"on,off"`
	AllowOpen   bool   `yaml:"allowOpen" doc:"Whether auth: off is taken where others than this machine reach the listener"`
	Errors      string `yaml:"errors" doc:"aws tells clients what was wrong with a proof, as AWS does; uniform answers AccessDenied to each, and hides whether a key exists" one:"aws,uniform"`
	AllowPublic bool   `yaml:"allowPublic" doc:"Whether owners may open buckets to everybody, by policy or ACL"`

	AccessKeyID     string `yaml:"accessKeyId" doc:"A first key of the system account, made at the first start that names it; once revoked it stays revoked"`
	SecretAccessKey Secret `yaml:"secretAccessKey" doc:"Its secret: 16 to 128 printable characters"`

	Store    string          `yaml:"store" doc:"Where objects are: disk keeps them here, upstream in another S3 service" one:"disk,upstream"`
	Disk     ObjectsDisk     `yaml:"disk"`
	Upstream ObjectsUpstream `yaml:"upstream"`
	Roles    map[string]Role `yaml:"roles" item:"NAME" doc:"Roles of STS (AssumeRoleWithWebIdentity) for people and machines that another OpenID Connect issuer vouches for"`

	MaxRequests int      `yaml:"maxRequests" doc:"Most requests in hand at a time; more get SlowDown"`
	MaxBody     int      `yaml:"maxBody" doc:"Most bytes of one request's object: 5 GiB at most, as larger ones are uploaded in parts"`
	KeyRate     int      `yaml:"keyRate" doc:"Requests a second of one key, unless the key has a rate of its own; 0 for no limit"`
	Overlap     Duration `yaml:"overlap" doc:"How long the old key works beside its successor, unless rotate-key says otherwise"`
}

// ObjectsDisk keeps objects as files.
type ObjectsDisk struct {
	Path       string   `yaml:"path" doc:"Directory of the objects' bodies; empty: objects in server.dataDir. Several instances need one that all of them see"`
	Sync       string   `yaml:"sync" doc:"always answers a write when it is on the disk; interval writes through each second, and a power cut may take the last second's objects" one:"always,interval"`
	AbortAfter Duration `yaml:"abortAfter" doc:"When multipart uploads that nobody went on with are removed; 0s keeps them"`
}

// ObjectsUpstream is the S3 service that keeps the objects.
type ObjectsUpstream struct {
	Endpoint        string `yaml:"endpoint" doc:"Its address, such as https://s3.eu-central-1.amazonaws.com or http://127.0.0.1:3900"`
	Region          string `yaml:"region" doc:"Region that requests to it are signed for"`
	AccessKeyID     string `yaml:"accessKeyId" doc:"Key that has the buckets there"`
	SecretAccessKey Secret `yaml:"secretAccessKey" doc:"Its secret"`
	Style           string `yaml:"style" doc:"path names the bucket in the path, host in the host name" one:"path,host"`
	Adopt           bool   `yaml:"adopt" doc:"Whether who makes a bucket of a name that is there already gets that one, with what is in it: for the time in which existing buckets are taken over"`
}

// Role is whom STS gives temporary keys.
type Role struct {
	Account  string   `yaml:"account" doc:"Account, by name or id, that the temporary keys belong to"`
	Issuer   string   `yaml:"issuer" doc:"Issuer of the tokens, exactly as their iss"`
	Audience string   `yaml:"audience" doc:"What their aud must name"`
	Subject  string   `yaml:"subject" doc:"What their sub must be; * stands for any text"`
	Grants   []string `yaml:"grants" doc:"What the keys may do: BUCKET:read, BUCKET/PREFIX*:write or BUCKET:admin"`
}

func defaultObjects() Objects {
	return Objects{
		Listen: "127.0.0.1:9000", Region: "us-east-1", Auth: "on", Errors: "aws", Store: "disk",
		Disk: ObjectsDisk{Sync: "always"}, Upstream: ObjectsUpstream{Region: "us-east-1", Style: "path"},
		Roles: map[string]Role{}, MaxRequests: 1000, MaxBody: 5 << 30, Overlap: Duration(24 * time.Hour),
	}
}

// ObjectsPath returns where the bodies of objects are.
func (c *Config) ObjectsPath() string { return c.inDataDir(c.Objects.Disk.Path, "objects") }

// ObjectsOrigin returns how clients reach the S3 API, without a slash at its end.
func (c *Config) ObjectsOrigin() string {
	o := c.Objects
	if o.Origin != "" {
		return strings.TrimSuffix(o.Origin, "/")
	}
	scheme := "http://"
	if o.TLSCertFile != "" {
		scheme = "https://"
	}
	return scheme + o.Listen
}

var (
	roleName  = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	accessKey = regexp.MustCompile(`^[A-Za-z0-9]{16,128}$`)
)

func (c *Config) validateObjects() (problems []error) {
	o := c.Objects
	if o.Listen == "" {
		return nil
	}
	if err := checkListen("objects.listen", o.Listen); err != nil {
		return []error{err}
	}
	if (o.TLSCertFile == "") != (o.TLSKeyFile == "") {
		problems = append(problems, errors.New("objects.tlsCertFile, objects.tlsKeyFile: want both or neither"))
	}
	local := loopback(o.Listen)
	if !local && o.TLSCertFile == "" && len(c.Server.TrustedProxies) == 0 {
		problems = append(problems, fmt.Errorf("objects.listen: %s is reachable from outside without TLS: set objects.tlsCertFile and tlsKeyFile, or server.trustedProxies where a proxy ends TLS", o.Listen))
	}
	if o.Auth == "off" && !local && !o.AllowOpen {
		problems = append(problems, fmt.Errorf("objects.auth: off on %s lets everybody do everything: take on, or say objects.allowOpen: true", o.Listen))
	}
	problems = append(problems, c.validateObjectsOrigin(local)...)
	problems = append(problems, o.validateKeys()...)
	if o.MaxBody < 1 || o.MaxBody > 5<<30 {
		problems = append(problems, errors.New("objects.maxBody: must be from 1 to 5368709120 (5 GiB)"))
	}
	if o.MaxRequests < 1 {
		problems = append(problems, errors.New("objects.maxRequests: must be at least 1 (try 1000)"))
	}
	if o.KeyRate < 0 {
		problems = append(problems, errors.New("objects.keyRate: must be 0 or more"))
	}
	for name, r := range o.Roles {
		problems = append(problems, r.validate("objects.roles."+name, name)...)
	}
	return problems
}

// validateObjectsOrigin keeps the door off the host name of pages: their cookies would
// come to it, and what people upload could act in their name.
func (c *Config) validateObjectsOrigin(local bool) (problems []error) {
	o := c.Objects
	public, _ := url.Parse(c.Server.Origin)
	if o.Origin != "" {
		u, err := url.Parse(o.Origin)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.TrimSuffix(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
			return append(problems, fmt.Errorf("objects.origin: %q is not an origin (try https://s3.example.org)", o.Origin))
		}
		if public != nil && strings.EqualFold(u.Hostname(), public.Hostname()) && !loopback(u.Hostname()+":0") {
			problems = append(problems, fmt.Errorf("objects.origin: %s is the host of server.origin, and cookies ignore ports: give the S3 API a name of its own", u.Hostname()))
		}
	} else if !local {
		problems = append(problems, errors.New("objects.origin: say how clients reach the S3 API (try https://s3.example.org)"))
	}
	for _, h := range o.Hosts {
		if h != strings.ToLower(h) || net.ParseIP(h) != nil || !isDomain(h) {
			problems = append(problems, fmt.Errorf("objects.hosts: %q is not a host name in lower case (try s3.example.org)", h))
		} else if public != nil && h == public.Hostname() && h != "localhost" {
			problems = append(problems, fmt.Errorf("objects.hosts: %s is the host of server.origin, and its subdomains are buckets: take another name", h))
		}
	}
	return problems
}

func (o *Objects) validateKeys() (problems []error) {
	secret := o.SecretAccessKey.Reveal()
	if (o.AccessKeyID == "") != (secret == "") {
		problems = append(problems, errors.New("objects.accessKeyId, objects.secretAccessKey: want both or neither"))
	}
	if o.AccessKeyID != "" && !accessKey.MatchString(o.AccessKeyID) {
		problems = append(problems, errors.New("objects.accessKeyId: must have 16 to 128 letters and digits"))
	}
	if secret != "" && (len(secret) < 16 || len(secret) > 128 || strings.ContainsFunc(secret, func(c rune) bool { return c <= ' ' || c > '~' })) {
		problems = append(problems, errors.New("objects.secretAccessKey: must have 16 to 128 printable characters without spaces"))
	}
	if o.Store != "upstream" {
		return problems
	}
	u, err := url.Parse(o.Upstream.Endpoint)
	if o.Upstream.Endpoint == "" {
		problems = append(problems, errors.New("objects.upstream.endpoint: is missing: objects.store: upstream needs it (try https://s3.example.net)"))
	} else if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" {
		problems = append(problems, fmt.Errorf("objects.upstream.endpoint: %q is not an address (try https://s3.example.net)", o.Upstream.Endpoint))
	}
	if o.Upstream.AccessKeyID == "" || o.Upstream.SecretAccessKey.Reveal() == "" {
		problems = append(problems, errors.New("objects.upstream.accessKeyId, objects.upstream.secretAccessKey: set both: the key that has the buckets there"))
	}
	return problems
}

func (r Role) validate(key, name string) (problems []error) {
	if name == "self" {
		problems = append(problems, fmt.Errorf("%s: self is the role of this server's own tokens: take another name", key))
	}
	if !roleName.MatchString(name) {
		problems = append(problems, fmt.Errorf("%s: a role's name has 1 to 64 letters, digits, _, . and -", key))
	}
	if u, err := url.Parse(r.Issuer); err != nil || u.Scheme != "https" || u.Host == "" {
		problems = append(problems, fmt.Errorf("%s.issuer: %q is not an https URL", key, r.Issuer))
	}
	for word, value := range map[string]string{"account": r.Account, "audience": r.Audience, "subject": r.Subject} {
		if value == "" {
			problems = append(problems, fmt.Errorf("%s.%s: is missing", key, word))
		}
	}
	if len(r.Grants) == 0 {
		problems = append(problems, fmt.Errorf("%s.grants: is missing: such keys may do nothing (try [\"BUCKET:read\"])", key))
	}
	return problems
}
