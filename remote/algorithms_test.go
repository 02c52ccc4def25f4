package remote

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"

	"github.com/ghadeploy/ghadeploy/remote/remotetest"
)

func newRSAKey(t testing.TB) ssh.Signer {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// narrow offers one algorithm only of a host key.
func narrow(t testing.TB, key ssh.Signer, algorithm string) ssh.Signer {
	t.Helper()
	s, err := ssh.NewSignerWithAlgorithms(key.(ssh.AlgorithmSigner), []string{algorithm})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAnOldHostIsRefusedWithWhatItOffersUnlessTheInventoryAllowsIt(t *testing.T) {
	rsaKey := newRSAKey(t)
	for _, test := range []struct {
		name, offers string
		server       *remotetest.Server
	}{
		{name: "key exchange", offers: "diffie-hellman-group14-sha1", server: &remotetest.Server{
			Algorithms: ssh.Config{KeyExchanges: []string{"diffie-hellman-group14-sha1"}}}},
		{name: "MAC", offers: "hmac-sha1", server: &remotetest.Server{
			Algorithms: ssh.Config{MACs: []string{"hmac-sha1"}, Ciphers: []string{"aes128-ctr"}}}},
		{name: "cipher", offers: "aes128-cbc", server: &remotetest.Server{Algorithms: ssh.Config{Ciphers: []string{"aes128-cbc"}}}},
		{name: "host key", offers: "ssh-rsa", server: &remotetest.Server{HostKeys: []ssh.Signer{narrow(t, rsaKey, ssh.KeyAlgoRSA)}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, target := newHost(t, test.server)
			_, err := d.Dial(t.Context(), target)
			fault, ok := errors.AsType[*AlgorithmError](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			mustContain(t, err, "g1: unreachable", "the host offers only", test.offers, "legacy_algorithms: true")
			if len(fault.Old) != 1 || fault.Old[0] != test.offers {
				t.Errorf("old: %q", fault.Old)
			}
			target.LegacyAlgorithms = true
			dialTarget(t, d, target)
			target.Fingerprint = ssh.FingerprintSHA256(test.server.HostKeys[0].PublicKey())
			dialTarget(t, d, target)
		})
	}
	t.Run("broken and not only old", func(t *testing.T) {
		d, target := newHost(t, &remotetest.Server{Algorithms: ssh.Config{Ciphers: []string{"arcfour"}}})
		target.LegacyAlgorithms = true
		_, err := d.Dial(t.Context(), target)
		mustContain(t, err, "only arcfour", "update its sshd")
		if strings.Contains(err.Error(), "legacy_algorithms") {
			t.Errorf("it advises what does not help: %v", err)
		}
	})
}

func TestAnRSAKeyNeverSignsWithSHA1(t *testing.T) {
	key := newRSAKey(t)
	for _, legacy := range []bool{false, true} {
		s, ok := safely(key, offered(legacy).signatures).(ssh.MultiAlgorithmSigner)
		if !ok {
			t.Fatal("the signer does not say its algorithms")
		}
		if has := strings.Contains(strings.Join(s.Algorithms(), " ")+" ", "ssh-rsa "); has != legacy {
			t.Errorf("legacy %v: %q", legacy, s.Algorithms())
		}
	}
	if k := remotetest.NewKey(t); safely(k, nil) != k {
		t.Error("an Ed25519 key was changed")
	}
}

func TestNothingOfSHA1IsOfferedUnlessAllowed(t *testing.T) {
	a := offered(false)
	for _, list := range [][]string{a.keyExchanges, a.macs, a.ciphers, a.hostKeys, inOrder([]string{"ssh-rsa", "ssh-dss", "ssh-rsa-cert-v01@openssh.com"}, a)} {
		for _, name := range list {
			if strings.HasSuffix(name, "sha1") || strings.Contains(name, "cbc") || name == "ssh-rsa" || name == "ssh-dss" || strings.HasPrefix(name, "ssh-rsa-cert") {
				t.Errorf("%s is offered", name)
			}
		}
	}
}

func TestARevokedKeyIsRefusedHoweverItCameToBeTrusted(t *testing.T) {
	for name, change := range map[string]func(*Target, ssh.PublicKey){
		"pinned":                func(t *Target, k ssh.PublicKey) { t.Fingerprint = ssh.FingerprintSHA256(k) },
		"new":                   func(t *Target, _ ssh.PublicKey) { t.AcceptNew = true },
		"known in another file": func(t *Target, _ ssh.PublicKey) {},
	} {
		t.Run(name, func(t *testing.T) {
			s := &remotetest.Server{}
			d, target := newHost(t, s)
			key := s.HostKeys[0].PublicKey()
			line := "@revoked " + xknownhosts.Normalize(s.Addr) + " " + string(ssh.MarshalAuthorizedKey(key))
			target.KnownHosts = append(target.KnownHosts, remotetest.WriteFile(t, filepath.Join(t.TempDir(), "revoked"), line, 0o600))
			change(&target, key)
			_, err := d.Dial(t.Context(), target)
			fault, ok := errors.AsType[*HostKeyError](err)
			if !ok || !fault.Revoked {
				t.Fatalf("got %v", err)
			}
			found, err := d.ScanHostKeys(t.Context(), target)
			if err != nil || len(found) != 1 || found[0].Known || !found[0].Revoked {
				t.Errorf("trust would be offered %+v, %v", found, err)
			}
		})
	}
}
