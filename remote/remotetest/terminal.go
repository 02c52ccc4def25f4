package remotetest

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// openTerminal makes a pseudo terminal; the slave is the command's.
func openTerminal() (master, slave *os.File, err error) {
	if master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		return nil, nil, err
	}
	fd := int(master.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		_ = master.Close()
		return nil, nil, err
	}
	return master, slave, nil
}

func (s *Server) startOnTerminal(ch ssh.Channel, cmd *exec.Cmd, tasks *sync.WaitGroup, replied <-chan struct{}) bool {
	master, slave, err := openTerminal()
	if err != nil {
		return false
	}
	defer slave.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if cmd.Start() != nil {
		_ = master.Close()
		return false
	}
	go func() {
		_, _ = io.Copy(master, ch)
		_ = cmd.Process.Kill() // the terminal hangs up with its channel
	}()
	tasks.Go(func() {
		<-replied
		_, _ = io.Copy(ch, master) // until the last one lets go of the terminal
		_ = cmd.Wait()
		_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(cmd.ProcessState.ExitCode())}))
		_ = ch.Close()
		_ = master.Close()
	})
	return true
}
