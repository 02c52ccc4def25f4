package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"

	"github.com/ghadeploy/ghadeploy/internal/localfile"
)

// HostKeyError is a host key that was not accepted. Nothing was sent to the host,
// neither a user name nor a password.
type HostKeyError struct {
	// Address is host:port as dialled.
	Address string
	// Files are the known_hosts files that were asked.
	Files []string
	// Type and Fingerprint ("SHA256:...") are of the key that the host showed.
	Type, Fingerprint string
	// Known are the keys that were expected; none: the host is unknown.
	Known []KnownKey
	// Pinned is the fingerprint that the inventory wants, if it does.
	Pinned string
	// Revoked: the key is marked @revoked.
	Revoked bool
	// Cause is another reason, such as a certificate that has expired.
	Cause error
}

// KnownKey is a line of a known_hosts file.
type KnownKey struct {
	Type, Fingerprint, File string
	Line                    int
}

// Changed tells a changed key from an unknown host.
func (e *HostKeyError) Changed() bool { return len(e.Known) > 0 || e.Pinned != "" }

// Unwrap gives the cause.
func (e *HostKeyError) Unwrap() error { return e.Cause }

// Error says what the host showed and what was expected.
func (e *HostKeyError) Error() string {
	shown := fmt.Sprintf("%s (%s)", e.Fingerprint, e.Type)
	switch {
	case e.Revoked:
		return fmt.Sprintf("DANGER: the host key of %s is marked @revoked: %s", e.Address, shown)
	case e.Pinned != "":
		return fmt.Sprintf("DANGER: the host key of %s is %s, the inventory wants %s", e.Address, shown, e.Pinned)
	case len(e.Known) > 0:
		var old []string
		for _, k := range e.Known {
			old = append(old, fmt.Sprintf("%s (%s) at %s:%d", k.Fingerprint, k.Type, k.File, k.Line))
		}
		return fmt.Sprintf("DANGER: the host key of %s has changed: it shows %s, known is %s; someone may be listening in, or the host was installed anew",
			e.Address, shown, strings.Join(old, ", "))
	case e.Cause != nil:
		return fmt.Sprintf("host key of %s: %s: %v", e.Address, shown, e.Cause)
	}
	return fmt.Sprintf("host key of %s is unknown: %s is not in %s", e.Address, shown, strings.Join(e.Files, ", "))
}

// hint is the next command to type.
func (e *HostKeyError) hint(name string) string {
	trust := "ghadeploy trust INVENTORY --limit " + Quote(name)
	switch {
	case e.Revoked:
		return "do not connect; make new keys on the host: ssh-keygen -A"
	case e.Pinned != "":
		return "compare with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the host's console, then correct the fingerprint in the inventory"
	case len(e.Known) > 0:
		return fmt.Sprintf("when you know why it changed: ssh-keygen -R %s -f %s && %s",
			Quote(knownhosts.Normalize(e.Address)), Quote(e.Known[0].File), trust)
	}
	return trust
}

// pinnedTypes are asked for one after another: all, then each but the first kind.
var pinnedTypes = [...][]string{preferredHostKeys[:], preferredHostKeys[1:], preferredHostKeys[4:]}

// nextPinnedType: a pin does not tell its key's type, so a host with several keys
// may show the others first. Another type is asked for until all were seen.
func (e *endpoint) nextPinnedType(err error) bool {
	var fault *HostKeyError
	if !errors.As(err, &fault) || fault.Pinned == "" || e.fingerprint == "" {
		return false
	}
	if e.pinTry+1 == len(pinnedTypes) {
		return false
	}
	e.pinTry++
	return true
}

// hostKeyCheck prepares the verification of one endpoint.
func (d *Dialer) hostKeyCheck(e *endpoint) (*hostKeyCheck, error) {
	db, err := d.known.load(e.knownHosts)
	if err != nil {
		return nil, fmt.Errorf("read known hosts: %w", err)
	}
	name, algorithms := e.knownName(), offered(e.legacy)
	var check func(remote net.Addr, key ssh.PublicKey) error
	c := &hostKeyCheck{}
	if e.fingerprint != "" {
		c.algorithms = pinnedTypes[e.pinTry]
		if e.legacy {
			c.algorithms = append(slices.Clone(c.algorithms), ssh.KeyAlgoRSA)
		}
		check = func(_ net.Addr, key ssh.PublicKey) error { return checkPinned(e, key) }
	} else {
		c.algorithms = inOrder(db.HostKeyAlgorithms(name), algorithms)
		check = func(remote net.Addr, key ssh.PublicKey) error { return d.checkKnown(db, e, name, remote, key) }
	}
	c.check = func(_ string, remote net.Addr, key ssh.PublicKey) error {
		// Before all else: whoever marked a key @revoked knows it to be in wrong hands,
		// however it came to be trusted, by a pin or by accept-new.
		if isRevoked(db, name, remote, key) {
			return &HostKeyError{Address: e.addr(), Files: e.knownHosts, Type: key.Type(), Fingerprint: ssh.FingerprintSHA256(key), Revoked: true}
		}
		return check(remote, key)
	}
	return c, nil
}

