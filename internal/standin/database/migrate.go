package database

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"
)

// Migration is one step of the schema.
type Migration struct {
	ID, SQL string
	// Wait is slept inside the step's transaction; a fault.
	Wait time.Duration
}

// Migrate brings the schema up to date, under the lock when locking is on. As
// in Grafana the lock's transaction stays open on one connection while the
// steps run on others, so a pool of one connection waits for ever.
func (d *DB) Migrate(ctx context.Context, log *slog.Logger, steps []Migration, locking bool, timeout int) error {
	if !locking {
		return d.migrate(ctx, log, steps)
	}
	tx, err := d.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	log.Info("Locking database")
	if err := d.lock(ctx, tx, timeout); err != nil {
		log.Error("Failed to lock database", "error", err)
		return err
	}
	err = d.migrate(ctx, log, steps)
	log.Info("Unlocking database")
	if uerr := d.unlock(context.WithoutCancel(ctx), tx); uerr != nil {
		log.Error("Failed to unlock database", "error", uerr)
	}
	if err != nil {
		return err
	}
	return tx.Commit()
}

func (d *DB) migrate(ctx context.Context, log *slog.Logger, steps []Migration) error {
	log.Info("Starting DB migrations")
	done, err := d.migrated(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	performed, skipped := 0, 0
	for _, m := range steps {
		if done[m.ID] {
			skipped++
			continue
		}
		if err := d.step(ctx, log, m); err != nil {
			return fmt.Errorf("migration failed (id = %s): %w", m.ID, err)
		}
		performed++
	}
	log.Info("migrations completed", "performed", performed, "skipped", skipped, "duration", time.Since(start))
	return nil
}

func (d *DB) migrated(ctx context.Context) (map[string]bool, error) {
	var tables int
	query := "SELECT count(*) FROM information_schema.tables WHERE table_name = 'migration_log' AND table_schema = "
	if d.Type == MySQL {
		query += "DATABASE()"
	} else {
		query += "CURRENT_SCHEMA()"
	}
	if err := d.Row(ctx, query, nil, &tables); err != nil {
		return nil, fmt.Errorf("failed to check table existence: %w", err)
	}
	done := map[string]bool{}
	if tables == 0 {
		return done, nil
	}
	err := d.Each(ctx, func(scan func(...any) error) error {
		var id string
		if err := scan(&id); err != nil {
			return err
		}
		done[id] = true
		return nil
	}, "SELECT migration_id FROM migration_log WHERE success")
	return done, err
}

func (d *DB) step(ctx context.Context, log *slog.Logger, m Migration) error {
	start := time.Now()
	log.Info("Executing migration", "id", m.ID)
	err := d.inTx(ctx, func(tx *sql.Tx) error {
		if m.Wait > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(m.Wait):
			}
		}
		if m.SQL != "" {
			if _, err := tx.ExecContext(ctx, m.SQL); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, d.SQL("INSERT INTO migration_log (migration_id, [sql], success, error, timestamp) VALUES (?, ?, ?, '', ?)"),
			m.ID, m.SQL, true, time.Now().UTC())
		return err
	})
	if err != nil {
		log.Error("Executing migration failed", "id", m.ID, "error", err, "duration", time.Since(start))
		log.Error("Exec failed", "error", err, "sql", m.SQL)
		return err
	}
	log.Info("Migration successfully executed", "id", m.ID, "duration", time.Since(start))
	return nil
}

func (d *DB) inTx(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := d.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		if rerr := tx.Rollback(); rerr != nil {
			return fmt.Errorf("failed to roll back transaction due to error: %w: %w", rerr, err)
		}
		return err
	}
	return tx.Commit()
}
