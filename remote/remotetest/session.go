package remotetest

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// WriteFile writes a file for a test and returns its path.
func WriteFile(t testing.TB, file, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return file
}

// ServeSession serves a session as an honest host does; for hooks that misbehave now
// and then only.
func (s *Server) ServeSession(nc ssh.NewChannel) {
	ch, reqs, err := nc.Accept()
	if err != nil {
		return
	}
	if s.Heard != nil {
		ch = heardChannel{ch, io.TeeReader(ch, s.Heard)}
	}
	defer ch.Close()
	var running *exec.Cmd
	terminal := false
	var tasks sync.WaitGroup
	for req := range reqs {
		ok := false
		replied := make(chan struct{})
		switch {
		case req.Type == "pty-req":
			terminal, ok = true, true
		case req.Type == "exec" && running == nil && (terminal || !s.NoExec):
			running = s.command(payloadString(req.Payload))
			ok = s.starter(terminal)(ch, running, &tasks, replied)
		case req.Type == "subsystem" && payloadString(req.Payload) == "sftp" && !s.NoSFTP:
			ok = true
			tasks.Go(func() { s.serveSFTP(ch) })
		case req.Type == "signal" && running != nil:
			_ = syscall.Kill(-running.Process.Pid, syscall.SIGKILL)
			ok = true
		}
		if req.WantReply {
			_ = req.Reply(ok, nil)
		}
		close(replied)
	}
	tasks.Wait()
}

// starter is how a command starts, on a terminal or without one.
func (s *Server) starter(terminal bool) func(ssh.Channel, *exec.Cmd, *sync.WaitGroup, <-chan struct{}) bool {
	if terminal {
		return s.startOnTerminal
	}
	return s.start
}

func payloadString(p []byte) string {
	var m struct{ Word string }
	if ssh.Unmarshal(p, &m) != nil {
		return ""
	}
	return m.Word
}

// command has a session of its own, as with OpenSSH: the client's wrapper kills
// process group 0.
func (s *Server) command(line string) *exec.Cmd {
	shell := s.Shell
	if shell == "" {
		shell = "sh"
	}
	cmd := exec.Command(shell, "-c", line)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Dir = s.Dir
	cmd.Env = append(os.Environ(), s.Env...)
	return cmd
}

func (s *Server) start(ch ssh.Channel, cmd *exec.Cmd, tasks *sync.WaitGroup, replied <-chan struct{}) bool {
	cmd.Stdout, cmd.Stderr = ch, ch.Stderr()
	if s.Output != nil {
		cmd.Stdout = s.Output(ch)
	}
	// What a daemon left behind holds open must not hold back the status.
	// A busy machine needs a moment to copy what the command has said.
	cmd.WaitDelay = 250 * time.Millisecond
	stdin, err := cmd.StdinPipe()
	if err != nil || cmd.Start() != nil {
		return false
	}
	// Not waited for: it ends with the channel.
	go func() {
		_, _ = io.Copy(stdin, ch)
		_ = stdin.Close()
	}()
	tasks.Go(func() {
		err := cmd.Wait()
		if c, ok := cmd.Stdout.(io.Closer); ok && s.Output != nil {
			_ = c.Close()
		}
		<-replied // as sshd does, however short the command was
		status := uint32(255)
		if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			_, _ = ch.SendRequest("exit-signal", false, ssh.Marshal(struct {
				Signal  string
				Core    bool
				Message string
				Lang    string
			}{Signal: signalName(ws.Signal())}))
		} else {
			if ok {
				status = uint32(ws.ExitStatus())
			}
			_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
		}
		// sshd keeps the channel open for as long as somebody has its output.
		if !errors.Is(err, exec.ErrWaitDelay) {
			_ = ch.Close()
		}
	})
	return true
}

func signalName(s syscall.Signal) string {
	if s == syscall.SIGKILL {
		return "KILL"
	}
	return "TERM"
}

func (s *Server) serveSFTP(ch ssh.Channel) {
	server, err := sftp.NewServer(ch, sftp.WithServerWorkingDirectory(s.Dir))
	if err != nil {
		return
	}
	_ = server.Serve()
	_ = ch.Close()
}

// heardChannel lets another hear what comes.
type heardChannel struct {
	ssh.Channel
	r io.Reader
}

func (c heardChannel) Read(p []byte) (int, error) { return c.r.Read(p) }
