package remote

import (
	"golang.org/x/crypto/ssh"
)

// A signer that is offered notes when its turn comes: the library asks for its public key
// then (client_auth.go, publicKeyCallback.auth), and sshd may have had enough before.

// noting notes the signer as tried, once its turn has come. What a signer can do beyond
// signing the library finds out by its type.
func (l *login) noting(s ssh.Signer, name string) ssh.Signer {
	o := keyOffer{l, name}
	switch s := s.(type) {
	case ssh.MultiAlgorithmSigner:
		return &multiOffer{s, o}
	case ssh.AlgorithmSigner:
		return &algorithmOffer{s, o}
	}
	return &plainOffer{s, o}
}

// keyOffer is one key on offer.
type keyOffer struct {
	l    *login
	name string
}

type (
	plainOffer struct {
		ssh.Signer
		keyOffer
	}
	algorithmOffer struct {
		ssh.AlgorithmSigner
		keyOffer
	}
	multiOffer struct {
		ssh.MultiAlgorithmSigner
		keyOffer
	}
)

// PublicKey notes the turn.
func (o *plainOffer) PublicKey() ssh.PublicKey { o.l.try(o.name); return o.Signer.PublicKey() }

// PublicKey notes the turn.
func (o *algorithmOffer) PublicKey() ssh.PublicKey {
	o.l.try(o.name)
	return o.AlgorithmSigner.PublicKey()
}

// PublicKey notes the turn.
func (o *multiOffer) PublicKey() ssh.PublicKey {
	o.l.try(o.name)
	return o.MultiAlgorithmSigner.PublicKey()
}

// quietKey is the public key of an offer without noting anything.
func quietKey(s ssh.Signer) ssh.PublicKey {
	switch o := s.(type) {
	case *plainOffer:
		return o.Signer.PublicKey()
	case *algorithmOffer:
		return o.AlgorithmSigner.PublicKey()
	case *multiOffer:
		return o.MultiAlgorithmSigner.PublicKey()
	}
	return s.PublicKey()
}

// greet keeps what sshd shows at the login, of which PAM's reasons are a part.
func (l *login) greet(message string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.greeting = append(l.greeting, message[:min(len(message), saidBefore-len(l.greeting))]...)
	return nil
}

// said is the greeting, fit for an error.
func (l *login) said() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return said(l.greeting)
}