func checkPinned(e *endpoint, key ssh.PublicKey) error {
	if got := ssh.FingerprintSHA256(key); got != e.fingerprint {
		return &HostKeyError{Address: e.addr(), Type: key.Type(), Fingerprint: got, Pinned: e.fingerprint}
	}
	return nil
}

// isRevoked tells whether a key is marked @revoked, or certifies or is certified by one
// that is. The library says so of a plain key in a type, and of a certificate in words.
func isRevoked(db *knownhosts.HostKeyDB, name string, remote net.Addr, key ssh.PublicKey) bool {
	plain := []ssh.PublicKey{key}
	if cert, ok := key.(*ssh.Certificate); ok {
		plain = []ssh.PublicKey{cert.Key, cert.SignatureKey}
	}
	return slices.ContainsFunc(plain, func(k ssh.PublicKey) bool {
		_, revoked := errors.AsType[*xknownhosts.RevokedError](db.HostKeyCallback()(name, remote, k))
		return revoked
	})
}

func (d *Dialer) checkKnown(db *knownhosts.HostKeyDB, e *endpoint, name string, remote net.Addr, key ssh.PublicKey) error {
	err := db.HostKeyCallback()(name, remote, key)
	if err == nil {
		return nil
	}
	fault := &HostKeyError{Address: e.addr(), Files: e.knownHosts, Type: key.Type(), Fingerprint: ssh.FingerprintSHA256(key)}
	var unknown *xknownhosts.KeyError
	if !errors.As(err, &unknown) {
		fault.Cause = err
		return fault
	}
	for _, w := range unknown.Want {
		fault.Known = append(fault.Known, KnownKey{Type: w.Key.Type(), Fingerprint: ssh.FingerprintSHA256(w.Key), File: w.Filename, Line: w.Line})
	}
	if len(fault.Known) > 0 || !e.acceptNew || len(e.knownHosts) == 0 {
		return fault
	}
	if err := addKnownHost(e.knownHosts[0], name, key); err != nil {
		fault.Cause = err
		return fault
	}
	return nil
}

// knownFiles keeps parsed known_hosts files: a thousand hosts read them once.
type knownFiles struct {
	mu     sync.Mutex
	parsed map[string]parsedFiles
}

type parsedFiles struct {
	stamp string
	db    *knownhosts.HostKeyDB
}

// readable refuses what the library must not be given: what is no regular file, one without
// end, and a private key, of which its errors would quote a line.
func readable(file string) error {
	text, err := localfile.Read(context.Background(), file, localfile.Large)
	if err == nil && localfile.IsPrivateKey(text) {
		err = fmt.Errorf("%s is a private key, not a list of known hosts", file)
	}
	return err
}

func (k *knownFiles) load(files []string) (*knownhosts.HostKeyDB, error) {
	var there []string
	var stamp strings.Builder
	for _, f := range files {
		info, err := os.Stat(f)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if f == os.DevNull { // how people say that no host is known
			continue
		}
		there = append(there, f)
		fmt.Fprintf(&stamp, "%s %d %s\n", f, info.Size(), info.ModTime().Format(time.RFC3339Nano))
	}
	id := strings.Join(files, "\x00")
	k.mu.Lock()
	defer k.mu.Unlock()
	if p, ok := k.parsed[id]; ok && p.stamp == stamp.String() {
		return p.db, nil
	}
	for _, f := range there {
		if err := readable(f); err != nil {
			return nil, err
		}
	}
	db, err := knownhosts.NewDB(there...)
	if err != nil {
		return nil, err
	}
	if k.parsed == nil {
		k.parsed = map[string]parsedFiles{}
	}
	k.parsed[id] = parsedFiles{stamp.String(), db}
	return db, nil
}
