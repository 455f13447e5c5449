package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"signet/internal/account"
	"signet/internal/authroute"
	"signet/internal/config"
	"signet/internal/db"
	"signet/internal/node"
	"signet/internal/objects"
	"signet/internal/seal"
	"signet/internal/token"
)

// Doctor looks for what is wrong with an installation, or soon will be.
func Doctor(ctx context.Context, cfg config.Config) []Finding {
	all := CheckDependencies(ctx, cfg)
	all = append(all, checkDisk("disk", cfg.Server.DataDir), checkDatabaseClock(ctx, cfg))
	if o := cfg.Objects; o.Listen != "" && o.Store == "disk" && o.Disk.Path != "" {
		all = append(all, checkDisk("disk of objects", o.Disk.Path))
	}
	if cfg.Account.Mail.Server == "" {
		all = append(all, Finding{"warn", "mail server", "mails to users are written to " + cfg.MailDirectory() + " and reach nobody", "name one in account.mail.server"})
	}
	all = append(all, checkForgedCertificate(ctx, cfg)...)
	return append(all, checkResolver(ctx, cfg))
}

// lowDisk is how much free room is too little, in bytes.
const lowDisk = 1 << 30

func checkDisk(what, dir string) Finding {
	var s syscall.Statfs_t
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		err := syscall.Statfs(d, &s)
		if err == nil {
			break
		}
		if d == filepath.Dir(d) {
			return found(what, err, "see server.dataDir and objects.disk.path")
		}
	}
	free := s.Bavail * uint64(s.Bsize) //nolint:gosec // block sizes are positive
	text := fmt.Sprintf("%d MiB free at %s", free>>20, dir)
	if free < lowDisk {
		return Finding{"warn", what, text, "make room: below nothing can be written"}
	}
	return Finding{"ok", what, text, ""}
}

// maxSkew is how far clocks may differ before proofs are judged wrongly.
const maxSkew = 5 * time.Second

// checkDatabaseClock compares this machine's clock with PostgreSQL's.
func checkDatabaseClock(ctx context.Context, cfg config.Config) Finding {
	const what = "clock"
	if !strings.HasPrefix(cfg.StoreURL(), "postgres") {
		return Finding{"ok", what, "nothing to compare with on one machine; keep NTP running", ""}
	}
	d, err := db.Open(ctx, cfg.StoreURL())
	if err != nil {
		return Finding{"warn", what, "not compared: the database does not answer", ""}
	}
	defer d.Close()
	var theirs time.Time
	before := time.Now()
	if err := d.SQL().QueryRowContext(ctx, "SELECT clock_timestamp()").Scan(&theirs); err != nil {
		return found(what, err, "")
	}
	middle := before.Add(time.Since(before) / 2)
	skew := theirs.Sub(middle).Round(time.Millisecond)
	text := fmt.Sprintf("%s from the database's", skew)
	if skew.Abs() > maxSkew {
		return Finding{"fail", what, text, "run NTP on both machines"}
	}
	return Finding{"ok", what, text, ""}
}

func checkResolver(ctx context.Context, cfg config.Config) Finding {
	const what = "DNS resolver"
	server := resolver(cfg.Authroute.DNS)
	m := new(dns.Msg).SetQuestion(".", dns.TypeNS)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if _, _, err := new(dns.Client).ExchangeContext(ctx, m, server); err != nil {
		return Finding{"warn", what, server + " does not answer", "keys of foreign domains are not found without it: set authroute.dns.resolver"}
	}
	return Finding{"ok", what, server, ""}
}

// MailDoctor looks for what is wrong with signed mail on a relay.
func MailDoctor(ctx context.Context, cfg config.Config, postfix string) []Finding {
	all := []Finding{checkPolicyAnswers(ctx, cfg), checkDomains(cfg), checkResolver(ctx, cfg)}
	return append(all, checkPostfix(ctx, cfg, postfix)...)
}

func checkPolicyAnswers(ctx context.Context, cfg config.Config) Finding {
	const what = "policy service"
	address := cfg.Authroute.Policy.Listen
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err == nil {
		err = c.Close()
	}
	if err != nil {
		return Finding{"fail", what, address + " does not answer", "start signet serve; until then Postfix lets all mail pass unverified"}
	}
	return Finding{"ok", what, address, ""}
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
	all := []Finding{expect("Postfix smtpd_command_filter", strings.Contains(filter, "authroute_command_filter"), filter,
		"smtpd_command_filter = pcre:/etc/postfix/authroute_command_filter.pcre: without it a proof in MAIL FROM refuses the mail")}
	stage := data + " " + rcpt
	asks := strings.Contains(stage, "check_policy_service")
	all = append(all, expect("Postfix restrictions", asks, "", "add $authroute_policy to smtpd_data_restrictions (deploy/postfix/README.md)"))
	if asks {
		all = append(all,
			expect("Postfix policy address", strings.Contains(stage, cfg.Authroute.Policy.Listen) || (cfg.Authroute.Policy.Socket != "" && strings.Contains(stage, cfg.Authroute.Policy.Socket)),
				"", "check_policy_service must name "+cfg.Authroute.Policy.Listen),
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

func expect(what string, ok bool, seen, fix string) Finding {
	if ok {
		return Finding{Level: "ok", What: what}
	}
	if seen == "" {
		seen = "not set as it must be"
	}
	return Finding{"fail", what, seen, fix}
}

// SealedColumns lists every column of sealed values, for a rotation of the master key.
func SealedColumns() []seal.Column {
	return slices.Concat(node.Columns(), authroute.SealedColumns(), token.SealedColumns(), account.SealedColumns(), objects.SealedColumns())
}
