package remote

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"

	"github.com/ghadeploy/ghadeploy/remote/remotetest"
)

func TestHostKeys(t *testing.T) {
	type given struct {
		lines  func(s *remotetest.Server, other ssh.Signer) string
		target func(*Target, *remotetest.Server)
	}
	addr := func(s *remotetest.Server) string { return xknownhosts.Normalize(s.Addr) }
	key := func(k ssh.Signer) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.PublicKey()))) }
	tests := []struct {
		name  string
		given given
		want  []string // words of the error; none: it connects
		check func(*HostKeyError) bool
	}{
		{name: "known by host and port", given: given{lines: func(s *remotetest.Server, _ ssh.Signer) string {
			return addr(s) + " " + key(s.HostKeys[0])
		}}},
		{name: "hashed", given: given{lines: func(s *remotetest.Server, _ ssh.Signer) string {
			return xknownhosts.HashHostname(addr(s)) + " " + key(s.HostKeys[0])
		}}},
		{name: "only the second key type is known", given: given{lines: func(s *remotetest.Server, _ ssh.Signer) string {
			return addr(s) + " " + key(s.HostKeys[1])
		}}},
		{
			name:  "unknown",
			given: given{lines: func(*remotetest.Server, ssh.Signer) string { return "" }},
			want:  []string{"g1: unreachable", "is unknown", "SHA256:", "ghadeploy trust INVENTORY --limit g1"},
			check: func(e *HostKeyError) bool { return !e.Changed() && e.Type == "ssh-ed25519" },
		},
		{name: "known on port 22 only", given: given{lines: func(s *remotetest.Server, _ ssh.Signer) string {
			return "127.0.0.1 " + key(s.HostKeys[0])
		}}, want: []string{"is unknown"}},
		{
			name: "changed", given: given{lines: func(s *remotetest.Server, other ssh.Signer) string {
				return "# old\n" + addr(s) + " " + key(other)
			}},
			want:  []string{"DANGER", "known_hosts:2", "ssh-keygen -R"},
			check: func(e *HostKeyError) bool { return e.Changed() && e.Known[0].Line == 2 },
		},
		{
			name: "changed is refused with accept-new too", given: given{
				lines:  func(s *remotetest.Server, other ssh.Signer) string { return addr(s) + " " + key(other) },
				target: func(t *Target, _ *remotetest.Server) { t.AcceptNew = true },
			},
			want: []string{"DANGER"},
		},
		{
			name: "revoked", given: given{
				lines: func(s *remotetest.Server, _ ssh.Signer) string {
					return "@revoked " + addr(s) + " " + key(s.HostKeys[0]) + "\n" + addr(s) + " " + key(s.HostKeys[0])
				},
				target: func(t *Target, _ *remotetest.Server) { t.AcceptNew = true },
			},
			want: []string{"DANGER", "@revoked"}, check: func(e *HostKeyError) bool { return e.Revoked },
		},
		{name: "pinned", given: given{target: func(t *Target, s *remotetest.Server) {
			t.Fingerprint = ssh.FingerprintSHA256(s.HostKeys[0].PublicKey())
		}}},
		{name: "pinned to the second key", given: given{target: func(t *Target, s *remotetest.Server) {
			t.Fingerprint = ssh.FingerprintSHA256(s.HostKeys[1].PublicKey())
		}}},
		{name: "pinned to another key", given: given{target: func(t *Target, _ *remotetest.Server) {
			t.Fingerprint = "SHA256:AAAA"
		}}, want: []string{"DANGER", "SHA256:AAAA"}, check: (*HostKeyError).Changed},
		{name: "a file that is no known_hosts", given: given{lines: func(*remotetest.Server, ssh.Signer) string {
			return "nonsense"
		}}, want: []string{"known_hosts", "line 1"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &remotetest.Server{HostKeys: []ssh.Signer{remotetest.NewKey(t), remotetest.NewECDSAKey(t)}}
			d, target := newHost(t, s)
			if test.given.lines != nil {
				target.KnownHosts = []string{remotetest.WriteFile(t, filepath.Join(t.TempDir(), "known_hosts"), test.given.lines(s, remotetest.NewKey(t)), 0o600)}
			}
			if test.given.target != nil {
				test.given.target(&target, s)
			}
			c, err := d.Dial(t.Context(), target)
			if len(test.want) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				_ = c.Close()
				return
			}
			mustContain(t, err, test.want...)
			var lost *UnreachableError
			if !errors.As(err, &lost) {
				t.Errorf("%T is no UnreachableError", err)
			}
			var fault *HostKeyError
			if test.check != nil && (!errors.As(err, &fault) || !test.check(fault)) {
				t.Errorf("got %#v", fault)
			}
		})
	}
}

