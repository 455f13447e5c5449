package faults_test

import (
	"bufio"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"signet/authproof"
	signettest "signet/test/signet"
)

const (
	domain = "example.test"
	email  = "alice@" + domain

	domains = `
authroute:
  domains:
    example.test: {mode: enforce}
`
	// lostWithin is what a kill may cost: verdicts that were answered so long before.
	lostWithin = time.Second
	// writtenWithin is how long a verdict may take to be written where all is well.
	writtenWithin = 10 * time.Second
)

// site is an installation under load, and what it has promised.
type site struct {
	*signettest.Installation
	*ledger
	signet *signettest.Instance
	admin  string // API token of the administrator
	alice  *signettest.User
	steady signettest.Key // signs the mails of the load
	gap    int            // verdicts that are known to be missing

	delegated []string         // ids of the keys that are sealed here
	delegator *signettest.User // has the next one made
}

func newSite(t *testing.T, o signettest.Options) *site {
	t.Helper()
	return newSiteOn(t, o, func(string) {})
}

// newSiteOn is newSite with a data directory that prepare makes ready.
func newSiteOn(t *testing.T, o signettest.Options, prepare func(data string)) *site {
	t.Helper()
	o.Config += domains
	o.Env = append(o.Env, "SIGNET_TELEMETRY_LOG_LEVEL=warn") // the load would fill the log
	s := &site{Installation: signettest.New(t, o), ledger: newLedger()}
	prepare(s.Data())
	s.admin = s.BootstrapAdmin("root@" + domain)
	s.signet = s.Start()
	s.alice = s.NewUser(s.signet, email)
	s.steady = s.alice.NewKey(t, email)
	s.noteRegistered(s.steady)
	s.signet.AwaitKeys(t, s.steady)
	return s
}

func newKey(address string) (signettest.Key, error) {
	pub, priv, err := ed25519.GenerateKey(nil)
	return signettest.Key{Private: priv, ID: authproof.KeyID(pub), Address: address}, err
}

// verify checks that everything that was answered until now holds, as instance i sees
// it: keys and revocations, an audit row of each in a whole log, and a verdict of each
// mail save those that are known to be missing. The load may go on.
func (s *site) verify(t *testing.T, i *signettest.Instance) {
	t.Helper()
	told := s.snapshot()
	s.verifyKeys(t, i, told)
	s.verifyRefusals(t, i, told)
	s.verifyAudit(t, told)
	s.verifyVerdicts(t, told)
	if len(told.refusals) > 0 {
		t.Errorf("%d honest mails were refused, the first with %q", len(told.refusals), told.refusals[0])
	}
}

// verifyKeys checks that the registry lists what was registered and revoked.
func (s *site) verifyKeys(t *testing.T, i *signettest.Instance, told *ledger) {
	t.Helper()
	keys, err := s.Client(i, s.alice.Token).Keys(t.Context(), true)
	if err != nil {
		t.Fatalf("list keys: %v", err)
	}
	live := map[string]bool{}
	for _, k := range keys {
		live[k.KeyID] = k.RevokedAt.IsZero()
	}
	for id := range told.registered {
		if _, ok := live[id]; !ok {
			t.Errorf("key %s was registered and is not there", id)
		}
	}
	for id := range told.revoked {
		if live[id] {
			t.Errorf("key %s was revoked and is live", id)
		}
	}
}

// verifyRefusals asks the policy service about mails of revoked keys.
func (s *site) verifyRefusals(t *testing.T, i *signettest.Instance, told *ledger) {
	t.Helper()
	asker := signettest.NewAsker(t, i.Policy)
	const sample = 20
	asked := 0
	for id := range told.revoked {
		if asked++; asked > sample {
			return
		}
		k := told.registered[id]
		// Another instance may have revoked it a moment ago.
		signettest.Await(t, "mail of a revoked key is refused", revokedWithin, func() error {
			action, err := asker.Ask(t.Context(), signettest.Mail{Sender: k.Address, Proof: k.Proof(t)})
			if err == nil && action != "REJECT Key revoked" {
				err = fmt.Errorf("got %q, want REJECT Key revoked", action)
			}
			return err
		})
	}
}

