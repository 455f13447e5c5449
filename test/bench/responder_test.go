//go:build bench

package bench

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"signet/internal/policyproto"
)

// responderVariable makes the test binary a server that does next to nothing: of
// policies, with files:DIR of files, of tokens, or of hashes.
const responderVariable = "BENCH_RESPONDER"

func TestMain(m *testing.M) {
	if mode := os.Getenv(responderVariable); mode != "" {
		if err := respond(mode); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// respond serves the floor that the product is compared with. It prints its address.
func respond(mode string) error {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(os.Stdout, l.Addr()); err != nil { // the parent reads it
		return err
	}
	if dir, ok := strings.CutPrefix(mode, "files:"); ok {
		return (&http.Server{Handler: serveFiles(dir), ReadHeaderTimeout: time.Minute}).Serve(l)
	}
	ballast := make([]byte, 64<<20) // its collector waits for 64 MiB, as that of signet does
	defer runtime.KeepAlive(ballast)
	switch mode {
	case "tokens":
		return (&http.Server{Handler: serveBare(), ReadHeaderTimeout: time.Minute}).Serve(l)
	case "argon2":
		return (&http.Server{Handler: serveHashes(), ReadHeaderTimeout: time.Minute}).Serve(l)
	}
	return respondPolicy(l, mode == "verify")
}

// respondPolicy reads policy requests and answers, after one Ed25519 verification or at
// once.
func respondPolicy(l net.Listener, verify bool) error {
	pub, priv, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	text := []byte("authroute-v2\n1760000000\n<abcdefghijklmnopqrstuvwxyz@client.test>\nalice@enforce.test\n*")
	signature := ed25519.Sign(priv, text)
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			in := policyproto.NewReader(conn)
			var q policyproto.Request
			for in.Read(&q) == nil {
				if verify && !ed25519.Verify(pub, text, signature) {
					return
				}
				if _, err := conn.Write([]byte("action=PREPEND Authenticated-Routing: pass key-id=none\n\n")); err != nil {
					return
				}
			}
		}()
	}
}

// startResponder returns the address of a responder in a process of its own.
func startResponder(t *testing.T, mode string) string {
	t.Helper()
	address, _ := startSelf(t, mode)
	return address
}

// startSelf starts this binary as a server of that mode, and returns its address and
// process id.
func startSelf(t *testing.T, mode string, env ...string) (address string, pid int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(append(os.Environ(), env...), responderVariable+"="+mode)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // the end of the test's context kills it
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("responder: %v", err)
	}
	return strings.TrimSpace(line), cmd.Process.Pid
}
