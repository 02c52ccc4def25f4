package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/remote"
)

// releaseSize is that of a Grafana 10 tarball.
const releaseSize = 66 << 20

func TestUpload(t *testing.T) {
	b := need(t)
	content := make([]byte, releaseSize)
	if _, err := rand.Read(content); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "release")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	names := hosts(1, 3)
	clear := func() {
		for _, h := range names {
			b.Sh(t, h, "rm -f /var/tmp/ours /var/tmp/theirs")
		}
	}
	put := func(ctx context.Context, h string) error {
		d := &remote.Dialer{ConfigFiles: []string{b.SSHConfig}}
		c, err := d.Dial(ctx, remote.Target{Name: h, Address: h})
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Put(ctx, remote.Upload{Source: bytes.NewReader(content), Size: releaseSize,
			SHA256: hex.EncodeToString(sum[:]), Path: "/var/tmp/ours", Mode: 0o600, Transient: true})
		return err
	}
	ours, theirs := b.alternate(
		func(int) time.Duration {
			clear()
			return timed(func() { each(t, names, put) })
		},
		func(int) time.Duration {
			return timed(func() {
				each(t, names, func(ctx context.Context, h string) error { return b.scp(ctx, file, h, "/var/tmp/theirs") })
			})
		})
	clear()
	report.add(row{what: "connect and upload 66 MiB to 3 hosts, verified", ours: ours,
		peer: "`scp` to all at once", theirs: theirs, goal: "≤ 0.6"})
}
