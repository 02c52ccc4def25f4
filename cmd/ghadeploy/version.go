package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set by the Makefile with -ldflags -X; a plain `go install` leaves them empty
// and what Go itself recorded is used.
var (
	version string
	commit  string
	date    string
)

// buildVersion is what this binary is.
type buildVersion struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Date     string `json:"date,omitempty"`
	Modified bool   `json:"modified,omitempty"` // built from a changed work tree
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func toolVersion() buildVersion {
	v := buildVersion{Version: version, Commit: commit, Date: date, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.Version = cmp.Or(v.Version, info.Main.Version)
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				v.Commit = cmp.Or(v.Commit, s.Value)
			case "vcs.time":
				v.Date = cmp.Or(v.Date, s.Value)
			case "vcs.modified":
				v.Modified = s.Value == "true"
			}
		}
	}
	if v.Version == "" || v.Version == "(devel)" {
		v.Version = "devel"
	}
	return v
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version of ghadeploy",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return a.version() },
	}
}

func (a *app) version() error {
	v := toolVersion()
	return a.render(v, func() error {
		_, err := fmt.Fprintf(a.streams.Out, "ghadeploy %s", v.Version)
		if v.Commit != "" {
			_, err = fmt.Fprintf(a.streams.Out, " (%.12s, %s)", v.Commit, cmp.Or(v.Date, "date unknown"))
		}
		if err == nil {
			_, err = fmt.Fprintf(a.streams.Out, " %s %s\n", v.Go, v.Platform)
		}
		return err
	})
}
