// Command hello is a small app that signs its users in at Signet. It shows all that an
// app has to do, with the standard library and Signet's package resource:
//
//   - app.go       its pages, and the four addresses that matter: /login, /callback,
//     /logout and /backchannel-logout
//   - signet.go    what it asks Signet at a handoff: one request
//   - oauth.go     the same by OAuth, with tokens that are bound to a key (--oauth)
//   - sessions.go  who is signed in here
//
// The guide is docs/APPS.md.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c, listen, err := configure(args)
	if err != nil {
		return err
	}
	a, err := newApp(c)
	if err != nil {
		return err
	}
	server := &http.Server{
		Addr: listen, Handler: a.routes(),
		ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
	}
	log.Printf("hello is at %s", c.origin)
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// config is what an app knows of itself and of Signet.
type config struct {
	signet   string // address of Signet, such as https://auth.example.org
	issuer   string // as it stands in tokens; the same, unless the app reaches Signet by another address
	clientID string
	secret   string
	audience string // that Signet's tokens for this app have
	origin   string // of this app, as browsers know it
	oauth    bool   // sign in by OAuth with a bound token, instead of a handoff
	now      func() time.Time
}

func configure(args []string) (c config, listen string, err error) {
	c.now = time.Now
	f := flag.NewFlagSet("hello", flag.ContinueOnError)
	f.StringVar(&c.signet, "signet", "http://localhost:8080", "address of Signet")
	f.StringVar(&c.issuer, "issuer", "", "issuer in Signet's tokens, where it is not the address")
	f.StringVar(&c.clientID, "client-id", "", "client id of this app, from signet admin client create")
	f.StringVar(&c.audience, "audience", "", "first audience of the client, where it has one")
	f.StringVar(&c.origin, "origin", "http://app.localhost:9080", "address of this app, as browsers know it")
	f.BoolVar(&c.oauth, "oauth", false, "sign in by OAuth, with tokens that are bound to a key of this process (DPoP)")
	f.StringVar(&listen, "listen", "127.0.0.1:9080", "host and port to listen on")
	if err := f.Parse(args); err != nil {
		return config{}, "", err
	}
	// Other users of the machine can read arguments, not the environment.
	c.secret = os.Getenv("HELLO_CLIENT_SECRET")
	if c.clientID == "" || c.secret == "" {
		return config{}, "", errors.New("hello needs --client-id, and the client's secret in HELLO_CLIENT_SECRET")
	}
	c.signet, c.origin = strings.TrimSuffix(c.signet, "/"), strings.TrimSuffix(c.origin, "/")
	if c.issuer == "" {
		c.issuer = c.signet
	}
	if c.audience == "" {
		c.audience = c.clientID
	}
	return c, listen, nil
}