// verifyAudit checks that the log is whole and tells of every change that was answered.
func (s *site) verifyAudit(t *testing.T, told *ledger) {
	t.Helper()
	// After a fault rows may wait for a while, which verify tells too.
	signettest.Await(t, "the audit log is whole", writtenWithin, func() error {
		if out, status := s.Try("audit", "verify"); status != 0 {
			return fmt.Errorf("signet audit verify: status %d\n%s", status, out)
		}
		return nil
	})
	want := map[string]bool{}
	for id := range told.registered {
		want["authroute.key_create "+id] = true
	}
	for id := range told.revoked {
		want["authroute.key_revoke "+id] = true
	}
	signettest.Await(t, "every change has a linked audit row", writtenWithin, func() error {
		for _, row := range s.auditRows(t) {
			delete(want, row.Action+" "+row.Target)
		}
		for missing := range want {
			return fmt.Errorf("%d are missing, one of them %s", len(want), missing)
		}
		return nil
	})
}

type auditRow struct {
	Action, Target string
	Detail         struct{ Verdicts int }
}

func (s *site) auditRows(t *testing.T) (rows []auditRow) {
	t.Helper()
	lines := bufio.NewScanner(strings.NewReader(s.Run("audit", "export")))
	for lines.Scan() {
		var row auditRow
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatalf("audit export: %v\n%s", err, lines.Bytes())
		}
		rows = append(rows, row)
	}
	return rows
}

// verifyVerdicts checks that each mail that was answered has one verdict, save as
// many as the log says are missing.
func (s *site) verifyVerdicts(t *testing.T, told *ledger) {
	t.Helper()
	signettest.Await(t, "verdicts are written", writtenWithin, func() error {
		rows := s.verdictRows(t)
		missing := 0
		for id := range told.mails {
			if rows[id] > 1 {
				t.Fatalf("mail %s has %d verdicts", id, rows[id])
			}
			if rows[id] == 0 {
				missing++
			}
		}
		if missing > s.gap {
			return fmt.Errorf("%d of %d answered mails have no verdict, %d are known to be missing", missing, len(told.mails), s.gap)
		}
		return nil
	})
}

// verdictRows returns how many verdicts the store has, by queue id.
func (s *site) verdictRows(t *testing.T) map[string]int {
	t.Helper()
	d := s.Store(t)
	defer d.Close()
	rows, err := d.SQL().QueryContext(t.Context(), `SELECT queue_id FROM authroute_verifications`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	count := map[string]int{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		count[id]++
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return count
}

// noteGap takes the gap that i has found at its start, which the audit log must tell
// too, and checks that it is no more than a kill at that moment may cost.
func (s *site) noteGap(t *testing.T, i *signettest.Instance, killed time.Time) int {
	t.Helper()
	gap := int(i.Metric("authroute_verdict_gaps_total"))
	s.gap += gap
	// Those in hand were counted as answered, and their answers never arrived.
	if most := s.answeredSince(killed.Add(-lostWithin)) + askers + usedBefore; gap > most {
		t.Errorf("%d verdicts are missing, only %d mails were answered in the last %v", gap, most, lostWithin)
	}
	if gap > 0 {
		signettest.Await(t, "the audit log tells of the gap", writtenWithin, func() error {
			told := 0
			for _, row := range s.auditRows(t) {
				if row.Action == "authroute.verdict_gap" {
					told += row.Detail.Verdicts
				}
			}
			if told != s.gap {
				return fmt.Errorf("it tells of %d, the metrics of %d", told, s.gap)
			}
			return nil
		})
	}
	return gap
}
