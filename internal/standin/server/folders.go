package server

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// makeFolders makes what the server writes to below its data folder, as the user
// that it runs as; one that cannot be made is the end.
func (s *Server) makeFolders() error {
	for _, f := range s.profile.Folders {
		path := f.Path(s.settings.Paths.Data)
		if err := os.MkdirAll(path, 0o700); err != nil {
			return fmt.Errorf(f.Denied, path, err)
		}
	}
	return nil
}

// address is what the server listens on.
func (s *Server) address() string {
	conf := s.settings.Server
	if s.profile.PlainAddress {
		return conf.Addr + ":" + conf.Port
	}
	host := strings.TrimSuffix(strings.TrimPrefix(conf.Addr, "["), "]")
	return net.JoinHostPort(host, conf.Port)
}

// checkAddress is what newer versions say of http_addr before anything else listens.
func (s *Server) checkAddress() error {
	addr := s.settings.Server.Addr
	if s.profile.AddressIsIP && addr != "" && net.ParseIP(addr) == nil {
		return errors.New("invalid IP address: " + addr)
	}
	return nil
}
