package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"signet/internal/app"
	"signet/internal/fault"
	"signet/internal/token"
)

type tokenCmd struct {
	Keys    tokenKeysCmd    `cmd:"" help:"List the keys that sign access tokens."`
	Rotate  tokenRotateCmd  `cmd:"" help:"Have the next signing key sign, and publish another next one."`
	Explain tokenExplainCmd `cmd:"" help:"Say what a token is bound to, and why it is refused."`
}

type tokenKeysCmd struct {
	store
	printed
}

// signingKeyView is a signing key as it is printed.
type signingKeyView struct {
	ID        string    `json:"kid"`
	Algorithm string    `json:"alg"`
	State     string    `json:"state"`
	Since     time.Time `json:"since"`
	Ready     time.Time `json:"ready_at,omitzero"`
	Until     time.Time `json:"until,omitzero"`
}

// Run lists the signing keys.
func (cmd tokenKeysCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		keys, err := a.Tokens.Keys(ctx)
		if err != nil {
			return err
		}
		t := table{heads: []string{"KEY", "ALG", "STATE", "SINCE", "THEN"}}
		views := []signingKeyView{}
		for _, k := range keys {
			views = append(views, signingKeyView{k.ID, string(k.Algorithm), k.State, k.Since, k.Ready, k.Until})
			t.add(k.ID[:16]+"…", string(k.Algorithm), k.State, when(k.Since), thenOf(k))
		}
		return cmd.list(c, views, t)
	})
}

// thenOf says what comes next for a key: when it may sign, or when it ends.
func thenOf(k token.SigningKey) string {
	switch {
	case !k.Ready.IsZero():
		return "ready " + when(k.Ready)
	case !k.Until.IsZero():
		return "ends " + when(k.Until)
	}
	return ""
}

type tokenRotateCmd struct {
	store
	printed
}

// Run rotates the signing keys.
func (cmd tokenRotateCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		err := a.Tokens.Rotate(ctx)
		if f, ok := fault.As(err); ok && errors.Is(err, token.ErrTooSoon) && f.Retry > 0 {
			wait := (f.Retry + time.Second - 1).Truncate(time.Second)
			return token.ErrTooSoon.Because("others keep the published keys for some minutes; run this again in %s", wait)
		}
		if err != nil {
			return err
		}
		keys, err := a.Tokens.Keys(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(keys, func(k token.SigningKey) bool { return k.State == "active" })
		return cmd.print(c, map[string]string{"kid": keys[i].ID},
			"%s signs from now on; the one before verifies until its last token has ended", keys[i].ID)
	})
}

type tokenExplainCmd struct {
	store
	printed

	File string `arg:"" optional:"" help:"File with the token, - for standard input, which it is read from where this is missing: a token does not belong into a command line." default:"-"`
}

// Run explains a token. It ends with status 1 where the token is refused.
func (cmd tokenExplainCmd) Run(ctx context.Context, c *console) error {
	value, err := cmd.read(c)
	if err != nil {
		return err
	}
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		e, err := a.Explain(ctx, value)
		if err != nil {
			return err
		}
		if cmd.JSON {
			err = cmd.print(c, viewExplained(e), "")
		} else {
			err = printExplained(c, e, a.Config.Server.Origin)
		}
		if err == nil && !e.Good {
			err = errRefused
		}
		return err
	})
}

// read returns the token, without the scheme that stands before it in a header.
func (cmd tokenExplainCmd) read(c *console) (string, error) {
	in := c.in
	if cmd.File != "-" {
		f, err := os.Open(cmd.File)
		if err != nil {
			return "", usagef("%w (the token itself is read from a file or standard input)", err)
		}
		defer f.Close()
		in = f
	} else if f, ok := c.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprintln(c.err, "Paste the token, then Enter and Ctrl-D.")
	}
	text, err := io.ReadAll(io.LimitReader(in, 2*token.MaxSize))
	if err != nil {
		return "", err
	}
	words := strings.Fields(string(text))
	if len(words) == 2 && (strings.EqualFold(words[0], "Bearer") || strings.EqualFold(words[0], "DPoP")) {
		words = words[1:]
	}
	if len(words) == 0 {
		return "", usagef("no token came: name the file that has it, or send it to standard input")
	}
	if len(words) != 1 {
		return "", usagef("want one token and nothing else: got %d words", len(words))
	}
	return words[0], nil
}

