// Command release prints the path of a release's tarball, packing the stand-in
// when GHADEPLOY_GRAFANA_DIR does not hold that version. The demo uses it.
//
//	go run ./internal/labtest/release [-version 10.3.1] [pack flags...]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

func main() {
	version := flag.String("version", labtest.V1031, "the release's version")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	path, err := labtest.Release(ctx, *version, flag.Args()...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(path)
}
