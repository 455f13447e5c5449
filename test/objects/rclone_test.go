package objects_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// rclone is Debian's rclone.
type rclone struct{ command }

func startRclone(*testing.T) connector {
	return func(t *testing.T, at endpoint, k key) session {
		env := []string{
			"RCLONE_CONFIG_S_TYPE=s3", "RCLONE_CONFIG_S_PROVIDER=Other", "RCLONE_CONFIG_S_ENDPOINT=" + at.url, "RCLONE_CONFIG_S_REGION=us-east-1",
			"RCLONE_CONFIG_S_ACCESS_KEY_ID=" + k.id, "RCLONE_CONFIG_S_SECRET_ACCESS_KEY=" + k.secret, "RCLONE_CONFIG_S_FORCE_PATH_STYLE=true",
			"RCLONE_S3_UPLOAD_CUTOFF=8M", "RCLONE_S3_CHUNK_SIZE=16M",
			"RCLONE_RETRIES=1", "RCLONE_LOW_LEVEL_RETRIES=1", "RCLONE_CONFIG=/notfound",
		}
		if at.tls() {
			env = append(env, "RCLONE_CA_CERT="+at.caFile)
		}
		return rclone{newCommand(t, "/usr/bin/rclone", env...)}
	}
}

func (c rclone) quietly(args ...string) error {
	_, err := c.run(args...)
	return err
}

func (c rclone) makeBucket(bucket string) error { return c.quietly("mkdir", "s:"+bucket) }

func (c rclone) put(bucket, key, file string) error {
	return c.quietly("copyto", file, "s:"+bucket+"/"+key)
}

func (c rclone) putChecked(bucket, key, file string) error { return c.put(bucket, key, file) }

func (c rclone) get(bucket, key, file string) error {
	return c.quietly("copyto", "--ignore-times", "s:"+bucket+"/"+key, file)
}

func (c rclone) getRange(bucket, key, file string, first, last int) error {
	out, err := c.run("cat", "--offset", strconv.Itoa(first), "--count", strconv.Itoa(last-first+1), "s:"+bucket+"/"+key)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(out), 0o600)
}

// list lists a prefix that ends with a slash: rclone knows directories alone.
func (c rclone) list(bucket, prefix string) (keys []string, err error) {
	out, err := c.run("lsf", "--recursive", "--files-only", "s:"+bucket+"/"+prefix)
	for line := range strings.Lines(out) {
		keys = append(keys, prefix+strings.TrimSuffix(line, "\n"))
	}
	return keys, err
}

func (c rclone) copy(bucket, from, to string) error {
	return c.quietly("copyto", "s:"+bucket+"/"+from, "s:"+bucket+"/"+to)
}

func (c rclone) putParts(bucket, key, file string) error { return c.put(bucket, key, file) }

func (c rclone) presign(_, bucket, key string) (string, error) {
	out, err := c.run("link", "--expire", "10m", "s:"+bucket+"/"+key)
	return strings.TrimSpace(out), err
}

// remove sends a request for each key: rclone has no DeleteObjects.
func (c rclone) remove(bucket string, keys ...string) error {
	names := scratch(c.t)
	writeFile(c.t, names, []byte(strings.Join(keys, "\n")+"\n"))
	return c.quietly("delete", "--no-traverse", "--files-from", names, "s:"+bucket)
}
