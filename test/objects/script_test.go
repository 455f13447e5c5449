package objects_test

import (
	"bufio"
	"encoding/json"
	"io"
	"maps"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// script is a library of another language, in a process that answers line by line.
type script struct {
	t     testing.TB
	mu    sync.Mutex
	in    io.WriteCloser
	lines *bufio.Reader
}

// startScript starts a process that ends with the test.
func startScript(t *testing.T, c command, args ...string) *script {
	t.Helper()
	cmd := c.start(args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // its end
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", args[0], err)
		}
	})
	return &script{t: t, in: in, lines: bufio.NewReader(out)}
}

// connect returns a session, whose requests the process sends.
func (s *script) connect(at endpoint, k key) scripted {
	return scripted{s, task{"url": at.url, "ca": at.caFile, "id": k.id, "secret": k.secret}}
}

// programs runs a Python program again and again (forks.py). It is shared by sessions.
type programs struct{ *script }

func startPrograms(t *testing.T, path string, modules ...string) *programs {
	t.Helper()
	return &programs{startScript(t, newCommand(t, "/usr/bin/python3"), append([]string{"forks.py", path}, modules...)...)}
}

// run runs the program once, in the environment of c.
func (p *programs) run(c command, args ...string) (string, error) {
	out, errs := scratch(c.t), scratch(c.t)
	env := map[string]string{}
	for _, e := range c.env {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	var status int
	if err := p.do(&status, task{"args": args, "env": env, "out": out, "errors": errs}); err != nil {
		return "", err
	}
	printed, err := os.ReadFile(out)
	if err != nil {
		return "", err
	}
	complained, err := os.ReadFile(errs)
	if err != nil {
		return "", err
	}
	if status != 0 {
		return "", &refusal{string(printed) + string(complained) + "exit status " + strconv.Itoa(status)}
	}
	return string(printed), nil
}

// task is a line to a script.
type task map[string]any

type scripted struct {
	script *script
	common task
}

// do has the script do something, and reads what it answers into out, unless that is nil.
func (s scripted) do(out any, op string, args task) error {
	line := task{"op": op}
	maps.Copy(line, s.common)
	maps.Copy(line, args)
	return s.script.do(out, line)
}

func (s *script) do(out any, line task) error {
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.in.Write(append(text, '\n')); err != nil {
		return err
	}
	answer, err := s.lines.ReadBytes('\n')
	if err != nil {
		return err
	}
	var read struct {
		Error string          `json:"error"`
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(answer, &read); err != nil {
		return err
	}
	if read.Error != "" {
		return &refusal{read.Error}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(read.Value, out)
}

func (s scripted) makeBucket(bucket string) error {
	return s.do(nil, "make", task{"bucket": bucket})
}

func (s scripted) put(bucket, key, file string) error {
	return s.do(nil, "put", task{"bucket": bucket, "key": key, "file": file})
}

func (s scripted) putChecked(bucket, key, file string) error {
	return s.do(nil, "put", task{"bucket": bucket, "key": key, "file": file, "checked": true})
}

func (s scripted) get(bucket, key, file string) error {
	return s.do(nil, "get", task{"bucket": bucket, "key": key, "file": file})
}

func (s scripted) getRange(bucket, key, file string, first, last int) error {
	return s.do(nil, "get", task{"bucket": bucket, "key": key, "file": file, "first": first, "last": last})
}

func (s scripted) list(bucket, prefix string) (keys []string, err error) {
	err = s.do(&keys, "list", task{"bucket": bucket, "prefix": prefix})
	return keys, err
}

func (s scripted) copy(bucket, from, to string) error {
	return s.do(nil, "copy", task{"bucket": bucket, "from": from, "key": to})
}

func (s scripted) putParts(bucket, key, file string) error {
	return s.do(nil, "parts", task{"bucket": bucket, "key": key, "file": file})
}

func (s scripted) presign(method, bucket, key string) (url string, err error) {
	err = s.do(&url, "presign", task{"method": method, "bucket": bucket, "key": key})
	return url, err
}

func (s scripted) remove(bucket string, keys ...string) error {
	return s.do(nil, "remove", task{"bucket": bucket, "keys": keys})
}

// startBoto3 starts Debian's boto3.
func startBoto3(t *testing.T) connector {
	t.Helper()
	s := startScript(t, newCommand(t, "/usr/bin/python3", "AWS_MAX_ATTEMPTS=1"), "boto3_client.py")
	return func(_ *testing.T, at endpoint, k key) session { return s.connect(at, k) }
}

// startJavaScript starts @aws-sdk/client-s3, which sends bodies as buffers or streams.
func startJavaScript(bodies string) func(t *testing.T) connector {
	return func(t *testing.T) connector {
		t.Helper()
		s := startScript(t, newCommand(t, "/usr/bin/node", "NODE_NO_WARNINGS=1"), "../npm/aws-sdk.mjs", bodies)
		return func(_ *testing.T, at endpoint, k key) session { return s.connect(at, k) }
	}
}
