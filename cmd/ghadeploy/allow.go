package main

import (
	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/tasks/reach"
)

// allowFlags say which changes that reach beyond a restart are meant.
type allowFlags struct{ database, secretKey, twice bool }

func (f *allowFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.database, "allow-database", false,
		"go to another database though it is empty, has another content, or cannot be compared")
	cmd.Flags().BoolVar(&f.secretKey, "allow-secret-key", false, "change secret_key though secrets in the database become unreadable")
	cmd.Flags().BoolVar(&f.twice, "allow-twice", false, "roll a change of how Alertmanagers meet, though alerts may be told twice meanwhile")
}

func (f allowFlags) kinds() map[reach.Kind]bool {
	return map[reach.Kind]bool{reach.Database: f.database, reach.SecretKey: f.secretKey, reach.Alerting: f.twice}
}
