package notify_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"signet/internal/locale"
	"signet/internal/notify"
)

// hop is a next hop: answer says what it makes of a mail.
type hop struct {
	answer func(ctx context.Context, to string) error

	mu   sync.Mutex
	at   []time.Time // of attempts
	mail [][]byte
	to   []string // whom it took mail for
}

// Send implements notify.Sender.
func (h *hop) Send(ctx context.Context, _, to string, mail []byte) error {
	h.mu.Lock()
	h.at, h.mail = append(h.at, time.Now()), append(h.mail, mail)
	h.mu.Unlock()
	if h.answer != nil {
		if err := h.answer(ctx, to); err != nil {
			return err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.to = append(h.to, to)
	return nil
}

func (h *hop) attempts() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.at)
}

func (h *hop) took() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.to, " ")
}

var errAway = errors.New("away")

// office is a running post. stop ends it and returns how long that took.
type office struct {
	*notify.Post
	log  *bytes.Buffer
	reg  *prometheus.Registry
	stop func() time.Duration
}

func open(t *testing.T, out notify.Sender) office {
	t.Helper()
	texts, err := locale.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	o := office{log: new(bytes.Buffer), reg: prometheus.NewRegistry()}
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(o.log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	o.Post = notify.New(texts, out, notify.Options{From: from, Origin: origin, Metrics: o.reg})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	o.stop = sync.OnceValue(func() time.Duration {
		start := time.Now()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		return time.Since(start)
	})
	t.Cleanup(func() { o.stop() })
	return o
}

func (o office) counted(t *testing.T, outcome string) int {
	t.Helper()
	families, err := o.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() == outcome {
				return int(m.GetCounter().GetValue())
			}
		}
	}
	t.Fatalf("no metric of outcome %s", outcome)
	return 0
}

// pass lets time pass in the bubble.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func reset(to ...string) notify.Message {
	return notify.Message{To: to, What: notify.Reset, Link: link}
}

func TestAMailIsTriedWithGrowingPausesForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &hop{answer: func(context.Context, string) error { return errAway }}
		o := open(t, out)
		start := time.Now()
		o.Send(t.Context(), reset("alice@example.org"))
		pass(2 * time.Hour)
		var pauses []time.Duration
		for i := 1; i < min(len(out.at), 10); i++ {
			pauses = append(pauses, out.at[i].Sub(out.at[i-1])/time.Second)
		}
		want := []time.Duration{2, 4, 8, 16, 32, 64, 120, 120, 120}
		for i := range want {
			if i >= len(pauses) || pauses[i] != want[i] {
				t.Fatalf("pauses in seconds: got %d, want %d", pauses, want)
			}
		}
		if last := out.at[len(out.at)-1].Sub(start); last != time.Hour {
			t.Errorf("last attempt: got after %v, want 1h", last)
		}
		for _, m := range out.mail {
			if !bytes.Equal(m, out.mail[0]) {
				t.Fatal("attempts differ: a reader who gets two takes them for two mails")
			}
		}
		if n := o.counted(t, "gave_up"); n != 1 {
			t.Errorf("given up: got %d, want 1", n)
		}
		if log := o.log.String(); !strings.Contains(log, "mail given up") || strings.Contains(log, "alice") || strings.Contains(log, "sesame") {
			t.Errorf("log:\n%s", log)
		}
	})
}

func TestWhatIsRefusedForGoodIsNotTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &hop{answer: func(context.Context, string) error { return notify.ErrRefused }}
		o := open(t, out)
		o.Send(t.Context(), reset("alice@example.org"))
		pass(2 * time.Hour)
		if n := out.attempts(); n != 1 || o.counted(t, "refused") != 1 {
			t.Errorf("got %d attempts, %d refused; want 1 of each", n, o.counted(t, "refused"))
		}
	})
}

func TestAMailThatWaitsHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := true
		out := &hop{answer: func(_ context.Context, to string) error {
			if away && to == "slow@example.org" {
				return errAway
			}
			return nil
		}}
		o := open(t, out)
		o.Send(t.Context(), reset("slow@example.org", "alice@example.org"))
		synctest.Wait()
		if got := out.took(); got != "alice@example.org" {
			t.Errorf("at once: got %q", got)
		}
		pass(time.Second)
		away = false
		o.Send(t.Context(), reset("bob@example.org"))
		synctest.Wait()
		pass(time.Second)
		if got := out.took(); got != "alice@example.org bob@example.org slow@example.org" {
			t.Errorf("later: got %q", got)
		}
	})
}

func TestAnAttemptThatHangsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &hop{answer: func(ctx context.Context, to string) error {
			if to == "hangs@example.org" {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}}
		o := open(t, out)
		o.Send(t.Context(), reset("hangs@example.org", "alice@example.org"))
		pass(time.Minute)
		if got := out.took(); got != "alice@example.org" {
			t.Errorf("got %q", got)
		}
	})
}

func TestTheQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blocked := make(chan struct{})
		out := &hop{answer: func(context.Context, string) error { <-blocked; return nil }}
		o := open(t, out)
		for range 1010 {
			o.Send(t.Context(), reset("alice@example.org"))
		}
		if n := o.counted(t, "queue_full"); n != 10 {
			t.Errorf("dropped: got %d, want 10", n)
		}
		close(blocked)
		synctest.Wait()
		if n := o.counted(t, "sent"); n != 1000 {
			t.Errorf("sent: got %d, want 1000", n)
		}
		o.Send(t.Context(), reset("alice@example.org"))
		synctest.Wait()
		if n := o.counted(t, "sent"); n != 1001 {
			t.Errorf("sent when there was room again: got %d, want 1001", n)
		}
		if log := o.log.String(); !strings.Contains(log, "mail dropped: too many wait") || strings.Contains(log, "alice") {
			t.Errorf("log:\n%.500s", log)
		}
	})
}

func TestAStopSendsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := true
		out := &hop{answer: func(context.Context, string) error {
			if away {
				return errAway
			}
			return nil
		}}
		o := open(t, out)
		o.Send(t.Context(), reset("alice@example.org", "bob@example.org"))
		synctest.Wait()
		away = false
		if took := o.stop(); took != 0 {
			t.Errorf("stop: got %v, want at once", took)
		}
		if got := out.took(); got != "alice@example.org bob@example.org" {
			t.Errorf("got %q", got)
		}
	})
}

func TestAStopDoesNotWaitForANextHopThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &hop{answer: func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }}
		o := open(t, out)
		o.Send(t.Context(), reset("alice@example.org", "bob@example.org", "carol@example.org"))
		synctest.Wait()
		if took := o.stop(); took > 5*time.Second {
			t.Errorf("stop: got %v, want at most 5s", took)
		}
		if n := o.counted(t, "stopped"); n != 3 {
			t.Errorf("not sent: got %d, want 3", n)
		}
		if log := o.log.String(); !strings.Contains(log, "mails were not sent before the stop") || !strings.Contains(log, "mails=3") || strings.Contains(log, "alice") {
			t.Errorf("log:\n%s", log)
		}
	})
}
