package app

import (
	"context"
	"fmt"
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
