package tasks

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a host that is as it shall be may take for its facts: most of a plan without a
// change is spent here, on every host. These are counts, since a busy machine's times say
// nothing; who needs one more takes another away, or shows in bench/ what it costs.
const (
	mostForks    = 18
	mostPrograms = 18 // that are started, the shell's own start not counted
)

// convergedTree makes a host's tree: three generations, folders of Grafana that hold something,
// a process of its own, and three files that runs keep.
func convergedTree(t *testing.T) (args []string) {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(at(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i, id := range []string{"aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"} {
		generation := "root/generations/" + id
		write("root/releases/12.4.0-"+id+"/bin/grafana", "")
		write(generation+"/manifest.json", "{}")
		write(generation+"/unit", "[Unit]\n")
		write(generation+"/etc/grafana.ini", fmt.Sprintf("[security]\n\n[server]\nhttp_port = 300%d\n\n[smtp]\nprotocol = none\n", i))
		for n := range 40 {
			write(fmt.Sprintf("%s/etc/provisioning/dashboards/%d.json", generation, n), "{}")
		}
		if err := os.Symlink("../../releases/12.4.0-"+id, at(generation+"/release")); err != nil {
			t.Fatal(err)
		}
	}
	write("data/grafana.db", "")
	write("data/png/x.png", "")
	write("logs/grafana.log", "")
	write("state/good", "aaaaaaaaaaaa 1\nbbbbbbbbbbbb 2\ncccccccccccc 3\n")
	write("state/drained", "ops since noon\n")
	for link, target := range map[string]string{"root/current": "generations/cccccccccccc", "etc": at("root/current/etc")} {
		if err := os.Symlink(target, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	return []string{at("root"), at("etc"), at("state"), "no-such-unit", "nobody", at("data"), at("logs"), "nogroup"}
}

// runningUnit is a folder for the front of PATH in which systemctl answers for a unit that
// runs, as process pid.
func runningUnit(t *testing.T, pid int) string {
	t.Helper()
	dir := t.TempDir()
	script := fmt.Sprintf(`#!/bin/sh
case $* in
*.service*) printf 'Id=grafana-server.service\nLoadState=loaded\nActiveState=active\nMainPID=%d\n\nId=ghadeploy-turn.service\nMainPID=0\nActiveState=inactive\n' ;;
*) printf 'Version=252.39-1~deb12u1\nEnvironment=LANG=C.UTF-8\n' ;;
esac
`, pid)
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// sleeper is a process that stands for Grafana.
func sleeper(t *testing.T) *os.Process {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	cmd.Env = []string{"GF_LOG_LEVEL=debug", "HOME=/", "GF_SERVER_HTTP_PORT=3000"}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd.Process
}

func TestAHostAsItShallBeIsReadWithFewProcesses(t *testing.T) {
	args, dir := convergedTree(t), runningUnit(t, sleeper(t).Pid)
	forks, programs := countProcesses(t, append([]string{"sh", "-c", observeScript, "sh"}, args...), "PATH="+dir+":"+os.Getenv("PATH"))
	t.Logf("%d forks; %d programs: %v", forks, len(programs), programs)
	if forks > mostForks {
		t.Errorf("the host forks %d times, %d at most", forks, mostForks)
	}
	if len(programs) > mostPrograms {
		t.Errorf("the host starts %d programs, %d at most: %v", len(programs), mostPrograms, programs)
	}
}

// countProcesses runs a program under ptrace, which sees each fork and each start of a
// program below it.
func countProcesses(t *testing.T, words []string, env ...string) (forks int, programs []string) {
	t.Helper()
	runtime.LockOSThread() // ptrace is a matter between threads
	defer runtime.UnlockOSThread()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Env = null, null, append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Skipf("no ptrace here: %v", err)
	}
	first := cmd.Process.Pid
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(first, &status, syscall.WALL, nil); err != nil || !status.Stopped() {
		t.Fatalf("%v: %v", status, err)
	}
	follow := syscall.PTRACE_O_TRACEFORK | syscall.PTRACE_O_TRACEVFORK | syscall.PTRACE_O_TRACECLONE | syscall.PTRACE_O_TRACEEXEC
	if err := syscall.PtraceSetOptions(first, follow); err != nil {
		t.Fatal(err)
	}
	known := map[int]bool{first: true}
	for next := first; ; {
		if err := syscall.PtraceCont(next, signalFor(status, known[next])); err != nil && err != syscall.ESRCH {
			t.Fatal(err)
		}
		known[next] = true
		for {
			if next, err = syscall.Wait4(-1, &status, syscall.WALL|syscall.WUNTRACED, nil); err != nil {
				t.Fatal(err)
			}
			if status.Stopped() {
				break
			}
			if next == first {
				return forks, programs
			}
		}
		switch status.TrapCause() {
		case syscall.PTRACE_EVENT_FORK, syscall.PTRACE_EVENT_VFORK, syscall.PTRACE_EVENT_CLONE:
			forks++
		case syscall.PTRACE_EVENT_EXEC:
			name, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", next))
			programs = append(programs, filepath.Base(name))
		}
	}
}

// signalFor is what a stopped process gets when it goes on: its own signal, but not those
// that ptrace stopped it with.
func signalFor(status syscall.WaitStatus, known bool) int {
	s := status.StopSignal()
	if s == syscall.SIGTRAP || s == syscall.SIGSTOP && !known {
		return 0
	}
	return int(s)
}

// TestEveryShellTellsTheSameOfAHost: sh is another program on other hosts.
func TestEveryShellTellsTheSameOfAHost(t *testing.T) {
	args, process := convergedTree(t), sleeper(t)
	dir := runningUnit(t, process.Pid)
	clock := regexp.MustCompile(`(?m)^(clock|uptime|disk)\t.*$`)
	answers := map[string]string{}
	for _, shell := range []string{"dash", "bash", "busybox", "ksh", "mksh", "yash"} {
		path, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		words := []string{path, "-c", observeScript, "sh"}
		if shell == "busybox" {
			words = slices.Insert(words, 1, "sh")
		}
		if shell == "bash" {
			words = slices.Insert(words, 1, "--posix")
		}
		cmd := exec.Command(words[0], append(words[1:], args...)...)
		cmd.Env = append(os.Environ(), "LC_ALL=C", "PATH="+dir+":"+os.Getenv("PATH"))
		cmd.Stderr = io.Discard
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s: %v", shell, err)
		}
		answers[shell] = clock.ReplaceAllString(string(out), "$1")
	}
	if len(answers) < 2 {
		t.Skip("one shell only")
	}
	one := ""
	for shell, got := range answers {
		if one == "" {
			one = got
		}
		if diff := cmp.Diff(one, got); diff != "" {
			t.Errorf("%s tells something else:\n%s", shell, diff)
		}
	}
	f, err := parseFacts(strings.NewReplacer("clock\n", "clock\t1\n", "uptime\n", "uptime\t1\n", "disk\n", "disk\t1\n").Replace(one), args[0])
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Generations) != 3 || f.Generations["bbbbbbbbbbbb"] != "12.4.0-bbbbbbbbbbbb" || f.Current != "cccccccccccc" ||
		len(f.Files) != 43 || f.Servers["cccccccccccc"]["http_port"] != "3002" || f.Servers["cccccccccccc"]["protocol"] != "" ||
		f.Etc != (EtcState{"link", args[0] + "/current/etc"}) || f.Systemd != 252 || f.Drained != "ops since noon" {
		t.Errorf("read %+v", f)
	}
	if !f.Service.EnvironRead || len(f.Service.Environ) != 2 || f.Service.PID != process.Pid || f.Service.UID == nil || *f.Service.UID != os.Getuid() {
		t.Errorf("of the process: %+v", f.Service)
	}
	for kind, want := range map[string]string{"data": "full", "logs": "full", "root": "full", "generations": "full"} {
		if at := f.Folders[kind]; at == nil || at.State != want || at.UID != fmt.Sprint(os.Getuid()) || at.Resolved == "" {
			t.Errorf("%s: %+v", kind, at)
		}
	}
}

// TestAHostIsReadWithBusyboxAlone: what quotes names in another way, or takes one name at a
// time, is asked again.
func TestAHostIsReadWithBusyboxAlone(t *testing.T) {
	box, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("no busybox")
	}
	args, dir := convergedTree(t), runningUnit(t, sleeper(t).Pid)
	applets, err := exec.Command(box, "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.Lines(string(applets)) {
		_ = os.Symlink(box, filepath.Join(dir, strings.TrimSpace(name)))
	}
	cmd := exec.Command(box, append([]string{"sh", "-c", observeScript, "sh"}, args...)...)
	cmd.Env = []string{"PATH=" + dir}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	f, err := parseFacts(string(out), args[0])
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if len(f.Generations) != 3 || len(f.Files) != 43 || f.Etc.Target != args[0]+"/current/etc" || len(f.Service.Environ) != 2 || f.DiskFree == 0 || f.GroupGID == nil {
		t.Errorf("read %+v", f)
	}
	if at := f.Folders["data"]; at == nil || at.UID != fmt.Sprint(os.Getuid()) {
		t.Errorf("data: %+v\n%s", at, out)
	}
}
