// Command grafana is the stand-in server: "grafana server ...", "grafana cli
// ..." or, under the name grafana-server, the server alone.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/standin/server"
	"github.com/ghadeploy/ghadeploy/internal/standin/settings"
)

// stopLimit is how long Grafana waits for itself after SIGTERM.
const stopLimit = 30 * time.Second

func main() {
	args := os.Args[1:]
	if strings.HasSuffix(filepath.Base(os.Args[0]), "-server") {
		args = append([]string{"server"}, args...)
	}
	if err := run(args, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "Error: ✗ %s\n", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	switch command {
	case "server":
		return serve(args[1:], stdout)
	case "cli":
		return errors.New("the stand-in has no cli commands: unzip plugins into paths.plugins")
	case "--version", "-version", "-v":
		version, err := server.Version(defaultHome())
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(stdout, "grafana version %s\n", version)
		return err
	}
	return fmt.Errorf("no command %q: grafana server, grafana cli or grafana --version", command)
}

// defaultHome is the release that the binary lies in.
func defaultHome() string {
	exe, err := os.Executable()
	if err != nil {
		return "."
	}
	return filepath.Dir(filepath.Dir(exe))
}

func serve(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	home := flags.String("homepath", "", "path to grafana install/home path, defaults to working directory")
	config := flags.String("config", "", "path to config file")
	pid := flags.String("pidfile", "", "path to pid file")
	_ = flags.String("packaging", "unknown", "describes the way Grafana was installed")
	overrides := flags.String("configOverrides", "", "Configuration options to override defaults as a string. e.g. cfg:default.paths.log=/dev/null")
	version := flags.Bool("v", false, "prints current version and exits")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *home == "" {
		*home = workingHome()
	}
	if *version {
		v, err := server.Version(*home)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(stdout, "Version %s (commit: %s, branch: main)\n", v, server.Commit)
		return err
	}
	return node(server.Options{
		Args:    settings.Args{Home: *home, Config: *config, Overrides: append(strings.Fields(*overrides), flags.Args()...)},
		PidFile: *pid, Stdout: stdout,
	})
}

// workingHome is the working directory when it is a release, else the binary's.
func workingHome() string {
	if _, err := os.Stat("conf/defaults.ini"); err == nil {
		if wd, err := os.Getwd(); err == nil {
			return wd
		}
	}
	return defaultHome()
}

func node(o server.Options) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, err := server.New(ctx, o)
	if err != nil {
		return err
	}
	defer s.Close()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	signal.Ignore(syscall.SIGHUP)
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	for {
		select {
		case err := <-done:
			return err
		case sig := <-signals:
			if s.Stopping("System signal: " + sig.String()) {
				cancel()
				return wait(done)
			}
		}
	}
}

func wait(done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-time.After(stopLimit):
		return errors.New("timed out while waiting for server to shut down")
	}
}
