package internal

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// pure are the packages that decide what shall be and what is to be done. They read nothing
// and write nothing, so that planning is proved without a host.
var pure = []string{"tasks/desired", "tasks/mask", "remote/quote"}

// restsOn are the packages of ours that a pure one may use, directly or not. That inventory
// opens the operator's files is inventory.Load's business, which nobody calls there.
var restsOn = []string{"inventory", "internal/grafana", "internal/guard", "internal/localfile", "remote/quote", "tasks/mask", "tasks/desired"}

// reaches are packages by which a file, a process, a host or a server is reached.
var reaches = []string{"os", "os/exec", "syscall", "net/http", "database/sql", "golang.org/x/crypto/ssh", "github.com/pkg/sftp"}

func TestWhatDecidesReachesNothing(t *testing.T) {
	for _, pkg := range pure {
		for _, name := range listed(t, "{{join .Imports \"\\n\"}}", pkg) {
			if slices.Contains(reaches, name) {
				t.Errorf("%s must not import %s", pkg, name)
			}
		}
		for _, name := range listed(t, "{{.ImportPath}}", "-deps", pkg) {
			if own, ours := strings.CutPrefix(name, module); ours && own != pkg && !slices.Contains(restsOn, own) {
				t.Errorf("%s must not rest on %s", pkg, own)
			}
			if slices.Contains(reaches[4:], name) {
				t.Errorf("%s must not rest on %s", pkg, name)
			}
		}
	}
}

// listed are the lines that go list prints of a package of ours, which is the last of args.
func listed(t *testing.T, format string, args ...string) []string {
	t.Helper()
	args[len(args)-1] = "../" + args[len(args)-1]
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list", "-f", format}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	return strings.Fields(string(out))
}
