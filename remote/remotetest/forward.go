package remotetest

import (
	"io"
	"net"
	"strconv"
	"sync"

	"golang.org/x/crypto/ssh"
)

// ServeForward serves direct-tcpip and direct-streamlocal as an honest host does.
func (s *Server) ServeForward(nc ssh.NewChannel) {
	if s.NoForwarding {
		_ = nc.Reject(ssh.Prohibited, "administratively prohibited")
		return
	}
	network, address := "unix", payloadString(nc.ExtraData())
	var path struct {
		Path, Reserved string
		Unused         uint32
	}
	if ssh.Unmarshal(nc.ExtraData(), &path) == nil {
		address = path.Path
	}
	if nc.ChannelType() == "direct-tcpip" {
		var m struct {
			Host       string
			Port       uint32
			OriginHost string
			OriginPort uint32
		}
		if ssh.Unmarshal(nc.ExtraData(), &m) != nil {
			_ = nc.Reject(ssh.ConnectionFailed, "bad request")
			return
		}
		network, address = "tcp", net.JoinHostPort(m.Host, strconv.Itoa(int(m.Port)))
	}
	conn, err := net.Dial(network, address)
	if err != nil {
		_ = nc.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	ch, reqs, err := nc.Accept()
	if err != nil {
		_ = conn.Close()
		return
	}
	go ssh.DiscardRequests(reqs)
	if s.Heard != nil {
		ch = heardChannel{ch, io.TeeReader(ch, s.Heard)}
	}
	join(ch, conn)
}

func join(ch ssh.Channel, conn net.Conn) {
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(ch, conn)
		_ = ch.CloseWrite()
	})
	both.Go(func() {
		_, _ = io.Copy(conn, ch)
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	})
	both.Wait()
	_ = ch.Close()
	_ = conn.Close()
}

// forwards are the reverse tunnels of one connection.
type forwards struct {
	s    *Server
	conn *ssh.ServerConn
	mu   sync.Mutex
	open []net.Listener
	wg   sync.WaitGroup
}

type forwardRequest struct {
	Host string
	Port uint32
}

func (f *forwards) serve(reqs <-chan *ssh.Request) {
	for req := range reqs {
		var m forwardRequest
		if req.Type != "tcpip-forward" || f.s.NoForwarding || ssh.Unmarshal(req.Payload, &m) != nil {
			_ = req.Reply(req.Type == "cancel-tcpip-forward", nil)
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(m.Host, strconv.Itoa(int(m.Port))))
		if err != nil {
			_ = req.Reply(false, nil)
			continue
		}
		f.mu.Lock()
		f.open = append(f.open, l)
		f.mu.Unlock()
		port := uint32(l.Addr().(*net.TCPAddr).Port)
		f.wg.Go(func() { f.accept(l, m.Host, port) })
		_ = req.Reply(true, ssh.Marshal(struct{ Port uint32 }{port}))
	}
}

func (f *forwards) accept(l net.Listener, host string, port uint32) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		ch, reqs, err := f.conn.OpenChannel("forwarded-tcpip", ssh.Marshal(struct {
			Host       string
			Port       uint32
			OriginHost string
			OriginPort uint32
		}{host, port, "127.0.0.1", 1}))
		if err != nil {
			_ = conn.Close()
			continue
		}
		go ssh.DiscardRequests(reqs)
		f.wg.Go(func() { join(ch, conn) })
	}
}

func (f *forwards) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.open {
		_ = l.Close()
	}
}
