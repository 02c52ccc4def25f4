package remote

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// algorithms are what one handshake offers, best first. The lists are ours and not the
// library's defaults, which have SHA-1 in them for the sake of old servers.
type algorithms struct {
	keyExchanges, ciphers, macs []string
	hostKeys                    []string // without a certificate's
	signatures                  []string // of our own RSA keys
}

var modernAlgorithms = algorithms{
	keyExchanges: []string{
		ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeCurve25519,
		ssh.KeyExchangeECDHP256, ssh.KeyExchangeECDHP384, ssh.KeyExchangeECDHP521,
		ssh.KeyExchangeDH16SHA512, ssh.KeyExchangeDH14SHA256, ssh.KeyExchangeDHGEXSHA256,
	},
	ciphers: []string{
		ssh.CipherAES128GCM, ssh.CipherAES256GCM, ssh.CipherChaCha20Poly1305,
		ssh.CipherAES128CTR, ssh.CipherAES192CTR, ssh.CipherAES256CTR,
	},
	macs:       []string{ssh.HMACSHA256ETM, ssh.HMACSHA512ETM, ssh.HMACSHA256, ssh.HMACSHA512},
	hostKeys:   preferredHostKeys[:],
	signatures: []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256},
}

// oldAlgorithms are what legacy_algorithms adds, last: sshd of the years before
// OpenSSH 6.7 and network gear. No RC4, no 768 or 1024 bit group, no DSA: those are
// broken and not only old.
var oldAlgorithms = algorithms{
	keyExchanges: []string{ssh.InsecureKeyExchangeDHGEXSHA1, ssh.InsecureKeyExchangeDH14SHA1},
	ciphers:      []string{ssh.InsecureCipherAES128CBC},
	macs:         []string{ssh.HMACSHA1},
	hostKeys:     []string{ssh.KeyAlgoRSA},
	signatures:   []string{ssh.KeyAlgoRSA},
}

func offered(legacy bool) algorithms {
	m := modernAlgorithms
	if !legacy {
		return m
	}
	o := oldAlgorithms
	return algorithms{
		keyExchanges: slices.Concat(m.keyExchanges, o.keyExchanges),
		ciphers:      slices.Concat(m.ciphers, o.ciphers),
		macs:         slices.Concat(m.macs, o.macs),
		hostKeys:     slices.Concat(m.hostKeys, o.hostKeys),
		signatures:   slices.Concat(m.signatures, o.signatures),
	}
}

func (a algorithms) config() ssh.Config {
	return ssh.Config{KeyExchanges: a.keyExchanges, Ciphers: a.ciphers, MACs: a.macs}
}

// allowed keeps of the algorithms that known_hosts has for a host those that may be
// asked for. A certificate is made with a key of a kind that is allowed by itself.
func (a algorithms) allowed(known []string) []string {
	return slices.DeleteFunc(slices.Clone(known), func(k string) bool {
		return !slices.Contains(a.hostKeys, k) && !slices.Contains(certificateAlgorithms[:], k)
	})
}

var certificateAlgorithms = [...]string{
	ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01,
	ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01,
}

// AlgorithmError is a sshd with which nothing is shared that is safe.
type AlgorithmError struct {
	// Address is host:port as dialled.
	Address string
	// What was to be agreed upon, in the SSH library's words: "key exchange", "host key".
	What string
	// Offered is what the host has.
	Offered []string
	// Old are those of them that legacy_algorithms would allow.
	Old []string
}

// Error says what the host offers.
func (e *AlgorithmError) Error() string {
	many, most := e.Offered, 12
	if len(many) > most {
		many = append(slices.Clone(many[:most]), fmt.Sprintf("and %d more", len(e.Offered)-most))
	}
	what := "nothing"
	if len(many) > 0 {
		what = "only " + strings.Join(many, ", ")
	}
	return fmt.Sprintf("%s: no safe algorithm in common for the %s: the host offers %s", e.Address, e.What, what)
}

func (e *AlgorithmError) hint() string {
	if len(e.Old) > 0 {
		return "update its sshd, or allow " + strings.Join(e.Old, ", ") +
			" for this host: ssh: {legacy_algorithms: true} (SHA-1, which is forgeable)"
	}
	return "update its sshd; see ssh -vv " + e.Address
}

// algorithmFault finds a negotiation that failed in what the library says; nil for
// everything else.
func algorithmFault(e *endpoint, err error) error {
	fault, ok := errors.AsType[*ssh.AlgorithmNegotiationError](err)
	if !ok {
		return nil
	}
	out := &AlgorithmError{Address: e.addr(), What: fault.What, Offered: fault.RequestedAlgorithms}
	o := oldAlgorithms
	for _, a := range slices.Concat(o.keyExchanges, o.ciphers, o.macs, o.hostKeys) {
		if !e.legacy && slices.Contains(fault.RequestedAlgorithms, a) {
			out.Old = append(out.Old, a)
		}
	}
	return out
}

// safely makes RSA keys sign with SHA-2 only. A server that does not announce what it
// takes would get SHA-1 from the library.
func safely(s ssh.Signer, algorithms []string) ssh.Signer {
	if t := s.PublicKey().Type(); t != ssh.KeyAlgoRSA && t != ssh.CertAlgoRSAv01 {
		return s
	}
	as, ok := s.(ssh.AlgorithmSigner)
	if !ok {
		return s
	}
	narrow, err := ssh.NewSignerWithAlgorithms(as, algorithms)
	if err != nil {
		return s // a signer that names its own algorithms, none of which is ours
	}
	return narrow
}
