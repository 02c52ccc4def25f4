package tasks

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
)

// A download's URL may hold a password: it reaches curl or wget, and no command line.
func TestThePasswordInAURLIsInNoCommandLine(t *testing.T) {
	for _, program := range []string{"curl", "wget"} {
		t.Run(program, func(t *testing.T) {
			body := "a release"
			var got string
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, password, ok := r.BasicAuth()
				if !ok { // wget waits to be asked
					w.Header().Set("WWW-Authenticate", `Basic realm="mirror"`)
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				got = password
				_, _ = w.Write([]byte(body))
			}))
			defer srv.Close()
			bin, dir := t.TempDir(), t.TempDir()
			argv := filepath.Join(dir, "argv")
			real, err := exec.LookPath(program)
			if err != nil {
				t.Skipf("needs %s", program)
			}
			// the only one of the two on PATH, which tells what it was called with
			wrapper := "#!/bin/sh\necho \"$@\" >" + argv + "\nexec " + real + " \"$@\"\n"
			if err := os.WriteFile(filepath.Join(bin, program), []byte(wrapper), 0o755); err != nil {
				t.Fatal(err)
			}
			for _, tool := range []string{"sh", "mkdir", "sha256sum", "mv", "rm"} {
				path, err := exec.LookPath(tool)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(path, filepath.Join(bin, tool)); err != nil {
					t.Fatal(err)
				}
			}
			sum := sha256.Sum256([]byte(body))
			r := desired.Release{Version: "10.3.1", SHA256: hex.EncodeToString(sum[:]), URL: strings.Replace(srv.URL, "//", `//mirror:pa"ss@`, 1) + "/g.tar.gz"}
			h := fleet.Host{Host: &inventory.Host{Name: "h1"}, Conn: &fleettest.Local{Name: "h1", Env: []string{"PATH=" + bin}}}
			_, err = h.Run(t.Context(), pullCommand(dir, r))
			if err != nil {
				t.Fatal(err)
			}
			if got != `pa"ss` {
				t.Errorf("the server was sent the password %q", got)
			}
			called, err := os.ReadFile(argv)
			if err != nil || strings.Contains(string(called), "ss@") {
				t.Errorf("called with %q, %v", called, err)
			}
			if b, err := os.ReadFile(filepath.Join(dir, r.SHA256+".tar.gz")); string(b) != body {
				t.Errorf("downloaded %q, %v", b, err)
			}
			if args := strings.Join(pullCommand(dir, r).Args, " "); strings.Contains(args, "mirror") {
				t.Errorf("the command's own arguments are %q", args)
			}
		})
	}
}
