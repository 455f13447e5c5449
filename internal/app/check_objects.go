package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"signet/internal/config"
	"signet/internal/objects/upstream"
)

// checkObjects asks what keeps the objects for a sign of life.
func checkObjects(ctx context.Context, cfg config.Config) (all []Finding) {
	o := cfg.Objects
	if o.Listen == "" {
		return nil
	}
	if o.Auth == "off" {
		all = append(all, Finding{"warn", "S3 API", "authentication is off: whoever reaches " + o.Listen + " may do everything", "take objects.auth: on"})
	}
	if _, err := trustedRoles(o.Roles); err != nil {
		all = append(all, found("roles of the S3 API", err, "see objects.roles in docs/configuration.md"))
	}
	if o.TLSCertFile != "" {
		_, err := tlsConfig("objects.tlsCertFile", o.TLSCertFile, o.TLSKeyFile)
		all = append(all, found("TLS certificate of the S3 API", err, "see objects.tlsCertFile and objects.tlsKeyFile"))
	}
	if o.Store == "disk" {
		return append(all, found("objects", checkDirectory(cfg.ObjectsPath()), "see objects.disk.path: the server's user must be able to write there"))
	}
	s, err := upstream.New(upstreamOptions(o))
	if err == nil {
		err = s.Ping(ctx)
	}
	return append(all, found("objects upstream", err, "see objects.upstream: address, region and key"))
}

func upstreamOptions(o config.Objects) upstream.Options {
	return upstream.Options{
		Endpoint: o.Upstream.Endpoint, Region: o.Upstream.Region, AccessKeyID: o.Upstream.AccessKeyID,
		SecretAccessKey: o.Upstream.SecretAccessKey.Reveal(), HostStyle: o.Upstream.Style == "host", Adopt: o.Upstream.Adopt, Now: time.Now,
	}
}

// checkDirectory reports whether a directory, or the one that it will be made in, can be
// written to. It makes nothing.
func checkDirectory(dir string) error {
	for {
		info, err := os.Stat(dir)
		switch {
		case errors.Is(err, os.ErrNotExist) && dir != filepath.Dir(dir):
			dir = filepath.Dir(dir)
			continue
		case err != nil:
			return err
		case !info.IsDir():
			return &os.PathError{Op: "use", Path: dir, Err: syscall.ENOTDIR}
		}
		const writable = 2 // W_OK of access(2)
		if err := syscall.Access(dir, writable); err != nil {
			return &os.PathError{Op: "write to", Path: dir, Err: err}
		}
		return nil
	}
}
