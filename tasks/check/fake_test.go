package check

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// scripted is a host that answers each step with a text; a step that it does not
// know hangs until the caller gives up, as a host does whose disk hangs.
type scripted struct {
	answers map[string]string
	errs    map[string]error
	user    string
}

// Run implements fleet.Conn.
func (s *scripted) Run(ctx context.Context, cmd remote.Command) (remote.Result, error) {
	switch cmd.Step {
	case sessionStep: // as many as are asked for
		_, _ = io.WriteString(cmd.Stdout, "begun\n")
		in, _ := io.ReadAll(cmd.Stdin)
		_, _ = io.WriteString(cmd.Stdout, "got "+string(in))
		return remote.Result{}, nil
	case uploadStep:
		return remote.Result{Stdout: []byte("folder\t/home/ops\twrites\t50000000\n")}, nil
	}
	if cmd.Stdin != nil {
		_, _ = io.Copy(io.Discard, cmd.Stdin)
	}
	if err := s.errs[cmd.Step]; err != nil {
		return remote.Result{}, err
	}
	text, known := s.answers[cmd.Step]
	if cmd.Stdout != nil {
		_, _ = io.WriteString(cmd.Stdout, text)
		text = ""
	}
	if !known || cmd.Step == "listen on the gossip port" {
		<-ctx.Done()
		return remote.Result{}, ctx.Err()
	}
	return remote.Result{Stdout: []byte(text)}, nil
}

// Put implements fleet.Conn; a check puts nothing anywhere.
func (s *scripted) Put(context.Context, remote.Upload) (remote.UploadResult, error) {
	return remote.UploadResult{}, errors.New("a check must not upload")
}

// Dial implements fleet.Conn with an address that drops packets.
func (s *scripted) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Listen implements fleet.Conn.
func (s *scripted) Listen(context.Context, string, string) (net.Listener, error) {
	return nil, remote.ErrForwardingRefused
}

// User implements fleet.Conn.
func (s *scripted) User() string { return s.user }

// Done implements fleet.Conn.
func (s *scripted) Done() <-chan struct{} { return nil }

// Close implements fleet.Conn.
func (s *scripted) Close() error { return nil }

// goodFacts is what a bare Debian says; change replaces or adds lines by name.
func goodFacts(change ...string) string {
	lines := []string{
		"clock\t1800000000.0", "uid\t0", "arch\tx86_64", "os\tDebian GNU/Linux 12", "init\tsystemd", "systemd\t252", "bash\tyes", "listener\tyes",
		"disk-root\t50000000 /", "mount-root\trw,relatime", "disk-releases\t50000000 /", "inodes-releases\t1000000 900000", "mount-releases\trw,relatime",
		"disk-data\t50000000 /", "mount-data\trw,relatime", "disk-logs\t50000000 /", "mount-logs\trw,relatime", "disk-state\t50000000 /", "mount-state\trw,relatime",
		"memory\t4000000 3000000", "unit-pid\t0", "etc\tabsent", "forwarding\tyes", "end\tyes",
	}
	for _, c := range change {
		name, _, _ := strings.Cut(c, "\t")
		kept := lines[:0:0]
		for _, l := range lines {
			if !strings.HasPrefix(l, name+"\t") {
				kept = append(kept, l)
			}
		}
		lines = append(kept, c)
	}
	return strings.Join(lines, "\n") + "\n"
}

const factsStep = "read the host's facts"

// fakeHosts are hosts that tell the facts given, one each.
func fakeHosts(facts ...string) []fleet.Host {
	var hosts []fleet.Host
	for i, f := range facts {
		name := "h" + string(rune('1'+i))
		hosts = append(hosts, fleet.Host{
			Host: &inventory.Host{Name: name, Address: labAddress(name)},
			Conn: &scripted{user: "root", answers: map[string]string{factsStep: f}},
		})
	}
	return hosts
}
