package inventory

import (
	"fmt"
	"strings"
)

// maxFileName is the longest name that secretFiles makes; file systems take 255 bytes.
const maxFileName = 150

// fileName makes a name for a file of what some other file called it: only letters, digits,
// dots, dashes and underscores, never a path, never hidden.
func fileName(name string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '_'
	}, name)
	clean = strings.TrimLeft(clean, ".-")
	if clean == "" {
		clean = "secret"
	}
	return clean[:min(len(clean), maxFileName)]
}

// secretFiles are secrets that were moved out of a file, by the name of the file that each
// goes to.
type secretFiles map[string]string

// add takes a secret in and gives the name of its file. Two secrets whose names become the
// same file name get files of their own.
func (f secretFiles) add(name, value string) string {
	base := fileName(name)
	file := base
	for n := 2; ; n++ {
		if old, taken := f[file]; !taken || old == value {
			break
		}
		file = fmt.Sprintf("%s-%d", base, n)
	}
	f[file] = value
	return file
}
