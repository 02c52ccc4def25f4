package labtest

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Env names the variable that holds the folder of the running lab, or those of several,
// separated as in PATH, of which each test process takes one that is free.
const Env = "GHADEPLOY_LAB"

// Lab is a running lab.
type Lab struct {
	// Dir is LAB_DIR of lab.sh.
	Dir string
	// Key is a private key that root, ops and plain accept on every host.
	Key string
	// KnownHosts and SSHConfig are files for ssh.
	KnownHosts, SSHConfig string
	addresses             map[string]string
	own                   []string // hosts that this test has locked
}

// Need gives the lab, or skips the test, naming what it needs: hosts are those
// that the test uses ("h1", "svc"); none means h1 to h3 and svc.
func Need(t testing.TB, hosts ...string) *Lab {
	t.Helper()
	dir, err := folder()
	if err != nil {
		t.Fatalf("%s: %v", Env, err)
	}
	if dir == "" {
		t.Skipf("needs the lab: run `make test` as root on Debian, or set %s to the folder of a running one", Env)
	}
	lab, err := Open(dir)
	if err != nil {
		t.Fatalf("%s: %v", Env, err)
	}
	if len(hosts) == 0 {
		hosts = []string{"h1", "h2", "h3", "svc"}
	}
	for _, h := range hosts {
		if lab.addresses[h] == "" {
			t.Skipf("needs host %s in the lab: run `make test`, or lab.sh up with more hosts", h)
		}
	}
	return lab
}

// AllEnv names the variable that has every case run in the lab, instead of those
// that fit into a run of all tests.
const AllEnv = "GHADEPLOY_LAB_ALL"

// Slow skips a case that takes about a minute, unless all are asked for.
func Slow(t testing.TB) {
	t.Helper()
	if os.Getenv(AllEnv) == "" {
		t.Skipf("takes about a minute: set %s", AllEnv)
	}
}

// Open reads a lab's folder; programs that are no tests, such as the
// benchmark, start here.
func Open(dir string) (*Lab, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	lab := &Lab{
		Dir:        dir,
		Key:        filepath.Join(dir, "keys", "id_ed25519"),
		KnownHosts: filepath.Join(dir, "run", "known_hosts"),
		SSHConfig:  filepath.Join(dir, "run", "ssh_config"),
		addresses:  map[string]string{},
	}
	f, err := os.Open(filepath.Join(dir, "run", "hosts"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		if w := strings.Fields(sc.Text()); len(w) == 2 {
			lab.addresses[w[1]] = w[0]
		}
	}
	return lab, sc.Err()
}

// Host is the address of a host ("h1", "svc", "control"); empty when the lab
// has no such host.
func (l *Lab) Host(name string) string { return l.addresses[name] }

// Host6 is the IPv6 address of a host; the test is skipped where the lab has none.
func (l *Lab) Host6(t testing.TB, name string) string {
	t.Helper()
	var a, b, c, d int
	if _, err := fmt.Sscanf(l.addresses[name], "%d.%d.%d.%d", &a, &b, &c, &d); err != nil {
		t.Fatal(err)
	}
	ip := fmt.Sprintf("fd81:%x:%x::%x", b, c, d)
	if c, err := net.DialTimeout("tcp", net.JoinHostPort(ip, "22"), 3*time.Second); err != nil {
		t.Skipf("the lab has no IPv6: %v", err)
	} else {
		_ = c.Close()
	}
	return netip.MustParseAddr(ip).String()
}

// Root is the folder of the repository.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}
