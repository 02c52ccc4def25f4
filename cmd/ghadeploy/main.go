// Command ghadeploy turns an inventory of bare-metal hosts into a highly
// available Grafana cluster and keeps it one.
//
// It is the front door only: one file per command, each an options struct and
// a run function. Flags come in, results are rendered; what is decided, is
// decided in package tasks.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks"
)

func main() {
	cobra.EnableCommandSorting = false // help shows commands in the order in which they are met
	a := processApp(realRunner)
	guard.OnPanic(a.lonelyFault(os.Exit))
	os.Exit(a.main(context.Background(), os.Args[1:]))
}

// processApp is the app of this process, with its streams, its environment and its signals.
func processApp(newRunner func(*inventory.Cluster, tasks.Options) runner) *app {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	i := newInterrupts(exitProcess(os.Stdin))
	guard.Go(func() { i.relay(signals) })
	return &app{
		streams:    ui.Files(os.Stdin, os.Stdout, os.Stderr, os.Getenv),
		getenv:     os.Getenv,
		now:        time.Now,
		newRunner:  newRunner,
		signals:    i.to,
		interrupts: i,
	}
}
