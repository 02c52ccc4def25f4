package tasks

import (
	"context"
	_ "embed" // the scripts
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/internal/localfile"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/journal"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
)

var (
	//go:embed prepare.sh
	prepareItself string
	//go:embed unpack.sh
	unpackScript string
	//go:embed generation.sh
	generationScript string
)

var prepareScript = unitFoldersScript + prepareItself

// stageTimeout bounds one step of staging that moves no upload; a release
// unpacks in seconds, on a slow disk in a minute.
const stageTimeout = 10 * time.Minute

// stager does what is harmless: everything beside what runs.
type stager struct {
	paths inventory.Paths
	sink  event.Sink
	lock  *lock.Lock
	run   string
	// resume is the command that does what a failed step left.
	resume string
}

// stage executes one host's harmless actions in order.
func (s *stager) stage(ctx context.Context, h fleet.Host, want *desired.Host, actions []Action) error {
	for _, a := range actions {
		do := s.executor(a.Kind)
		if do == nil {
			continue
		}
		if err := s.told(h, a, func() error { return do(ctx, h, want, a) }); err != nil {
			return &fleet.HostError{Host: h.Name, Step: a.Summary, Cause: err, State: "what runs there was not touched",
				Next: "correct it, then: " + s.resume}
		}
	}
	return nil
}

// told carries an action out and tells of it: by events, and in the host's journal when
// it is done.
func (s *stager) told(h fleet.Host, a Action, do func() error) error {
	start, step := time.Now(), string(a.Kind)
	s.sink.Emit(event.Event{Kind: event.StepStarted, Run: s.run, Host: h.Name, Step: step, Message: a.Summary})
	err := do()
	took := time.Since(start).Seconds()
	if err != nil {
		s.sink.Emit(event.Event{Kind: event.StepFailed, Run: s.run, Host: h.Name, Step: step, Error: err.Error(), Seconds: took})
		return err
	}
	s.sink.Emit(event.Event{Kind: event.StepDone, Run: s.run, Host: h.Name, Step: step, Message: a.Summary, Seconds: took})
	s.lock.Journal(h.Name,
		journal.Entry{Time: time.Now().UTC(), Run: s.run, Host: h.Name, Step: step, Result: "done", Message: a.Summary, Seconds: took})
	return nil
}

type executor func(ctx context.Context, h fleet.Host, want *desired.Host, a Action) error

// executor finds what carries an action out; nil for what belongs to a turn.
func (s *stager) executor(k ActionKind) executor {
	switch k {
	case ActionPrepare:
		return s.prepare
	case ActionRelease:
		return s.release
	case ActionGeneration:
		return s.generation
	case ActionLink:
		return s.link
	case ActionEnable:
		return s.enable
	}
	return nil
}

func (s *stager) prepare(ctx context.Context, h fleet.Host, want *desired.Host, a Action) error {
	args := []string{s.paths.Root, s.paths.Data, s.paths.Logs, s.paths.State, s.paths.User, want.Group}
	_, err := h.Run(ctx, remote.Command{
		Step: "prepare", Script: prepareScript, Args: append(args, a.Paths...),
		Become: true, Timeout: stageTimeout,
	})
	return err
}

