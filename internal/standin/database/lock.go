package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
)

// ErrLock is what a node says that finds another one migrating.
var ErrLock = errors.New("failed to obtain lock")

// lockSalt makes the key that the real thing takes, so that both exclude each other.
const lockSalt uint32 = 1486364155

func (d *DB) lockKey() string {
	return fmt.Sprint(crc32.ChecksumIEEE([]byte(d.name)) * lockSalt)
}

// lock takes the migration lock on the connection of tx. PostgreSQL returns at
// once, whatever the timeout (seconds) says.
func (d *DB) lock(ctx context.Context, tx *sql.Tx, timeout int) error {
	query, args := "SELECT pg_try_advisory_lock(?)", []any{d.lockKey()}
	if d.Type == MySQL {
		query, args = "SELECT GET_LOCK(?, ?)", append(args, timeout)
	}
	var ok sql.NullBool
	if err := tx.QueryRowContext(ctx, d.SQL(query), args...).Scan(&ok); err != nil {
		return err
	}
	if !ok.Bool {
		return ErrLock
	}
	return nil
}

func (d *DB) unlock(ctx context.Context, tx *sql.Tx) error {
	query := "SELECT pg_advisory_unlock(?)"
	if d.Type == MySQL {
		query = "SELECT RELEASE_LOCK(?)"
	}
	var ok sql.NullBool
	if err := tx.QueryRowContext(ctx, d.SQL(query), d.lockKey()).Scan(&ok); err != nil {
		return err
	}
	if !ok.Bool {
		return errors.New("failed to release lock")
	}
	return nil
}
