package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

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
	on := func(what func(context.Context, string) error) func(int) time.Duration {
		return func(int) time.Duration {
			clear()
			return timed(func() { each(t, names, what) })
		}
	}
	scp := on(func(ctx context.Context, h string) error { return b.scp(ctx, file, h, "/var/tmp/theirs") })
	ours, theirs := b.alternate(on(put), scp)
	least, beside := b.alternate(on(func(ctx context.Context, h string) error { return b.bare(ctx, h, content, "/var/tmp/ours") }), scp)
	clear()
	report.add(row{what: "connect and upload 66 MiB to 3 hosts, verified", ours: ours,
		peer: "`scp` to all at once", theirs: theirs, goal: "≤ 0.6"})
	report.note("The least an upload can take here: pkg/sftp alone, with concurrent writes, looking for nothing and verifying nothing, needs %.2f s for those three files, %.2f of `scp` in the same minute.",
		least.median().Seconds(), least.median().Seconds()/beside.median().Seconds())
}

// bare is an upload with the two libraries and nothing else.
func (b *bench) bare(ctx context.Context, host string, content []byte, path string) error {
	text, err := os.ReadFile(b.Key)
	if err != nil {
		return err
	}
	key, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return err
	}
	known, err := knownhosts.New(b.KnownHosts)
	if err != nil {
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(b.Host(host), "22"))
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	c, chans, reqs, err := ssh.NewClientConn(conn, conn.RemoteAddr().String(), &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: known, HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
	})
	if err != nil {
		return err
	}
	client := ssh.NewClient(c, chans, reqs)
	defer func() { _ = client.Close() }()
	files, err := sftp.NewClient(client, sftp.UseConcurrentWrites(true))
	if err != nil {
		return err
	}
	defer func() { _ = files.Close() }()
	f, err := files.Create(path)
	if err != nil {
		return err
	}
	if _, err := f.ReadFrom(bytes.NewReader(content)); err != nil {
		return err
	}
	return f.Close()
}
