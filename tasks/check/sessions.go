package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// sessionChecks try the connection as apply uses it: several commands at once, each with an
// input, and an upload as the login user.
func sessionChecks() []unit {
	return []unit{
		{name: "sessions", about: "as many commands at once as apply runs, each with its input",
			run: func(ctx context.Context, r *run) []Finding {
				return r.eachHost(ctx, checkSessions)
			}},
		{name: "upload", about: "the login user has a folder to upload to", run: func(ctx context.Context, r *run) []Finding {
			return r.eachHost(ctx, func(ctx context.Context, h fleet.Host) []Finding { return r.checkUpload(ctx, h) })
		}},
	}
}

// atOnce is what apply needs on a host at one time: the process that holds the lock, a
// command of a turn, and one that follows the log.
const atOnce = 3

const (
	sessionStep = "hold a session"
	uploadStep  = "look for the upload folder"
)

// sessionScript says that it runs, and gives its input back.
const sessionScript = `echo begun; IFS= read -r l; echo "got $l"`

// uploadScript tells of the folder that uploads go to, or of what it would be made in: the
// folder, "writes" or "-", KiB free.
const uploadScript = `d=${HOME:-/nonexistent}
[ -d "$d" ] || { printf 'home\t%s\n' "$d"; exit 0; }
for n in .cache ghadeploy; do [ ! -d "$d/$n" ] || d=$d/$n; done
w=-; [ ! -w "$d" ] || [ ! -x "$d" ] || w=writes
printf 'folder\t%s\t%s\t%s\n' "$d" "$w" "$(df -Pk "$d" | awk 'NR==2{print $4}')"
`

// begun counts the commands that said so.
type begun struct {
	each chan struct{}
	said strings.Builder
	told bool
}

// Write implements io.Writer; one goroutine copies a stream.
func (b *begun) Write(p []byte) (int, error) {
	if b.said.Len() < 4096 {
		b.said.Write(p)
	}
	if !b.told && strings.Contains(b.said.String(), "begun\n") {
		b.told = true
		b.each <- struct{}{}
	}
	return len(p), nil
}

func checkSessions(ctx context.Context, h fleet.Host) []Finding {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	started := make(chan struct{}, atOnce)
	ended := make(chan error, atOnce)
	var inputs []*io.PipeWriter
	for range atOnce {
		r, w := io.Pipe()
		inputs = append(inputs, w)
		guard.Go(func() {
			ended <- guard.Do(func() error {
				out := &begun{each: started}
				_, err := h.Run(ctx, remote.Command{Step: sessionStep, Script: sessionScript, Stdin: r, Stdout: out, Become: true, Timeout: Probe})
				_ = r.Close()
				if err == nil && !strings.Contains(out.said.String(), "got input\n") {
					err = errors.New("its input did not arrive")
				}
				return err
			})
		})
	}
	defer func() {
		for _, w := range inputs {
			_ = w.Close()
		}
	}()
	for n := range atOnce {
		select {
		case <-started:
		case err := <-ended:
			return tooFew(h, n, err)
		case <-ctx.Done():
			return tooFew(h, n, ctx.Err())
		}
	}
	for _, w := range inputs {
		guard.Go(func() { _, _ = io.WriteString(w, "input\n"); _ = w.Close() })
	}
	for range atOnce {
		select {
		case err := <-ended:
			if err != nil {
				return []Finding{fail("a command did not run to its end: "+err.Error(), "apply sends scripts and files so", "ssh "+h.Address+" cat")}
			}
		case <-ctx.Done():
			return []Finding{fail("a command got no end of its input", "apply sends scripts and files so", "ssh "+h.Address+" cat")}
		}
	}
	return ok("%d commands at once", atOnce)
}

func tooFew(h fleet.Host, n int, err error) []Finding {
	if err == nil {
		err = errors.New("it ended by itself")
	}
	return []Finding{fail(fmt.Sprintf("%d of %d commands at once: %v", n, atOnce, err),
		"apply holds the lock while it works and follows the log",
		"raise MaxSessions and MaxStartups in /etc/ssh/sshd_config, and maxlogins of "+h.User()+" in /etc/security/limits.conf")}
}

// checkUpload looks where archives arrive; root's lie under paths.root, which disk looks at.
func (r *run) checkUpload(ctx context.Context, h fleet.Host) []Finding {
	switch {
	case r.Cluster.Grafana.Artifact.Delivery == "pull":
		return []Finding{{Severity: Skipped, What: "hosts download by themselves"}}
	case h.User() == "root":
		return ok("under paths.root")
	}
	res, err := h.Run(ctx, remote.Command{Step: uploadStep, Script: uploadScript, Timeout: Probe, Output: 4096})
	if err != nil {
		return []Finding{fail(err.Error(), "archives are uploaded as "+h.User(), "ssh "+h.Address+" true")}
	}
	return uploadFinding(h.User(), strings.TrimSpace(string(res.Stdout)), r.ReleaseSize/2)
}

// uploadFinding judges what uploadScript told; need is in bytes.
func uploadFinding(user, told string, need int64) []Finding {
	const why = "archives are uploaded to .cache/ghadeploy in the home folder of the login user"
	v := strings.Split(told, "\t")
	switch {
	case v[0] == "home" && len(v) == 2:
		return []Finding{fail(fmt.Sprintf("the home folder %s of %s is not there", v[1], user), why,
			"mkhomedir_helper "+user+", or log in as another user")}
	case v[0] != "folder" || len(v) != 4:
		return []Finding{fail("the host does not tell its home folder", why, "ssh to it and look at its shell")}
	case v[2] != "writes":
		return []Finding{fail(fmt.Sprintf("%s may not write in %s", user, v[1]), why, "chown "+user+": "+remote.Quote(v[1]))}
	}
	if free, err := strconv.ParseInt(v[3], 10, 64); err == nil && free<<10 < max(need, 64<<20) {
		return []Finding{fail(fmt.Sprintf("%s free in %s, %s needed", bytesText(free<<10), v[1], bytesText(max(need, 64<<20))), why,
			"free space there, or grafana.artifact.delivery: pull")}
	}
	return ok("to %s", v[1])
}
