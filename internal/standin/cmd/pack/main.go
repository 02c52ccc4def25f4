// Command pack writes a release tarball of the stand-in.
//
//	go run ./cmd/pack -version 10.3.1 -arch amd64 -out DIR
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"

	"github.com/ghadeploy/ghadeploy/internal/standin/release"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to stop
	}
}

func run(ctx context.Context) error {
	var o release.Options
	flag.StringVar(&o.Version, "version", "10.3.1", "version of the release")
	flag.StringVar(&o.Arch, "arch", runtime.GOARCH, "architecture: amd64 or arm64")
	flag.StringVar(&o.Dir, "out", ".", "folder to write the archive to")
	flag.StringVar(&o.Binary, "binary", "", "a server built before, instead of building one")
	flag.IntVar(&o.Files, "files", 0, "extra files (a real release has 7900)")
	flag.IntVar(&o.Pad, "pad", 0, "size of the extra files, in million bytes (a real release has 66)")
	flag.StringVar(&o.Faults.Host, "fault-host", "", "instance_name or host name that the faults are for; all when empty")
	flag.DurationVar(&o.Faults.SlowMigration, "slow-migration", 0, "a migration that takes this long")
	flag.BoolVar(&o.Faults.FailMigration, "fail-migration", false, "a migration that fails")
	flag.DurationVar(&o.Faults.StartDelay, "start-delay", 0, "wait before READY=1")
	flag.BoolVar(&o.Faults.FailStart, "fail-start", false, "exit with 1 after the migrations")
	flag.DurationVar(&o.Faults.CrashAfter, "crash-after", 0, "exit with 1 this long after listening")
	flag.BoolVar(&o.Faults.Unhealthy, "unhealthy", false, "answer 503 on /api/health")
	flag.BoolVar(&o.Faults.IgnoreStop, "ignore-stop", false, "ignore SIGTERM")
	flag.BoolVar(&o.Faults.NoConfigPost, "no-config-post", false, "take no whole Alertmanager configuration, as Grafana 12.1 and later")
	flag.Parse()
	path, err := release.Pack(ctx, o)
	if err != nil {
		return err
	}
	_, err = fmt.Println(path)
	return err
}
