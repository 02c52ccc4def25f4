package balancer

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// downMark is what draining inserts before a server line's semicolon, and all
// that undraining removes again. The comment ends with its line, so the
// semicolon stands on the next; everything else of the file stays untouched.
const downMark = " down # drained by ghadeploy\n\t\t"

// upstreamServer is one server of an upstream block.
type upstreamServer struct {
	address string
	down    bool
	ours    bool // down by us
	end     int  // offset of its semicolon
}

// markDown adds our mark.
func (s upstreamServer) markDown(text string) string {
	return text[:s.end] + downMark + text[s.end:]
}

// unmark removes our mark; without one the text stays.
func (s upstreamServer) unmark(text string) string {
	if !s.ours {
		return text
	}
	return text[:s.end-len(downMark)] + text[s.end:]
}

// token is a word or one of { } ; with where it ends in the text.
type token struct {
	text string
	at   int // offset of its first byte
}

// nginxTokens splits a configuration as nginx does: words, quoted words, the
// three signs; comments left out.
func nginxTokens(text string) []token {
	var tokens []token
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			i++
		case c == '#':
			for i < len(text) && text[i] != '\n' {
				i++
			}
		case c == '{' || c == '}' || c == ';':
			tokens = append(tokens, token{string(c), i})
			i++
		default:
			end := wordEnd(text, i)
			tokens = append(tokens, token{strings.Trim(text[i:end], `"'`), i})
			i = end
		}
	}
	return tokens
}

// wordEnd is where the word that begins at i ends.
func wordEnd(text string, i int) int {
	if q := text[i]; q == '"' || q == '\'' {
		for j := i + 1; j < len(text); j++ {
			if text[j] == '\\' {
				j++
			} else if text[j] == q {
				return j + 1
			}
		}
		return len(text)
	}
	for j := i; j < len(text); j++ {
		switch {
		case text[j] == '\\':
			j++
		case text[j] == '$' && j+1 < len(text) && text[j+1] == '{':
			// ${name} is part of a word.
			if n := strings.IndexByte(text[j:], '}'); n > 0 {
				j += n
			}
		case strings.IndexByte(" \t\r\n;{}", text[j]) >= 0:
			return j
		}
	}
	return len(text)
}

// upstreamServers finds the servers of the upstream block of that name.
func upstreamServers(text, upstream string) ([]upstreamServer, error) {
	tokens := nginxTokens(text)
	for i := 0; i+2 < len(tokens); i++ {
		if tokens[i].text != "upstream" || tokens[i+1].text != upstream || tokens[i+2].text != "{" {
			continue
		}
		return blockServers(text, tokens[i+3:]), nil
	}
	return nil, fmt.Errorf("there is no upstream %q here", upstream)
}

func blockServers(text string, tokens []token) []upstreamServer {
	var servers []upstreamServer
	var directive []string
	for _, t := range tokens {
		switch t.text {
		case "}":
			return servers
		case ";":
			if len(directive) >= 2 && directive[0] == "server" {
				servers = append(servers, upstreamServer{
					address: directive[1], end: t.at,
					down: slices.Contains(directive[2:], "down"),
					ours: strings.HasSuffix(text[:t.at], downMark),
				})
			}
			directive = nil
		default:
			directive = append(directive, t.text)
		}
	}
	return servers
}

// fileOfUpstream finds in the output of `nginx -T` the file that defines an
// upstream; empty when none does.
func fileOfUpstream(dump, upstream string) string {
	const header = "# configuration file "
	file, from := "", 0
	check := func(to int) bool {
		_, err := upstreamServers(dump[from:to], upstream)
		return file != "" && err == nil
	}
	at := 0
	for line := range strings.Lines(dump) {
		if name, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), header); ok && strings.HasSuffix(name, ":") {
			if check(at) {
				return file
			}
			file, from = strings.TrimSuffix(name, ":"), at+len(line)
		}
		at += len(line)
	}
	if check(len(dump)) {
		return file
	}
	return ""
}

// countEstablished counts in /proc/net/tcp and tcp6 the connections to one of
// the addresses (host:port) that are established or half closed.
func countEstablished(table string, addresses []string) int {
	count := 0
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		// 01 established, 08 close wait, 04 and 05 fin wait (proc(5)).
		if len(f) < 4 || !slices.Contains([]string{"01", "04", "05", "08"}, f[3]) {
			continue
		}
		if remote := procAddress(f[2]); remote != "" && slices.Contains(addresses, remote) {
			count++
		}
	}
	return count
}

// procAddress turns "0B004D0A:0BB8" into "10.77.0.11:3000". The kernel prints
// each 32-bit word of an address in the host's order, little endian on all
// machines that Grafana is built for.
func procAddress(s string) string {
	ip, port, ok := strings.Cut(s, ":")
	raw, err := hex.DecodeString(ip)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || err2 != nil || len(raw)%4 != 0 || len(raw) == 0 {
		return ""
	}
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.LittleEndian.Uint32(raw[i:]))
	}
	return net.JoinHostPort(net.IP(raw).String(), strconv.FormatUint(n, 10))
}
