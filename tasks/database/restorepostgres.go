package database

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// copyFrom begins the rows of a table in what pg_restore prints.
var copyFrom = regexp.MustCompile(`^COPY .* FROM stdin;\n?$`)

// statementsAtOnce bounds what is kept of a script before it is sent.
const statementsAtOnce = 64 << 20

// restoreHere puts a dump of this machine back into PostgreSQL, in one transaction.
// pg_restore makes SQL of it, and that goes to the server over our own connection: psql
// would carry out commands of its own ("\!") that stand in it, on this machine, and
// names in a database are chosen by whoever may write there.
func restoreHere(ctx context.Context, via fleet.Conn, db inventory.Database, dump string) (err error) {
	open, err := Open(ctx, via, db, nil)
	if err != nil {
		return err
	}
	defer open.Close()
	c, err := open.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	tool := exec.CommandContext(run, "pg_restore", "--no-owner", "--no-privileges", "--no-comments", "-f", "-", dump)
	tool.Env = cleanEnvironment()
	var said bytes.Buffer
	tool.Stderr = &said
	script, err := tool.StdoutPipe()
	if err != nil {
		return err
	}
	if err := tool.Start(); err != nil {
		return fmt.Errorf("pg_restore: %w", err)
	}
	err = c.Raw(func(driver any) error {
		return playBack(run, driver.(*stdlib.Conn).Conn(), script, func() error {
			if err := tool.Wait(); err != nil {
				return fmt.Errorf("pg_restore: %w: %s", err, lastOf(said.Bytes()))
			}
			return nil
		})
	})
	if err != nil {
		cancel()
		_ = tool.Wait()
		return fmt.Errorf("%w; the database is as it was", serverError(err))
	}
	return nil
}

// playBack carries a script out in one transaction, which ends only when whole is nil.
func playBack(ctx context.Context, c *pgx.Conn, script io.Reader, whole func() error) error {
	pg := c.PgConn()
	do := func(sql string) error { return pg.Exec(ctx, sql).Close() }
	if err := do("BEGIN; SET client_min_messages = warning;\n" + wipePostgres); err != nil {
		return err
	}
	err := play(ctx, pg, bufio.NewReaderSize(script, 1<<20), do)
	if err == nil {
		err = whole()
	}
	if err != nil {
		_ = do("ROLLBACK")
		return err
	}
	return do("COMMIT")
}

// play sends statements as they come, and rows as rows.
func play(ctx context.Context, pg *pgconn.PgConn, script *bufio.Reader, do func(string) error) error {
	var pending strings.Builder
	flush := func() error {
		defer pending.Reset()
		if strings.TrimSpace(pending.String()) == "" {
			return nil
		}
		return do(pending.String())
	}
	for {
		line, err := script.ReadString('\n')
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return err
		case strings.HasPrefix(line, `\restrict `), strings.HasPrefix(line, `\unrestrict `):
			// for psql
		case copyFrom.MatchString(line):
			if err := flush(); err != nil {
				return err
			}
			rows := &copyRows{script: script}
			if _, err := pg.CopyFrom(ctx, rows, strings.TrimRight(line, ";\n")); err != nil {
				return err
			}
		default:
			pending.WriteString(line)
		}
		if errors.Is(err, io.EOF) {
			return flush()
		}
		if pending.Len() > statementsAtOnce {
			return errors.New("the dump does not have the form of one: a statement of more than 64 MiB")
		}
	}
}

// copyRows reads rows up to the line that ends them.
type copyRows struct {
	script *bufio.Reader
	line   []byte
	begun  bool // the line at hand goes on
	ended  bool
}

// Read implements [io.Reader].
func (c *copyRows) Read(p []byte) (int, error) {
	if len(c.line) == 0 && !c.ended {
		line, err := c.script.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return 0, io.ErrUnexpectedEOF
		}
		whole := !errors.Is(err, bufio.ErrBufferFull)
		c.ended = !c.begun && whole && strings.TrimRight(string(line), "\r\n") == `\.`
		c.begun = !whole
		c.line = line
	}
	if c.ended {
		return 0, io.EOF
	}
	n := copy(p, c.line)
	c.line = c.line[n:]
	return n, nil
}
