package main

import (
	"context"

	"github.com/ghadeploy/ghadeploy/internal/dbcopy"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks"
	"github.com/ghadeploy/ghadeploy/tasks/check"
	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/journal"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
	"github.com/ghadeploy/ghadeploy/tasks/verify"
)

// runner is what the commands need of *tasks.Runner. Tests of the front door
// stand another one in, so that every command runs without hosts.
type runner interface {
	Close() error
	Plan(context.Context) (*tasks.Plan, error)
	PlanUpgrade(ctx context.Context, version string) (*tasks.Plan, error)
	Apply(context.Context) (*tasks.Result, error)
	Upgrade(ctx context.Context, version string) (*tasks.Result, error)
	Rehearse(ctx context.Context, version string) (*tasks.Rehearsal, error)
	Restart(context.Context) (*tasks.Result, error)
	Rollback(ctx context.Context, generation, withDatabase string) (*tasks.Result, error)
	Stop(context.Context) (*tasks.Result, error)
	Start(context.Context) (*tasks.Result, error)
	Remove(ctx context.Context, purge bool) (*tasks.Result, error)
	Drain(context.Context) (*tasks.Result, error)
	Undrain(context.Context) (*tasks.Result, error)
	Status(ctx context.Context, each func(tasks.HostStatus)) (*tasks.Status, error)
	Drift(context.Context) ([]tasks.Drift, error)
	Check(context.Context) ([]check.Finding, error)
	Verify(context.Context, verify.Options) (*verify.Report, error)
	Logs(ctx context.Context, o tasks.LogOptions, each func(tasks.LogLine)) error
	Exec(ctx context.Context, command []string, become bool) ([]tasks.ExecResult, error)
	History(ctx context.Context, local bool) ([]journal.Run, error)
	Releases(context.Context) ([]tasks.HostReleases, error)
	Lock(ctx context.Context, message string) error
	Unlock(ctx context.Context, force bool) error
	Holders(context.Context) ([]lock.Status, error)
	Backup(context.Context) (database.Backup, error)
	Backups(context.Context) ([]database.Backup, error)
	Restore(ctx context.Context, dump string) error
	RestoreOnly(ctx context.Context, dump string) error
	CopyDatabase(context.Context, tasks.CopyOptions) (*dbcopy.Report, error)
	Logins(context.Context) []tasks.Login
	Trust(context.Context) ([]tasks.HostKey, error)
	AcceptKeys(context.Context, []tasks.HostKey) error
}

func realRunner(c *inventory.Cluster, o tasks.Options) runner { return tasks.New(c, o) }
