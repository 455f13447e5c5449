package dbtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"signet/internal/db"

	"github.com/jackc/pgx/v5/pgconn"
)

// PostgresURL returns the URL of a migrated and empty database, for tests that
// open it more than once.
func PostgresURL(t testing.TB) string { return postgresURL(t, true) }

// EmptyPostgresURL returns the URL of a database without a schema.
func EmptyPostgresURL(t testing.TB) string { return postgresURL(t, false) }

func postgresURL(t testing.TB, migrated bool) string {
	t.Helper()
	s, err := cluster()
	if err != nil {
		t.Fatal(err)
	}
	from := "template1"
	if migrated {
		if from, err = migratedPostgres(); err != nil {
			t.Fatalf("make PostgreSQL template: %v", err)
		}
	}
	name := "t_" + strings.ToLower(rand.Text())
	if err := s.admin(t.Context(), "CREATE DATABASE "+name+" TEMPLATE "+from); err != nil {
		t.Fatalf("create database: %v", err)
	}
	t.Cleanup(func() {
		if err := s.admin(context.WithoutCancel(t.Context()), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop database: %v", err)
		}
	})
	return s.url(name)
}

// migratedPostgres returns the name of a database that holds the schema, to copy.
var migratedPostgres = sync.OnceValues(func() (string, error) {
	const name = "signet_template"
	s, err := cluster()
	if err != nil {
		return "", err
	}
	unlock, err := lockFile(filepath.Join(s.dir, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	ctx := context.Background()
	const duplicateDatabase = "42P04"
	err = s.admin(ctx, "CREATE DATABASE "+name)
	if pg, ok := errors.AsType[*pgconn.PgError](err); err != nil && (!ok || pg.Code != duplicateDatabase) {
		return "", err
	}
	return name, migrate(ctx, s.url(name))
})

// admin runs a statement on the database that nobody works in.
func (s *server) admin(ctx context.Context, statement string) error {
	d, err := db.Open(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	defer d.Close()
	_, err = d.SQL().ExecContext(ctx, statement)
	return err
}

// cluster is the running PostgreSQL of this test run.
var cluster = sync.OnceValues(func() (*server, error) { return join(context.Background()) })

type server struct{ dir, port string }

func (s *server) url(database string) string {
	return fmt.Sprintf("postgres://signet@127.0.0.1:%s/%s?sslmode=disable", s.port, database)
}

// join returns the cluster that all packages of this "go test" share: they have
// the same parent process. The first one to come starts it.
func join(ctx context.Context) (*server, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("signet-pg-%d-%d", os.Getuid(), os.Getppid()))
	if err := os.Mkdir(dir, 0o711); err != nil && !errors.Is(err, fs.ErrExist) { //nolint:gosec // postgres, another user, must pass
		return nil, err
	}
	unlock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	port, err := os.ReadFile(filepath.Join(dir, "port")) //nolint:gosec // own path
	if err == nil {
		return &server{dir, string(port)}, nil
	}
	s, err := start(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL (scripts/test-deps installs it): %w", err)
	}
	return s, os.WriteFile(filepath.Join(dir, "port"), []byte(s.port), 0o600)
}

func start(ctx context.Context, dir string) (*server, error) {
	if err := initialize(ctx, dir); err != nil {
		return nil, err
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	serve, err := launch(ctx, dir, port)
	if err != nil {
		return nil, err
	}
	// The watcher ends with the run: it stops the server and removes the directory
	// once the run's own process is gone, even when that was killed.
	script := `while [ -d "/proc/$1" ] && kill -0 "$2" 2>/dev/null; do sleep 1; done
kill -INT "$2" 2>/dev/null
while kill -0 "$2" 2>/dev/null; do sleep 0.1; done
rm -rf "$3"`
	watch := exec.Command("sh", "-c", script, "sh", strconv.Itoa(os.Getppid()), strconv.Itoa(serve.Process.Pid), dir) //nolint:gosec,noctx // as above
	as(watch, nil, "/").SysProcAttr.Setsid = true
	if err := watch.Start(); err != nil {
		return nil, err
	}
	s := &server{dir, port}
	return s, s.await(ctx)
}

// initialize makes an empty cluster in dir.
func initialize(ctx context.Context, dir string) error {
	bin, err := bindir(ctx)
	if err != nil {
		return err
	}
	cred, err := credential()
	if err != nil {
		return err
	}
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		return err
	}
	if cred != nil {
		if err := os.Chown(data, int(cred.Uid), int(cred.Gid)); err != nil {
			return err
		}
	}
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "--pgdata", data, "--username", "signet", //nolint:gosec // own paths
		"--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync")
	if out, err := as(initdb, cred, dir).CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

// launch starts the server of the cluster in dir, in a session of its own.
func launch(ctx context.Context, dir, port string) (*exec.Cmd, error) {
	bin, err := bindir(ctx)
	if err != nil {
		return nil, err
	}
	cred, err := credential()
	if err != nil {
		return nil, err
	}
	serve := exec.Command(filepath.Join(bin, "postgres"), "-D", filepath.Join(dir, "data"), "-p", port, "-k", "", //nolint:gosec,noctx // own paths; it must outlive every context
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "full_page_writes=off",
		"-c", "max_connections=400", "-c", "log_min_messages=fatal")
	as(serve, cred, dir).SysProcAttr.Setsid = true
	return serve, serve.Start()
}

// await returns once the server answers.
func (s *server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		d, err := db.Open(ctx, s.url("postgres"))
		if err == nil {
			return d.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no answer in 30 s: %w", err)
		case <-tick.C:
		}
	}
}

// bindir finds the directory of initdb and postgres.
func bindir(ctx context.Context) (string, error) {
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dir := strings.TrimSpace(string(out))
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir, nil
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", errors.New("no initdb found")
	}
	return filepath.Dir(found[len(found)-1]), nil
}

// credential is the user postgres where this process is root: the server refuses to run as root.
func credential() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func as(c *exec.Cmd, cred *syscall.Credential, dir string) *exec.Cmd {
	c.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	c.Dir = dir
	return c
}

func freePort(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // own path
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}
