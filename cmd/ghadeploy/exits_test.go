package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// exits runs a command and compares its exit code: exits 3 ghadeploy plan.
// Output lands in the files out and err. No secret may be in either.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	var stdout, stderr strings.Builder
	path, err := exec.LookPath(args[1])
	for _, dir := range strings.Split(ts.Getenv("PATH"), ":") {
		if p, e := exec.LookPath(dir + "/" + args[1]); e == nil {
			path, err = p, nil
			break
		}
	}
	ts.Check(err)
	cmd := exec.Command(path, args[2:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), &stdout, &stderr
	for _, name := range []string{"PATH", "HOME", "TERM", "SECRET_KEY", "FAIL", "UNHEALTHY", "WAITS", "GHADEPLOY_INVENTORY", "TESTSCRIPT_COMMAND"} {
		if v := ts.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	err = cmd.Run()
	code := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	ts.Logf("[stdout]\n%s[stderr]\n%s", stdout.String(), stderr.String())
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
	if secret := ts.Getenv("SECRET_KEY"); secret != "" && strings.Contains(stdout.String()+stderr.String(), secret) {
		ts.Fatalf("the output holds a secret")
	}
	writeText(ts, "out", stdout.String())
	writeText(ts, "err", stderr.String())
}

func writeText(ts *testscript.TestScript, name, text string) {
	ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o644))
}
