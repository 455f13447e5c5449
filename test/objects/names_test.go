package objects_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	signettest "signet/test/signet"
)

// names are keys that something between a program and a disk would like to change.
func names() map[string]string {
	return map[string]string{
		"slashes and dots":    "a//b/./../c",
		"a plus":              "one+two three",
		"a sequence for %2F":  "a%2Fb%252Fc",
		"an accent":           "caf\u00e9/cafe\u0301",
		"what XML escapes":    "<a & \"b\">'",
		"what queries escape": "?x=1&y#z;=~*!()",
		"slashes at the ends": "/begins/ends/",
		"dots alone":          "..",
		"1,024 bytes":         strings.Repeat("0123456789abcde/", 63) + "0123456789abcdef",
		"1,024 bytes of UTF8": strings.Repeat("é", 512),
	}
}

// cannotName says which of them a client changes itself, and why.
var cannotName = map[string]map[string]string{
	"rclone": {
		"slashes and dots":    "paths of rclone are those of a file system",
		"slashes at the ends": "paths of rclone are those of a file system",
		"dots alone":          "paths of rclone are those of a file system",
	},
}

func TestKeysAreWhatTheClientsSay(t *testing.T) {
	t.Parallel()
	n := signettest.New(t, signettest.Options{Config: "telemetry: {logLevel: debug}\n"})
	n.BootstrapAdmin("root@signet.test")
	owner := makeKey(t, n, "owner")
	at := endpoint{url: n.Start().Objects}
	for _, c := range clients() {
		if !slices.Contains([]string{"aws-sdk-go-v2", "boto3", "rclone", "aws-sdk-js with buffers"}, c.name) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s3 := c.start(t)(t, at, owner)
			bucket := strings.ReplaceAll(c.name, " ", "-")
			if err := s3.makeBucket(bucket); err != nil {
				t.Fatal(err)
			}
			var want []string
			for name, key := range names() {
				if why := cannotName[c.name][name]; why != "" {
					t.Logf("%s: not with %s: %s", name, c.name, why)
					continue
				}
				body := []byte("body of " + name)
				if name == "a plus" {
					body = nil // an empty object
				}
				keeps(t, s3, bucket, key, body)
				want = append(want, key)
			}
			slices.Sort(want)
			got, err := newSDK(t, at, owner).list(bucket, "") // what the server has
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("got %q %v, want %q", got, err, want)
			}
		})
	}
}

// keeps puts an object under a key and gets it again.
func keeps(t *testing.T, s3 session, bucket, key string, body []byte) {
	t.Helper()
	file, back := scratch(t), filepath.Join(t.TempDir(), "back")
	writeFile(t, file, body)
	if err := s3.put(bucket, key, file); err != nil {
		t.Errorf("put %q: %v", key, err)
		return
	}
	if err := s3.get(bucket, key, back); err != nil {
		t.Errorf("get %q: %v", key, err)
		return
	}
	if got, err := os.ReadFile(back); err != nil || !bytes.Equal(got, body) {
		t.Errorf("%q: got %q %v, want %q", key, got, err, body)
	}
}

// A key of 1,025 bytes is one too many, for every client.
func TestKeysThatAreTooLongAreRefused(t *testing.T) {
	t.Parallel()
	n := signettest.New(t, signettest.Options{})
	n.BootstrapAdmin("root@signet.test")
	s3 := newSDK(t, endpoint{url: n.Start().Objects}, makeKey(t, n, "owner"))
	if err := s3.makeBucket("long"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s3.put("long", strings.Repeat("k", 1025), scratch(t)), "KeyTooLongError")
}
