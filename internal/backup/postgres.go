package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strings"

	"signet/internal/db"
)

// dumpPostgres writes a dump of the database in pg_dump's custom format.
func dumpPostgres(ctx context.Context, dsn, to string) error {
	if err := os.WriteFile(to, nil, 0o600); err != nil { // so that only its owner may read it
		return err
	}
	cmd, stderr, err := client(ctx, dsn, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--file="+to)
	if err != nil {
		return err
	}
	if err := cmd.Run(); err != nil {
		return toolError(cmd, err, stderr)
	}
	return syncFile(to)
}

// client returns a command of PostgreSQL's own that connects to dsn. The password
// goes by the environment: everyone may read the arguments of a process.
func client(ctx context.Context, dsn, name string, args ...string) (*exec.Cmd, *bytes.Buffer, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, nil, errors.New("store.url: not a PostgreSQL URL") // the error would quote it
	}
	password, _ := u.User.Password()
	u.User = url.User(u.User.Username())
	q := u.Query()
	if p := q.Get("password"); p != "" {
		password = p
		q.Del("password")
	}
	u.RawQuery = q.Encode()
	cmd := exec.CommandContext(ctx, name, append(args, "--dbname="+u.String(), "--no-password")...) //nolint:gosec // fixed names; the URL is the operator's
	cmd.Env = append(os.Environ(), "PGAPPNAME=signet-backup")
	if password != "" {
		cmd.Env = append(cmd.Env, "PGPASSWORD="+password)
	}
	stderr := &bytes.Buffer{}
	cmd.Stderr = stderr
	return cmd, stderr, nil
}

func toolError(cmd *exec.Cmd, err error, stderr *bytes.Buffer) error {
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w (install the PostgreSQL client programs, of the server's version)", err)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
	return fmt.Errorf("%s: %w: %s", cmd.Args[0], err, first)
}

// restorePostgres replaces what is in the database by the dump, in one transaction.
func restorePostgres(ctx context.Context, from, dsn string, m *Manifest, force bool) error {
	if err := checkPostgres(ctx, dsn, m, force); err != nil {
		return err
	}
	psql, psqlErr, err := client(ctx, dsn, "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-")
	if err != nil {
		return err
	}
	in, err := psql.StdinPipe()
	if err != nil {
		return err
	}
	if err := psql.Start(); err != nil {
		return toolError(psql, err, psqlErr)
	}
	// Without the COMMIT, which only a whole dump gets, psql's end undoes it all.
	script := writeScript(ctx, in, from)
	err = errors.Join(script, in.Close())
	if waitErr := psql.Wait(); waitErr != nil {
		return toolError(psql, waitErr, psqlErr)
	}
	return err
}

// prologue empties the schema: tables of a later release, which the dump does not
// know, would stand in the way of those that it drops and makes.
const prologue = `BEGIN;
SET LOCAL lock_timeout = '10s';
DO $$
DECLARE t record;
BEGIN
  FOR t IN SELECT schemaname, tablename FROM pg_tables WHERE schemaname = current_schema() LOOP
    EXECUTE format('DROP TABLE IF EXISTS %I.%I CASCADE', t.schemaname, t.tablename);
  END LOOP;
  FOR t IN SELECT schemaname, sequencename FROM pg_sequences WHERE schemaname = current_schema() LOOP
    EXECUTE format('DROP SEQUENCE IF EXISTS %I.%I CASCADE', t.schemaname, t.sequencename);
  END LOOP;
END $$;
`

func writeScript(ctx context.Context, to io.Writer, dump string) error {
	if _, err := io.WriteString(to, prologue); err != nil {
		return err
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", "--file=-", dump) //nolint:gosec // the operator's path
	cmd.Stdout, cmd.Stderr = to, &stderr
	if err := cmd.Run(); err != nil {
		return toolError(cmd, err, &stderr)
	}
	_, err := io.WriteString(to, "\nCOMMIT;\n")
	return err
}

// checkPostgres makes sure that the database may be replaced.
func checkPostgres(ctx context.Context, dsn string, m *Manifest, force bool) (err error) {
	d, err := db.Open(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := refuseNewer(d, m); err != nil {
		return err
	}
	var tables int
	err = d.SQL().QueryRowContext(ctx, `SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()`).Scan(&tables)
	if err == nil && tables > 0 && !force {
		err = ErrNotEmpty
	}
	return err
}
