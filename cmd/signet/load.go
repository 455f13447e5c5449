package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"signet/internal/app"
	"signet/internal/keyfile"
	"signet/internal/load"
)

// p99Bar is the latency that the load test fails at.
const p99Bar = 100 * time.Millisecond

type loadCmd struct {
	printed
	Rate        int           `help:"Requests a second." default:"1000"`
	For         time.Duration `help:"How long." default:"60s"`
	Connections int           `help:"Connections, as many as Postfix would have processes." default:"64"`
	ReadyFile   string        `help:"Take address, key and sender from this ready file of signet dev." placeholder:"FILE" type:"path"`
	Policy      string        `help:"Policy service: HOST:PORT, or the path of a UNIX socket." placeholder:"127.0.0.1:10040"`
	Key         string        `help:"File with a registered subkey." placeholder:"FILE" type:"path"`
	Sender      string        `help:"Address that the subkey signs for." placeholder:"alice@example.org"`
	Enforced    bool          `help:"The sender's domain is in enforce or require mode." negatable:"" default:"true"`
}

// Run loads, and fails where an answer was wrong or late.
func (cmd loadCmd) Run(ctx context.Context, c *console) error {
	o, err := cmd.options(c)
	if err != nil {
		return err
	}
	r, err := load.Run(ctx, o)
	if err != nil {
		return err
	}
	err = cmd.print(c, map[string]any{
		"sent": r.Sent, "answered": r.Answered, "wrong": r.Wrong, "lost": r.Lost,
		"p50_seconds": r.P50.Seconds(), "p95_seconds": r.P95.Seconds(), "p99_seconds": r.P99.Seconds(), "max_seconds": r.Max.Seconds(),
	}, "sent %d   answered %d   wrong %d   lost %d\np50 %s   p95 %s   p99 %s   max %s",
		r.Sent, r.Answered, r.Wrong, r.Lost, rounded(r.P50), rounded(r.P95), rounded(r.P99), rounded(r.Max))
	switch {
	case err != nil:
		return err
	case r.FirstWrong != "":
		fmt.Fprintln(c.err, "signet: a wrong answer:", r.FirstWrong)
		return errRefused
	case !r.Ok():
		fmt.Fprintln(c.err, "signet: some requests got no answer")
		return errRefused
	case r.P99 >= p99Bar:
		fmt.Fprintf(c.err, "signet: p99 is %s, the bar is %s\n", rounded(r.P99), p99Bar)
		return errRefused
	}
	return nil
}

func rounded(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }

func (cmd loadCmd) options(c *console) (load.Options, error) {
	if cmd.ReadyFile != "" {
		r, err := readReady(cmd.ReadyFile)
		if err != nil {
			return load.Options{}, err
		}
		cmd.Policy, cmd.Key, cmd.Sender = r.Policy, r.Authroute.PrivateKeyFile, r.Authroute.Sender
	}
	if cmd.Policy == "" || cmd.Key == "" || cmd.Sender == "" {
		return load.Options{}, usagef("give --ready-file, or all of --policy, --key and --sender")
	}
	if cmd.Rate < 1 || cmd.For < time.Second || cmd.Connections < 1 {
		return load.Options{}, usagef("--rate, --for and --connections: want at least 1, 1s and 1")
	}
	priv, err := keyfile.Read(cmd.Key)
	if err != nil {
		return load.Options{}, usageError{err}
	}
	o := load.Options{
		Network: "tcp", Address: cmd.Policy, Rate: cmd.Rate, For: cmd.For, Connections: cmd.Connections,
		Sender: cmd.Sender, Key: priv, Enforced: cmd.Enforced, Progress: progressBar(c.err, "load"),
	}
	if strings.HasPrefix(cmd.Policy, "/") {
		o.Network = "unix"
	}
	return o, nil
}

// readReady reads what signet dev has written.
func readReady(path string) (r app.Ready, err error) {
	b, err := os.ReadFile(path) //nolint:gosec // the user names the file
	if err != nil {
		return r, usagef("%w (signet dev writes it once it is ready)", err)
	}
	if err := json.Unmarshal(b, &r); err != nil || r.Public == "" {
		return r, usagef("%s: not a ready file of signet dev", path)
	}
	return r, nil
}

// progressBar returns a function that draws how far long work is, and nil where w
// is no terminal.
func progressBar(w io.Writer, what string) func(done, total int) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	const width = 40
	return func(done, total int) {
		full := width
		if total > 0 {
			full = min(width, done*width/total)
		}
		fmt.Fprintf(f, "\r%-8s [%s%s] %d/%d", what, strings.Repeat("=", full), strings.Repeat(" ", width-full), done, total)
		if done >= total {
			fmt.Fprintln(f)
		}
	}
}
