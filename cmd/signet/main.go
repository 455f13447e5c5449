// Command signet proves who sent a mail, a request or a call, and whether they may.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"signet/client"
	"signet/internal/account"
	"signet/internal/app"
	"signet/internal/fault"
	"signet/internal/objects"
	"signet/internal/token"
)

// Exit statuses, the same for every command.
const (
	exitRefused     = 1 // it was asked properly, and the answer is no
	exitUsage       = 2 // flags, arguments, configuration
	exitUnreachable = 3 // a server, database or file system does not answer
)

// cli is every command. Each group stands in a file of its own.
type cli struct {
	Dev     devCmd     `cmd:"" help:"Start a seeded server on loopback to try and to develop against."`
	Serve   serveCmd   `cmd:"" help:"Start the server."`
	Config  configCmd  `cmd:"" help:"Check, show and document the configuration."`
	Doctor  doctorCmd  `cmd:"" help:"Look for what is wrong or will be, and say how to mend it."`
	Migrate migrateCmd `cmd:"" help:"Bring the database to this release's schema."`
	Backup  backupCmd  `cmd:"" help:"Write a backup while the server runs."`
	Restore restoreCmd `cmd:"" help:"Restore a backup into an empty place."`
	Seal    sealCmd    `cmd:"" help:"Replace the master key that secrets are sealed with."`
	Audit   auditCmd   `cmd:"" help:"Verify and export the audit log."`

	Admin     adminCmd     `cmd:"" help:"Accounts, users, tokens, keys, buckets and OAuth clients."`
	Token     tokenCmd     `cmd:"" help:"The token authority: its signing keys, and what a token is."`
	Authroute authrouteCmd `cmd:"" help:"Signed mail: keys, proofs, modes, break-glass, load test."`
	S3        s3Cmd        `cmd:"" name:"s3" help:"Buckets and objects, with an access key."`
	Try       tryCmd       `cmd:"" help:"See it work, against a server that signet dev started."`

	Version versionCmd `cmd:"" help:"Print the version."`

	ShowVersion kong.VersionFlag `name:"version" help:"Print the version."`
}

// console is where a command reads and writes: tests give others.
type console struct {
	in       io.Reader
	out, err io.Writer
	environ  []string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], console{os.Stdin, os.Stdout, os.Stderr, os.Environ()})
	stop()
	os.Exit(status)
}

// run runs one command line and returns its exit status.
func run(ctx context.Context, args []string, c console) int {
	exit := -1
	parser, err := kong.New(&cli{},
		kong.Name("signet"),
		kong.Description("One authority for everything that must prove who sent it."),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 80}),
		kong.Vars{"version": "signet " + app.Version()},
		kong.Writers(c.out, c.err),
		kong.Exit(func(status int) { exit = status }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(&c),
	)
	if err != nil {
		panic(err) // the struct above is wrong, which every test finds
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if exit >= 0 {
		return exit // --help was printed
	}
	if err != nil {
		// What may be left out has an enum with an empty value, which is none to choose.
		text := strings.Replace(err.Error(), `must be one of "",`, "must be one of ", 1)
		fmt.Fprintf(c.err, "signet: %s (%s --help)\n", text, helpOf(err))
		return exitUsage
	}
	if err := command.Run(); err != nil {
		if !errors.Is(err, errRefused) {
			fmt.Fprintf(c.err, "signet: %v%s\n", err, nextStep(err))
		}
		return statusOf(err)
	}
	return 0
}

// helpOf returns the command whose help a mistake at the command line calls for.
func helpOf(err error) string {
	parse, ok := errors.AsType[*kong.ParseError](err)
	if !ok || parse.Context == nil {
		return "signet"
	}
	words := []string{"signet"}
	for _, p := range parse.Context.Path {
		if p.Command != nil {
			words = append(words, p.Command.Name)
		}
	}
	return strings.Join(words, " ")
}

// nextStep names the command that helps after a refusal; it is empty where none does.
func nextStep(err error) string {
	for _, s := range []struct {
		refusal *fault.Error
		command string
	}{
		{account.ErrNoUser, "user list"},
		{account.ErrNoAccount, "account list"},
		{token.ErrNoTenant, "account list"},
		{token.ErrNoClient, "client list"},
		{account.ErrNoRole, "role list"},
		{account.ErrNoKey, "key list"},
		{account.ErrNoToken, "user tokens USER"},
		{account.ErrUnknownSession, "user sessions USER"},
		{account.ErrPermission, "permissions"},
		{objects.ErrNoAccessKey, "list-keys --all"},
		{objects.ErrNoGrant, "list-grants"},
		{objects.ErrNoBucket, "list-buckets"},
		{account.ErrAdminExists, "user setup-link USER"},
	} {
		if errors.Is(err, s.refusal) {
			return " (signet admin " + s.command + ")"
		}
	}
	return ""
}

// usageError is a mistake at the command line or in the configuration.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func statusOf(err error) int {
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	if refused, ok := errors.AsType[s3Refusal](err); ok {
		return refused.status()
	}
	if errors.Is(err, client.ErrUnreachable) {
		return exitUnreachable
	}
	if _, ok := errors.AsType[*client.Error](err); ok {
		return exitRefused
	}
	if f, ok := fault.As(err); ok && f.Kind != fault.Unavailable {
		return exitRefused
	}
	if errors.Is(err, errRefused) {
		return exitRefused
	}
	return exitUnreachable
}

// errRefused marks an answer of no that has been printed already.
var errRefused = errors.New("refused")
