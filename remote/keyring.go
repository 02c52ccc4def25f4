package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/ghadeploy/ghadeploy/internal/localfile"
)

// keyRing reads each key file once and asks for each passphrase once.
type keyRing struct {
	ask   func(ctx context.Context, keyfile string) (string, error)
	mu    sync.Mutex
	files map[string]*fileSigner
}

// fileSigner is a key file that may still be locked.
type fileSigner struct {
	ring   *keyRing
	file   string
	pem    []byte
	public ssh.PublicKey // nil: an encrypted key of the old format

	mu     chan struct{} // a mutex that waits with a context
	signer ssh.Signer
	err    error // of unlocking
}

// errKeyUnusable is a key that the host would take and that cannot be unlocked.
var errKeyUnusable = errors.New("cannot be used")

var errNoPassphrase = errors.New("is encrypted, and there is nobody to ask for its passphrase: ssh-add it")

func (r *keyRing) load(file string) (*fileSigner, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.files[file]; s != nil {
		return s, nil
	}
	pem, err := localfile.Read(context.Background(), file, localfile.Small)
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, p.Err // who reads it knows the name
	}
	if err != nil {
		return nil, err
	}
	s := &fileSigner{ring: r, file: file, pem: pem, mu: make(chan struct{}, 1)}
	signer, err := ssh.ParsePrivateKey(pem)
	var locked *ssh.PassphraseMissingError
	switch {
	case err == nil:
		s.signer, s.public = signer, signer.PublicKey()
	case errors.As(err, &locked):
		s.public = locked.PublicKey
		if s.public == nil {
			s.public = publicFile(file + ".pub")
		}
	default:
		return nil, err
	}
	if r.files == nil {
		r.files = map[string]*fileSigner{}
	}
	r.files[file] = s
	return s, nil
}

// publicFile reads the public half beside a key of the old format, if it is there.
func publicFile(file string) ssh.PublicKey {
	text, err := localfile.Read(context.Background(), file, localfile.Small)
	if err != nil {
		return nil
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil
	}
	return key
}

// usable is a signer that asks for the passphrase only when the host would take
// the key; where the public half is not known it has to ask at once.
func (s *fileSigner) usable(l *login) (ssh.Signer, error) {
	if s.public == nil || s.ring.ask == nil {
		return s.unlock(l)
	}
	select {
	case s.mu <- struct{}{}:
		defer func() { <-s.mu }()
		if s.err != nil {
			return nil, s.err
		}
	default: // somebody is being asked; we shall see when it is our turn
	}
	return &lazySigner{s, l}, nil
}

func (s *fileSigner) unlock(l *login) (ssh.Signer, error) {
	l.patience.pause()
	defer l.patience.resume()
	select {
	case s.mu <- struct{}{}:
		defer func() { <-s.mu }()
	case <-l.ctx.Done():
		return nil, context.Cause(l.ctx)
	}
	if s.signer != nil || s.err != nil {
		return s.signer, s.err
	}
	if s.ring.ask == nil {
		return nil, errNoPassphrase
	}
	phrase, err := s.ring.ask(l.ctx, s.file)
	if err != nil {
		if l.ctx.Err() == nil { // the person's answer, and not our end
			s.err = fmt.Errorf("no passphrase: %w", err)
		}
		return nil, fmt.Errorf("no passphrase: %w", err)
	}
	if s.signer, err = ssh.ParsePrivateKeyWithPassphrase(s.pem, []byte(phrase)); err != nil {
		s.signer, s.err = nil, fmt.Errorf("wrong passphrase: %w", err)
		return nil, s.err
	}
	s.pem = nil
	return s.signer, nil
}

// lazySigner unlocks its key at the first signature.
type lazySigner struct {
	f *fileSigner
	l *login
}

func (z *lazySigner) PublicKey() ssh.PublicKey { return z.f.public }

func (z *lazySigner) Sign(random io.Reader, data []byte) (*ssh.Signature, error) {
	return z.SignWithAlgorithm(random, data, "")
}

// SignWithAlgorithm makes RSA keys usable with SHA-2.
func (z *lazySigner) SignWithAlgorithm(random io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	s, err := z.f.unlock(z.l)
	if err != nil {
		// This ends the login, and the next one leaves the key out.
		return nil, fmt.Errorf("key %s: %w: %w", z.f.file, errKeyUnusable, err)
	}
	if algorithm == "" {
		return s.Sign(random, data)
	}
	if as, ok := s.(ssh.AlgorithmSigner); ok {
		return as.SignWithAlgorithm(random, data, algorithm)
	}
	return nil, fmt.Errorf("key %s cannot sign with %s", z.f.file, algorithm)
}
