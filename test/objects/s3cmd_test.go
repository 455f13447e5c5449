package objects_test

import (
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// s3cmd is Debian's s3cmd.
type s3cmd struct {
	command

	programs *programs
}

func startS3cmd(t *testing.T) connector {
	t.Helper()
	all := startPrograms(t, "/usr/bin/s3cmd", "S3.S3", "S3.Config", "S3.FileLists", "S3.MultiPart")
	return func(t *testing.T, at endpoint, k key) session {
		u, err := url.Parse(at.url)
		if err != nil {
			t.Fatal(err)
		}
		config := filepath.Join(t.TempDir(), "s3cfg")
		lines := []string{
			"[default]", "access_key = " + k.id, "secret_key = " + k.secret, "host_base = " + u.Host, "host_bucket = " + u.Host,
			"signature_v2 = False", "max_retries = 1", "progress_meter = False", "use_https = False",
		}
		if at.tls() {
			lines[len(lines)-1] = "use_https = True"
			lines = append(lines, "ca_certs_file = "+at.caFile)
		}
		writeFile(t, config, []byte(strings.Join(lines, "\n")+"\n"))
		return s3cmd{newCommand(t, "/usr/bin/s3cmd", "S3CMD_CONFIG="+config), all}
	}
}

func (c s3cmd) quietly(args ...string) error {
	_, err := c.programs.run(c.command, args...)
	return err
}

func (c s3cmd) makeBucket(bucket string) error { return c.quietly("mb", "s3://"+bucket) }

func (c s3cmd) put(bucket, key, file string) error {
	return c.quietly("put", "--no-preserve", file, "s3://"+bucket+"/"+key)
}

func (c s3cmd) putChecked(bucket, key, file string) error { return c.put(bucket, key, file) }

func (c s3cmd) get(bucket, key, file string) error {
	return c.quietly("get", "--force", "s3://"+bucket+"/"+key, file)
}

func (c s3cmd) getRange(string, string, string, int, int) error { return errors.ErrUnsupported }

func (c s3cmd) list(bucket, prefix string) (keys []string, err error) {
	out, err := c.programs.run(c.command, "ls", "--recursive", "s3://"+bucket+"/"+prefix)
	for line := range strings.Lines(out) {
		if _, key, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "s3://"+bucket+"/"); ok {
			keys = append(keys, key)
		}
	}
	return keys, err
}

func (c s3cmd) copy(bucket, from, to string) error {
	return c.quietly("cp", "s3://"+bucket+"/"+from, "s3://"+bucket+"/"+to)
}

func (c s3cmd) putParts(bucket, key, file string) error { return c.put(bucket, key, file) } // of 15 MiB

func (c s3cmd) presign(_, bucket, key string) (string, error) {
	out, err := c.programs.run(c.command, "signurl", "s3://"+bucket+"/"+key, "+600")
	return strings.TrimSpace(out), err
}

func (c s3cmd) remove(bucket string, keys ...string) error {
	args := []string{"del"}
	for _, k := range keys {
		args = append(args, "s3://"+bucket+"/"+k)
	}
	return c.quietly(args...)
}
