package tasks

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestAUserThatWasLostGetsItsFilesBack runs the script with commands of its own in
// place of those that only root may use: the user is unknown until useradd has run.
func TestAUserThatWasLostGetsItsFilesBack(t *testing.T) {
	dir := t.TempDir()
	bin, root, data, logs := filepath.Join(dir, "bin"), filepath.Join(dir, "root"), filepath.Join(dir, "data"), filepath.Join(dir, "logs")
	said := filepath.Join(dir, "said")
	for _, d := range []string{bin, filepath.Join(root, "generations"), data, logs} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, body := range map[string]string{
		"id":      `[ -f "` + dir + `/made" ] && echo 4242`,
		"useradd": `: >"` + dir + `/made"`, "groupadd": ":",
		"stat": "echo 998", "chown": ":", "chgrp": `echo chgrp "$@" >>` + said, "find": `echo find "$@" >>` + said,
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	prepare := func() string {
		t.Helper()
		_ = os.Remove(said)
		cmd := exec.CommandContext(t.Context(), "sh", "-c", prepareScript, "sh", root, data, logs, filepath.Join(dir, "state"), "nobody-here", "nobody-here")
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		b, _ := os.ReadFile(said)
		return strings.ReplaceAll(string(b), dir, "")
	}
	want := "find /data -user 998 -exec chown -h nobody-here:nobody-here {} +\n" +
		"find /logs -user 998 -exec chown -h nobody-here:nobody-here {} +\n" +
		"find /root/generations -user 998 -exec chown -h nobody-here:nobody-here {} +\n" +
		"chgrp -hR nobody-here /root/generations\n"
	if got := prepare(); got != want {
		t.Errorf("the user was made anew: %q", got)
	}
	if got := prepare(); got != "" {
		t.Errorf("the user was there: %q", got)
	}
}
