package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"signet/internal/app"
	"signet/internal/sigv4"
)

// maxCaptured is how much of a captured request is read: its head is all that counts.
const maxCaptured = 1 << 20

type checkRequestCmd struct {
	store
	printed
	File string `arg:"" help:"The request as it was sent, or what curl -v printed; - reads standard input."`
}

// Help is what the command's help says below the flags.
func (checkRequestCmd) Help() string {
	return "The head of the request is enough: its first line, its headers and an empty line. The secret of its key is used and never printed, " +
		"and the request may be old: its own time is taken for now."
}

// explanationView is an explanation as JSON.
type explanationView struct {
	AccessKeyID  string    `json:"access_key_id,omitempty"`
	SignedAt     time.Time `json:"signed_at,omitzero"`
	Matches      bool      `json:"signature_matches"`
	Reasons      []string  `json:"reasons"`
	Canonical    string    `json:"canonical_request,omitempty"`
	StringToSign string    `json:"string_to_sign,omitempty"`
}

// Run explains a request.
func (cmd checkRequestCmd) Run(ctx context.Context, c *console) error {
	text, err := cmd.read(c)
	if err != nil {
		return err
	}
	r, err := readCaptured(text)
	if err != nil {
		return usageError{fmt.Errorf("%s: %w", cmd.File, err)}
	}
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		e, err := a.ObjectKeys.Explain(ctx, r, a.Config.Objects.Region)
		if err != nil {
			return err
		}
		v := explanationView{e.AccessKeyID, e.SignedAt, e.Matches, append([]string{}, e.Reasons...), e.CanonicalRequest, e.StringToSign}
		return cmd.print(c, v, "%s", explained(e))
	})
}

func (cmd checkRequestCmd) read(c *console) ([]byte, error) {
	if cmd.File == "-" {
		return io.ReadAll(io.LimitReader(c.in, maxCaptured))
	}
	f, err := os.Open(cmd.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxCaptured))
}

// readCaptured reads a request as it went over the wire, or as curl -v shows it: with >
// before each line, among others.
func readCaptured(text []byte) (*http.Request, error) {
	var sent []string
	for line := range strings.Lines(string(text)) {
		if line, ok := strings.CutPrefix(line, "> "); ok {
			sent = append(sent, strings.TrimRight(line, "\r\n"))
		}
	}
	if len(sent) > 0 {
		text = []byte(strings.Join(sent, "\r\n"))
	}
	first, rest, _ := strings.Cut(strings.TrimLeft(string(text), "\r\n"), "\n")
	first = strings.TrimRight(first, "\r")
	for _, version := range []string{" HTTP/2", " HTTP/3"} { // whose heads tools show as if they were text
		if before, ok := strings.CutSuffix(strings.TrimSuffix(first, ".0"), version); ok {
			first = before + " HTTP/1.1"
		}
	}
	r, err := http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader(first+"\r\n"), bytes.NewReader([]byte(rest)), strings.NewReader("\r\n\r\n"))))
	if err != nil {
		return nil, fmt.Errorf("that is no HTTP request: %w", err)
	}
	return r, nil
}

// explained is an explanation for people.
func explained(e sigv4.Explanation) string {
	var b strings.Builder
	if e.AccessKeyID != "" {
		fmt.Fprintf(&b, "access key  %s\nsigned at   %s\n\n", plain(e.AccessKeyID), e.SignedAt.UTC().Format(time.RFC3339))
	}
	if len(e.Reasons) == 0 {
		b.WriteString("The signature is right. Where the request is refused all the same, signet admin denials says why.")
		return b.String()
	}
	b.WriteString("It is refused, since")
	for _, reason := range e.Reasons {
		b.WriteString("\n- " + plain(reason))
	}
	if e.CanonicalRequest != "" {
		b.WriteString("\n\nThe canonical request that the server makes of it, which the client must have signed:\n")
		for line := range strings.SplitSeq(e.CanonicalRequest, "\n") {
			b.WriteString("\n    " + plain(line))
		}
	}
	return b.String()
}
