package ui

import (
	"os"
	"testing"
	"time"
)

// TestMain pins the zone: golden files hold times of day.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}
