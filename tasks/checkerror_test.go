package tasks

import (
	"strings"
	"testing"
)

// Without the check of the dump the dump fails all the same, after the upload.
func TestTheNextCommandWithoutADumpIsTheRightOne(t *testing.T) {
	for want, names := range map[string][]string{
		"in spite of it with --no-backup":                            {"backup"},
		"in spite of it with --no-backup --skip-check gossip,memory": {"gossip", "backup", "memory"},
		"in spite of it with --skip-check clock":                     {"clock"},
	} {
		if got := (&CheckError{Names: names}).Error(); !strings.HasSuffix(got, want) {
			t.Errorf("%v: %q", names, got)
		}
	}
}
