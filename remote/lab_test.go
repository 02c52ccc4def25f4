package remote

import (
	"bytes"
	"context"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

// labDir is the lab of real hosts; tests that need it use host h3 only.
func labDir(t testing.TB) string {
	return labtest.Need(t, "h3").Dir
}

func labTarget(t testing.TB, user string) (*Dialer, Target) {
	dir := labDir(t)
	target := Target{Name: "h3", Address: "h3", User: user}
	if user == "opspw" {
		target.Password = "lab"
		target.Become.Password = "lab"
	}
	return &Dialer{ConfigFiles: []string{filepath.Join(dir, "run", "ssh_config")}}, target
}

func labDial(t testing.TB, user string) *Client {
	d, target := labTarget(t, user)
	c, err := d.Dial(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestLabRunsAsEveryUser(t *testing.T) {
	for _, user := range []string{"root", "ops", "opspw", "plain"} {
		t.Run(user, func(t *testing.T) {
			c := labDial(t, user)
			in := bytes.Repeat([]byte("a\x00b\n0\n'\""), 100_000)
			res, err := c.Run(t.Context(), Command{Args: []string{"cat"}, Stdin: bytes.NewReader(in), Become: user != "plain"})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(res.Stdout, in) || len(res.Stderr) != 0 {
				t.Errorf("stdout has %d bytes, want %d; stderr %q", len(res.Stdout), len(in), res.Stderr)
			}
			res, err = c.Run(t.Context(), Command{Script: `id -un; echo err >&2; echo "$1"`, Args: []string{"a b'c"}, Become: user != "plain"})
			want := "root\na b'c\n"
			if user == "plain" {
				want = "plain\na b'c\n"
			}
			if err != nil || string(res.Stdout) != want || string(res.Stderr) != "err\n" {
				t.Errorf("got %q, %q, %v", res.Stdout, res.Stderr, err)
			}
		})
	}
}

func TestLabCancelKillsWhatRunsAsRoot(t *testing.T) {
	for _, user := range []string{"root", "ops", "opspw"} {
		t.Run(user, func(t *testing.T) {
			c := labDial(t, user)
			ctx, cancel := context.WithCancel(t.Context())
			mark := "1234" + map[string]string{"root": "1", "ops": "2", "opspw": "3"}[user]
			p, err := c.Start(ctx, Command{Script: "echo up; sleep " + mark + " & sleep " + mark, Become: true})
			if err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 3)
			if _, err := p.Stdout().Read(b); err != nil {
				t.Fatal(err)
			}
			cancel()
			if err := p.Wait(); err == nil {
				t.Fatal("no error")
			}
			deadline := time.Now().Add(5 * time.Second)
			for {
				res, _ := c.Run(t.Context(), Command{Script: `cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\000' ' ' | grep -o "slee[p] ` + mark + `" || :`})
				if len(res.Stdout) == 0 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("still running: %s", res.Stdout)
				}
			}
		})
	}
}

func TestLabTunnel(t *testing.T) {
	c := labDial(t, "ops")
	conn, err := c.Dial(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", "22"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b := make([]byte, 64)
	n, err := conn.Read(b)
	if err != nil || !strings.HasPrefix(string(b[:n]), "SSH-2.0") {
		t.Fatalf("%q %v", b[:n], err)
	}
}

func TestLabBecomeIsRefusedWithTheWayOut(t *testing.T) {
	d, target := labTarget(t, "opspw")
	target.Become.Password = "not-lab"
	_, err := dialTarget(t, d, target).Run(t.Context(), Command{Args: []string{"true"}, Become: true})
	mustContain(t, err, "h3: run true: sudo password refused for user opspw")
	target.Become.Password = ""
	_, err = dialTarget(t, d, target).Run(t.Context(), Command{Args: []string{"true"}, Become: true})
	mustContain(t, err, "sudo asks user opspw for a password", "ssh.become.password")
	_, err = labDial(t, "plain").Run(t.Context(), Command{Args: []string{"true"}, Become: true})
	mustContain(t, err, "h3: run true: sudo asks user plain for a password")
}

// Far more dials at once than stock MaxStartups takes.
func TestLabManyDialsAtOnce(t *testing.T) {
	d, target := labTarget(t, "ops")
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			c, err := d.Dial(t.Context(), target)
			if err != nil {
				t.Error(err)
				return
			}
			_ = c.Close()
		})
	}
	all.Wait()
}
