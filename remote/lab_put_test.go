package remote

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestLabPut(t *testing.T) {
	data := make([]byte, 5<<20+17)
	_, _ = rand.Read(data)
	sum := sha256.Sum256(data)
	for _, user := range []string{"root", "ops", "opspw", "plain"} {
		t.Run(user, func(t *testing.T) {
			c := labDial(t, user)
			become := user != "plain"
			dir := "/home/" + user
			if user == "root" {
				dir = "/root"
			} else if become {
				dir = "/opt"
			}
			target := dir + "/put test'" + user
			defer func() {
				res, err := c.Run(t.Context(), Command{
					Script: `rm -f "$1"; ls -A "$2" ~"$3" | grep -i ghadeploy || :`,
					Args:   []string{target, dir, user}, Become: become})
				if err != nil || len(res.Stdout) > 0 {
					t.Errorf("left behind: %s %v", res.Stdout, err)
				}
			}()
			up := Upload{Source: bytes.NewReader(data), Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:]), Path: target, Mode: 0o640, Become: become}
			want := user + ":" + user
			if become {
				up.Owner = "root:daemon"
				want = up.Owner
			}
			res, err := c.Put(t.Context(), up)
			if err != nil || res.Skipped || res.Sent != up.Size {
				t.Fatalf("%+v %v", res, err)
			}
			out, err := c.Run(t.Context(), Command{Script: `stat -c "%a %U:%G %s" "$1"; sha256sum <"$1"`, Args: []string{target}, Become: become})
			if err != nil || !strings.HasPrefix(string(out.Stdout), "640 "+want+" 5242897\n"+up.SHA256) {
				t.Errorf("%s %v", out.Stdout, err)
			}
			up.Mode = 0o600
			res, err = c.Put(t.Context(), up)
			if err != nil || !res.Skipped || res.Sent != 0 {
				t.Fatalf("%+v %v", res, err)
			}
			out, _ = c.Run(t.Context(), Command{Script: `stat -c "%a" "$1"`, Args: []string{target}, Become: become})
			if string(out.Stdout) != "600\n" {
				t.Errorf("mode %s", out.Stdout)
			}
		})
	}
}

func BenchmarkPut(b *testing.B) {
	data := make([]byte, 66<<20)
	_, _ = rand.Read(data)
	sum := sha256.Sum256(data)
	b.Run("put", func(b *testing.B) {
		c := labDial(b, "root")
		defer c.Run(b.Context(), Command{Args: []string{"rm", "-f", "/var/tmp/bench-put"}})
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := c.Run(b.Context(), Command{Args: []string{"rm", "-f", "/var/tmp/bench-put"}}); err != nil {
				b.Fatal(err)
			}
			if _, err := c.Put(b.Context(), Upload{Source: bytes.NewReader(data), Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:]), Path: "/var/tmp/bench-put"}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("scp", func(b *testing.B) {
		dir := labDir(b)
		file := filepath.Join(b.TempDir(), "f")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			b.Fatal(err)
		}
		c := labDial(b, "root")
		defer c.Run(b.Context(), Command{Args: []string{"rm", "-f", "/var/tmp/bench-scp"}})
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if out, err := exec.CommandContext(b.Context(), "scp", "-q", "-F", filepath.Join(dir, "run", "ssh_config"), file, "h3:/var/tmp/bench-scp").CombinedOutput(); err != nil {
				b.Fatalf("%v %s", err, out)
			}
		}
	})
}
