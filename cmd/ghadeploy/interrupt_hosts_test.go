package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// endsWithTwoSignals sends Ctrl-C twice once blocked says that the process waits, and wants
// it to end within a second.
func endsWithTwoSignals(t *testing.T, cmd *exec.Cmd, blocked func() bool) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	defer func() { _ = cmd.Process.Kill(); <-ended }()
	for start := time.Now(); !blocked(); time.Sleep(20 * time.Millisecond) {
		select {
		case <-ended:
			t.Fatalf("it ended by itself: %v", cmd.ProcessState)
		default:
		}
		if time.Since(start) > 20*time.Second {
			t.Fatal("it did not come to wait")
		}
	}
	_ = cmd.Process.Signal(os.Interrupt)
	time.Sleep(100 * time.Millisecond) // two signals at once are one
	second := time.Now()
	_ = cmd.Process.Signal(os.Interrupt)
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Fatal("it still runs 5 s after the second Ctrl-C")
	}
	if took := time.Since(second); took > 1500*time.Millisecond {
		t.Errorf("ended after %s", took)
	}
	// 130 of ours, or the signal itself where it came before the process was ready for it.
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
		t.Errorf("ended with %v", cmd.ProcessState)
	}
}

func TestTheSecondSignalEndsWhatAHostBlocks(t *testing.T) {
	files, streams := sftpAttacks(), streamAttacks()
	b := &siegeBuilder{t: t, honest: honestGrafana(t)}
	sent := make(chan struct{}, 16)
	for _, tt := range []struct {
		name    string
		args    []string
		arm     func(h *hostileHost)
		blocked func(s *siege) bool
	}{
		{"a command that does not end", []string{"status", "inventory.yaml"}, func(h *hostileHost) { h.ssh.Session = streams["sbegun"] },
			func(s *siege) bool { return s.evil[0].ssh.Sessions.Load() > 0 }},
		{"a channel that is not opened", []string{"plan", "inventory.yaml"}, func(h *hostileHost) { h.ssh.Session = streams["snochannel"] },
			func(s *siege) bool { return s.evil[0].ssh.Sessions.Load() > 0 }},
		{"a change whose host reads nothing", []string{"restart", "inventory.yaml", "--yes"}, func(h *hostileHost) { h.ssh.Session = after(1, h, streams["sunread"]) },
			func(s *siege) bool { return s.evil[0].ssh.Sessions.Load() > 1 }},
		{"an SFTP server that says nothing", []string{"apply", "inventory.yaml", "--yes", "--skip-check", "all", "--allow-database", "--allow-secret-key"}, func(h *hostileHost) {
			h.ssh.NoSFTP = false
			h.ssh.Session = sftpOr(h, func(ch ssh.Channel, reqs <-chan *ssh.Request) { sent <- struct{}{}; files["fhello"](ch, reqs) })
		}, func(*siege) bool { return len(sent) > 0 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := b.add(tt.name, []string{"evil"}, nil, tt.arm)
			cmd := s.command(t, t.TempDir(), "http://127.0.0.1:1/", tt.args)
			var errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = io.Discard, &errs
			defer func() {
				if t.Failed() {
					t.Log(errs.String())
				}
			}()
			endsWithTwoSignals(t, cmd, func() bool { return tt.blocked(s) })
		})
	}
}

func TestTwoSignalsEndWhatATerminalBlocks(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe() // nobody reads: as a terminal does that was stopped with Ctrl-S
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if _, err := unix.FcntlInt(w.Fd(), syscall.F_SETPIPE_SZ, 4096); err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(self, "docs")
	cmd.Args[0], cmd.Dir, cmd.Stdout = "ghadeploy", t.TempDir(), w
	cmd.Env = []string{"HOME=" + filepath.Clean(cmd.Dir), "PATH=/usr/bin:/bin"}
	full := func() bool {
		n, err := unix.IoctlGetInt(int(r.Fd()), unix.TIOCINQ)
		return err == nil && n >= 4096
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	for start := time.Now(); !full(); time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > 20*time.Second {
			t.Fatal("the pipe was not filled")
		}
	}
	_ = cmd.Process.Signal(os.Interrupt)
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		_ = cmd.Process.Kill()
		t.Fatal("it still runs 5 s after Ctrl-C")
	}
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
		t.Errorf("ended with %v", cmd.ProcessState)
	}
}
