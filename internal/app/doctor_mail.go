package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"time"

	"signet/internal/config"
)

// MailDoctor looks for what is wrong with signed mail on a relay.
func MailDoctor(ctx context.Context, cfg config.Config, postfix string) []Finding {
	all := append(checkPolicyAnswers(ctx, cfg.Authroute.Policy), checkDomains(cfg), checkResolver(ctx, cfg))
	return append(all, checkPostfix(ctx, cfg, postfix)...)
}

func checkPolicyAnswers(ctx context.Context, p config.Policy) (all []Finding) {
	const what = "policy service"
	addresses := policyAddresses(p)
	if len(addresses) == 0 {
		return []Finding{{"fail", what, "has no address", "set authroute.policy.listen or authroute.policy.socket"}}
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	for _, a := range addresses {
		c, err := new(net.Dialer).DialContext(ctx, a.network, a.address)
		if err == nil {
			err = c.Close()
		}
		if err != nil {
			all = append(all, Finding{"fail", what, a.address + " does not answer", "start signet serve; until then Postfix lets all mail pass unverified"})
		} else {
			all = append(all, Finding{"ok", what, a.address, ""})
		}
	}
	return all
}

func checkDomains(cfg config.Config) Finding {
	if len(cfg.Authroute.Domains) == 0 {
		return Finding{"warn", "domains", "none is hosted here", "list your mail domains in authroute.domains, or nobody can register keys"}
	}
	return Finding{"ok", "domains", fmt.Sprintf("%d hosted here", len(cfg.Authroute.Domains)), ""}
}

// checkPostfix reads main.cf with postconf, which knows all its rules.
func checkPostfix(ctx context.Context, cfg config.Config, dir string) []Finding {
	get := func(name string) (string, error) {
		out, err := exec.CommandContext(ctx, "postconf", "-c", dir, "-x", "-h", name).Output() //nolint:gosec // the operator names the directory
		return strings.Join(strings.Fields(string(out)), " "), err
	}
	filter, err := get("smtpd_command_filter")
	if errors.Is(err, exec.ErrNotFound) {
		return []Finding{{"warn", "Postfix", "postconf is not on this machine", "run this on the relay"}}
	}
	if err != nil {
		return []Finding{found("Postfix", fmt.Errorf("postconf cannot read %s", dir), "give --postfix-config")}
	}
	data, _ := get("smtpd_data_restrictions")
	rcpt, _ := get("smtpd_recipient_restrictions")
	if strings.Contains(data, "authroute_sender") { // tagged senders go through restriction classes
		for _, class := range []string{"authroute_plain", "authroute_tagged"} {
			text, _ := get(class)
			data += " " + text
		}
	}
	queue, _ := get("queue_directory")
	all := []Finding{expect("Postfix smtpd_command_filter", strings.Contains(filter, "authroute_command_filter"), filter,
		"smtpd_command_filter = pcre:/etc/postfix/authroute_command_filter.pcre: without it a proof in MAIL FROM refuses the mail")}
	stage := data + " " + rcpt
	asks := strings.Contains(stage, "check_policy_service")
	all = append(all, expect("Postfix restrictions", asks, "", "add $authroute_policy to smtpd_data_restrictions (deploy/postfix/README.md)"))
	if asks {
		all = append(all,
			checkPostfixAsks(stage, queue, cfg.Authroute.Policy),
			expect("Postfix default_action", strings.Contains(stage, "default_action=DUNNO"), "", "add default_action=DUNNO: otherwise a stopped service defers all mail"),
			expect("Postfix try_limit", !strings.Contains(stage, "try_limit=1"), "", "set try_limit=2: with 1, mail passes unverified after every restart of the service"))
	}
	if tagged := strings.Contains(data, "authroute_sender"); tagged != cfg.Authroute.TaggedSender {
		all = append(all, expect("Postfix tagged sender", false, "on in one of Postfix and authroute.taggedSender, off in the other",
			"see main.cf.authroute-tagged: both or neither"))
	}
	if cfg.Authroute.TaggedSender {
		canonical, _ := get("sender_canonical_maps")
		delimiter, _ := get("recipient_delimiter")
		all = append(all,
			expect("Postfix tagged sender", strings.Contains(canonical, "authroute_canonical"), canonical, "set sender_canonical_maps and sender_canonical_classes = envelope_sender (deploy/postfix/README.md)"),
			expect("Postfix recipient_delimiter", strings.Contains(delimiter, "+"), delimiter, "set recipient_delimiter = +"))
	}
	for name, want := range map[string]string{"swap_bangpath": "no", "allow_percent_hack": "no"} {
		have, _ := get(name)
		all = append(all, expect("Postfix "+name, have == want, have, "set "+name+" = "+want+": a sender must not become another address after it was judged"))
	}
	return append(all, Finding{"warn", "forged headers", "without the milter a forged Authenticated-Routing header survives below ours", "readers must trust only the topmost one"})
}

// checkPostfixAsks looks for one of our addresses in the restrictions.
func checkPostfixAsks(stage, queueDir string, p config.Policy) Finding {
	words := strings.FieldsFunc(stage, func(r rune) bool { return strings.ContainsRune(" ,{}\t", r) })
	asked, advice := false, []string{}
	for _, a := range policyAddresses(p) {
		names := a.postfix(queueDir)
		advice = append(advice, names[0])
		asked = asked || slices.ContainsFunc(names, func(name string) bool { return slices.Contains(words, name) })
	}
	return expect("Postfix policy address", asked, "", "check_policy_service must name "+strings.Join(advice, " or "))
}
