package bench

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

// byHand unpacks a release and starts it the way a script would: no checks, no
// generations, no gates, all hosts at once. Who loses the race for the migration lock
// exits, and is started again.
const byHand = `set -e
mkdir -p /opt/grafana/by-hand && tar xzf /var/tmp/release.tar.gz -C /opt/grafana/by-hand --strip-components=1
mkdir -p /opt/grafana/current /var/lib/grafana /var/log/grafana && tar xf /var/tmp/etc.tar -C /opt/grafana/current
n=0
until systemd-run -q --collect --unit=by-hand --property=Type=notify --property=TimeoutStartSec=300 \
  /opt/grafana/by-hand/bin/grafana server --homepath=/opt/grafana/by-hand --config=/opt/grafana/current/etc/grafana.ini
do n=$((n+1)); [ $n -lt 40 ] || exit 1; sleep 0.25; done`

// fullSize makes the stand-in as large as the release that it stands for.
func fullSize() []string {
	if os.Getenv(labtest.RealEnv) != "" {
		return nil
	}
	return []string{"-files=7900", "-pad=66"}
}

func TestFirstDeploy(t *testing.T) {
	b := need(t)
	names := hosts(1, 3)
	tarball := b.Release(t, labtest.V1031, fullSize()...)
	inv := b.Inventory(t, labtest.Options{Hosts: names, Source: tarball})
	etc := t.TempDir()
	fresh := func() {
		b.Wipe(t, names...)
		b.Do(t, "db", inv.Database)
	}
	ours, theirs := b.alternate(
		func(run int) time.Duration {
			fresh()
			d := timed(func() { b.ghadeploy(t, "apply", inv.Path, "--yes") })
			if run == 0 { // the script starts with what was rendered here
				for _, h := range names {
					saved := b.Sh(t, h, "tar c -C /opt/grafana/current/ etc | base64")
					if err := os.WriteFile(filepath.Join(etc, h), []byte(saved), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			return d
		},
		func(int) time.Duration {
			fresh()
			return timed(func() {
				each(t, names, func(ctx context.Context, h string) error {
					if err := b.scp(ctx, filepath.Join(etc, h), h, "/var/tmp/etc.b64"); err != nil {
						return err
					}
					if err := b.scp(ctx, tarball, h, "/var/tmp/release.tar.gz"); err != nil {
						return err
					}
					_, err := b.Run(ctx, h, "base64 -d /var/tmp/etc.b64 >/var/tmp/etc.tar\n"+byHand)
					return err
				})
			})
		})
	report.add(row{what: "first deploy of 66 MB in 7,900 files on 3 hosts: checked, staged, first node alone, then the others, each behind its gates",
		ours: ours, peer: "`scp`, `tar xz` and start, all at once, ungated", theirs: theirs, goal: "≤ 1.0"})
}
