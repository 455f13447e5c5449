package authroute_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"signet/authproof"
	"signet/internal/authroute"
	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/once"
	"signet/internal/policyproto"
)

const benchConnections = 64

// BenchmarkPolicy asks the whole service over 64 TCP connections (parsing, key,
// signature, replay store, verdict row) and, turn by turn, a bare loop over the same
// sockets and codec that does nothing but ed25519.Verify. It reports the rate, and
// the share of the bare rate that is left, beside a load that signs.
func BenchmarkPolicy(b *testing.B) {
	b.Run("uses=file/verdicts=sqlite", func(b *testing.B) {
		d := dbtest.SQLite(b)
		uses, err := once.OpenFile(b.Context(), d, b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		benchmarkPolicy(b, d, uses)
	})
	b.Run("uses=postgres/verdicts=postgres", func(b *testing.B) {
		d := dbtest.Postgres(b)
		benchmarkPolicy(b, d, once.NewSQL(d))
	})
}

func benchmarkPolicy(b *testing.B, d *db.DB, uses once.Store) {
	in := newInstance(b, d, authroute.VerifierConfig{})
	in.verifier = in.judgeWith(authroute.VerifierConfig{}, uses)
	in.advance(time.Second) // memory began in this second
	alice := in.register(b, "alice", "alice@example.org")
	book := newBook(b, d)
	stop := book.start()
	l := listen(b)
	p := authroute.NewPolicy(authroute.PolicyConfig{Host: "bench", Deadline: time.Minute}, in.verifier, book.Verdicts, in.metrics)
	served := make(chan error, 1)
	serving, closePolicy := context.WithCancel(b.Context())
	go func() { served <- p.Serve(serving, l) }()
	bare := listen(b)
	run(b, func(ctx context.Context) error { return serveBare(ctx, bare) })

	ours, theirs := connect(b, l), connect(b, bare)
	mail := func(n int) []byte {
		proof := in.sign(b, alice.subkey, authproof.Claims{Sender: "alice@example.org", MessageID: fmt.Sprintf("<%d@x>", n)})
		return []byte(request(fmt.Sprint("instance=", n), fmt.Sprint("queue_id=Q", n), "sasl_sender=authroute:"+proof))
	}
	pass := "action=PREPEND Authenticated-Routing: pass key-id=" + keyID(alice.subkey) + "\n\n"
	const turn = 4096
	var took, tookBare time.Duration
	b.ResetTimer()
	for done := 0; done < b.N; done += turn {
		end := min(done+turn, b.N)
		b.StopTimer()
		tookBare += askAll(b, theirs, done, end, mail, "action=DUNNO\n\n")
		b.StartTimer()
		took += askAll(b, ours, done, end, mail, pass)
	}
	b.StopTimer()
	closePolicy() // the book waits for it
	if err := errors.Join(<-served, stop()); err != nil {
		b.Fatal(err)
	}
	if got := book.rows(b); got != b.N {
		b.Errorf("%d rows for %d answers", got, b.N)
	}
	b.ReportMetric(float64(b.N)/took.Seconds(), "req/s")
	b.ReportMetric(float64(tookBare)/float64(took), "of-bare")
}

func listen(tb testing.TB) net.Listener {
	tb.Helper()
	l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

func connect(tb testing.TB, l net.Listener) []net.Conn {
	tb.Helper()
	conns := make([]net.Conn, benchConnections)
	for i := range conns {
		conn, err := new(net.Dialer).DialContext(tb.Context(), "tcp", l.Addr().String())
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { _ = conn.Close() })
		conns[i] = conn
	}
	return conns
}

// askAll sends the mails from one number to another over all connections, each signed
// just before, as clients do, and returns how long it took.
func askAll(tb testing.TB, conns []net.Conn, from, to int, mail func(n int) []byte, want string) time.Duration {
	tb.Helper()
	start := time.Now()
	var group sync.WaitGroup
	for i, conn := range conns {
		group.Go(func() {
			reply := make([]byte, len(want))
			for n := from + i; n < to; n += len(conns) {
				if _, err := conn.Write(mail(n)); err != nil {
					tb.Error(err)
					return
				}
				_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
				if _, err := io.ReadFull(conn, reply); err != nil || !bytes.Equal(reply, []byte(want)) {
					tb.Errorf("got %q, %v, want %q", reply, err, want)
					return
				}
			}
		})
	}
	group.Wait()
	return time.Since(start)
}

// serveBare is what a policy service costs at least.
func serveBare(ctx context.Context, l net.Listener) error {
	context.AfterFunc(ctx, func() { _ = l.Close() })
	pub, priv, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	text := []byte("authroute-v2\n1767225600\n<1@example.org>\nalice@example.org\nmx.example.org")
	signature := ed25519.Sign(priv, text)
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil // the end
		}
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			in := policyproto.NewReader(conn)
			var q policyproto.Request
			for in.Read(&q) == nil && ed25519.Verify(pub, text, signature) {
				if _, err := conn.Write(policyproto.Dunno().AppendTo(nil)); err != nil {
					return
				}
			}
		}()
	}
}
