package objects_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// awscli is Debian's aws.
type awscli struct {
	command

	programs *programs
	at       endpoint
}

func startAWSCLI(t *testing.T) connector {
	t.Helper()
	all := startPrograms(t, "/usr/bin/aws", "awscli.clidriver", "s3transfer.manager", "botocore.httpsession", "awscli.customizations.s3.subcommands")
	return func(t *testing.T, at endpoint, k key) session {
		return awscli{newCommand(t, "/usr/bin/aws",
			"AWS_ACCESS_KEY_ID="+k.id, "AWS_SECRET_ACCESS_KEY="+k.secret, "AWS_DEFAULT_REGION=us-east-1",
			"AWS_MAX_ATTEMPTS=1", "AWS_EC2_METADATA_DISABLED=true"), all, at}
	}
}

func (c awscli) aws(args ...string) (string, error) {
	all := []string{"--endpoint-url", c.at.url, "--output", "json"}
	if c.at.tls() {
		all = append(all, "--ca-bundle", c.at.caFile)
	}
	return c.programs.run(c.command, append(all, args...)...)
}

func (c awscli) quietly(args ...string) error {
	_, err := c.aws(args...)
	return err
}

func (c awscli) makeBucket(bucket string) error { return c.quietly("s3", "mb", "s3://"+bucket) }

func (c awscli) put(bucket, key, file string) error {
	return c.quietly("s3api", "put-object", "--bucket", bucket, "--key", key, "--body", file)
}

func (c awscli) putChecked(bucket, key, file string) error {
	return c.quietly("s3api", "put-object", "--bucket", bucket, "--key", key, "--body", file, "--checksum-algorithm", "SHA256")
}

func (c awscli) get(bucket, key, file string) error {
	return c.quietly("s3api", "get-object", "--bucket", bucket, "--key", key, file)
}

func (c awscli) getRange(bucket, key, file string, first, last int) error {
	return c.quietly("s3api", "get-object", "--bucket", bucket, "--key", key, "--range", fmt.Sprintf("bytes=%d-%d", first, last), file)
}

func (c awscli) list(bucket, prefix string) (keys []string, err error) {
	out, err := c.aws("s3api", "list-objects-v2", "--bucket", bucket, "--prefix", prefix, "--query", "Contents[].Key")
	if err != nil {
		return nil, err
	}
	return keys, json.Unmarshal([]byte(out), &keys)
}

func (c awscli) copy(bucket, from, to string) error {
	return c.quietly("s3api", "copy-object", "--copy-source", bucket+"/"+from, "--bucket", bucket, "--key", to)
}

func (c awscli) putParts(bucket, key, file string) error {
	return c.quietly("s3", "cp", "--no-progress", file, "s3://"+bucket+"/"+key)
}

func (c awscli) presign(_, bucket, key string) (string, error) {
	out, err := c.aws("s3", "presign", "s3://"+bucket+"/"+key)
	return strings.TrimSpace(out), err
}

func (c awscli) remove(bucket string, keys ...string) error {
	type object struct{ Key string }
	var all struct{ Objects []object }
	for _, k := range keys {
		all.Objects = append(all.Objects, object{k})
	}
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return c.quietly("s3api", "delete-objects", "--bucket", bucket, "--delete", string(text))
}
