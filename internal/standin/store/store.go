// Package store keeps what users make (accounts, sessions, dashboards, rules,
// ...) in the database, in Grafana's tables.
package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/standin/database"
)

// ErrNotFound is returned when the row asked for is not there.
var ErrNotFound = errors.New("not found")

// ErrExists is returned when a row with the same unique name is there.
var ErrExists = errors.New("already exists")

// ErrConflict is returned when somebody else changed the row since it was read.
var ErrConflict = errors.New("version mismatch")

// Store is the tables. SecretKey is [security] secret_key.
type Store struct {
	db        *database.DB
	secretKey string
}

// New returns a store on db.
func New(db *database.DB, secretKey string) *Store {
	return &Store{db: db, secretKey: secretKey}
}

// Ping asks the database for a sign of life.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx, "SELECT 1")
	return err
}

// Count is the number of rows of a table for which where holds ("" for all).
func (s *Store) Count(ctx context.Context, table, where string) (int, error) {
	var n int
	query := "SELECT count(*) FROM [" + table + "]"
	if where != "" {
		query += " WHERE " + where
	}
	err := s.db.Row(ctx, query, nil, &n)
	return n, err
}

func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// randomHex returns n random bytes as hexadecimal.
func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return hex.EncodeToString(b)
}

// NewUID returns a short unique id for things users make.
func NewUID() string { return randomHex(7) }

func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}
