//go:build unix

package inventory

import (
	"os/exec"
	"syscall"
)

// killGroup makes a cancelled command take its children along.
func killGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
