package remote

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"

	"github.com/ghadeploy/ghadeploy/internal/localfile"
)

// maxIncludes is how deep OpenSSH follows Include, and so do we.
const maxIncludes = 5

// unreadable is the first file that an Include names, here or further below, and that
// cannot be read in bounded time; nil when all can. The library opens what an Include
// names by itself, a named pipe too.
func (c *sshConfig) unreadable(from string, words []string, depth int) error {
	for _, w := range words {
		files, err := filepath.Glob(c.included(from, strings.Trim(w, `"`)))
		if err != nil {
			continue // the library says so
		}
		for _, f := range files {
			text, err := localfile.Read(context.Background(), f, localfile.Small)
			if err != nil {
				return err
			}
			if depth == maxIncludes {
				continue
			}
			for l := range bytes.Lines(text) {
				words := strings.Fields(strings.Replace(string(l), "=", " ", 1))
				if len(words) > 1 && strings.EqualFold(words[0], "include") {
					if err := c.unreadable(from, words[1:], depth+1); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// included is the path that a word of an Include means, in a file of the system or of the user.
func (c *sshConfig) included(from, word string) string {
	switch {
	case filepath.IsAbs(word):
		return word
	case strings.HasPrefix(from, "/etc/ssh/"):
		return filepath.Join("/etc/ssh", word)
	case strings.HasPrefix(word, "~/"):
		return filepath.Join(c.home, word[2:])
	}
	return filepath.Join(c.home, ".ssh", word)
}
