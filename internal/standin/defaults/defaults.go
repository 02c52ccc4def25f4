// Package defaults knows which keys the defaults.ini of which version has.
package defaults

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed keys.txt
var table string

// Render returns the conf/defaults.ini of a version.
func Render(v Version) (string, error) {
	var b strings.Builder
	b.WriteString("##################### Stand-in defaults, do not edit #####################\n")
	inSection := true
	for line := range strings.Lines(table) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		text, marks, _ := strings.Cut(line, ";;")
		here, err := within(v, marks)
		if err != nil {
			return "", fmt.Errorf("reading key table line %q: %w", line, err)
		}
		if strings.HasPrefix(line, "[") {
			inSection = here
		}
		if inSection && here {
			b.WriteString(strings.TrimRight(text, " ") + "\n")
		}
	}
	return b.String(), nil
}

func within(v Version, marks string) (bool, error) {
	for mark := range strings.SplitSeq(marks, ";;") {
		word, at, ok := strings.Cut(strings.TrimSpace(mark), " ")
		if !ok {
			continue
		}
		limit, err := Parse(at)
		if err != nil {
			return false, err
		}
		if reached := v.AtLeast(limit.Major, limit.Minor); reached != (word == "since") {
			return false, nil
		}
	}
	return true, nil
}