// release uploads as the login user, so that SFTP needs no root, and unpacks as root.
func (s *stager) release(ctx context.Context, h fleet.Host, want *desired.Host, _ Action) error {
	r := want.Release
	if r.URL != "" {
		return s.pull(ctx, h, r)
	}
	f, err := localfile.Open(r.Path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	archive := path.Join(s.paths.Root, "incoming", r.SHA256+".tar.gz")
	if h.User() != "root" {
		res, err := h.Run(ctx,
			remote.Command{Step: "find the home folder", Script: `mkdir -p -m 700 "$HOME/.cache/ghadeploy" && printf %s "$HOME/.cache/ghadeploy"`})
		if err != nil {
			return err
		}
		archive = path.Join(string(res.Stdout), r.SHA256+".tar.gz")
	} else if _, err := h.Run(ctx, remote.Command{Step: "make the upload folder", Args: []string{"mkdir", "-p", "-m",
		"700", path.Dir(archive)}}); err != nil {
		return err
	}
	_, err = h.Put(ctx, remote.Upload{
		Source: f, Size: r.Size, SHA256: r.SHA256, Path: archive, Mode: 0o600, Transient: true,
		Progress: func(done, size int64) {
			s.sink.Emit(event.Event{Kind: event.StepProgress, Run: s.run, Host: h.Name, Step: string(ActionRelease), Done: done, Total: size})
		},
	})
	if err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	s.sink.Emit(event.Event{Kind: event.StepProgress, Run: s.run, Host: h.Name, Step: string(ActionRelease), Message: "unpack", Done: r.Size,
		Total: r.Size})
	return s.unpack(ctx, h, r, archive, "")
}

// inspect has the host look into an archive that came from elsewhere; one that was
// pushed was looked into here.
const inspect = "inspect"

func (s *stager) unpack(ctx context.Context, h fleet.Host, r desired.Release, archive, look string) error {
	_, err := h.Run(ctx, remote.Command{
		Step: "unpack", Script: unpackScript, Args: []string{s.paths.Root, r.Name(), archive, look},
		Become: true, Timeout: stageTimeout, LowPriority: true, // the host serves meanwhile
	})
	return err
}

// pullScript downloads a release on the host and verifies it before it is unpacked.
// The URL comes on stdin and goes on so: it may hold a password or a token.
const pullScript = `
set -e
umask 077
mkdir -p "$1"
f="$1/$2.tar.gz"
# An endless download fills no disk: 2 GiB, in blocks of 512 bytes (bash: 1024).
ulimit -f 4194304 2>/dev/null || :
rm -f "$f.part"
IFS= read -r url
if command -v curl >/dev/null 2>&1; then printf 'url = "%s"\n' "$url" | curl -fsSL --retry 3 -o "$f.part" -K -
elif command -v wget >/dev/null 2>&1; then printf '%s\n' "$url" | wget -q -O "$f.part" -i -
else echo "neither curl nor wget is on this host: use delivery: push" >&2; exit 1; fi
h=$(sha256sum <"$f.part"); h=${h%% *}
[ "$h" = "$2" ] || { rm -f "$f.part"; echo "the download has the SHA-256 $h, expected $2" >&2; exit 1; }
mv -f "$f.part" "$f"
`

func pullCommand(dir string, r desired.Release) remote.Command {
	// what curl's configuration would read as the end of the URL
	url := strings.NewReplacer(`"`, "%22", `\`, "%5C", "\n", "%0A").Replace(r.URL)
	return remote.Command{
		Step: "download", Script: pullScript, Args: []string{dir, r.SHA256}, Stdin: strings.NewReader(url + "\n"), Become: true,
		Timeout: 30 * time.Minute, LowPriority: true,
	}
}

func (s *stager) pull(ctx context.Context, h fleet.Host, r desired.Release) error {
	dir := path.Join(s.paths.Root, "incoming")
	_, err := h.Run(ctx, pullCommand(dir, r))
	if err != nil {
		return err
	}
	return s.unpack(ctx, h, r, path.Join(dir, r.SHA256+".tar.gz"), inspect)
}

// generation streams the tar over stdin: secrets are in it.
func (s *stager) generation(ctx context.Context, h fleet.Host, want *desired.Host, _ Action) error {
	g := want.Generation
	r, w := io.Pipe()
	guard.Go(func() { _ = w.CloseWithError(guard.Do(func() error { return g.WriteTar(w) })) })
	defer func() { _ = r.Close() }()
	args := append([]string{s.paths.Root, g.ID, g.Release, s.paths.User, want.Group, s.paths.State}, g.Owned()...)
	_, err := h.Run(ctx, remote.Command{
		Step: "write the generation", Script: generationScript, Args: args, Become: true, Stdin: r, Timeout: stageTimeout,
	})
	return err
}

// linkScript never replaces what somebody else put there.
const linkScript = `
if [ -d "$1" ] && [ ! -L "$1" ]; then
	rmdir "$1" 2>/dev/null || { echo "$1 is a folder that ghadeploy did not make: move it away, for example: mv $1 $1.before-ghadeploy" >&2; exit 1; }
elif [ -e "$1" ] && [ ! -L "$1" ]; then echo "$1 is a file that ghadeploy did not make: move it away" >&2; exit 1
elif [ -L "$1" ]; then case $(readlink "$1") in "$2"|*/current/etc) ;; *)
	echo "$1 is a link to $(readlink "$1") that ghadeploy did not make: remove it" >&2; exit 1;; esac
fi
ln -sfn "$2" "$1.ghadeploy" && mv -fT "$1.ghadeploy" "$1"
`

func (s *stager) link(ctx context.Context, h fleet.Host, _ *desired.Host, _ Action) error {
	_, err := h.Run(ctx, remote.Command{
		Step: "link", Script: linkScript, Args: []string{s.paths.Etc, path.Join(s.paths.Root, "current", desired.EtcDir)}, Become: true,
		Timeout: time.Minute,
	})
	return err
}

func (s *stager) enable(ctx context.Context, h fleet.Host, _ *desired.Host, _ Action) error {
	_, err := h.Run(ctx, remote.Command{Step: "enable the unit", Args: []string{"systemctl", "enable", "-q", s.paths.Service + ".service"},
		Become: true, Timeout: time.Minute})
	return err
}

// pruneScript deletes below the root what retention lists, and nothing that runs.
const pruneScript = `
cd "$1" || exit 1
shift
c=$(readlink current)
for p; do case $p in "$c"|*..*) ;; generations/*|releases/*) rm -rf "./$p" ;; esac; done
`

func (s *stager) prune(ctx context.Context, h fleet.Host, a Action) error {
	_, err := h.Run(ctx, remote.Command{
		Step: "delete old generations", Script: pruneScript, Args: append([]string{s.paths.Root}, a.Paths...), Become: true,
		Timeout: stageTimeout,
	})
	return err
}
