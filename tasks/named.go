package tasks

import "strings"

// inWords are names as a sentence has them: "h1", "h1 and h2", "h1, h2 and h3".
func inWords(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
