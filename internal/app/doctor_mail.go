package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
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

// checkPostfix looks at what Postfix makes of its main.cf.
func checkPostfix(ctx context.Context, cfg config.Config, dir string) []Finding {
	has, err := readPostfix(ctx, dir)
	if errors.Is(err, exec.ErrNotFound) {
		return []Finding{{"warn", "Postfix", "postconf is not on this machine", "run this on the relay"}}
	}
	if err != nil {
		return []Finding{found("Postfix", fmt.Errorf("postconf cannot read %s", dir), "give --postfix-config")}
	}
	filter := has["smtpd_command_filter"]
	all := []Finding{expect("Postfix smtpd_command_filter", strings.Contains(filter, "authroute_command_filter"), filter,
		"smtpd_command_filter = pcre:/etc/postfix/authroute_command_filter.pcre: without it a proof in MAIL FROM refuses the mail")}
	all = append(all, checkRestrictions(has, cfg.Authroute.Policy)...)
	all = append(all, checkTagged(has, cfg.Authroute.TaggedSender)...)
	for _, name := range []string{"swap_bangpath", "allow_percent_hack"} {
		all = append(all, expect("Postfix "+name, has[name] == "no", has[name], "set "+name+" = no: a sender must not become another address after it was judged"))
	}
	return append(all, Finding{"warn", "forged headers", "without the milter a forged Authenticated-Routing header survives below ours", "readers must trust only the topmost one"})
}

// readPostfix returns all settings by name, those of its own with the defaults, as
// postconf(1) prints them: it knows all rules of main.cf.
func readPostfix(ctx context.Context, dir string) (map[string]string, error) {
	cmd := exec.CommandContext(ctx, "postconf", "-x")
	cmd.Env = append(os.Environ(), "MAIL_CONFIG="+dir)
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	settings := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(line, "=")
		settings[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return settings, nil
}

// asksTagged reports whether restrictions are those of main.cf.authroute-tagged, which
// go through restriction classes.
func asksTagged(has map[string]string) bool {
	return strings.Contains(has["smtpd_data_restrictions"], "authroute_sender")
}

func checkRestrictions(has map[string]string, p config.Policy) []Finding {
	stage := has["smtpd_data_restrictions"] + " " + has["smtpd_recipient_restrictions"]
	if asksTagged(has) {
		stage += " " + has["authroute_plain"] + " " + has["authroute_tagged"]
	}
	words := strings.FieldsFunc(stage, func(r rune) bool { return strings.ContainsRune(" ,{}\t", r) })
	asks := slices.Contains(words, "check_policy_service")
	all := []Finding{expect("Postfix restrictions", asks, "", "add $authroute_policy to smtpd_data_restrictions (deploy/postfix/README.md)")}
	if !asks {
		return all
	}
	return append(all,
		checkPostfixAsks(words, has["queue_directory"], p),
		expect("Postfix default_action", slices.Contains(words, "default_action=DUNNO"), "", "add default_action=DUNNO: otherwise a stopped service defers all mail"),
		expect("Postfix try_limit", !slices.Contains(words, "try_limit=1"), "", "set try_limit=2: with 1, mail passes unverified after every restart of the service"))
}

func checkTagged(has map[string]string, want bool) (all []Finding) {
	if asksTagged(has) != want {
		all = append(all, expect("Postfix tagged sender", false, "on in one of Postfix and authroute.taggedSender, off in the other",
			"see main.cf.authroute-tagged: both or neither"))
	}
	if want {
		canonical, delimiter := has["sender_canonical_maps"], has["recipient_delimiter"]
		all = append(all,
			expect("Postfix tagged sender", strings.Contains(canonical, "authroute_canonical"), canonical, "set sender_canonical_maps and sender_canonical_classes = envelope_sender (deploy/postfix/README.md)"),
			expect("Postfix recipient_delimiter", strings.Contains(delimiter, "+"), delimiter, "set recipient_delimiter = +"))
	}
	return all
}

// checkPostfixAsks looks for one of our addresses in the words of restrictions.
func checkPostfixAsks(words []string, queueDir string, p config.Policy) Finding {
	asked, advice := false, []string{}
	for _, a := range policyAddresses(p) {
		names := a.postfix(queueDir)
		advice = append(advice, names[0])
		asked = asked || slices.ContainsFunc(names, func(name string) bool { return slices.Contains(words, name) })
	}
	return expect("Postfix policy address", asked, "", "check_policy_service must name "+strings.Join(advice, " or "))
}
