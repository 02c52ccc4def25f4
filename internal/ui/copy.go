package ui

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/ghadeploy/ghadeploy/internal/dbcopy"
)

// WriteCopy shows how a copy or a comparison of databases came out: a line for each
// table that holds something or differs (all: every table), then what was changed, what
// was refused, what was left out, and a sentence.
func WriteCopy(w io.Writer, s Style, columns int, r *dbcopy.Report, all bool) error {
	var b strings.Builder
	if rows := copyRows(s, r, all); len(rows) > 0 {
		heads := []column{{title: "TABLE"}, {title: "ROWS", right: true}, {title: "IN THE TARGET", right: true}, {title: "CHECKSUM", drop: 1},
			{title: "RESULT"}}
		b.WriteString(table(s, heads, rows, columns))
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "%s  %s.%s, %s: %s (%s)\n", s.Warn("changed"), n.Table, n.Column, plural(int(n.Rows), "row"), n.What,
			some(n.Keys, n.Rows))
	}
	for _, x := range r.Broken {
		fmt.Fprintf(&b, "%s  %s, %s: %s\n", s.Bad("refused"), x.Table, x.Key, x.Cause)
	}
	if more := r.Refused - int64(len(r.Broken)); more > 0 && len(r.Broken) > 0 {
		fmt.Fprintf(&b, "%s  and %s\n", s.Bad("refused"), plural(int(more), "more row"))
	}
	for _, l := range r.LeftOut {
		if l.Rows > 0 || all {
			fmt.Fprintf(&b, "%s  %s%s: %s\n", s.Warn("left out"), l.Table, held(l.Rows), l.Why)
		}
	}
	b.WriteString(copySentence(r))
	_, err := io.WriteString(w, b.String())
	return err
}

func copyRows(s Style, r *dbcopy.Report, all bool) [][]string {
	var rows [][]string
	for _, t := range r.Tables {
		if !all && t.Rows == 0 && t.Target == 0 && t.Broken == 0 && (t.Equal || t.TargetChecksum == "") {
			continue
		}
		target, verdict := strconv.FormatInt(t.Target, 10), "equal"
		switch {
		case t.TargetChecksum == "": // the copy ended before anything was read back
			target, verdict = "", "not compared"
		case !t.Equal:
			verdict = s.Bad("differs")
		case t.Broken > 0:
			verdict = s.Bad(fmt.Sprintf("%d refused", t.Broken))
		}
		rows = append(rows, []string{t.Table, strconv.FormatInt(t.Rows, 10), target, t.Checksum[:min(16, len(t.Checksum))], verdict})
	}
	return rows
}

func held(rows int64) string {
	if rows < 0 {
		return ""
	}
	return ", " + plural(int(rows), "row")
}

func some(keys []string, of int64) string {
	text := strings.Join(keys, "; ")
	if more := of - int64(len(keys)); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

func copySentence(r *dbcopy.Report) string {
	tables := plural(len(r.Tables), "table")
	switch {
	case r.Committed && r.Refused > 0:
		return fmt.Sprintf("copied %d rows of %s in %.1f s and compared them; %s left out\n", r.Rows, tables, r.Seconds,
			plural(int(r.Refused), "refused row"))
	case r.Committed:
		return fmt.Sprintf("copied %d rows of %s in %.1f s; every row was compared and is equal\n", r.Rows, tables, r.Seconds)
	case r.CopySeconds > 0:
		return "nothing was kept: the database is as it was\n"
	case r.Equal && r.Refused == 0:
		return fmt.Sprintf("%d rows of %s are equal on both sides\n", r.Rows, tables)
	}
	return "the databases differ\n"
}
