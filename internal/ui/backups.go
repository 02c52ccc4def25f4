package ui

import (
	"io"

	"github.com/ghadeploy/ghadeploy/tasks/database"
)

// WriteBackups lists dumps of the database.
func WriteBackups(w io.Writer, s Style, columns int, backups []database.Backup) error {
	if len(backups) == 0 {
		_, err := io.WriteString(w, "no dumps yet\n")
		return err
	}
	rows := make([][]string, len(backups))
	for i, b := range backups {
		rows[i] = []string{b.Host, b.Path, b.Version, clockDate(b.Time), size(b.Size)}
	}
	_, err := io.WriteString(w, table(s, []column{{title: "HOST"}, {title: "DUMP"}, {title: "VERSION", drop: 2}, {title: "TIME", drop: 1},
		{title: "SIZE", drop: 3, right: true}}, rows, columns))
	return err
}
