package main

import (
	"context"
	"strings"
	"testing"
	"time"
)

// A slip in a command or a key names what was meant, and one name is enough to look a key up.
func TestASlipNamesWhatWasMeant(t *testing.T) {
	dir := testDir(t)
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"statsu"}, exitUsage, "did you mean status"},
		{[]string{"aply"}, exitUsage, "did you mean apply"},
		{[]string{"xyzzy"}, exitUsage, "ghadeploy help"},
		{[]string{"docs", "plugins"}, exitDone, "plugins:"},
		{[]string{"plan", "--diff", "all"}, exitUsage, "--diff takes brief or full"},
	} {
		code, out, errs := run(t, dir, "", nil, tt.args...)
		if code != tt.code || !strings.Contains(out+errs, tt.says) {
			t.Errorf("%v: exit %d, %s%s", tt.args, code, out, errs)
		}
	}
}

// q ends watching, and no other key does.
func TestQEndsWatching(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	pressed := make(chan byte)
	quit := onKey(ctx, pressed, stop)
	pressed <- 'x'
	if quit() || ctx.Err() != nil {
		t.Error("x ends it")
	}
	pressed <- 'q'
	<-ctx.Done()
	if !quit() {
		t.Error("q does not end it")
	}
}
