package authroute_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"signet/test/postfix"

	signettest "signet/test/signet"
)

const (
	arrivesWithin = 20 * time.Second
	message       = "From: Alice <alice@example.org>\nSubject: hello\nMessage-ID: <1@example.org>\n\nHello.\n"
)

// modes are those of the sender domains: monitor.test is in mode monitor.
var modes = []string{"monitor", "quarantine", "enforce", "require"}

const domains = `
authroute:
  audiences: [relay.test]
  taggedSender: true
  domains:
    monitor.test: {mode: monitor}
    quarantine.test: {mode: quarantine}
    enforce.test: {mode: enforce}
    require.test: {mode: require}
`

// stages are the restriction lists that can ask the policy service.
var stages = map[string]postfix.Stage{"data stage": postfix.Data, "recipient stage": postfix.Recipient}

// world is a relay whose Postfix asks a running signet, with a user who has a key for
// an address in each domain.
type world struct {
	relay *postfix.Server
	*office
	sent, judged int
}

// office is an installation with one instance and its first users.
type office struct {
	*signettest.Installation
	signet *signettest.Instance
	admin  string // API token of the administrator
	alice  *signettest.User
	keys   map[string]signettest.Key // of alice, by mode
}

func newOffice(t *testing.T, o signettest.Options) *office {
	t.Helper()
	if o.Config == "" {
		o.Config = domains
	}
	f := &office{Installation: signettest.New(t, o), keys: map[string]signettest.Key{}}
	f.admin = f.BootstrapAdmin("root@enforce.test")
	f.signet = f.Start()
	f.alice = f.NewUser(f.signet, "alice@enforce.test")
	for _, mode := range modes {
		address := "alice@" + mode + ".test"
		if address != f.alice.Email {
			f.Run("admin", "user", "add-address", f.alice.ID, address)
		}
		f.keys[mode] = f.alice.NewKey(t, address)
		f.signet.AwaitKeys(t, f.keys[mode])
	}
	return f
}

func newWorld(t *testing.T, o postfix.Options) *world {
	t.Helper()
	f := newOffice(t, signettest.Options{})
	o.PolicyAddr = f.signet.Policy
	return &world{office: f, relay: postfix.Start(t, o)}
}

// mail is what a client gives, and what is to come of it.
type mail struct {
	from    string   // the MAIL FROM command
	client  string   // client address; 127.0.0.1 where empty
	to      []string // one recipient where empty
	want    want
	nextHop string // sender at the next hop; alice@enforce.test where empty
}

// nobody is the null sender at the next hop.
const nobody = "<>"

// want is what is to come of a mail.
type want struct {
	code   int      // of the reply
	text   string   // in the reply
	header []string // Authenticated-Routing at the next hop
	held   bool     // it does not arrive, but waits in the hold queue
	result string
	reason string
	action string
}

func passed(k signettest.Key) want {
	header := "pass key-id=" + k.ID
	return want{code: 250, header: []string{header}, result: "pass", action: "PREPEND Authenticated-Routing: " + header}
}

func unmarked(result, reason string) want {
	return want{code: 250, result: result, reason: reason, action: "DUNNO"}
}

func refused(reason, text string) want {
	return want{code: 554, text: text, result: "fail", reason: reason, action: "REJECT " + text}
}

// give gives a mail to the relay and checks what the client and the next hop see. It
// returns the queue id that the client was told.
func (w *world) give(t *testing.T, m mail) (queueID string) {
	t.Helper()
	w.sent++
	if len(m.to) == 0 {
		m.to = []string{fmt.Sprintf("r%d@example.com", w.sent)}
	}
	if m.client == "" {
		m.client = "127.0.0.1"
	}
	code, text := w.relay.DialFrom(t, m.client).Mail(m.from, m.to, message)
	if code != m.want.code || !strings.Contains(text, m.want.text) {
		t.Fatalf("%.80s: got %d %s, want %d %s", m.from, code, text, m.want.code, m.want.text)
	}
	if code != 250 {
		return ""
	}
	_, queueID, _ = strings.Cut(text, "queued as ")
	if m.want.held {
		if held := w.relay.Held(t); !slices.Contains(held, queueID) {
			t.Errorf("on hold are %q, want %s among them", held, queueID)
		}
		return queueID
	}
	got := w.relay.Sink().Find(t, arrivesWithin, func(got postfix.Message) bool { return slices.Equal(got.Recipients, m.to) })
	if header := got.Header("Authenticated-Routing"); !slices.Equal(header, m.want.header) {
		t.Errorf("%.80s: next hop got Authenticated-Routing %q, want %q", m.from, header, m.want.header)
	}
	switch m.nextHop {
	case "":
		m.nextHop = "alice@enforce.test"
	case nobody:
		m.nextHop = ""
	}
	if got.Sender != m.nextHop {
		t.Errorf("%.80s: next hop got sender %q, want %q", m.from, got.Sender, m.nextHop)
	}
	if auth, ok := got.Auth(); ok || strings.Contains(strings.Join(got.Params, " "), "authroute") {
		t.Errorf("%.80s: next hop got AUTH=%s, parameters %q, want no trace of the proof", m.from, auth, got.Params)
	}
	return queueID
}

// send gives mails one after the other and checks that each has one verdict.
func (w *world) send(t *testing.T, mails ...mail) {
	t.Helper()
	queued := make([]string, len(mails))
	for i, m := range mails {
		queued[i] = w.give(t, m)
	}
	before := w.judged
	w.judged += len(mails)
	rows := w.signet.AwaitVerdicts(t, w.admin, "", w.judged)[before:]
	if len(rows) != len(mails) {
		t.Fatalf("got %d verdicts for %d mails: %+v", len(rows), len(mails), rows)
	}
	for i, m := range mails {
		row := rows[i]
		if row.Result != m.want.result || row.Reason != m.want.reason || row.Action != m.want.action {
			t.Errorf("%.80s: verdict %s %s, %s; want %s %s, %s", m.from,
				row.Result, row.Reason, row.Action, m.want.result, m.want.reason, m.want.action)
		}
		if row.QueueID != "" && queued[i] != "" && row.QueueID != queued[i] {
			t.Errorf("%.80s: verdict has queue id %s, the client was told %s", m.from, row.QueueID, queued[i])
		}
		if want := clientOf(m); row.ClientAddress != want {
			t.Errorf("%.80s: verdict has client %s, want %s", m.from, row.ClientAddress, want)
		}
	}
}

func clientOf(m mail) string {
	if m.client == "" {
		return "127.0.0.1"
	}
	return m.client
}

// from returns a MAIL FROM command with a proof.
func from(sender, proof string) string { return "MAIL FROM:<" + sender + "> AUTH-PROOF=" + proof }

// underName returns the proof with another key id, so that it claims to be by that key.
func underName(t *testing.T, proof, keyID string) string {
	t.Helper()
	object, err := base64.RawURLEncoding.DecodeString(proof)
	if err != nil {
		t.Fatal(err)
	}
	var signed struct {
		KeyID string `json:"key_id"`
	}
	if err := json.Unmarshal(object, &signed); err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(bytes.Replace(object, []byte(signed.KeyID), []byte(keyID), 1))
}