// explainedView is an explanation as it is printed.
type explainedView struct {
	Good      bool              `json:"good"`
	Reasons   []token.Reason    `json:"reasons"`
	Kind      string            `json:"kind,omitempty"`
	Format    string            `json:"format,omitempty"`
	TokenType string            `json:"token_type,omitempty"`
	Confirm   map[string]string `json:"cnf,omitempty"`
	Client    string            `json:"client_id,omitempty"`
	Name      string            `json:"client_name,omitempty"`
	Subject   string            `json:"sub,omitempty"`
	Account   string            `json:"tenant,omitempty"`
	Audience  []string          `json:"aud,omitempty"`
	Ours      bool              `json:"for_this_server"`
	Scopes    []string          `json:"scopes,omitempty"`
	Issued    time.Time         `json:"issued_at,omitzero"`
	Expires   time.Time         `json:"expires_at,omitzero"`
	AuthTime  time.Time         `json:"auth_time,omitzero"`
	ACR       string            `json:"acr,omitempty"`
	Session   string            `json:"session,omitempty"`
	State     string            `json:"session_state,omitempty"`
}

func viewExplained(e token.Explanation) explainedView {
	v := explainedView{Good: e.Good, Reasons: append([]token.Reason{}, e.Reasons...)}
	if !e.Known {
		return v
	}
	c := e.Claims
	v.Kind, v.Format, v.TokenType = e.Kind, string(e.Format), e.TokenType()
	v.Client, v.Name, v.Subject, v.Account, v.Audience = c.Client, e.ClientName, c.Subject, c.Account, c.Audience
	v.Ours, v.Scopes, v.Issued, v.Expires, v.AuthTime, v.ACR = e.Ours, c.Scopes, c.Issued, c.Expires, c.AuthTime, c.ACR
	v.Session, v.State, v.Confirm = c.Session, e.Session, map[string]string{}
	if c.Confirm.JKT != "" {
		v.Confirm["jkt"] = c.Confirm.JKT
	}
	if c.Confirm.X5T != "" {
		v.Confirm["x5t#S256"] = c.Confirm.X5T
	}
	return v
}

// printExplained prints an explanation for people.
func printExplained(c *console, e token.Explanation, origin string) error {
	lines := [][2]string{}
	add := func(name, text string) { lines = append(lines, [2]string{name, text}) }
	if e.Good {
		add("good", "yes")
	}
	for _, r := range e.Reasons {
		add("refused", r.Word+": "+r.Text)
	}
	if k := e.Claims; e.Known {
		add("kind", e.Kind+", "+string(e.Format))
		add("client", strings.TrimSpace(k.Client+" "+bracketed(e.ClientName)))
		add("subject", k.Subject+subjectIs(k))
		add("tenant", k.Account)
		add("bound to", boundTo(k.Confirm))
		add("sent as", sentAs(k.Confirm, e.Kind))
		add("audiences", strings.Join(k.Audience, ", "))
		if !e.Ours {
			add("", "not "+origin+": this server's own API refuses it")
		}
		add("scopes", cmp.Or(strings.Join(k.Scopes, " "), "none"))
		add("issued", seconds(k.Issued))
		add("ends", seconds(k.Expires))
		add("signed in", seconds(k.AuthTime))
		add("session", strings.TrimSpace(k.Session+" "+bracketed(e.Session)))
	}
	for _, l := range lines {
		if l[1] == "" {
			continue
		}
		if _, err := fmt.Fprintf(c.out, "%-10s  %s\n", l[0], plain(l[1])); err != nil {
			return err
		}
	}
	return nil
}

func bracketed(s string) string {
	if s == "" {
		return ""
	}
	return "(" + s + ")"
}

func subjectIs(c token.Claims) string {
	if c.Subject == c.Client {
		return " (the client itself)"
	}
	return ""
}

func boundTo(c token.Confirmation) string {
	var all []string
	if c.JKT != "" {
		all = append(all, "key "+c.JKT)
	}
	if c.X5T != "" {
		all = append(all, "certificate "+c.X5T)
	}
	return cmp.Or(strings.Join(all, " and "), "nothing: whoever has it can use it")
}

// sentAs is how an access token has to come along.
func sentAs(c token.Confirmation, kind string) string {
	switch {
	case kind != "access":
		return ""
	case c.JKT != "":
		return "Authorization: DPoP, with a proof of that key"
	case c.X5T != "":
		return "Authorization: Bearer, over TLS with that certificate"
	}
	return "Authorization: Bearer"
}

// seconds is a time to the second; "" for none.
func seconds(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}