func TestAcceptNewWritesTheKeyOnce(t *testing.T) {
	d, target := newHost(t, &remotetest.Server{})
	file := filepath.Join(t.TempDir(), "new", "known_hosts")
	target.KnownHosts, target.AcceptNew = []string{file}, true
	for range 2 {
		dialTarget(t, d, target)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("[127.0.0.1]:%d ssh-ed25519 ", target.Port)
	if strings.Count(string(text), "\n") != 1 || !strings.HasPrefix(string(text), want) {
		t.Errorf("got %q", text)
	}
}

func TestAddKnownHostKeepsWhatIsThere(t *testing.T) {
	file := remotetest.WriteFile(t, filepath.Join(t.TempDir(), "known_hosts"), "# no newline at the end", 0o600)
	key := remotetest.NewKey(t).PublicKey()
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := AddKnownHost(file, fmt.Sprintf("h%d", i%10), 0, key); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	text, _ := os.ReadFile(file)
	if lines := strings.Split(strings.TrimSpace(string(text)), "\n"); len(lines) != 11 {
		t.Errorf("%d lines, want 11:\n%s", len(lines), text)
	}
	if _, err := xknownhosts.New(file); err != nil {
		t.Error(err)
	}
	if err := AddKnownHost("/proc/none/known_hosts", "h", 22, key); err == nil {
		t.Error("no error for a file that cannot be")
	}
}

// A host certificate is accepted for the authority's line, and for nothing else.
func TestHostCertificate(t *testing.T) {
	authority := remotetest.NewKey(t)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert := &ssh.Certificate{
		Key: plain.PublicKey(), CertType: ssh.HostCert, ValidPrincipals: []string{"127.0.0.1"}, ValidBefore: ssh.CertTimeInfinity,
	}
	if err := cert.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewCertSigner(cert, plain)
	if err != nil {
		t.Fatal(err)
	}
	d, target := newHost(t, &remotetest.Server{HostKeys: []ssh.Signer{signer, plain}})
	line := "@cert-authority * " + string(ssh.MarshalAuthorizedKey(authority.PublicKey()))
	target.KnownHosts = []string{remotetest.WriteFile(t, filepath.Join(t.TempDir(), "known_hosts"), line, 0o600)}
	dialTarget(t, d, target)
}

func TestScanHostKeys(t *testing.T) {
	s := &remotetest.Server{HostKeys: []ssh.Signer{remotetest.NewKey(t), remotetest.NewECDSAKey(t)}}
	d, target := newHost(t, s)
	keys, err := d.ScanHostKeys(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) != 2 || keys[0].Fingerprint != ssh.FingerprintSHA256(s.HostKeys[0].PublicKey()) || keys[1].Key.Type() != ssh.KeyAlgoECDSA256 {
		t.Errorf("got %+v", keys)
	}
	if keys[0].Host != "127.0.0.1" || keys[0].Port != target.Port {
		t.Errorf("got %+v", keys[0])
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	target.Port = l.Addr().(*net.TCPAddr).Port
	if _, err := d.ScanHostKeys(context.Background(), target); err == nil {
		t.Error("no error where nobody listens")
	}
}
