package remote

import (
	"errors"
	"strings"
)

// The channel's stdin is the command's life line. sshd leaves a command running
// when its channel closes, and a signal sent over the channel does not reach
// what runs as root. So stdin travels in frames ("LENGTH\n" and that many bytes,
// "0\n" at its end), which leaves the channel open behind the last byte, and a
// pump beside the command ends the whole process group when the channel's end
// comes. sshd gives each command without a terminal a session of its own
// (do_exec_no_pty in OpenSSH's session.c), therefore process group 0 is exactly
// the command, its children, sudo and the pump.

// pump feeds the command; its first line is its own process id. dd reads
// exactly what it is told, where head may read ahead.
const pump = `echo $$
while IFS= read -r n <&3 && [ "$n" != 0 ]; do
dd bs="$n" count=1 iflag=fullblock <&3 || { cat <&3 >/dev/null; break; }
done
exec >/dev/null
read -r n <&3
kill -KILL 0`

// pumpDetached has no power over the command.
const pumpDetached = `echo $$
while IFS= read -r n <&3 && [ "$n" != 0 ]; do
dd bs="$n" count=1 iflag=fullblock <&3 || break
done`

// wrapper runs "$@" with stdin from the pump. $1 is printed on stderr once we
// are who we want to be, $2 is the pump.
const wrapper = `[ -z "$1" ] || printf %s "$1" >&2
w=$2
shift 2
exec 3<&0 4>&2 2>/dev/null
sh -c "$w" 4>&- | {
IFS= read -r p
exec 3<&-
"$@" 2>&4 4>&-
s=$?
kill -KILL "$p" 2>/dev/null
exit "$s"
}`

const ignoreSignals = "trap '' HUP PIPE\n"

var errNoCommand = errors.New("no command given")

// giveWay runs "$@" with the lowest niceness, from which the kernel derives the
// disk's as well. Where it groups processes by session, niceness counts within the
// session only, and the group's own is set beside it (sched(7), autogroup): to a tenth of
// the others' share, not to the least, at which a release was not unpacked in five minutes
// on a host that had much else to do.
const giveWay = `{ echo 10 >/proc/$$/autogroup; } 2>/dev/null
exec nice -n 19 "$@"`

// words are what the wrapper runs.
func (cmd *Command) words() ([]string, error) {
	own, err := cmd.own()
	if err != nil || !cmd.LowPriority {
		return own, err
	}
	return append([]string{"sh", "-c", giveWay, "sh"}, own...), nil
}

// own are the command's own words.
func (cmd *Command) own() ([]string, error) {
	if cmd.Script != "" {
		return append([]string{"sh", "-c", cmd.Script, "sh"}, cmd.Args...), nil
	}
	if len(cmd.Args) == 0 {
		return nil, errNoCommand
	}
	return cmd.Args, nil
}

// step is how errors call the command.
func (cmd *Command) step() string {
	switch {
	case cmd.Step != "":
		return cmd.Step
	case cmd.Script != "":
		return "run a script"
	case len(cmd.Args) > 0:
		return "run " + cmd.Args[0]
	}
	return "run"
}

// wrapped are the words that the host runs: prefix (sudo and its options), then the
// wrapper around the command.
func wrapped(prefix []string, ready string, cmd *Command) ([]string, error) {
	words, err := cmd.words()
	if err != nil {
		return nil, err
	}
	script, feed := wrapper, pump
	if cmd.Detach {
		script, feed = ignoreSignals+wrapper, pumpDetached
	}
	all := append(append([]string{}, prefix...), "sh", "-c", script, "sh", ready, feed)
	return append(all, words...), nil
}

// lastLines is the end of what a command said, short enough for an error.
func lastLines(b []byte) string {
	const most = 10
	if len(b) > errorTail {
		b = b[len(b)-errorTail:]
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if len(lines) > most {
		lines = lines[len(lines)-most:]
	}
	return strings.Join(lines, "\n")
}
