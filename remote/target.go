package remote

import "time"

// Target says how one host is reached. Empty values fall back to the OpenSSH
// client configuration files of the [Dialer] and then to OpenSSH's defaults.
type Target struct {
	// Name is how errors call the host.
	Name string
	// Address is a host name or IP; also the word that Host blocks of
	// ~/.ssh/config are matched with.
	Address string
	Port    int
	User    string
	// IdentityFiles are private keys, tried before what else the agent holds.
	IdentityFiles []string
	Password      string
	// KnownHosts are the files a host key must stand in.
	KnownHosts []string
	// AcceptNew adds an unknown host key to the first of KnownHosts; a changed
	// key is refused all the same.
	AcceptNew bool
	// Fingerprint ("SHA256:...") is the only key accepted when set.
	Fingerprint string
	// Jumps are hosts to go through, outermost first, as [user@]host[:port].
	Jumps []string
	// LegacyAlgorithms offers SHA-1 as well, last, to this host and the jump hosts
	// before it.
	LegacyAlgorithms bool
	// ProxyCommand runs on this machine and is the connection, where there are no Jumps.
	// Empty: as the OpenSSH configuration says; "none": never.
	ProxyCommand string
	// ConnectTimeout bounds dial, handshake and login, of every hop together.
	// Default 10 s.
	ConnectTimeout time.Duration
	Become         Become
}

// Become says how the login user becomes root.
type Become struct {
	Method   string // "sudo", "doas" or "none"; empty is "sudo"
	Password string
}
