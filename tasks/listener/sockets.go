package listener

import (
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

//go:embed sockets.sh
var socketsScript string

//go:embed processes.sh
var processesScript string

// listening is TCP_LISTEN in /proc/net/tcp (include/net/tcp_states.h).
const listening = "0A"

// socket is one whose near end is a port of the host.
type socket struct {
	own    bool   // a process of the unit has it
	listen bool   // or a connection that somebody has taken
	inode  string // digits
	addr   netip.Addr
}

// sockets are those of one port, connections of the unit's own left out.
type sockets struct {
	main int // MainPID of the unit; 0: it does not run
	all  []socket
}

// readSockets reads what socketsScript prints. What it does not know, or an answer that
// ends early, is an error: nothing is to be concluded from half of it.
func readSockets(text string) (sockets, error) {
	s := sockets{main: -1}
	bad := errors.New("the host's answer makes no sense")
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if lines[len(lines)-1] != "end" {
		return s, errors.New("the host's answer has no end")
	}
	for _, line := range lines[:len(lines)-1] {
		f := strings.Split(line, " ")
		switch {
		case len(f) == 2 && f[0] == "main":
			n, err := strconv.Atoi(f[1])
			if err != nil || n < 0 || s.main >= 0 {
				return s, bad
			}
			s.main = n
		case len(f) == 4 && (f[0] == "own" || f[0] == "other") && digits(f[3]):
			addr, err := readAddr(f[2])
			if err != nil {
				return s, bad
			}
			s.all = append(s.all, socket{own: f[0] == "own", listen: f[1] == listening, inode: f[3], addr: addr})
		default:
			return s, bad
		}
	}
	if s.main < 0 {
		return s, bad
	}
	return s, nil
}

// readAddr reads the address of "0100007F:0BB8": words of 32 bits, each printed as a
// little-endian machine has it in memory (net/ipv4/tcp_ipv4.c, net/ipv6/tcp_ipv6.c).
func readAddr(s string) (netip.Addr, error) {
	text, _, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.Addr{}, errors.New("no address: " + strconv.Quote(s))
	}
	for word := raw; len(word) > 0; word = word[4:] {
		binary.BigEndian.PutUint32(word, binary.LittleEndian.Uint32(word))
	}
	addr, _ := netip.AddrFromSlice(raw)
	return addr.Unmap(), nil
}

// at tells of whose the sockets are that a connection to an address may have ended at:
// the inodes of others, and whether the unit listens there. The zero address is any.
//
// Every listener that fits counts, not only the one that the kernel prefers at the
// moment: [::] takes IPv4 too unless it was told not to, which is not seen from here.
func (s sockets) at(to netip.Addr) (foreign []string, own bool) {
	to = to.Unmap()
	for _, k := range s.all {
		fits := !to.IsValid() || k.addr == to || k.listen && k.addr.IsUnspecified() && (k.addr.Is6() || to.Is4())
		switch {
		case !fits:
		case !k.own:
			foreign = append(foreign, k.inode)
		case k.listen:
			own = true
		}
	}
	slices.Sort(foreign)
	return slices.Compact(foreign), own
}
