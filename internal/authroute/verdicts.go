package authroute

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"signet/internal/audit"
	"signet/internal/db"
)

// verdictQueue is how many verdicts wait in memory at most.
const verdictQueue = 65_536

// errQueueFull is what Record returns where the store has been away for long.
var errQueueFull = errors.New("the queue of verdicts is full")

// Verification is one row of what was judged.
type Verification struct {
	ID            int64  // in the order of writing
	MessageID     string // of the proof; empty where there was none
	Sender        string
	KeyID         string // as the proof named it; it need not exist
	Result        Result
	Cause         Cause
	At            time.Time
	Instance      string // Postfix's instance attribute
	QueueID       string
	ClientAddress string
	Mode          Mode
	Action        string // what Postfix was told

	hosted bool // the key is one of the registry
}

// VerdictsConfig is how verdicts are kept. Durations of zero have the default named.
type VerdictsConfig struct {
	CounterFile string           // counts verdicts over a kill; one process at a time has it
	Keep        time.Duration    // of mail with a proof; default 90 days
	KeepNone    time.Duration    // of mail without one; default 7 days
	Drain       time.Duration    // for the queue at the end; default 30 s
	Now         func() time.Time // default time.Now
}

// Verdicts writes down what was judged: in batches, off the way of the answer, and
// for as long as it takes where the store is away. It is safe for concurrent use.
type Verdicts struct {
	db      *db.DB
	audit   Auditor
	metrics *Metrics
	config  VerdictsConfig
	counter *counterFile
	queue   chan *Verification
	used    usedKeys
	pruned  pruning

	mu      sync.Mutex
	last    time.Time // of a verdict; no two have the same
	holders int
	stopped bool
	done    chan struct{} // closed when stopped and nobody records any more
}

// NewVerdicts opens the counter and starts nothing. Close closes it.
func NewVerdicts(d *db.DB, a Auditor, m *Metrics, c VerdictsConfig) (*Verdicts, error) {
	c.Keep = cmp.Or(c.Keep, 90*24*time.Hour)
	c.KeepNone = cmp.Or(c.KeepNone, 7*24*time.Hour)
	c.Drain = cmp.Or(c.Drain, 30*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	counter, err := openCounter(c.CounterFile)
	if err != nil {
		return nil, fmt.Errorf("open counter of verdicts: %w", err)
	}
	v := &Verdicts{
		db: d, audit: a, metrics: m, config: c, counter: counter,
		queue: make(chan *Verification, verdictQueue), done: make(chan struct{}),
	}
	m.watchQueue(func() int { return len(v.queue) })
	m.gap(gapCrash, counter.gap) // before anybody can ask
	return v, nil
}

// Close closes the counter. Nothing may be recorded afterwards.
func (v *Verdicts) Close() error { return v.counter.close() }

// Record queues a verdict. It waits for room until ctx ends; then the verdict is
// lost, and counted as a gap.
func (v *Verdicts) Record(ctx context.Context, one Verification) error {
	one.clean()
	v.number(&one)
	select {
	case v.queue <- &one:
		return nil
	default:
	}
	select {
	case v.queue <- &one:
		return nil
	case <-ctx.Done():
		v.counter.settle(1)
		v.metrics.gap(gapQueue, 1)
		return errQueueFull
	}
}

// clean makes the texts such as both engines keep.
func (one *Verification) clean() {
	for _, s := range []*string{&one.MessageID, &one.Sender, &one.KeyID, &one.Instance, &one.QueueID, &one.ClientAddress} {
		*s = cleanText(*s)
	}
}

// maxText bounds a text of a verdict, in bytes. Envelope addresses have at most 254
// (RFC 5321, section 4.5.3.1), but Postfix does not hold clients to that.
const maxText = 1024

// cleanText also copies, since what Postfix sent in one request shares its memory.
func cleanText(s string) string {
	s = s[:min(len(s), maxText)]
	if strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s) {
		s = strings.ReplaceAll(strings.ToValidUTF8(s, "?"), "\x00", "?")
	}
	return strings.Clone(s)
}

// number counts the verdict as answered and gives it a time of its own, by which a
// batch is recognised.
func (v *Verdicts) number(one *Verification) {
	v.mu.Lock()
	defer v.mu.Unlock()
	one.At = db.Now(one.At)
	if !one.At.After(v.last) {
		one.At = v.last.Add(time.Microsecond)
	}
	v.last = one.At
	v.counter.answer()
}

// Hold keeps Run at work until release is called: after the end of Run's context
// those who hold may still record.
func (v *Verdicts) Hold() (release func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.holders++
	return sync.OnceFunc(func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.holders--
		v.finish()
	})
}

// stop says that Run's context ended.
func (v *Verdicts) stop() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.stopped = true
	v.finish()
}

// finish is called with the lock held.
func (v *Verdicts) finish() {
	if v.stopped && v.holders == 0 {
		select {
		case <-v.done:
		default:
			close(v.done)
		}
	}
}

// Run writes what is recorded until ctx ends, and then what is left, within the
// drain time. It also reports the gap that a kill left behind, and prunes.
func (v *Verdicts) Run(ctx context.Context) error {
	last, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		v.stop()
		time.AfterFunc(v.config.Drain, cancel)
	})()
	var group errgroup.Group
	group.Go(func() error { v.reportGap(ctx); return nil })
	group.Go(func() error { v.prune(ctx); return nil })
	group.Go(func() error { return v.write(last) })
	return group.Wait()
}

// reportGap tells of verdicts that were answered before a kill and never written.
func (v *Verdicts) reportGap(ctx context.Context) {
	gap := v.counter.gap
	if gap == 0 {
		return
	}
	slog.ErrorContext(ctx, "verdicts of an earlier run are missing", "verdicts", gap)
	pause := time.NewTicker(writeBackoff)
	defer pause.Stop()
	for {
		err := v.db.Update(ctx, func(tx *db.Tx) error {
			return v.audit.Record(ctx, tx, audit.Event{
				Action: "authroute.verdict_gap", Outcome: audit.Failed, Detail: map[string]any{"verdicts": gap},
			})
		})
		if err == nil {
			v.counter.settle(gap)
			return
		}
		select {
		case <-ctx.Done():
			return // the next start reports it
		case <-pause.C:
		}
	}
}
