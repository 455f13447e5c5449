package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"strings"
	"time"

	"signet/authproof"
	"signet/client"
	"signet/internal/keyfile"
)

type tryCmd struct {
	Mail  tryMailCmd  `cmd:"" help:"Sign a mail's envelope, have it judged, revoke the key, have it judged again."`
	Token tryTokenCmd `cmd:"" help:"Get an access token that is bound to a key, use it, and use it as a thief would."`
	S3    tryS3Cmd    `cmd:"" name:"s3" help:"Put and get an object with a key, and as a thief would."`
}

type tryMailCmd struct {
	ReadyFile string `required:"" help:"Ready file of the running signet dev." placeholder:"FILE" type:"path"`
}

// Run shows what a proof is good for, with a key of its own that it revokes.
func (cmd tryMailCmd) Run(ctx context.Context, c *console) error {
	r, err := readReady(cmd.ReadyFile)
	if err != nil {
		return err
	}
	cl, err := client.New(r.Public, client.WithToken(r.APIToken))
	if err != nil {
		return err
	}
	primary, err := keyfile.Read(r.Authroute.PrimaryKeyFile)
	if err != nil {
		return err
	}
	subkey, err := newKey()
	if err != nil {
		return err
	}
	sender := r.Authroute.Sender
	k, err := cl.RegisterSubkey(ctx, sender, primary, subkey, time.Now().Add(time.Hour).Truncate(time.Second))
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "registered a subkey for %s: %s...\n\n", sender, k.KeyID[:16])

	ask := func(what, proof, want string) error {
		answer, err := askPolicy(ctx, r.Policy, sender, proof)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%-28s %s\n", what, abbreviate(answer))
		if !strings.HasPrefix(answer, want) {
			return fmt.Errorf("%s: got %q, want %s", what, answer, want)
		}
		return nil
	}
	proofFor := func(sender string) (string, error) {
		return authproof.Sign(subkey, authproof.Claims{
			Version: 2, Timestamp: time.Now(), Sender: sender, Audience: authproof.AnyRelay,
			MessageID: "<" + strings.ToLower(rand.Text()) + "@signet.test>",
		})
	}
	good, err := proofFor(sender)
	if err != nil {
		return err
	}
	forged, err := proofFor("ceo@signet.test")
	if err != nil {
		return err
	}
	if err := ask("a signed mail", good, "PREPEND Authenticated-Routing: pass"); err != nil {
		return err
	}
	if err := ask("a proof of another sender", forged, "REJECT Invalid signature"); err != nil {
		return err
	}
	if err := ask("no proof", "", "DUNNO"); err != nil {
		return err
	}
	if err := cl.RevokeKey(ctx, k.KeyID, "superseded"); err != nil {
		return err
	}
	took, err := awaitRevoked(ctx, r.Policy, sender, proofFor)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%-28s %s\n", "the same key, revoked", "REJECT Key revoked")
	fmt.Fprintf(c.out, "\nThe revocation was in effect after %s.\n", took.Round(time.Millisecond))
	return nil
}

// awaitRevoked asks until the key is refused, and returns how long that took.
func awaitRevoked(ctx context.Context, policy, sender string, proofFor func(string) (string, error)) (time.Duration, error) {
	begun := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		proof, err := proofFor(sender)
		if err != nil {
			return 0, err
		}
		answer, err := askPolicy(ctx, policy, sender, proof)
		if err != nil {
			return 0, err
		}
		took := time.Since(begun)
		if answer == "REJECT Key revoked" {
			return took, nil
		}
		if took > 2*time.Second {
			return took, fmt.Errorf("a revoked key still gets %q after %s", answer, took.Round(time.Millisecond))
		}
		select {
		case <-ctx.Done():
			return took, context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// askPolicy asks the policy service as Postfix does, and returns its action.
func askPolicy(ctx context.Context, address, sender, proof string) (string, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	carried := ""
	if proof != "" {
		carried = "sasl_sender=authroute:" + proof + "\n"
	}
	_, err = fmt.Fprintf(conn, "request=smtpd_access_policy\nprotocol_state=DATA\nprotocol_name=ESMTP\nclient_address=127.0.0.1\n"+
		"sender=%s\nrecipient_count=1\nqueue_id=%s\ninstance=%s\n%s\n", sender, rand.Text()[:10], rand.Text(), carried)
	if err != nil {
		return "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimPrefix(strings.TrimSpace(line), "action="), err
}

// abbreviate shortens the key id at the end of an answer to what fits 80 columns.
func abbreviate(answer string) string {
	head, id, ok := strings.Cut(answer, "key-id=")
	if !ok || len(id) < 8 {
		return answer
	}
	return head + "key-id=" + id[:5] + "..."
}
