package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"golang.org/x/crypto/ssh"
)

// HostKey is a key that a host showed, not verified by anything.
type HostKey struct {
	Key ssh.PublicKey
	// Fingerprint as ssh-keygen -l prints it: "SHA256:...".
	Fingerprint string
	// Host and Port are what known_hosts is asked for, see [AddKnownHost].
	Host string
	Port int
	// File is the known_hosts file that an accepted key belongs in.
	File string
	// Known: it stands there, or is the pinned one, already.
	Known bool
	// Changed: there are other keys of this type, or none that the host shows, and Next says
	// how the old ones are taken out.
	Changed bool
	Next    string
	// expects: known_hosts or the inventory has a key for the host, if another one.
	expects bool
	// Revoked: it is marked @revoked there, and must not be trusted.
	Revoked bool
}

var errSeen = errors.New("key seen")

// ScanHostKeys asks a host for its keys, one of each type (Ed25519, ECDSA, RSA),
// without logging in; jump hosts on the way are verified and logged in to. A
// person has to compare the fingerprints before they are trusted.
func (d *Dialer) ScanHostKeys(ctx context.Context, t Target) ([]HostKey, error) {
	ctx, a, err := d.approach(ctx, &t)
	if err != nil {
		return nil, err
	}
	defer a.patience.stop()
	defer a.via.release()
	last := a.last
	var keys []HostKey
	var failed error
	for _, algorithms := range kinds(last.legacy) {
		key, err := d.seeKey(ctx, last, a.via, algorithms)
		if err != nil {
			failed = err
			if len(keys) == 0 && isNetwork(err) {
				break // it will not answer the next question either
			}
			continue
		}
		found := HostKey{Key: key, Fingerprint: ssh.FingerprintSHA256(key), Host: last.host, Port: last.port}
		if last.alias != "" {
			found.Host, found.Port = last.alias, 22
		}
		if len(last.knownHosts) > 0 {
			found.File = last.knownHosts[0]
		}
		var fault *HostKeyError
		if found.Known, fault = d.knows(last, key); fault != nil {
			found.judge(fault, t.Name)
		}
		keys = append(keys, found)
	}
	noneIsKnown(keys)
	if len(keys) == 0 {
		return nil, unreachable(t, last, failed)
	}
	return keys, nil
}

// judge says why a key is not accepted.
func (k *HostKey) judge(fault *HostKeyError, host string) {
	k.Revoked, k.expects = fault.Revoked, fault.Changed()
	k.Changed = slices.ContainsFunc(fault.Known, func(known KnownKey) bool { return known.Type == k.Key.Type() })
	if k.expects {
		k.Next = fault.hint(host)
	}
}

// noneIsKnown: another type of key beside a known one is nothing new; a host that shows
// none of the keys that are known of it has changed.
func noneIsKnown(keys []HostKey) {
	if slices.ContainsFunc(keys, func(k HostKey) bool { return k.Known }) {
		return
	}
	for i := range keys {
		keys[i].Changed = keys[i].Changed || keys[i].expects
	}
}

// kinds are the algorithms of each kind of key.
func kinds(legacy bool) [][]string {
	rsa := preferredHostKeys[4:]
	if legacy {
		rsa = append(slices.Clone(rsa), ssh.KeyAlgoRSA)
	}
	return [][]string{preferredHostKeys[:1], preferredHostKeys[1:4], rsa}
}

// knows tells whether a key would be accepted without adding it anywhere.
// fault is why not, where it is more than that nobody knows it.
func (d *Dialer) knows(e *endpoint, key ssh.PublicKey) (known bool, fault *HostKeyError) {
	asked := *e
	asked.acceptNew = false
	c, err := d.hostKeyCheck(&asked)
	if err != nil {
		return false, nil
	}
	err = c.check(asked.addr(), &net.TCPAddr{IP: net.IPv4zero}, key)
	fault, _ = errors.AsType[*HostKeyError](err)
	return err == nil, fault
}

func isNetwork(err error) bool {
	var n net.Error
	return errors.As(err, &n) || errors.Is(err, errConnectTimeout)
}

// seeKey stops the handshake when the host has shown its key.
func (d *Dialer) seeKey(ctx context.Context, e *endpoint, via *bastionRef, algorithms []string) (ssh.PublicKey, error) {
	done, err := d.starts.acquire(ctx, via.key()+"/"+e.addr())
	if err != nil {
		return nil, err
	}
	defer done()
	conn, err := via.dial(ctx, e)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	var seen ssh.PublicKey
	_, _, _, err = ssh.NewClientConn(conn, e.addr(), &ssh.ClientConfig{
		Config: offered(e.legacy).config(), User: e.user, HostKeyAlgorithms: algorithms,
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			seen = key
			return errSeen
		},
	})
	switch {
	case seen != nil:
		return seen, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s: %w", e.addr(), context.Cause(ctx))
	}
	if fault := algorithmFault(e, err); fault != nil {
		return nil, fault
	}
	return nil, fmt.Errorf("%s: %w", e.addr(), err)
}
