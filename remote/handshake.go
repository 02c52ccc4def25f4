package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

var errEOF = io.EOF

// handshake verifies the host and logs in.
func (d *Dialer) handshake(ctx context.Context, conn net.Conn, e *endpoint, p *patience) (*ssh.Client, error) {
	check, err := d.hostKeyCheck(e)
	if err != nil {
		return nil, err
	}
	login := d.newLogin(ctx, e, p)
	defer login.close()
	config := &ssh.ClientConfig{
		Config:            offered(e.legacy).config(),
		User:              e.user,
		Auth:              login.methods(),
		HostKeyCallback:   check.verify,
		HostKeyAlgorithms: check.algorithms,
		BannerCallback:    login.greet,
	}
	c, chans, reqs, err := ssh.NewClientConn(conn, e.addr(), config)
	if err == nil {
		return ssh.NewClient(c, chans, reqs), nil
	}
	if check.fault != nil {
		return nil, check.fault
	}
	if check.passed && isAuthFault(err) {
		return nil, login.refused(err)
	}
	if fault := algorithmFault(e, err); fault != nil {
		return nil, fault
	}
	if greeting := login.said(); greeting != "" && check.passed {
		// PAM lets a user in and then not (pam_nologin, an expired account): sshd says why
		// and hangs up.
		return nil, fmt.Errorf("%s: login as %s: %w; the host says: %s", e.addr(), e.user, err, greeting)
	}
	return nil, fmt.Errorf("%s: %w", e.addr(), err)
}

// isAuthFault: the library has no type for it (client_auth.go), and sshd says
// "Too many authentication failures" by disconnecting.
func isAuthFault(err error) bool {
	s := err.Error()
	return strings.Contains(s, "unable to authenticate") || strings.Contains(s, "authentication failures")
}

// preferredHostKeys is OpenSSH's order; without certificates, which need a
// @cert-authority line and are asked for when there is one.
var preferredHostKeys = [...]string{
	ssh.KeyAlgoED25519,
	ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
	ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
}

// inOrder puts the algorithms of known keys first: another order would make a
// host that has several keys look changed. In known_hosts ssh-rsa stands for the
// key's type; as a signature it is SHA-1, and comes last where it is allowed.
func inOrder(known []string, a algorithms) []string {
	all := a.allowed(known)
	for _, k := range a.hostKeys {
		if !slices.Contains(all, k) {
			all = append(all, k)
		}
	}
	if old := slices.Index(all, ssh.KeyAlgoRSA); old >= 0 {
		all = append(slices.Delete(all, old, old+1), ssh.KeyAlgoRSA)
	}
	return all
}

// hostKeyCheck is the verification of one handshake.
type hostKeyCheck struct {
	algorithms []string
	check      func(hostname string, remote net.Addr, key ssh.PublicKey) error
	fault      *HostKeyError
	passed     bool
}

func (h *hostKeyCheck) verify(hostname string, remote net.Addr, key ssh.PublicKey) error {
	err := h.check(hostname, remote, key)
	if err == nil {
		h.passed = true
		return nil
	}
	errors.As(err, &h.fault)
	return err
}
