package labtest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// ToolEnv names the variable that holds the path of a ghadeploy that is built already.
const ToolEnv = "GHADEPLOY_TOOL"

// tool is built once per test process, unless it is there already.
var tool = sync.OnceValues(func() (string, error) {
	if bin := os.Getenv(ToolEnv); bin != "" {
		return bin, nil
	}
	dir, err := os.MkdirTemp("", "ghadeploy-tool-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "ghadeploy")
	cmd := exec.Command("go", "build", "-o", bin, "./cmd/ghadeploy")
	cmd.Dir = Root()
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.Join(err, errors.New(string(out)))
	}
	return bin, nil
})

// Tool builds ghadeploy and gives the path of its binary.
func Tool(t testing.TB) string {
	t.Helper()
	bin, err := tool()
	if err != nil {
		t.Fatalf("build ghadeploy: %v", err)
	}
	return bin
}

// Ran is how a command ended.
type Ran struct {
	Stdout, Stderr string
	Code           int
	Took           time.Duration
}

// Ghadeploy runs ghadeploy as a user would, without a terminal, and gives its
// output and exit code whatever they are. It gets five minutes.
func Ghadeploy(t testing.TB, args ...string) Ran {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(ctx, Tool(t), args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	start := time.Now()
	err := cmd.Run()
	r := Ran{Stdout: out.String(), Stderr: errOut.String(), Took: time.Since(start)}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		t.Fatalf("ghadeploy %v: stopped by the test: not done after %s\n%s%s", args, r.Took.Round(time.Second), r.Stdout, r.Stderr)
	case errors.As(err, &exit):
		r.Code = exit.ExitCode()
	case err != nil:
		t.Fatalf("run ghadeploy %v: %v", args, err)
	}
	t.Logf("ghadeploy %v: exit %d after %s", args, r.Code, r.Took.Round(time.Millisecond))
	return r
}
