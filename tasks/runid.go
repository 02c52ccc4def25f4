package tasks

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// newRunID names a run: sortable by time, and unique among operators.
func newRunID(now time.Time) string {
	b := make([]byte, 3)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return now.UTC().Format("20060102-150405") + "-" + hex.EncodeToString(b)
}
